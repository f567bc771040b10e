/* SPDX-License-Identifier: Apache-2.0 */
#include "pairs.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static char *trim(char *text)
{
    char *end = text + strlen(text);

    while (end > text && isspace((unsigned char)end[-1]))
        *--end = 0;
    while (isspace((unsigned char)*text))
        text++;
    return text;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : isxdigit((unsigned char)c) ? (c | 0x20) - 'a' + 10 : -1;
}

static void decode_percent(char *text)
{
    char *out = text;

    while (*text) {
        int high = *text == '%' ? hex_digit(text[1]) : -1;
        int low = high >= 0 ? hex_digit(text[2]) : -1;
        if (low >= 0 && high + low) {
            *out++ = (char)(high << 4 | low);
            text += 3;
        } else {
            *out++ = *text++;
        }
    }
    *out = 0;
}

int pairs_read(const char *list, bool percent, pair_found *found, void *context)
{
    char *copy = strdup(list), *rest = copy, *item;
    int error = copy ? 0 : -ENOMEM;

    while (copy && (item = strsep(&rest, ","))) {
        char *value = strpbrk(item, "=:");
        if (value)
            *value++ = 0;
        item = trim(item);
        if (value && *item) {
            value = trim(value);
            if (percent)
                decode_percent(value);
            found(context, item, value);
        } else if (value || *item) {
            error = -EINVAL;
        }
    }
    free(copy);
    return error;
}

/* Reads JSON in place: what is read is never longer than how it is written. */
static void skip_blanks(char **at)
{
    *at += strspn(*at, " \t\r\n");
}

static bool take(char **at, char wanted)
{
    skip_blanks(at);
    if (**at != wanted)
        return false;
    ++*at;
    return true;
}

/* \u escapes of the Basic Multilingual Plane, without surrogates. */
static bool take_code_point(char **at, char **out)
{
    unsigned code = 0;

    for (int i = 0; i < 4; i++) {
        int digit = hex_digit((*at)[0]);
        if (digit < 0)
            return false;
        code = code << 4 | (unsigned)digit;
        ++*at;
    }
    if (!code || (code >= 0xd800 && code < 0xe000))
        return false;
    if (code >= 0x800)
        *(*out)++ = (char)(0xe0 | code >> 12);
    if (code >= 0x80)
        *(*out)++ = (char)(code >= 0x800 ? 0x80 | (code >> 6 & 0x3f) : 0xc0 | code >> 6);
    *(*out)++ = (char)(code >= 0x80 ? 0x80 | (code & 0x3f) : code);
    return true;
}

static char *take_string(char **at)
{
    static const char names[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    char *start, *out;

    if (!take(at, '"'))
        return NULL;
    start = out = *at;
    while (**at && **at != '"') {
        const char *escape;
        if (**at != '\\') {
            *out++ = *(*at)++;
            continue;
        }
        ++*at;
        if (**at == 'u') {
            ++*at;
            if (!take_code_point(at, &out))
                return NULL;
            continue;
        }
        escape = **at ? strchr(names, **at) : NULL;
        if (!escape)
            return NULL;
        *out++ = meanings[escape - names];
        ++*at;
    }
    if (!**at)
        return NULL;
    ++*at;
    *out = 0;
    return start;
}

/* *end is the character that a number's NUL was written over. */
static char *take_value(char **at, char *end)
{
    size_t length;
    char *start;

    skip_blanks(at);
    if (**at == '"')
        start = take_string(at);
    else {
        length = strspn(*at, "+-.0123456789eE");
        start = length ? *at : NULL;
        *at += length;
    }
    if (!start)
        return NULL;
    skip_blanks(at);
    *end = **at;
    return start;
}

int pairs_read_json(const char *object, pair_found *found, void *context)
{
    char *copy = strdup(object), *at = copy;
    char end = 0;
    bool good = copy && take(&at, '{');

    if (!copy)
        return -ENOMEM;
    if (good && take(&at, '}'))
        end = '}';
    while (good && end != '}') {
        char *name = take_string(&at);
        char *value = name && take(&at, ':') ? take_value(&at, &end) : NULL;
        good = value && (end == ',' || end == '}');
        if (!good)
            break;
        *at++ = 0;
        found(context, name, trim(value));
    }
    if (good) {
        skip_blanks(&at);
        good = !*at;
    }
    free(copy);
    return good ? 0 : -EINVAL;
}
