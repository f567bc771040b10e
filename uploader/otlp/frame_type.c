/* SPDX-License-Identifier: Apache-2.0 */
#include "frame_type.h"

#include <ctype.h>
#include <string.h>

/* How runtimes name what they generate, in /tmp/perf-PID.map. */
static const struct {
    const char *prefix, *type;
} generated[] = {
    {"py::", "cpython"}, {"JS:", "v8js"},      {"LazyCompile:", "v8js"},     {"Function:", "v8js"},
    {"Script:", "v8js"}, {"Builtin:", "v8js"}, {"BytecodeHandler:", "v8js"}, {"RegExp:", "v8js"},
};

static const char *type_of_generated(const struct symbol_location *location)
{
    const char *name = location->lines[location->line_count - 1].function;

    for (size_t i = 0; i < sizeof generated / sizeof *generated; i++)
        if (!strncmp(name, generated[i].prefix, strlen(generated[i].prefix)))
            return generated[i].type;
    return NULL;
}

/* Mangled names begin with _R, or are C++'s and end with a hash: 17h, 16 hex digits, E. */
static bool is_rust(const char *linkage)
{
    size_t length = strlen(linkage);

    if (linkage[0] == '_' && linkage[1] == 'R')
        return isalnum((unsigned char)linkage[2]);
    if (strncmp(linkage, "_ZN", 3) != 0 || length < 24 || linkage[length - 1] != 'E' ||
        strncmp(linkage + length - 20, "17h", 3) != 0)
        return false;
    for (const char *digit = linkage + length - 17; digit < linkage + length - 1; digit++)
        if (!isxdigit((unsigned char)*digit))
            return false;
    return true;
}

const char *frame_type(const struct symbol_location *location)
{
    if (!location->line_count)
        return location->module ? "native" : NULL;
    if (!location->module)
        return location->unnamed ? NULL : type_of_generated(location);
    for (unsigned i = 0; i < location->line_count; i++)
        if (location->lines[i].linkage && is_rust(location->lines[i].linkage))
            return "rust";
    return "native";
}
