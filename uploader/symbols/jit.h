/* SPDX-License-Identifier: Apache-2.0 */
/* Processes that run generated code, and its names: a perf map for each. One thread only. */
#ifndef CPROF_UPLOADER_JIT_H
#define CPROF_UPLOADER_JIT_H

#include "uploader/base/hash.h"
#include "uploader/process/process_files.h"

struct jit_process;

/* Zero is empty. */
struct jit {
    struct hash processes; /* by pid and root */
    uint32_t keys;
    uint64_t clock; /* of look-ups */
};

/* NULL: no memory. */
struct jit_process *jit_find(struct jit *jit, const struct process_files *source);
void jit_process_ended(struct jit *jit, const struct process_files *source);

/* Differs for each process, and after a pid was given to another one: their generated code has nothing in common.
   May change in jit_name(). */
uint32_t jit_key(const struct jit_process *process);

/* The name of the code at the address, by what the process has written so far. Returns its length, 0: none. */
enum { JIT_NAME_MOST = 1024 };
size_t jit_name(struct jit *jit, struct jit_process *process, const struct process_files *source,
                uint64_t address, char name[JIT_NAME_MOST]);

/* Forgets the maps that were not used for longest until the others fit. Returns the bytes of those. */
size_t jit_trim(const struct jit *jit, size_t ceiling);
void jit_free(struct jit *jit);

#endif
