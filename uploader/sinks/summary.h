/* SPDX-License-Identifier: Apache-2.0 */
/* What the launcher prints when the program has ended: for a person at a terminal, 110 columns at most. */
#ifndef CPROF_UPLOADER_SUMMARY_H
#define CPROF_UPLOADER_SUMMARY_H

#include <stdio.h>

#include "uploader/programs/programs.h"

/* color: the stream is a terminal that understands it. */
void summary_print(FILE *file, const struct programs *programs, bool color);

#endif
