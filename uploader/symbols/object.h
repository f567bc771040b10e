/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is open of one module: its own file, its separate debug file, tables made of both. All of it can be
 * closed at any time between two look-ups and opened again. One thread only.
 */
#ifndef CPROF_UPLOADER_OBJECT_H
#define CPROF_UPLOADER_OBJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "symbols.h"
#include "uploader/base/store.h"
#include "uploader/elf/elf_file.h"
#include "uploader/packages/packages.h"

struct object;

/* 0, or negative errno: the module's file cannot be had from there. search is borrowed for the call. */
int object_open(struct object **object, const struct process_files *source, const struct elf_module *module,
                const struct file_search *search);

/* An image in memory (borrowed), without looking for other files: for fuzzing. */
int object_open_memory(struct object **object, void *image, size_t size);
void object_close(struct object *object);

size_t object_bytes(const struct object *object); /* of memory that closing it gives back */
size_t
object_unpacked(const struct object *object); /* the part of it that holds unpacked debug information */
void object_drop_pages(const struct object *object);
bool object_has_lines(const struct object *object);
bool object_has_functions(const struct object *object);

/* The lines of an address, innermost first, with strings in store. Returns how many, 0: it has no name. search: for further
   files with debug information, borrowed for the call; NULL: none are searched. */
enum { OBJECT_LINES = 64 };
unsigned object_locate(struct object *object, const struct file_search *search, struct store *store,
                       uint64_t address, struct symbol_line line[OBJECT_LINES]);

/* A hash of its own file. false: that is not what is open, or cannot be read. */
bool object_hash(const struct object *object, uint8_t hash[16]);

/* The package that has its symbols, by a note in its file. */
bool object_package(const struct object *object, char name[PACKAGE_NAME_MOST]);

/* Where the function that the address is in begins, or the address itself where that is not known. */
uint64_t object_function_start(const struct object *object, uint64_t address);

#endif
