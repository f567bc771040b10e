/* SPDX-License-Identifier: Apache-2.0 */
#include "quantity.h"

#include <errno.h>
#include <string.h>

const struct quantity_unit quantity_sizes[] = {
    {"", 1},         {"B", 1},           {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30},
    {"K", 1 << 10},  {"M", 1 << 20},     {"G", 1 << 30},   {"kB", 1000},     {"KB", 1000},
    {"MB", 1000000}, {"GB", 1000000000}, {NULL, 0},
};
const struct quantity_unit quantity_times[] = {
    {"ns", 1},           {"us", 1000},          {"ms", 1000000},        {"s", 1000000000},
    {"m", 60000000000u}, {"h", 3600000000000u}, {"d", 86400000000000u}, {NULL, 0},
};

int quantity_parse(const char *text, const struct quantity_unit *units, const char *bare, uint64_t *number)
{
    uint64_t whole = 0, fraction = 0, scale = 1;
    const char *p = text;
    for (; *p >= '0' && *p <= '9'; p++)
        if (__builtin_mul_overflow(whole, 10, &whole) ||
            __builtin_add_overflow(whole, (uint64_t)(*p - '0'), &whole))
            return -EINVAL;
    if (p == text)
        return -EINVAL;
    if (*p == '.') {
        for (p++; *p >= '0' && *p <= '9'; p++) {
            if (scale >= 1000000)
                continue;
            fraction = fraction * 10 + (uint64_t)(*p - '0');
            scale *= 10;
        }
    }
    if (!*p)
        p = bare;
    for (; units->name; units++) {
        uint64_t value, part;
        if (strcmp(p, units->name) != 0)
            continue;
        if (__builtin_mul_overflow(whole, units->factor, &value) ||
            __builtin_mul_overflow(fraction, units->factor, &part) || value > INT64_MAX)
            return -EINVAL;
        *number = value + part / scale;
        return 0;
    }
    return -EINVAL;
}
