/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The record of a thread that stands still, read from outside (OTEP 4947). It is foreign: copied and bounded. Who reads it
 * makes sure that the thread did not go on meanwhile. One thread only.
 */
#ifndef CPROF_UPLOADER_THREAD_RECORD_H
#define CPROF_UPLOADER_THREAD_RECORD_H

#include <stdbool.h>
#include <stddef.h>

#include "thread_variable.h"

enum { RECORD_ATTRIBUTE_BYTES = 612 }; /* that are read: a record has 640 bytes at most as a rule */

struct thread_record {
    uint8_t trace[16], span[8];
    uint8_t is_valid, flags;
    uint16_t size;
    uint8_t attribute[RECORD_ATTRIBUTE_BYTES];
};

/* memory.start is not used. false: the thread has none. */
bool thread_record_read(const struct module_memory *memory, uint64_t thread_pointer, bool is_musl,
                        const struct thread_variable *variable, struct thread_record *record);

/* The attributes one after the other; *cursor is 0 at first. value gets a NUL. false: there are no more. */
enum { RECORD_VALUE = 256 };
bool thread_record_next(const struct thread_record *record, size_t *cursor, uint8_t *index,
                        char value[RECORD_VALUE]);

/* An attribute that is an id, of 16 digits. false: it is none. */
bool thread_record_id(const char *value, uint8_t id[8]);

#endif
