/* SPDX-License-Identifier: Apache-2.0 */
#include "demangle.h"

#include <ctype.h>
#include <setjmp.h>
#include <string.h>

#include <libiberty/demangle.h>

/* Longer names are not tried: what they expand to can grow with 2 to the power of their length. */
enum { LINKAGE_MOST = 4096 };

struct demangled {
    char *text;
    size_t length;
    jmp_buf full;
};

/* The demanglers cannot be stopped by a return value, and a hostile name makes them write for hours. Those
   with a callback hold no memory across it, so a jump can leave them. */
static void append(const char *text, size_t length, void *context)
{
    struct demangled *output = context;
    const size_t room = DEMANGLE_MOST - 4 - output->length;
    const size_t taken = length < room ? length : room;
    if (taken) /* an empty piece may come as NULL, which memcpy() must not be given */
        memcpy(output->text + output->length, text, taken);
    output->length += taken;
    if (taken < length)
        longjmp(output->full, 1);
}

static size_t copy(const char *text, size_t length, char name[DEMANGLE_MOST])
{
    const bool cut = length > DEMANGLE_MOST - 4;
    if (cut)
        length = DEMANGLE_MOST - 4;
    memcpy(name, text, length);
    memcpy(name + length, "...", 4);
    if (!cut)
        name[length] = '\0';
    return length + (cut ? 3 : 0);
}

/* Length without the suffixes of compiler-made copies. */
static size_t plain_length(const char *name)
{
    static const char *const suffixes[] = {".constprop.", ".isra.", ".part.", ".cold",
                                           ".lto_priv.",  ".llvm.", ".clone."};
    const size_t length = strlen(name);
    size_t first = length;
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        const char *found = strstr(name, suffixes[i]);
        if (!found || found == name || (size_t)(found - name) >= first)
            continue;
        const char *end = found + strlen(suffixes[i]);
        if (*end == '\0' || *end == '.' || isdigit((unsigned char)*end))
            first = (size_t)(found - name);
    }
    return first;
}

bool demangle_is_mangled(const char *linkage)
{
    return linkage[0] == '_' && (linkage[1] == 'Z' || linkage[1] == 'R');
}

/* Length of the result, 0 where neither demangler knows the name. */
static size_t expand(const char *linkage, char name[DEMANGLE_MOST])
{
    struct demangled output = {.text = name};
    if (setjmp(output.full)) {
        memcpy(name + DEMANGLE_MOST - 4, "...", 4);
        return DEMANGLE_MOST - 1;
    }
    int done = rust_demangle_callback(linkage, 0, append, &output);
    if (!done) {
        output.length = 0;
        done = cplus_demangle_v3_callback(linkage, DMGL_NO_OPTS, append, &output);
    }
    name[output.length] = '\0';
    return done ? output.length : 0;
}

size_t demangle(const char *linkage, char name[DEMANGLE_MOST])
{
    char plain[LINKAGE_MOST];
    const size_t length = plain_length(linkage);
    if (length < sizeof plain && demangle_is_mangled(linkage)) {
        memcpy(plain, linkage, length);
        plain[length] = '\0';
        const size_t expanded = expand(plain, name);
        if (expanded)
            return expanded;
    }
    return copy(linkage, length, name);
}
