/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of generated code: /tmp/perf-PID.map of the target's root, lines "START SIZE name" in hexadecimal,
 * appended by JIT compilers while they run. One thread only.
 */
#ifndef CPROF_UPLOADER_PERFMAP_H
#define CPROF_UPLOADER_PERFMAP_H

#include <stddef.h>
#include <stdint.h>

struct owner;
struct perfmap;

/* root_fd: of the target, borrowed for the call; -1: the uploader's own root. NULL without memory. */
struct perfmap *perfmap_new(void);
void perfmap_free(struct perfmap *map);

/* Reads what was appended since the last call, or all of another file. 0, or negative errno when there is no
   map that can be trusted. It must be a regular file of root's or of the process's user (NULL: ours), and that
   user must be able to read it. A link to another file would otherwise show its lines as names. Of a map
   larger than the ceiling, the first part is used. */
int perfmap_refresh(struct perfmap *map, const struct owner *owner, int root_fd, int pid);

/* The name that was given last to the code at the address. Returns its length, cut to size - 1, or 0. */
size_t perfmap_find(const struct perfmap *map, uint64_t address, char *name, size_t size);

/* Closes the file and frees the entries; the next perfmap_refresh() reads it all again. */
void perfmap_forget(struct perfmap *map);

/* A number that changes when another file takes the place of the one that was read. */
unsigned perfmap_generation(const struct perfmap *map);

size_t perfmap_bytes(const struct perfmap *map);

#endif
