/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of directories: one for each (program, service, labels), whatever bytes these hold.
 *
 * Bytes that a name cannot have, or that would let it hide or be taken for something else, are written as
 * %XX. So names differ where what they are made of differs. Only names that are too long are cut, with a
 * hash; who uses them asks who has the directory already (sink_files.c).
 */
#ifndef CPROF_UPLOADER_NAMES_H
#define CPROF_UPLOADER_NAMES_H

#include <stddef.h>

/* As the program has them, NUL-terminated. service: the program where it has no other name; labels: "" for
 * none. */
struct program_id {
    const char *program, *service, *labels;
};

enum {
    DIRECTORY_NAME_BYTES = 256,
    ID_TEXT_BYTES = 8192, /* holds every id of a segment */
};

/* The n-th name that a program's directory may have: "program"; "program@service,labels"; and the same with a
   number, should another program have both. */
void directory_name(const struct program_id *id, unsigned n, char name[DIRECTORY_NAME_BYTES]);

/* Reads such a text back. 0 or -EINVAL. */
int id_read(const char *text, char program[ID_TEXT_BYTES], char service[ID_TEXT_BYTES],
            char labels[ID_TEXT_BYTES]);

/* The id as lines of text, different for each. */
void id_text(const struct program_id *id, char text[ID_TEXT_BYTES]);

#endif
