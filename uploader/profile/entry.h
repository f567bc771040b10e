/* SPDX-License-Identifier: Apache-2.0 */
/* Where every stack begins: true, and of no use in a short list. Pure. */
#ifndef CPROF_UPLOADER_ENTRY_H
#define CPROF_UPLOADER_ENTRY_H

#include <stdbool.h>

/* The function starts a program or a thread, by the names that C libraries give it. */
bool entry_is(const char *name);

#endif
