/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Split units (-gsplit-dwarf): functions are described in another file, NAME.dwo, or in a package of such files beside the
 * program, PROGRAM.dwp. The program has a skeleton of each unit. Our own search finds the file in the target's root, as its
 * user. libdw would open any path that a hostile program names. So libdw gets a skeleton that is made here and names
 * a descriptor. One thread only.
 */
#ifndef CPROF_UPLOADER_DWARF_SPLIT_H
#define CPROF_UPLOADER_DWARF_SPLIT_H

#include "dwarf_file.h"

struct dwarf_split {
    Dwarf_Die unit; /* of the split unit */
    /* private */
    Dwarf *dwarf;
    struct elf_file skeleton;
    size_t number, bytes;
};

/* Those of one program that are open, and the program's package. Zero is empty, but for the package: ELF_FILE_NONE. */
enum { DWARF_SPLITS = 8 };
struct dwarf_splits {
    struct dwarf_split open[DWARF_SPLITS];
    unsigned count;
    size_t bytes; /* of what was made in memory for them */
    struct elf_file package;
    bool looked; /* for the package */
};

/* Is the unit a skeleton that names another file? */
bool dwarf_split_is(Dwarf_Die *skeleton);

/* The rest of this skeleton, whose number is the caller's. All others are closed if there are too many. NULL: it is not
   found. search is borrowed for the call; NULL: the units are in the file itself, which is its own package. */
const struct dwarf_split *dwarf_splits_get(struct dwarf_splits *splits, size_t number, Dwarf_Die *skeleton,
                                           const struct dwarf_file *file, const struct file_search *search,
                                           bool *opened);
void dwarf_splits_close(struct dwarf_splits *splits);

/* The path of a file by the table beside the descriptions of functions, where call sites are. As line_file_name(). */
size_t dwarf_splits_file(const struct dwarf_splits *splits, size_t number, uint64_t file,
                         const char *directory, char *path, size_t size);

#endif
