/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ELF files mapped in the process: found by _dl_find_object (lock-free and signal-safe in glibc 2.35 and
 * later).
 *
 * A module may be unloaded at any moment, also while it is read. So what is mapped of it, and what the
 * loader keeps about it, is read by peek.h and nofault.h only.
 */
#ifndef CPROF_SAMPLER_MODULES_H
#define CPROF_SAMPLER_MODULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct module {
    uintptr_t start, end; /* mapped addresses */
    uintptr_t frame_hdr;  /* .eh_frame_hdr; 0: has none */
    const void *map;      /* the loader's struct link_map; NULL: the loader does not know it */
    const char *path;     /* NULL: the loader has it */
    uintptr_t bias;       /* where path is not NULL: address minus ELF virtual address */
    uint64_t key;         /* of what is kept about it; a module that takes its place has another key */
    uint64_t unloads;     /* the state of all unloading when it was found */
    bool stays;           /* the program was started with it, so nobody unloads it */
};

/* The module that pc is in, into *module. false: none (JIT code, a wild address). Signal-safe. */
bool module_find(uintptr_t pc, struct module *module);

/* No unloading was known to be under way when it was found, so what is read of it may be kept. */
enum { UNLOADS_UNDER_WAY = 0xffff };
static inline bool module_is_steady(const struct module *module)
{
    return module->stays || (module->unloads & UNLOADS_UNDER_WAY) == 0;
}

/* It is still where it was found, and nothing was unloaded meanwhile. */
bool module_is_there(const struct module *module);

/* These bytes stay readable: the program was started with the module, and its file says so. */
bool module_may_be_read(const struct module *module, uintptr_t address, size_t size);

/* The directory that a relative path of the module begins in; "" if there is none or it is not known. */
const char *module_directory(const struct module *module);

enum { MODULE_ROOM = 4096 };
/* false: the file of the module begins otherwise than when it was read last. Then the module was unloaded by
   ways that no hook sees (libc's own dlclose(), another namespace's), and this is noted. room: of
   MODULE_ROOM bytes. */
bool module_is_same_file(const struct module *module, char *room);

/* Around each dlclose(): what is known of modules that may go is forgotten. */
void modules_unload_begin(void);
void modules_unload_end(void);

/* In a child of fork(). */
void modules_forget(void);

void modules_start(void); /* see unwind_start() */

#endif
