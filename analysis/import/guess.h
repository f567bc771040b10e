/* SPDX-License-Identifier: Apache-2.0 */
/* Which format a file has, by its first bytes, and which one its name says. Pure. */
#ifndef CPROF_ANALYSIS_GUESS_H
#define CPROF_ANALYSIS_GUESS_H

#include <stddef.h>
#include <stdint.h>

enum format {
    FORMAT_UNKNOWN,
    FORMAT_PPROF,
    FORMAT_FOLDED,
    FORMAT_SPEEDSCOPE,
    FORMAT_FIREFOX,
    FORMAT_PERF_SCRIPT
};

/* *what: for a format that is known and not read, what to do about it; else NULL. */
enum format guess_contents(const uint8_t *data, size_t size, const char **what);

/* "out.speedscope.json", "out.folded.gz" ... FORMAT_UNKNOWN: the name says nothing. */
enum format guess_name(const char *path);

/* "folded" ... FORMAT_UNKNOWN: no such format. */
enum format format_named(const char *name);

#endif
