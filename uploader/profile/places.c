/* SPDX-License-Identifier: Apache-2.0 */
#include "places.h"

static bool is_place(const struct symbol_location *location)
{
    return location->module && !location->unnamed;
}

static int compare_words(uint64_t left, uint64_t right)
{
    return (left > right) - (left < right);
}

static int compare_lines(const struct symbol_line *left, const struct symbol_line *right)
{
    const uint64_t a[] = {(uintptr_t)left->function, (uint64_t)left->line, (uintptr_t)left->file,
                          (uint64_t)left->start_line};
    const uint64_t b[] = {(uintptr_t)right->function, (uint64_t)right->line, (uintptr_t)right->file,
                          (uint64_t)right->start_line};
    int order = 0;

    for (size_t i = 0; !order && i < sizeof(a) / sizeof(*a); i++)
        order = compare_words(a[i], b[i]);
    return order;
}

int place_compare(const struct symbol_location *left, const struct symbol_location *right)
{
    int order;

    if (left == right)
        return 0;
    order = is_place(left) - is_place(right);
    if (order)
        return order;
    if (!is_place(left))
        return compare_words((uintptr_t)left, (uintptr_t)right);
    order = compare_words((uintptr_t)left->module, (uintptr_t)right->module);
    if (!order)
        order = compare_words(left->line_count, right->line_count);
    for (unsigned i = 0; !order && i < left->line_count; i++)
        order = compare_lines(&left->lines[i], &right->lines[i]);
    return order;
}

static uint64_t hash_place(const struct symbol_location *location)
{
    uint64_t hash = (uintptr_t)location->module;

    for (unsigned i = 0; i < location->line_count; i++)
        hash = hash_mix(hash_mix(hash, (uintptr_t)location->lines[i].function),
                        (uint64_t)location->lines[i].line);
    return hash;
}

const struct symbol_location *place_first(struct hash *places, const struct symbol_location *location)
{
    const struct symbol_location *same;
    uint64_t hash;

    if (!is_place(location))
        return location;
    hash = hash_place(location);
    for (size_t cursor = 0; (same = hash_next(places, hash, &cursor));)
        if (!place_compare(same, location))
            return same;
    hash_add(places, hash, (void *)location);
    return location;
}
