/* SPDX-License-Identifier: Apache-2.0 */
#include "own_code.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/tables/rows.h"
#include "uploader/profile/entry.h"

static bool begins(const char *text, const char *with)
{
    return !strncmp(text, with, strlen(with));
}

static bool ends(const char *text, const char *with)
{
    size_t length = strlen(text), wanted = strlen(with);
    return length >= wanted && !strcmp(text + length - wanted, with);
}

/* A distribution's directories, and the kernel's own mappings. */
static bool is_library(const char *module)
{
    static const char *const places[] = {"/lib/",       "/lib64/",     "/lib32/", "/usr/lib/",
                                         "/usr/lib64/", "/usr/lib32/", "["};
    const char *name = read_base_name(module);

    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++)
        if (begins(module, places[i]) && (strstr(name, ".so") || *module == '['))
            return true;
    return begins(name, "ld-linux") || begins(name, "libc.so") || strstr(name, "vdso") ||
           begins(name, "libpthread");
}

/* Go's own packages have no dot before their first slash: "runtime.mallocgc", "net/http.(*conn).serve". */
static bool is_go_library(const char *name)
{
    size_t first = strcspn(name, "/");

    if (begins(name, "main."))
        return false;
    return !(name[first] == '/' && memchr(name, '.', first));
}

/* What no one has written: starts of programs, and places without a name. */
static bool is_plumbing(const char *name)
{
    return entry_is(name) || *name == '[' || *name == '<' || !*name || strstr(name, "+0x") ||
           ends(name, "_[k]") || ends(name, "@plt");
}

/* Where modules are known, a function without one is a call of libc that a wait was recorded in. */
static bool knows_modules(const struct read_profile *profile)
{
    for (size_t i = 0; i < profile->functions; i++)
        if (*profile->function[i].module)
            return true;
    return false;
}

static bool is_go(const struct read_function *function)
{
    return ends(function->file, ".go") || ends(function->file, ".s");
}

bool own_is(const struct read_profile *profile, uint32_t function)
{
    const struct read_function *of = &profile->function[function];

    if (is_plumbing(of->name) || is_library(of->module) || (!*of->module && knows_modules(profile)))
        return false;
    return !(is_go(of) && is_go_library(of->name));
}

/* "zmalloc", "xrealloc", "PyMem_Malloc", "operator new": they allocate for those that call them. */
static bool is_allocator(const char *name)
{
    return strcasestr(name, "alloc") || strcasestr(name, "strdup") || strstr(name, "operator new");
}

/* Libraries that others build upon: their callers are asked about. */
static bool is_runtime(const char *module)
{
    static const char *const names[] = {"libc.so",     "libc-",       "libpthread", "libm.so",
                                        "ld-linux",    "ld-musl",     "libstdc++.", "libjemalloc",
                                        "libtcmalloc", "libmimalloc", "linux-vdso", "["};
    const char *name = read_base_name(module);

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (begins(name, names[i]))
            return true;
    return !*name;
}

/* Of a program whose code is in libraries of its own, such as BIND: the function of a library that is nearest to the leaf. */
static uint32_t find_in_library(const struct read_profile *profile, uint32_t node)
{
    for (; node; node = profile->node[node].parent) {
        uint32_t function = profile->frame[profile->node[node].frame].function;
        const struct read_function *of = &profile->function[function];
        if (!is_plumbing(of->name) && !is_runtime(of->module) && !is_go(of))
            return function;
    }
    return OWN_NONE;
}

/* Without allocators, if there is another one. */
static uint32_t find_own(const struct read_profile *profile, uint32_t node, bool skips_allocators)
{
    const uint32_t leaf = node;
    uint32_t first = OWN_NONE;

    for (; node; node = profile->node[node].parent) {
        uint32_t function = profile->frame[profile->node[node].frame].function;
        if (!own_is(profile, function))
            continue;
        if (!skips_allocators || !is_allocator(profile->function[function].name))
            return function;
        first = first == OWN_NONE ? function : first;
    }
    return first == OWN_NONE ? find_in_library(profile, leaf) : first;
}

uint32_t own_function(const struct read_profile *profile, uint32_t node)
{
    return find_own(profile, node, false);
}

uint32_t own_allocating(const struct read_profile *profile, uint32_t node)
{
    return find_own(profile, node, true);
}

int64_t *costs_weight(const struct read_profile *profile, unsigned type)
{
    int64_t *weight = calloc(profile->samples + 1, sizeof *weight);

    for (size_t i = 0; weight && i < profile->samples; i++)
        weight[i] = profile->value[i * profile->types + type];
    return weight;
}

/* Ties go by name, so that the text is the same each time. */
static void insert(struct costs *costs, const struct read_profile *profile, struct cost cost)
{
    size_t at = costs->count;

    if (cost.value <= 0)
        return;
    while (at && (costs->item[at - 1].value < cost.value ||
                  (costs->item[at - 1].value == cost.value &&
                   strcmp(profile->function[costs->item[at - 1].function].name,
                          profile->function[cost.function].name) > 0)))
        at--;
    if (at == COSTS_MOST)
        return;
    if (costs->count < COSTS_MOST)
        costs->count++;
    memmove(&costs->item[at + 1], &costs->item[at], (costs->count - at - 1) * sizeof cost);
    costs->item[at] = cost;
}

static int64_t *own_sums(const struct read_profile *profile, const int64_t *weight, bool skips_allocators)
{
    int64_t *sum = calloc(profile->functions + 1, sizeof *sum);

    for (size_t i = 0; sum && i < profile->samples; i++) {
        uint32_t function = find_own(profile, profile->sample[i].node, skips_allocators);
        if (function != OWN_NONE && __builtin_add_overflow(sum[function], weight[i], &sum[function]))
            sum[function] = INT64_MAX;
    }
    return sum;
}

int costs_of(struct costs *costs, const struct read_profile *profile, const int64_t *weight, enum cost_by by)
{
    const bool is_own = by == COST_OWN_CODE || by == COST_ALLOCATING;
    struct read_row *row = is_own ? NULL : read_rows(profile, weight);
    int64_t *sum = is_own ? own_sums(profile, weight, by == COST_ALLOCATING) : NULL;

    *costs = (struct costs){.count = 0};
    if (!row && !sum)
        return -ENOMEM;
    for (size_t i = 0; i < profile->samples; i++)
        if (__builtin_add_overflow(costs->total, weight[i], &costs->total))
            costs->total = INT64_MAX;
    for (size_t i = 0; i < profile->functions; i++) {
        int64_t value = sum ? sum[i] : by == COST_ITSELF ? row[i].own : row[i].cumulative;
        insert(costs, profile, (struct cost){(uint32_t)i, value});
    }
    free(row);
    free(sum);
    return 0;
}
