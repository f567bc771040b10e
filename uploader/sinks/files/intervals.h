/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files of intervals, OUT/<directory>/intervals/<time>-<type>.pb.gz: how long they are kept, and up to
 * what size in all. The oldest go first. Those of earlier sessions are looked for once, before the first one
 * is written; from then on the directories are not listed again. Only files whose names are ours, in
 * directories with our mark, are counted and removed.
 *
 * A clock that is set changes no age: what this session wrote is as old as the monotonic clock says.
 */
#ifndef CPROF_UPLOADER_INTERVALS_H
#define CPROF_UPLOADER_INTERVALS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sampler/segment/settings.h"

#define DIRECTORY_MARK ".cprof" /* in each directory of a program's: whose it is */
#define INTERVALS_NAME "intervals"
enum { INTERVAL_NAME_BYTES = 64 };

struct intervals;

/* keep is borrowed. NULL: no memory. */
struct intervals *intervals_new(const struct setting_keep *keep);
void intervals_free(struct intervals *intervals);

/* Before the first one is written. out: the descriptor of OUT. */
void intervals_list(struct intervals *intervals, int out);

/* A time stamp in ms for an interval that began at time_ns (CLOCK_REALTIME) and has profiles of these kinds,
   a bit set: that time, or the next one that no file has. Two intervals can begin in the same millisecond
   when a short program is started again and again. directory: the descriptor of the program's intervals. */
int64_t intervals_stamp(int directory, unsigned kinds, int64_t time_ns);

/* The file's name for a profile kind. */
void intervals_name(int64_t stamp_ms, unsigned kind, char name[INTERVAL_NAME_BYTES]);

/* The stamp and kind of a name that intervals_name() made, or false. */
bool intervals_parse(const char *name, int64_t *stamp_ms, unsigned *kind);

/* The interval of this stamp has been written: bytes is what its files take. */
void intervals_add(struct intervals *intervals, const char *directory, int64_t stamp_ms, unsigned kinds,
                   uint64_t bytes);

/* What an interval has: files of these kinds, a bit each, in the directory of a program. bytes is what they take. */
struct interval_files {
    const char *directory;
    int64_t stamp_ms;
    unsigned kinds;
    size_t bytes;
};

/* The interval that is that many before the newest one, 0 for that itself. false: there is none. */
bool intervals_get(const struct intervals *intervals, size_t age, struct interval_files *interval);

/* Removes what is too old or too much. */
void intervals_trim(struct intervals *intervals, int out);

#endif
