/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which programs the library follows by exec. A program that this one executes inherits LD_PRELOAD with the
 * library's entry. A program of another C library or word size does not start with it, or its loader
 * complains on stderr. So for such a program the entry is taken out of a copy of the environment.
 *
 * All of it runs also in children of vfork(): nothing is allocated, nothing that was there is written.
 */
#ifndef CPROF_PRELOAD_FOLLOW_H
#define CPROF_PRELOAD_FOLLOW_H

#include <stddef.h>

/* CPROF_FOLLOW=0: takes the library out of LD_PRELOAD in the process's own environment, in place. */
void follow_nobody(char **environment, const char *library_path);

/* A program about to be executed, named as execveat() does; is_searched: path is looked for along PATH, if
   there is no slash in it. */
struct follow_program {
    int directory;
    const char *path;
    int flags;
    int is_searched;
};

/* 0: the program gets the environment as it is; else the bytes that follow_strip() needs. */
size_t follow_room(const struct follow_program *program, char *const *environment);

/* The environment without the library, in room; the strings are the caller's own but LD_PRELOAD's. */
char **follow_strip(void *room, char *const *environment);

#endif
