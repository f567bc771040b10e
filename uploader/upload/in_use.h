/* SPDX-License-Identifier: Apache-2.0 */
/* What a program has in use, set beside what of it is in memory. One thread only. */
#ifndef CPROF_UPLOADER_IN_USE_H
#define CPROF_UPLOADER_IN_USE_H

#include "uploader/programs/programs.h"

enum { IN_USE_TEXT = 192 };

/* Of all its processes, each as it was seen last. false: nothing is known. */
bool program_in_use_text(const struct program *program, char text[IN_USE_TEXT]);

#endif
