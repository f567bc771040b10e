/* SPDX-License-Identifier: Apache-2.0 */
/* Where each thread is: out of a profile of threads, or out of the text that a session writes. One thread only. */
#ifndef CPROF_ANALYSIS_DUMP_H
#define CPROF_ANALYSIS_DUMP_H

#include "analysis/bytes/source.h"
#include "analysis/tables/reading.h"

/* Texts are of the store. */
struct dump_thread {
    const char *name, *state, *wait; /* "buyer", "lock", "pthread_mutex_lock"; "" where not known */
    int64_t tid, pid, holder;        /* tid of the thread that has what it waits for; 0: not known */
    int64_t waited_ns, count;        /* count: threads that this is about, mostly 1 */
    const char *where;               /* the first function of the user's own, or of all; "" */
};

struct dump {
    struct store store;
    struct dump_thread *thread;
    size_t threads, room;
};

/* 0, -ENOMEM, or -ENODATA: there are no threads in it. To be freed in any case. */
int dump_profile(struct dump *dump, const struct read_profile *profile);
int dump_text(struct dump *dump, struct source *in);
void dump_free(struct dump *dump);

/* Whether the bytes are the text of a thread dump. */
bool dump_is_text(const uint8_t *data, size_t size);

#endif
