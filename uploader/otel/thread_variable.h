/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the threads of a process have the variable otel_thread_ctx_v1 (OTEP 4947), by the symbol tables and relocations
 * of its modules, as they are in its memory. All of it is foreign, so it is copied, and bounded. One thread only.
 *
 * Source: open-telemetry/opentelemetry-specification oteps/profiles/4947-thread-ctx.md; the relocations are those of
 * the psABIs of x86-64 and AArch64.
 */
#ifndef CPROF_UPLOADER_THREAD_VARIABLE_H
#define CPROF_UPLOADER_THREAD_VARIABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct owner;
struct thread_variable {
    uint32_t
        module; /* 0: offset is from the thread pointer; else from the block of the module with this number */
    int64_t offset;
};

/* tid: a thread of the process that lives. 0; -ENOENT: no module has it, or it is not known yet where. */
int thread_variable_find(const struct owner *owner, pid_t pid, pid_t tid, struct thread_variable *found);

/* A module of a process: all that is read of it. */
struct module_memory {
    /* false: not all of it can be read. */
    bool (*read)(const void *context, uint64_t address, void *to, size_t size);
    const void *context;
    uint64_t start; /* where its file's beginning is mapped */
};

/* The same of one module. For the tests, too. */
int thread_variable_find_in(const struct module_memory *memory, struct thread_variable *found);

#endif
