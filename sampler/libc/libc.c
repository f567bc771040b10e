/* SPDX-License-Identifier: Apache-2.0 */
#include "libc.h"

#include <stdint.h>

#include "elf.h"

struct libc libc;

/* Weak, so that neither is needed: glibc's loader has the first, musl the second. */
#pragma weak _r_debug
extern struct r_debug *_dl_debug_addr __attribute__((weak));

/* Each C library has these two; no header declares them. */
int __cxa_atexit(void (*handler)(void *), void *argument, void *module);

static int (*own_iterate)(libc_visit *, void *) = dl_iterate_phdr;

/* A function's address as data; stored and loaded whole, whatever the member's type. */
typedef void *__attribute__((may_alias)) slot_word;

#define X(type, name, params) {#name, offsetof(struct libc, name)},
static const struct {
    const char *name;
    size_t member;
} functions[] = {LIBC_FUNCTIONS(X)};
#undef X

/* Only the libraries of glibc define this version, so nobody's interposed function is taken for libc's. */
enum libc_kind libc_kind_of(const struct elf_dynamic *module)
{
    if (elf_defines_version(module, "GLIBC_PRIVATE"))
        return LIBC_GNU;
    return elf_find_data(module, "_dl_debug_addr") ? LIBC_MUSL : LIBC_UNKNOWN;
}

static void look_up(const struct elf_dynamic *module)
{
    enum libc_kind kind = libc_kind_of(module);
    if (kind == LIBC_UNKNOWN)
        return;
    libc.kind = kind;
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
        slot_word *slot = (slot_word *)((char *)&libc + functions[i].member);
        if (!*slot)
            *slot = elf_find(module, functions[i].name, elf_hash(functions[i].name), NULL);
    }
    if (!libc.rseq_size) {
        libc.rseq_offset = elf_find_data(module, "__rseq_offset");
        libc.rseq_size = elf_find_data(module, "__rseq_size");
    }
}

const struct r_debug *libc_loader_list(void)
{
    if (&_r_debug)
        return &_r_debug;
    return &_dl_debug_addr ? _dl_debug_addr : NULL;
}

/* By the loader's list of modules, not by dl_iterate_phdr(): see libc_iterate(). Read before the program begins,
   when nobody can be unloading what it names. */
void libc_start(void)
{
    const struct r_debug *list = libc_loader_list();
    static const char iterate[] = "dl_iterate_phdr";
    struct elf_dynamic module;

    if (libc.started)
        return;
    for (const struct link_map *map = list ? list->r_map : NULL; map; map = map->l_next) {
        void *found = NULL;
        if (!elf_dynamic_open_map(&module, map))
            continue;
        look_up(&module);
        if (libc_kind_of(&module) != LIBC_UNKNOWN)
            found = elf_find(&module, iterate, elf_hash(iterate), NULL);
        if (found)
            own_iterate = (int (*)(libc_visit *, void *))found;
    }
    libc.started = true;
}

static int visit(struct dl_phdr_info *info, size_t size, void *context)
{
    struct elf_dynamic module;
    (void)size;
    (void)context;
    if (elf_dynamic_open(&module, info))
        look_up(&module);
    return 0;
}

void libc_look_again(void)
{
    own_iterate(visit, NULL);
}

int libc_iterate(libc_visit *visitor, void *context)
{
    return own_iterate(visitor, context);
}

int libc_at_fork(void (*child)(void))
{
    if (libc.__register_atfork)
        return libc.__register_atfork(NULL, NULL, child, NULL);
    return libc.pthread_atfork ? libc.pthread_atfork(NULL, NULL, child) : -1;
}

static void (*exit_handler)(int, void *);
static void call_exit_handler(void *context)
{
    exit_handler(0, context);
}

void libc_at_exit(void (*handler)(int, void *))
{
    exit_handler = handler;
    if (libc.on_exit)
        libc.on_exit(handler, NULL);
    else
        __cxa_atexit(call_exit_handler, NULL, NULL);
}
