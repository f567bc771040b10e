/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Profiles that are made of other formats than pprof. Texts are foreign: they are cut and cleaned here. One thread only.
 */
#ifndef CPROF_ANALYSIS_BUILD_H
#define CPROF_ANALYSIS_BUILD_H

#include "analysis/bytes/source.h"
#include "analysis/tables/reading.h"

/* The profile of the reading with this program, kind and types, which may be new. NULL without memory. */
struct read_profile *build_profile(struct reading *reading, const char *program, const char *kind,
                                   const struct read_type *type, unsigned types);

/* What a frame is in texts of a file. */
struct build_frame {
    const char *name, *file, *module; /* "" where not known */
    int64_t line;
    bool inlined;
};

/* A text of the reading's store. */
const char *build_text(struct reading *reading, const char *text);

/* 0 or negative errno. */
int build_frame(struct reading *reading, struct read_profile *profile, const struct build_frame *from,
                uint32_t *number);
int build_thread(struct reading *reading, struct read_profile *profile, const char *thread, int64_t pid,
                 uint32_t *set);

/*
 * For files that have their tables of frames in any order: nodes were made with numbers of the file's own table. Replaces
 * the profile by one with frames. frame[] holds count interned frames, and the largest number is below count.
 */
int build_resolve(struct reading *reading, struct read_profile **profile, const struct build_frame *frame,
                  size_t count);

/* Takes out types without any value, but the last one. */
void build_finish(struct read_profile *profile);

/* Keeps one line in reading->error, with the file and its line, and returns the error. */
int build_fail(struct reading *reading, const struct source *in, int error, const char *what);

/* Every format is read by one of these: all of the source, into a reading that has no profiles yet. 0, or negative errno with
   reading->error. */
int folded_read(struct source *in, struct reading *reading);
int perf_script_read(struct source *in, struct reading *reading);
int speedscope_read(struct source *in, struct reading *reading);
int firefox_read(struct source *in, struct reading *reading);

#endif
