/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A place is a location without its address, for receivers that keep none: the module, the function and the line, with what is
 * inlined there. Several locations are one place. A location whose names do not say all is a place of its own. Pure,
 * one thread.
 */
#ifndef CPROF_UPLOADER_PLACES_H
#define CPROF_UPLOADER_PLACES_H

#include "uploader/base/hash.h"
#include "uploader/symbols/symbols.h"

/* 0: the same place. Otherwise an order, for sorting. */
int place_compare(const struct symbol_location *left, const struct symbol_location *right);

/* Of the locations of a place, the one that was met first; without memory, the location itself. */
const struct symbol_location *place_first(struct hash *places, const struct symbol_location *location);

#endif
