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
