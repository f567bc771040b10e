/* SPDX-License-Identifier: Apache-2.0 */
#include "reading.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tables.h"

void reading_init(struct reading *reading)
{
    *reading = (struct reading){.profiles = 0};
}

void reading_free(struct reading *reading)
{
    for (size_t i = 0; i < reading->profiles; i++)
        tables_free(reading->profile[i]);
    free(reading->profile);
    store_free(&reading->store);
    reading_init(reading);
}

int read_profile_type(const struct read_profile *profile, const char *type)
{
    for (unsigned i = 0; i < profile->types; i++)
        if (!strcmp(profile->type[i].type, type))
            return (int)i;
    return -1;
}

int64_t read_profile_total(const struct read_profile *profile, unsigned type)
{
    int64_t total = 0;

    for (size_t i = 0; i < profile->samples; i++)
        if (__builtin_add_overflow(total, profile->value[i * profile->types + type], &total))
            return INT64_MAX;
    return total;
}

void reading_trim(struct reading *reading)
{
    for (size_t i = 0; i < reading->profiles; i++)
        tables_trim(reading->profile[i]);
}

struct read_profile *reading_find(const struct reading *reading, const char *program, const char *kind)
{
    struct read_profile *best = NULL;
    int64_t most = -1;

    for (size_t i = 0; i < reading->profiles; i++) {
        struct read_profile *profile = reading->profile[i];
        int64_t total;
        if (strcmp(profile->kind, kind) != 0 || (program && strcmp(profile->program, program) != 0))
            continue;
        total = read_profile_total(profile, profile->default_type);
        if (total > most)
            best = profile;
        most = total > most ? total : most;
    }
    return best;
}

int reading_fail(struct reading *reading, int rc, const char *format, ...)
{
    va_list list;

    va_start(list, format);
    vsnprintf(reading->error, sizeof reading->error, format, list);
    va_end(list);
    return rc;
}

const char *read_base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}
