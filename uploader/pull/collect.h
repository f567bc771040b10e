/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The profiles that are served: of the session so far, and of the next N seconds. One thread only.
 *
 * Sums (CPU time, allocations, waits) of N seconds are what was added meanwhile. States (blocks in use, threads) are those at
 * the end less those at the beginning, by stack, so they may be negative, as Go's are.
 */
#ifndef CPROF_UPLOADER_PULL_COLLECT_H
#define CPROF_UPLOADER_PULL_COLLECT_H

#include "selection.h"
#include "uploader/profile/profile.h"
#include "uploader/programs/tap.h"

/* A profile that is to be encoded or written as text. */
struct collected {
    const struct profile *profile;
    struct profile *own; /* the same, if it is to be freed */
    int64_t period;
    const struct program *program; /* the only one; NULL: there are several, or none */
};

/* As it is now. false: no memory. */
bool collect_now(const struct programs *programs, const struct selection *selection,
                 enum profile_kind_id kind, struct collected *collected);
void collected_free(struct collected *collected);

/* What all that run hold together has a ceiling. */
struct deltas {
    struct programs *programs;
    size_t samples;
};

struct delta {
    struct tap tap;
    struct deltas *deltas;
    struct selection selection;
    enum profile_kind_id kind;
    struct profile *sums, *states;
    size_t samples; /* counted in deltas */
    int64_t start_ns;
};

/* From now on. NULL: no memory, or too much is held already. */
struct delta *delta_begin(struct deltas *deltas, const struct selection *selection,
                          enum profile_kind_id kind);

/* Until now. collected->own is freed with collected_free(), the delta with delta_free(). false: no memory. */
bool delta_end(struct delta *delta, struct collected *collected);
void delta_free(struct delta *delta);

#endif
