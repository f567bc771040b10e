/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of names and values as users write them into settings. Pure. */
#ifndef CPROF_UPLOADER_PAIRS_H
#define CPROF_UPLOADER_PAIRS_H

#include <stdbool.h>

typedef void pair_found(void *context, const char *name, const char *value);

/* "name=value,name=value", each also with a colon; blanks around names and values are left out. percent:
   values are percent-encoded. 0, or -EINVAL where some item was no pair (the others are found), or -ENOMEM.
 */
int pairs_read(const char *list, bool percent, pair_found *found, void *context);

#endif
