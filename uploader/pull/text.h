/* SPDX-License-Identifier: Apache-2.0 */
/* Profiles as text (debug=1), in the forms that Go writes and google/pprof reads (profile/legacy_profile.go). Pure. */
#ifndef CPROF_UPLOADER_PULL_TEXT_H
#define CPROF_UPLOADER_PULL_TEXT_H

#include <stdio.h>

#include "uploader/profile/profile.h"

/* name: what Go calls it, "heap". 0 or -ENOMEM; errors of out are the caller's to ask for. */
int text_write(FILE *out, const struct profile *profile, const char *name);

#endif
