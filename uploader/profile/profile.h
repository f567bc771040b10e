/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A profile in memory, between the snapshot and the sinks: samples are merged by (stack, pid, thread name, labels,
 * trace), values add up. One thread only.
 */
#ifndef CPROF_UPLOADER_PROFILE_H
#define CPROF_UPLOADER_PROFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "labels.h"
#include "uploader/symbols/symbols.h"

enum { PROFILE_VALUES = 4 };

/* A value's name and unit, e.g. "cpu", "nanoseconds". */
struct value_type {
    const char *type, *unit;
};

/* One row per file and upload; the table is in profile.c. A row is made of one or more bits of enum
 * profile_type. */
struct profile_kind {
    const char *name;      /* file name and title: "cpu", "memory" ... */
    const char *push_name; /* __name__ of the Pyroscope series: "process_cpu", "memory" ... */
    unsigned values;
    struct value_type
        value[PROFILE_VALUES]; /* cpu: samples/count, cpu/nanoseconds; memory: alloc_objects/count,
                                  alloc_space/bytes, inuse_objects/count, inuse_space/bytes */
    unsigned default_value;    /* index in value[] that go tool pprof shows first */
    struct value_type period_type;
    unsigned snapshot_values; /* bit i: value i is a state (inuse), not a sum over time: an upload carries the
                                 newest, a merged file the newest of each live or ended process */
};
enum profile_kind_id {
    KIND_ID_CPU,
    KIND_ID_MEMORY,
    KIND_ID_MUTEX,
    KIND_ID_BLOCK,
    KIND_ID_WALL,
    KIND_ID_OFF_CPU,
    KIND_ID_THREADS,
    KIND_ID_THREADCREATE,
    KIND_IDS
};
extern const struct profile_kind profile_kinds[KIND_IDS];

/* What is known of one thread, in the threads profile only. */
struct profile_thread {
    uint32_t tid;             /* 0: the sample is not of one thread */
    const char *state, *wait; /* interned: "lock", "pthread_mutex_lock"; "running", "" */
    int64_t waited_ns;        /* in this state, at least */
    uint32_t holder;          /* tid of the thread that has what it waits for; 0: not known */
    const char *holder_name;  /* interned; NULL: not known */
};

/* A frame of stacks that have the same callers. */
struct profile_frame {
    const struct symbol_location *location;
    const struct profile_frame *caller; /* NULL: it is the outermost one */
};

struct profile_sample {
    uint32_t pid;
    uint32_t frames;
    const char *thread;                  /* interned, "" if not known */
    const struct profile_labels *labels; /* of the session's label_sets; NULL: none */
    const struct profile_trace
        *trace; /* NULL: none. A sample that is added lends it; a profile has its own */
    struct profile_thread about;
    int64_t value[PROFILE_VALUES];
    const struct symbol_location *const *frame; /* leaf first; NULL in a sample that a profile holds, */
    const struct profile_frame *stack;          /* which has the leaf instead: equal for equal stacks */
};

struct profile;

struct profile *profile_new(const struct profile_kind *kind, size_t most_stacks);
void profile_free(struct profile *profile);

/* From now on no more distinct samples than that. */
void profile_set_most(struct profile *profile, size_t most_stacks);

/* Adds values to the sample of this stack, copying the frame pointers. Past most_stacks distinct samples, new
   ones go to one sample with the frame `overflow`, unless their stack is known without labels. 0 or -ENOMEM. */
int profile_add(struct profile *profile, const struct symbol_location *const *frame, uint32_t frames,
                uint32_t pid, const char *thread, const int64_t value[PROFILE_VALUES],
                const struct symbol_location *overflow);

/* The same for one thread of the process: sample.about is part of it, the newest counts. The
   stack is copied, sample.value added. */
int profile_add_thread(struct profile *profile, const struct profile_sample *sample,
                       const struct symbol_location *overflow);

/* Sets the values in mask (bit i: value i) to 0, for every pid or (pid != 0) one: before a new state is
 * added. */
void profile_clear(struct profile *profile, unsigned mask, uint32_t pid);

/* The same for every pid that is not to be kept. */
void profile_clear_but(struct profile *profile, unsigned mask,
                       bool (*keep)(const void *context, uint32_t pid), const void *context);

/* Adds every sample of one to the other. */
int profile_merge(struct profile *into, const struct profile *from, const struct symbol_location *overflow);

const struct profile_kind *profile_get_kind(const struct profile *profile);
size_t profile_count(const struct profile *profile);        /* samples whose values are not all 0 */
size_t profile_size(const struct profile *profile);         /* with those whose values are */
uint64_t profile_overflowed(const struct profile *profile); /* additions that went to the overflow sample */
/* Of a copy: those of the profile that it is made of. */
void profile_add_overflowed(struct profile *profile, uint64_t additions);
int64_t profile_total(const struct profile *profile, unsigned value);

/* Iterates: *cursor starts at 0; NULL at the end. Skips samples whose values are all 0. */
const struct profile_sample *profile_next(const struct profile *profile, size_t *cursor);

/* Locations without a name are written as addresses, for somebody who has the symbols; or so if their module has a build
   id, without which no server finds symbols; or all with the line "module+0xSTART". */
enum profile_unnamed { PROFILE_UNNAMED_LEFT, PROFILE_UNNAMED_LEFT_BY_ID, PROFILE_UNNAMED_SHOWN };

/* What is written beside the samples. Strings are borrowed for the call. */
struct profile_meta {
    int64_t time_ns; /* CLOCK_REALTIME at the start of the span */
    int64_t duration_ns;
    int64_t period;              /* in period_type's unit: 10000000 for cpu at 100 Hz, 524288 for memory */
    const char *const *comments; /* NULL-terminated, or NULL */
    const char *program; /* the executable's name: its mapping goes first, as pprof expects; or NULL */
    /* pid, thread and what is known of it are labels of samples. If not, samples that are equal without them are
       merged, because Pyroscope makes a series of each label. The program's own labels are labels in any case. */
    bool with_labels;
    /* Locations with names carry no address, and those of one module, function and line are one, as Pyroscope
       makes them. Samples that become equal by that are merged, if they have no labels. What is of use with addresses alone is
       left out: names as in the symbol table, where modules are mapped, and build ids but that of the program. */
    bool no_addresses;
    /* span_id is the local root span's where that is known, because Pyroscope's readers look for it. If not, that has a
       label of its own. */
    bool root_spans;
    bool plain_names; /* of the program's labels: struct profile_label.plain */
    enum profile_unnamed unnamed;
    const struct profile_kind
        *kind; /* NULL: the profile's; else one of as many values, with other names for them */
    /* Of which processes samples are taken; NULL: of all. */
    bool (*takes)(const void *context, uint32_t pid);
    const void *takes_context;
};

#endif
