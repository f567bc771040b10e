/* SPDX-License-Identifier: Apache-2.0 */
#include "real.h"

#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "elf.h"
#include "machine.h"
#include "sampler/modules/modules.h"

/* A function's address as data; stored and loaded whole, whatever the member's type. */
typedef void *__attribute__((may_alias)) slot_word;

enum family {
    ALLOC,
    OPERATOR,
    THREAD,
    SIGNAL,
    EXEC,
    LOCK,
    CONDITION,
    SYNCHRONIZATION,
    SLEEP,
    POLLING,
    IO,
    FILES,
    CHILD,
    MEMORY,
    CALLED
};
struct row {
    const char *name, *version;
    enum family family;
};
#define X(family, type, name, params, version) {#name, version, family},
static const struct row rows[REALS] = {CPROF_LOOKED_UP(X)};
#undef X

/* One stub for each function, and their common part. */
__attribute__((naked, used)) static void first_call(void)
{
    __asm__(MACHINE_NUMBERED("real_resolve"));
}
#define X(family, type, name, params, version)                                                               \
    __attribute__((naked)) static void first_##name(void)                                                    \
    {                                                                                                        \
        MACHINE_NUMBER_THEN_JUMP(REAL_##name, first_call);                                                   \
    }
CPROF_LOOKED_UP(X)
#undef X

#define X(family, type, name, params, version) .name = (type(*) params)first_##name,
struct real real = {CPROF_LOOKED_UP(X)};
#undef X
#define X(family, type, name, params, version) first_##name,
static void (*const first[REALS])(void) = {CPROF_LOOKED_UP(X)};
#undef X
bool real_allocates[REALS];

static slot_word *slot(unsigned index)
{
    return (slot_word *)&real + index;
}

static bool is_resolved(unsigned index)
{
    return __atomic_load_n(slot(index), __ATOMIC_RELAXED) != (void *)first[index];
}

/* ---- stand-ins for functions that nobody defines, or whose definition is still being looked for */

static void *arena_malloc(size_t size)
{
    return arena_alloc(0, size);
}
static void *arena_calloc(size_t count, size_t size)
{
    return __builtin_mul_overflow(count, size, &size) ? NULL : arena_alloc(0, size);
}
static void *arena_realloc(void *block, size_t size)
{
    void *copy = arena_alloc(0, size);
    if (copy && arena_owns(block))
        memcpy(copy, block, arena_size(block) < size ? arena_size(block) : size);
    return copy;
}
static int arena_posix_memalign(void **block, size_t alignment, size_t size)
{
    *block = arena_alloc(alignment, size);
    return *block ? 0 : ENOMEM;
}
static void *arena_new_aligned(size_t size, size_t alignment)
{
    return arena_alloc(alignment, size);
}
static void arena_free(void *block)
{
    (void)block;
}
static long not_there(void)
{
    errno = ENOSYS;
    return -1;
}
static void free_any(void *block)
{
    real.free(block);
}
/* No C++ library is loaded, so no exception can be thrown. */
static void *new_any(size_t size)
{
    return real.malloc(size ? size : 1);
}
static void *new_aligned(size_t size, size_t alignment)
{
    return real.memalign(alignment, size ? size : 1);
}

static void *while_resolving(unsigned index)
{
    switch (index) {
    case REAL_malloc:
        return (void *)arena_malloc;
    case REAL_calloc:
        return (void *)arena_calloc;
    case REAL_realloc:
        return (void *)arena_realloc;
    case REAL_aligned_alloc:
    case REAL_memalign:
        return (void *)arena_alloc;
    case REAL_posix_memalign:
        return (void *)arena_posix_memalign;
    case REAL__Znwm ... REAL__ZnamRKSt9nothrow_t:
        return (void *)arena_malloc;
    case REAL__ZnwmSt11align_val_t ... REAL__ZnamSt11align_val_tRKSt9nothrow_t:
        return (void *)arena_new_aligned;
    case REAL_free:
    case REAL__ZdlPv ... REAL__ZdaPvSt11align_val_tRKSt9nothrow_t:
        return (void *)arena_free;
    default:
        return (void *)not_there;
    }
}

static void *stand_in(unsigned index)
{
    switch (index) {
    case REAL_free_sized:
    case REAL_free_aligned_sized:
    case REAL_cfree:
        return (void *)free_any;
    case REAL__Znwm ... REAL__ZnamRKSt9nothrow_t:
        return (void *)new_any;
    case REAL__ZnwmSt11align_val_t ... REAL__ZnamSt11align_val_tRKSt9nothrow_t:
        return (void *)new_aligned;
    case REAL__ZdlPv ... REAL__ZdaPvSt11align_val_tRKSt9nothrow_t:
        return (void *)free_any;
    default:
        return (void *)not_there;
    }
}

/* ---- the walk over the modules, in the order of loading */

struct real_seen real_seen = {.library_path = ""};
static __thread bool resolving;

/* Seen in the program itself, these are allocators that were linked into it: "malloc" overrides everybody's.
 */
static const char *const foreign_names[] = {"malloc",    "je_malloc", "_rjem_malloc",
                                            "mi_malloc", "tc_malloc", "scalable_malloc"};

static void look_ahead(const struct elf_dynamic *module, bool is_program)
{
    static const char api[] = "cprof_api_version", own[] = "cprof_own_program";
    if (elf_find(module, api, elf_hash(api), NULL))
        real_seen.is_second = true;
    if (is_program && elf_find(module, own, elf_hash(own), NULL))
        real_seen.is_own_program = true;
    for (unsigned i = 0; is_program && i < sizeof foreign_names / sizeof foreign_names[0]; i++)
        if (elf_find(module, foreign_names[i], elf_hash(foreign_names[i]), NULL))
            real_seen.foreign_allocators++;
}

static void look_up(const struct elf_dynamic *module)
{
    bool has_malloc = elf_find(module, "malloc", elf_hash("malloc"), NULL);
    for (unsigned i = 0; i < REALS; i++) {
        uint32_t hash;
        void *found;
        if (is_resolved(i))
            continue;
        hash = elf_hash(rows[i].name);
        found = rows[i].version ? elf_find(module, rows[i].name, hash, rows[i].version) : NULL;
        if (!found)
            found = elf_find(module, rows[i].name, hash, NULL);
        if (!found)
            continue;
        real_allocates[i] = rows[i].family == OPERATOR && has_malloc;
        __atomic_store_n(slot(i), found, __ATOMIC_RELEASE);
    }
}

static void note_interpreter(const struct dl_phdr_info *info)
{
    for (unsigned i = 0; i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_INTERP)
            real_seen.interpreter = (const char *)(info->dlpi_addr + info->dlpi_phdr[i].p_vaddr);
}

struct module_walk {
    unsigned seen;
    bool past_us;
};

static int visit(struct dl_phdr_info *info, size_t size, void *context)
{
    struct module_walk *walk = context;
    struct elf_dynamic module;
    bool is_program = !walk->seen++;

    (void)size;
    if (is_program)
        note_interpreter(info);
    if (!walk->past_us && elf_covers(info, (uintptr_t)&real)) {
        walk->past_us = true;
        real_seen.library_path = info->dlpi_name;
    } else if (elf_dynamic_open(&module, info)) {
        if (walk->past_us)
            look_up(&module);
        else
            look_ahead(&module, is_program);
    }
    return 0;
}

typedef int iterate(int (*visit)(struct dl_phdr_info *, size_t, void *), void *context);

/* libc's own, because sanitizers interpose dl_iterate_phdr(). Theirs cannot be called when their start
   makes the first allocation. */
static iterate *find_iterate(void)
{
    static const char name[] = "dl_iterate_phdr";
    struct elf_dynamic module;
    void *found = NULL;

    for (const struct link_map *map = _r_debug.r_map; map && !found; map = map->l_next) {
        const char *file = strrchr(map->l_name, '/');
        if (file && !strcmp(file, "/libc.so.6") && elf_dynamic_open_map(&module, map))
            found = elf_find(&module, name, elf_hash(name), NULL);
    }
    return found ? (iterate *)found : dl_iterate_phdr;
}

void real_start(void)
{
    static iterate *libcs;
    struct module_walk walk = {0, false};
    int saved = errno;

    if (!libcs) /* the first time, when nobody can be unloading what the loader's list names */
        libcs = find_iterate();
    real_seen.foreign_allocators = 0;
    resolving = true;
    libcs(visit, &walk);
    resolving = false;
    /* A function that is missing now may come with dlopen(): of the C++ library, or of libpthread if that
       is separate. */
    for (unsigned i = 0; i < REALS; i++)
        if (!is_resolved(i) && rows[i].family == ALLOC)
            __atomic_store_n(slot(i), stand_in(i), __ATOMIC_RELEASE);
    errno = saved;
}

/* Called by the stubs. Returns the function to go on with. */
__attribute__((used, visibility("hidden"))) void *real_resolve(unsigned index);
void *real_resolve(unsigned index)
{
    if (resolving)
        return while_resolving(index);
    real_start();
    return is_resolved(index) ? *slot(index) : stand_in(index);
}

/* Functions that cannot be unloaded are not looked up again: that would read the tables of all modules. */
void real_forget_operators(void)
{
    struct module module;
    for (unsigned i = 0; i < REALS; i++)
        if (rows[i].family == OPERATOR && is_resolved(i) &&
            !(module_find((uintptr_t)*slot(i), &module) && module.stays))
            __atomic_store_n(slot(i), (void *)first[i], __ATOMIC_RELEASE);
}
