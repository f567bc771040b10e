/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The allocators' own interfaces. The hooks are not exported: preload/real/rebind.h binds references to them, if an
 * allocator is there. All arguments are passed on as words, since each of them is one in a register.
 */
#include "direct.h"

#include <stdint.h>
#include <string.h>

#include "hooks/hooks.h"
#include "preload/real/rebind.h"
#include "sampler/memory/alloc.h"
#include "sampler/process/process.h"

#define ARGUMENTS uintptr_t a0, uintptr_t a1, uintptr_t a2, uintptr_t a3, uintptr_t a4, uintptr_t a5
#define PASS      a0, a1, a2, a3, a4, a5
typedef uintptr_t direct_function(ARGUMENTS);

#define X(name, ...) DIRECT_##name,
enum direct { DIRECT(X) DIRECTS };
#undef X

static struct rebinding direct[DIRECTS];
#define REAL(name) ((direct_function *)direct[DIRECT_##name].real)

#define SIZE(i)    a##i
#define PRODUCT(i) PRODUCT_##i
#define PRODUCT_0  (a0 * a1)
#define PRODUCT_1  (a1 * a2)
#define PRODUCT_2  (a2 * a3)

/* ---- what the shapes of direct.h do when a block is sampled, or may be known */

__attribute__((noinline)) static uintptr_t sampled(uintptr_t block, size_t size)
{
    alloc_sampled((void *)block, size);
    return block;
}

__attribute__((noinline)) static void forget(uintptr_t block)
{
    alloc_untrack((void *)block, NULL);
}

/* Untracked before the real call, since another thread may be given the address at once. */
__attribute__((noinline)) static uintptr_t resize(direct_function *call, uintptr_t old, size_t size, bool due,
                                                  bool frees_failed, ARGUMENTS)
{
    struct alloc_saved saved;
    bool tracked = old && alloc_untrack((void *)old, &saved);
    uintptr_t block = call(PASS);

    if (!block && tracked && size && !frees_failed)
        alloc_retrack((void *)old, &saved);
    return due ? sampled(block, size) : block;
}

/* xallocx() returns the size, which is less if it did not succeed; mi_expand() the block, or NULL. */
static uintptr_t extend(direct_function *call, uintptr_t old, size_t size, ARGUMENTS)
{
    uintptr_t result = call(PASS);

    if (result < size)
        return result;
    if (alloc_may_be_tracked((void *)old))
        forget(old);
    if (alloc_due(size))
        sampled(old, size);
    return result;
}

static uintptr_t store(direct_function *call, ARGUMENTS)
{
    uintptr_t error = call(PASS);
    if (!(int)error && alloc_due(a2))
        sampled(*(uintptr_t *)a0, a2);
    return error;
}

static uintptr_t copy(direct_function *call, ARGUMENTS)
{
    uintptr_t block = call(PASS);
    size_t size = block ? strlen((const char *)block) + 1 : 0;
    return block && alloc_due(size) ? sampled(block, size) : block;
}

/* ---- the hooks */

#define HOOK_OF(name) static uintptr_t hook_##name(ARGUMENTS)
#define GIVES(name, size)                                                                                    \
    HOOK_OF(name)                                                                                            \
    {                                                                                                        \
        if (UNLIKELY(alloc_due(size)))                                                                       \
            return sampled(REAL(name)(PASS), size);                                                          \
        return REAL(name)(PASS);                                                                             \
    }
#define TAKES(name, block)                                                                                   \
    HOOK_OF(name)                                                                                            \
    {                                                                                                        \
        if (UNLIKELY(alloc_may_be_tracked((void *)a##block)))                                                \
            forget(a##block);                                                                                \
        return REAL(name)(PASS);                                                                             \
    }
#define RESIZES_OR(frees_failed, name, block, size)                                                          \
    HOOK_OF(name)                                                                                            \
    {                                                                                                        \
        bool due = alloc_due(size);                                                                          \
        if (UNLIKELY(due || alloc_may_be_tracked((void *)a##block)))                                         \
            return resize(REAL(name), a##block, size, due, frees_failed, PASS);                              \
        return REAL(name)(PASS);                                                                             \
    }
#define RESIZES(name, block, size)  RESIZES_OR(false, name, block, size)
#define REPLACES(name, block, size) RESIZES_OR(true, name, block, size)
#define EXTENDS(name, block, size)                                                                           \
    HOOK_OF(name)                                                                                            \
    {                                                                                                        \
        return extend(REAL(name), a##block, size, PASS);                                                     \
    }
#define STORES(name, size)                                                                                   \
    HOOK_OF(name)                                                                                            \
    {                                                                                                        \
        return store(REAL(name), PASS);                                                                      \
    }
#define COPIES(name, string)                                                                                 \
    HOOK_OF(name)                                                                                            \
    {                                                                                                        \
        return copy(REAL(name), PASS);                                                                       \
    }

#define X(name, shape, ...) shape(name, __VA_ARGS__)
DIRECT(X)
#undef X

#define X(name, ...) {#name, (void *)hook_##name, NULL},
static struct rebinding direct[DIRECTS] = {DIRECT(X)};
#undef X

/* After preload/init.c, whose constructor is the one before. */
__attribute__((constructor(102))) static void start(void)
{
    static const char *const marks[] = {"mallocx", "je_malloc", "mi_malloc", "tc_malloc", NULL};
    if (process_attached())
        rebind(direct, DIRECTS, marks);
}
