/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The executable mappings of a live process, from /proc/PID/maps, with their files. The segment's list of modules has only
 * those in which samples were taken. One thread only.
 */
#ifndef CPROF_UPLOADER_PROC_MAPS_H
#define CPROF_UPLOADER_PROC_MAPS_H

#include <sys/types.h>

#include "uploader/elf/elf_image.h"
#include "uploader/symbols/symbols.h"

struct code_mapping {
    uint64_t start, end; /* executable addresses */
    uint64_t bias;       /* address in memory minus ELF virtual address */
    struct elf_image *image;
    const struct elf_module *module;
    bool ours; /* libcprof.so */
    /* private */
    uint64_t offset, inode;
    dev_t device;
};

/* Any line of the list. */
struct region {
    uint64_t start, end;
    bool executable;
};

struct proc_maps {
    pid_t pid;
    pid_t tid;                          /* the thread through which it is read: see task_living() */
    const struct process_files *source; /* borrowed */
    struct symbols *symbols;            /* borrowed */
    struct code_mapping *mapping;
    size_t count, room;
    struct region *region;
    size_t regions, region_room;
};

/* Reads the list again, and opens the files of new mappings, or (fresh) all files. Mappings and regions that were returned
   before become invalid. true: mappings changed, or are fresh. */
bool proc_maps_read(struct proc_maps *maps, bool fresh);
void proc_maps_free(struct proc_maps *maps);

/* Takes another thread if the present one is gone. false: there is none. */
bool proc_maps_take_living(struct proc_maps *maps);

/* The mapping whose code has this address, or whose file covers it. NULL: none. */
const struct code_mapping *proc_maps_find_code(const struct proc_maps *maps, uint64_t address);
const struct code_mapping *proc_maps_find_data(const struct proc_maps *maps, uint64_t address);

/* The line of the list that covers this address. NULL: none. */
const struct region *proc_maps_find_region(const struct proc_maps *maps, uint64_t address);

#endif
