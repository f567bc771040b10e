/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <strings.h>

#include "parse.h"

/* Types that only one kind has, of cprof, Go, Java's and Rust's profilers. */
static const struct {
    const char *type, *kind;
} by_type[] = {
    {"cpu", "cpu"},
    {"inuse_space", "memory"},
    {"alloc_space", "memory"},
    {"inuse_objects", "memory"},
    {"space", "memory"},
    {"wall", "wall"},
    {"off_cpu", "off_cpu"},
    {"threadcreate", "threadcreate"},
    {"threads", "threads"},
    {"contentions", "mutex"},
    {"delay", "mutex"},
};

const char *kind_of(const struct read_type *type, unsigned types, const char *name)
{
    for (unsigned t = 0; t < types; t++)
        for (size_t i = 0; i < sizeof by_type / sizeof by_type[0]; i++)
            if (!strcmp(type[t].type, by_type[i].type)) {
                /* Go's profiles of both kinds have the same types. */
                if (!strcmp(by_type[i].kind, "mutex") && strcasestr(read_base_name(name), "block"))
                    return "block";
                return by_type[i].kind;
            }
    if (types == 2 && !strcmp(type[0].type, "samples") && !strcmp(type[1].unit, "nanoseconds"))
        return "cpu";
    return type[0].type;
}
