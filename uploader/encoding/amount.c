/* SPDX-License-Identifier: Apache-2.0 */
#include "amount.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *unit, *name;
    double size;
} units[] = {
    {"nanoseconds", "h", 3600e9},
    {"nanoseconds", "min", 60e9},
    {"nanoseconds", "s", 1e9},
    {"nanoseconds", "ms", 1e6},
    {"nanoseconds", "us", 1e3},
    {"nanoseconds", "ns", 1},
    {"microseconds", "s", 1e6},
    {"microseconds", "ms", 1e3},
    {"microseconds", "us", 1},
    {"milliseconds", "s", 1e3},
    {"milliseconds", "ms", 1},
    {"seconds", "s", 1},
    {"bytes", "TiB", 1024.0 * 1024 * 1024 * 1024},
    {"bytes", "GiB", 1024.0 * 1024 * 1024},
    {"bytes", "MiB", 1024.0 * 1024},
    {"bytes", "KiB", 1024},
    {"bytes", "B", 1},
};

/* What is whole in its smallest unit needs none. */
static int decimals(double scaled, double scale)
{
    return (scale == 1 && scaled == floor(scaled)) || scaled >= 99.95 ? 0 : scaled >= 9.995 ? 1 : 2;
}

const char *amount_text(char text[AMOUNT_TEXT], double value, const char *unit, int sign)
{
    const char *before = value < 0 ? "-" : sign ? "+" : "", *name = "";
    double size = fabs(value), scale = 1;

    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (strcmp(units[i].unit, unit) != 0)
            continue;
        name = units[i].name;
        scale = units[i].size;
        if (size >= scale * 0.9995)
            break;
    }
    if (value == 0)
        snprintf(text, AMOUNT_TEXT, "0");
    else if (*name)
        snprintf(text, AMOUNT_TEXT, "%s%.*f %s", before, decimals(size / scale, scale), size / scale, name);
    else if (size < 1e6)
        snprintf(text, AMOUNT_TEXT, "%s%.*f", before, decimals(size, 1), size);
    else
        snprintf(text, AMOUNT_TEXT, "%s%.*f %c", before, decimals(size / (size < 1e9 ? 1e6 : 1e9), 0),
                 size / (size < 1e9 ? 1e6 : 1e9), size < 1e9 ? 'M' : 'G');
    return text;
}

const char *percent_text(char text[AMOUNT_TEXT], double part, double whole, int sign)
{
    double percent = whole != 0 ? 100 * part / fabs(whole) : 0;

    if (whole == 0 && part != 0)
        snprintf(text, AMOUNT_TEXT, "new");
    else
        snprintf(text, AMOUNT_TEXT, "%s%.*f %%", sign && percent >= 0 ? "+" : "",
                 fabs(percent) < 999.95 ? 1 : 0, percent);
    return text;
}

const char *type_title(const char *kind, const char *type)
{
    static const struct {
        const char *kind, *type, *title;
    } titles[] = {
        {"cpu", "cpu", "CPU time"},
        {"cpu", "samples", "CPU samples"},
        {"memory", "alloc_space", "Allocated bytes"},
        {"memory", "alloc_objects", "Allocated blocks"},
        {"memory", "inuse_space", "Live bytes"},
        {"memory", "inuse_objects", "Live blocks"},
        {"mutex", "delay", "Mutex delay"},
        {"mutex", "contentions", "Mutex contentions"},
        {"block", "delay", "Block delay"},
        {"block", "contentions", "Blocking events"},
        {"wall", "wall", "Wall time"},
        {"wall", "samples", "Wall samples"},
        {"off_cpu", "off_cpu", "Off CPU"},
        {"off_cpu", "samples", "Off-CPU samples"},
        {"threads", "threads", "Threads"},
        {"threadcreate", "threadcreate", "Threads created"},
    };

    for (size_t i = 0; i < sizeof titles / sizeof titles[0]; i++)
        if (!strcmp(titles[i].kind, kind) && !strcmp(titles[i].type, type))
            return titles[i].title;
    return type;
}
