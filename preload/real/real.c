/* SPDX-License-Identifier: Apache-2.0 */
#include "real.h"

#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "allocators.h"
#include "arena.h"
#include "machine.h"
#include "sampler/base/sys.h"
#include "sampler/libc/elf.h"
#include "sampler/libc/libc.h"
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

/* One stub for each function, and their common part. The assembler counts the stubs. */
#define X(family, type, name, params, version)                                                               \
    MACHINE_FUNCTION("first_" #name, MACHINE_NUMBER_THEN_JUMP("stub_number", "first_call"))                  \
    ".set stub_number, stub_number + 1\n\t"
__asm__(".pushsection .text\n\t.p2align 4\n\t.set stub_number, 0\n\t" CPROF_LOOKED_UP(X)
            MACHINE_FUNCTION("first_call", MACHINE_NUMBERED("real_resolve")) ".popsection");
#undef X
#define X(family, type, name, params, version)                                                               \
    extern __attribute__((visibility("hidden"))) void first_##name(void);
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
/* Functions that are system calls, newer than some C libraries. Our own syscall() asks for the first two. */
static long by_kernel(long result)
{
    if (result >= 0)
        return result;
    errno = (int)-result;
    return -1;
}
static int execveat_by_kernel(int fd, const char *path, char *const argv[], char *const envp[], int flags)
{
    return (int)by_kernel(sys_call(SYS_execveat, fd, path, argv, envp, flags));
}
static int tgkill_by_kernel(pid_t process, pid_t thread, int sig)
{
    return (int)by_kernel(sys_call(SYS_tgkill, process, thread, sig));
}
static int epoll_pwait2_by_kernel(int fd, struct epoll_event *events, int most,
                                  const struct timespec *timeout, const sigset_t *mask)
{
    return (int)by_kernel(sys_call(SYS_epoll_pwait2, fd, events, most, timeout, mask, 8));
}
/* Of functions that return an error, and of those of C11. */
static int not_there_error(void)
{
    return ENOSYS;
}
static int not_there_c11(void)
{
    return thrd_error;
}
/* Called where libpthread is not loaded: there is one thread. The values are glibc's. */
static int once_alone(pthread_once_t *once, void (*init)(void))
{
    enum { DONE = 2 };
    if (*once != DONE) {
        *once = DONE;
        init();
    }
    return 0;
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

/*
 * musl's calloc() calls malloc() by its public name, if that is interposed. The hook of malloc() would count the block
 * again. As musl's own, this one leaves pages alone that are zero already, since most of a large block were never used.
 */
static void *calloc_by_malloc(size_t count, size_t size)
{
    enum { PAGE = 4096 };
    static const char zeros[PAGE];
    char *block;

    if (__builtin_mul_overflow(count, size, &size)) {
        errno = ENOMEM;
        return NULL;
    }
    block = real.malloc(size);
    for (size_t at = 0; block && at < size; at += PAGE) {
        size_t part = size - at < PAGE ? size - at : PAGE;
        if (part < PAGE || memcmp(block + at, zeros, part) != 0)
            memset(block + at, 0, part);
    }
    return block;
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

static bool is_c11(const char *name)
{
    return !strncmp(name, "mtx_", 4) || !strncmp(name, "cnd_", 4) || !strncmp(name, "thrd_", 5) ||
           !strncmp(name, "tss_", 4);
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
    case REAL_execveat:
        return (void *)execveat_by_kernel;
    case REAL_tgkill:
        return (void *)tgkill_by_kernel;
    case REAL_epoll_pwait2:
        return (void *)epoll_pwait2_by_kernel;
    case REAL_pthread_once:
    case REAL_call_once:
        return (void *)once_alone;
    default:
        if (!strncmp(rows[index].name, "pthread_", 8))
            return (void *)not_there_error;
        return is_c11(rows[index].name) ? (void *)not_there_c11 : (void *)not_there;
    }
}

/* ---- the walk over the modules, in the order of loading */

struct real_seen real_seen = {.library_path = ""};
static struct elf_dynamic own_module;
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
    bool is_musl = libc_kind_of(module) == LIBC_MUSL;
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
        if (i == REAL_calloc && is_musl)
            found = (void *)calloc_by_malloc;
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
    struct elf_dynamic own; /* this library */
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
        elf_dynamic_open(&walk->own, info);
    } else if (elf_dynamic_open(&module, info)) {
        if (!is_program)
            allocators_note(info, &module);
        if (walk->past_us)
            look_up(&module);
        else
            look_ahead(&module, is_program);
    }
    return 0;
}

void real_start(void)
{
    struct module_walk walk = {0};
    int saved = errno;

    libc_start();
    real_seen.foreign_allocators = 0;
    resolving = true;
    libc_iterate(visit, &walk);
    resolving = false;
    /* A function that is missing now may come with dlopen(): of the C++ library, or of libpthread if that
       is separate. */
    for (unsigned i = 0; i < REALS; i++)
        if (!is_resolved(i) && rows[i].family == ALLOC)
            __atomic_store_n(slot(i), stand_in(i), __ATOMIC_RELEASE);
    own_module = walk.own;
    errno = saved;
}

/* Nothing that is loaded later defines it. Of C++ another library may, and before glibc 2.34 libpthread and librt. */
static bool is_missing(unsigned index)
{
    const char *name = rows[index].name;
    bool is_of_threads =
        !strncmp(name, "pthread_", 8) || !strncmp(name, "sem_", 4) || is_c11(name) || index == REAL_call_once;
    if (is_resolved(index) && *slot(index) != stand_in(index))
        return false;
    return rows[index].family != OPERATOR && strncmp(name, "mq_", 3) != 0 &&
           (!is_of_threads || libc.pthread_setspecific);
}

void real_hide_missing(void)
{
    const char *names[REALS];
    unsigned count = 0;
    for (unsigned i = 0; i < REALS; i++)
        if (rows[i].family != CALLED && is_missing(i))
            names[count++] = rows[i].name;
    if (count)
        elf_hide(&own_module, names, count);
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
