/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which module an address is in, where the C library cannot say so in a signal handler: _dl_find_object() came
 * with glibc 2.35, and musl has none.
 *
 * No hook of dlopen() keeps the snapshot, although one could. Its caller decides where dlopen() searches, and it
 * runs constructors before it returns. Instead the loader's own list of modules is read, from signal handlers
 * too, by nofault.h: new modules are at its end, and a module that is unloaded is no longer linked into it. So
 * the snapshot is right however a module came and went, and nobody waits for a lock.
 *
 * Not seen: modules that dlmopen() loads into another namespace, whose list the loader of glibc before 2.35 does
 * not show. If nofault.h is not available, only the modules that the program was started with.
 */
#ifndef CPROF_SAMPLER_SNAPSHOT_H
#define CPROF_SAMPLER_SNAPSHOT_H

struct dl_find_object;

/* Once, outside signal handlers, while nobody loads or unloads modules. */
void snapshot_start(void);

/* As _dl_find_object(): 0, or -1 if pc is in no module. Signal-safe, thread-safe. Of a program whose segments are
   apart only the one with pc is found. */
int snapshot_find(void *pc, struct dl_find_object *found);

/* A module may have been unloaded, and another one may have taken its place and its address in the loader. */
void snapshot_expire(void);

/* In a child of fork(). */
void snapshot_forget(void);

#endif
