/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ELF files mapped in the process: found by _dl_find_object (lock-free and signal-safe in glibc 2.35 and
 * later), recorded in the segment the first time a stack runs through them, so that plugins need no hook of
 * dlopen.
 */
#ifndef CPROF_SAMPLER_MODULES_H
#define CPROF_SAMPLER_MODULES_H

#include <stdbool.h>
#include <stdint.h>

struct segment;
struct cfi_memory;

struct module {
    uintptr_t start, end;     /* mapped addresses */
    uintptr_t bias;           /* address minus ELF virtual address */
    const uint8_t *frame_hdr; /* .eh_frame_hdr, or NULL */
    const char *path; /* owned by the loader, valid while the module is mapped; "" for the program itself */
};

/* The module that pc is in, into *module. false: none (JIT code, a wild address). Signal-safe. */
bool module_find(uintptr_t pc, struct module *module);

/* The readable part of the module that holds its .eh_frame_hdr, and so its .eh_frame. false: has none.
 * Signal-safe. */
bool module_frame_memory(const struct module *module, struct cfi_memory *memory);

/* The address is in a module, right after a call instruction: what a return address looks like. Signal-safe.
 */
bool module_is_after_call(uintptr_t address);

/* Makes sure that the module is in segment->module[] for the present epoch, raising header.epoch when it
   takes over addresses of another one. Counts COUNT_LOST_MODULE when the table is full. Signal-safe. */
void module_record(struct segment *segment, const struct module *module);

/* Forgets which modules were recorded: they are looked for in the segment again. Part of unwind_forget(). */
void modules_forget(void);

void modules_start(void); /* see unwind_start() */

#endif
