/* SPDX-License-Identifier: Apache-2.0 */
/* The samples of a profile as encoders write them: those that are equal without their labels as one. One thread only. */
#ifndef CPROF_UPLOADER_WALK_H
#define CPROF_UPLOADER_WALK_H

#include "profile.h"

struct walk {
    const struct profile_sample **list;
    size_t count, at;
    bool with_labels;
    int (*compare)(const void *a,
                   const void *b); /* of two items of the list; 0: equal without their labels */
};

/* Of what struct profile_meta says of labels. The profile must not change until walk_close(). 0 or -ENOMEM. */
int walk_open(struct walk *walk, const struct profile *profile, const struct profile_meta *meta);

/* The next sample, or false at the end. */
bool walk_next(struct walk *walk, struct profile_sample *sample);
void walk_close(struct walk *walk);

/* The location is written as an address, without its line "module+0xSTART". */
bool walk_leaves_unnamed(const struct profile_meta *meta, const struct symbol_location *location);

/* Locations carry ELF virtual addresses. A module's are moved to a range of 2^40 of its own, or readers would take equal
   addresses of two modules for one place. */
enum { MODULE_SHIFT = 40 };

#endif
