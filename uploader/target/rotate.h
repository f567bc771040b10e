/* SPDX-License-Identifier: Apache-2.0 */
/* Emptying a bank that fills up while the target goes on. One thread only. */
#ifndef CPROF_UPLOADER_ROTATE_H
#define CPROF_UPLOADER_ROTATE_H

#include "target.h"

void rotate_attach(struct target *target);
/* true: ask again soon. */
bool rotate_tick(struct target *target, int64_t now_ns);

#endif
