/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a module's file says, read from its mapping: program headers, build id, code. The segment's table of
 * modules is filled with it the first time that a stack runs through a module, so that plugins need no hook
 * of dlopen. Signal-safe, thread-safe.
 */
#ifndef CPROF_SAMPLER_MODULE_RECORD_H
#define CPROF_SAMPLER_MODULE_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "peek.h"

struct segment;

/* Enters the module in segment->module[] for the present epoch, unless it is there. Raises header.epoch if
   it takes over addresses of another module. Counts COUNT_LOST_MODULE if the table is full. true: room has
   been used for a path. */
bool module_record(struct segment *segment, struct peek *peek, char room[MODULE_ROOM]);

/* With another segment: modules are recorded again. */
void module_record_again(void);

/* A call instruction ends at address, in a segment of code: it may be a return address. */
bool module_is_after_call(struct peek *peek, uintptr_t address);

#endif
