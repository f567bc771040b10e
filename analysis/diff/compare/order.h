/* SPDX-License-Identifier: Apache-2.0 */
/* What stands first in lists of changes: what is significant, and then what is large. Pure. */
#ifndef CPROF_ANALYSIS_ORDER_H
#define CPROF_ANALYSIS_ORDER_H

#include "compare.h"

void order_functions(struct compared_function *function, size_t count);
void order_stacks(struct compared_stack *stack, size_t count);

#endif
