/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a command does while it takes long: one line on stderr that is written anew. Nothing is printed in the command's first
 * second, nor if stderr is no terminal, so scripts and logs never see it. One thread only; the state is the process's.
 *
 *     progress_step("reading %s", name);
 *     while (...)
 *         progress_at(done, size);
 *     progress_end();
 */
#ifndef CPROF_UPLOADER_PROGRESS_H
#define CPROF_UPLOADER_PROGRESS_H

#include <stdint.h>

/* What is done from here on. Control characters become '?'. The first call starts the second. */
void progress_step(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* How far it is. of 0: nobody knows. A call reads the clock, so once a 100 kB or a 1,000 records is often enough. */
void progress_at(uint64_t done, uint64_t of);

/* Takes the line away. Called before anything else is printed, errors included, and at the end. */
void progress_end(void);

/* The one line on stderr that says why a command ends: "cprof: " and the text. */
void progress_refuse(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
