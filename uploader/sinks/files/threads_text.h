/* SPDX-License-Identifier: Apache-2.0 */
/* The threads profile as text, in the forms of Go's goroutine profile. */
#ifndef CPROF_UPLOADER_THREADS_TEXT_H
#define CPROF_UPLOADER_THREADS_TEXT_H

#include <stdio.h>

#include "uploader/profile/profile.h"

enum threads_form {
    THREADS_GROUPED = 1, /* debug=1: threads with the same stack and state together, most first */
    THREADS_EACH = 2,    /* debug=2: one by one, who waits longest first */
    THREADS_AS_GO = 3,   /* the same as Go writes goroutines, for programs that read those */
};

/* name: in the first line, "threads". pid: of this process alone; 0: of all. 0 or -ENOMEM; errors of out are the
   caller's to ask for. */
int threads_text_write(FILE *out, const struct profile *threads, enum threads_form form, const char *name);
int threads_text_write_of(FILE *out, const struct profile *threads, uint32_t pid, enum threads_form form,
                          const char *name);

#endif
