/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The real functions behind the hooks. real.malloc(size) may be called at any instant, also before the
 * library's constructor. Every member starts as a stub that looks all of them up and jumps on. The real
 * function is the next definition after this library in the order of loading: libc's, another preload's, or
 * that of an allocator that is linked dynamically. A definition before this library, in the program itself,
 * replaces the hook, and is never called by hooks.
 */
#ifndef CPROF_PRELOAD_REAL_H
#define CPROF_PRELOAD_REAL_H

#include <fcntl.h>
#include <mqueue.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <threads.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "table.h"

typedef void real_handler(int);

#define X(family, type, name, params, version) REAL_##name,
enum real_index { CPROF_LOOKED_UP(X) REALS };
#undef X

#define X(family, type, name, params, version) type(*name) params;
struct real {
    CPROF_LOOKED_UP(X)
};
#undef X
extern struct real real __attribute__((visibility("hidden")));

/* Of the OPERATOR family: the next operator new allocates by itself (jemalloc, tcmalloc, mimalloc) and is to
   be sampled; else it calls malloc, whose hook does that. */
extern bool real_allocates[REALS] __attribute__((visibility("hidden")));

/* Looks all functions up. Called by the constructor; the stubs call it before that. Thread-safe. */
void real_start(void);

/* A program that asks dlsym() for what its libc lacks is to get NULL, as it does without this library, so hooks
   of such functions are taken out of the library's symbols. Once, after real_start(). */
void real_hide_missing(void);

/* After dlclose(): operator new may have been in what was unloaded, and is looked up anew. */
void real_forget_operators(void);

/* What the walk over the modules has seen. Written by real_start() alone. */
struct real_seen {
    const char *library_path; /* that this library was loaded from; owned by the loader */
    const char *interpreter;  /* the path of the loader in the program's file; NULL: not known */
    bool is_second;      /* another libcprof.so stands before this one: that one works, this one forwards */
    bool is_own_program; /* the uploader, or another program of ours */
    unsigned
        foreign_allocators; /* allocation functions that the program itself defines, which no hook sees */
};
extern struct real_seen real_seen __attribute__((visibility("hidden")));

#endif
