/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is known of processes beside their samples, for servers: what the program's OpenTelemetry SDK says of it, its container,
 * its executable. Processes of one program may differ in it, as Python's do that are two services. So an interval's samples
 * are handed to a server group by group. One thread only.
 */
#ifndef CPROF_UPLOADER_FACTS_H
#define CPROF_UPLOADER_FACTS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "uploader/base/hash.h"

/* In the order in which they tell groups apart: for Pyroscope the first four, for OTLP the container, too. */
enum fact {
    FACT_SERVICE,
    FACT_VERSION,
    FACT_ENVIRONMENT,
    FACT_INSTANCE,
    FACTS_OF_SERVICE,
    FACT_CONTAINER = FACTS_OF_SERVICE,
    FACTS_OF_GROUP,
    FACT_EXECUTABLE = FACTS_OF_GROUP,
    FACT_COMMAND,
    FACTS
};
extern const char *const fact_keys[FACTS]; /* "service.name" ... */

/* Of one process. */
struct facts {
    const char *text[FACTS]; /* NULL: not known */
    pid_t pid;               /* in its own namespace */
};

/* The processes of one program, by pid. Zero is empty. Those beyond the ceiling are not known. */
enum { FACTS_PROCESSES = 8192, FACTS_TEXT = 1024 /* bytes with the NUL; longer ones are cut */ };
struct process_facts {
    struct hash by_pid;
};

/* Copies them in place of what was known of this process. */
void process_facts_set(struct process_facts *all, pid_t pid, const struct facts *facts);

/* NULL: nothing is known. */
const struct facts *process_facts_get(const struct process_facts *all, uint32_t pid);

/* Forgets those of which keep() is false. */
void process_facts_sweep(struct process_facts *all, bool (*keep)(const void *context, uint32_t pid),
                         const void *context);
void process_facts_free(struct process_facts *all);

/* Processes whose first `told_apart` facts are equal. The first group is of those of which nothing is known, and of all that
   are in no other group. */
enum { FACT_GROUPS = 32 };
struct fact_group {
    struct facts facts; /* what all of them have */
    unsigned processes; /* of which something is known */
    uint64_t hash;
    const struct fact_groups *groups;
};
struct fact_groups {
    const struct process_facts *all; /* must not change meanwhile */
    unsigned told_apart, count;
    struct fact_group group[FACT_GROUPS];
};
void fact_groups_make(struct fact_groups *groups, const struct process_facts *all, unsigned told_apart);

/* Whether the process is of this group (struct fact_group), as struct profile_meta wants it. */
bool fact_group_takes(const void *group, uint32_t pid);

#endif
