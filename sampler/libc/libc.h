/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the C library of this process has. One library file runs on every glibc from 2.17 on and on musl, so it
 * needs only what all of them define. What some of them lack is looked up here, in their own tables, and is
 * NULL where it is missing.
 */
#ifndef CPROF_SAMPLER_LIBC_H
#define CPROF_SAMPLER_LIBC_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

/* UNKNOWN: another one, or none. The library forwards what it hooks, and does nothing else. */
enum libc_kind { LIBC_UNKNOWN, LIBC_GNU, LIBC_MUSL };

struct dl_find_object;

/* X(return type, name, parameters). Of glibc: those of pthread_ are in libpthread before 2.34, which a program
   without threads does not load, or loads later; the others came with the version beside them. */
#define LIBC_FUNCTIONS(X)                                                                                    \
    X(int, _dl_find_object, (void *pc, struct dl_find_object *found))             /* 2.35 */                 \
    X(int, pthread_setspecific, (pthread_key_t key, const void *value))           /* 2.34 */                 \
    X(int, pthread_key_delete, (pthread_key_t key))                               /* 2.34 */                 \
    X(int, pthread_getcpuclockid, (pthread_t thread, clockid_t * clock))          /* 2.34 */                 \
    X(int, pthread_attr_getstacksize, (const pthread_attr_t *attr, size_t *size)) /* 2.34 */                 \
    X(int, __register_atfork,                                                                                \
      (void (*prepare)(void), void (*parent)(void), void (*child)(void), void *module)) /* not in musl */    \
    X(int, pthread_atfork, (void (*prepare)(void), void (*parent)(void), void (*child)(void))) /* in musl */ \
    X(int, on_exit, (void (*handler)(int, void *), void *argument)) /* not in musl */

struct libc {
    enum libc_kind kind;
    bool started;
    const ptrdiff_t *rseq_offset;  /* __rseq_offset, of glibc 2.35 and later; else NULL */
    const unsigned int *rseq_size; /* __rseq_size */
#define X(type, name, params) type(*name) params;
    LIBC_FUNCTIONS(X)
#undef X
};
extern struct libc libc __attribute__((visibility("hidden")));

/* Before anything else is called of the sampler. Again: does nothing. */
void libc_start(void);

/* Which C library the module is part of; UNKNOWN: of none. */
struct elf_dynamic;
enum libc_kind libc_kind_of(const struct elf_dynamic *module);

/* What was missing may have come with a libpthread that was loaded later. Outside signal handlers. */
void libc_look_again(void);

/* The C library's own, because sanitizers interpose dl_iterate_phdr(). Theirs cannot be called when their start
   makes the first allocation. After libc_start(). */
struct dl_phdr_info;
typedef int libc_visit(struct dl_phdr_info *info, size_t size, void *context);
int libc_iterate(libc_visit *visit, void *context);

/* It is known and has what the library cannot do without. */
static inline bool libc_is_known(void)
{
    return libc.kind != LIBC_UNKNOWN && (libc.__register_atfork || libc.pthread_atfork);
}

/* musl's dlclose() leaves modules where they are. */
static inline bool libc_unloads(void)
{
    return libc.kind != LIBC_MUSL;
}

/* Where debuggers find the loader's list of modules; NULL: it is not known. */
struct r_debug;
const struct r_debug *libc_loader_list(void);

/* Calls child in each forked child; handler at the exit, with the status if the C library tells it, else 0. */
int libc_at_fork(void (*child)(void));
void libc_at_exit(void (*handler)(int status, void *context));

#endif
