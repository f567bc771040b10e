/* SPDX-License-Identifier: Apache-2.0 */
#include "utf8.h"

#include <stdint.h>
#include <string.h>

/* One row per lead byte: the length, and the range of the second byte. That range excludes overlong forms,
   surrogates and code points beyond U+10FFFF. */
static const struct lead {
    uint8_t first, last, length, low, high;
} leads[] = {
    {0x01, 0x7f, 1, 0, 0},       {0xc2, 0xdf, 2, 0x80, 0xbf}, {0xe0, 0xe0, 3, 0xa0, 0xbf},
    {0xe1, 0xec, 3, 0x80, 0xbf}, {0xed, 0xed, 3, 0x80, 0x9f}, {0xee, 0xef, 3, 0x80, 0xbf},
    {0xf0, 0xf0, 4, 0x90, 0xbf}, {0xf1, 0xf3, 4, 0x80, 0xbf}, {0xf4, 0xf4, 4, 0x80, 0x8f},
};

size_t utf8_length(const char *text)
{
    const uint8_t *byte = (const uint8_t *)text;

    for (size_t i = 0; i < sizeof(leads) / sizeof(*leads); i++) {
        const struct lead *lead = &leads[i];
        if (byte[0] < lead->first || byte[0] > lead->last)
            continue;
        if (lead->length > 1 && (byte[1] < lead->low || byte[1] > lead->high))
            return 0;
        for (size_t n = 2; n < lead->length; n++)
            if ((byte[n] & 0xc0) != 0x80)
                return 0;
        return lead->length;
    }
    return 0;
}

bool utf8_is_valid(const char *text)
{
    while (*text) {
        size_t length = utf8_length(text);
        if (!length)
            return false;
        text += length;
    }
    return true;
}

/* Those of ASCII, and U+0080 to U+009F, which terminals obey, too. */
static bool is_control(const char *text)
{
    const uint8_t *byte = (const uint8_t *)text;

    return byte[0] < 0x20 || byte[0] == 0x7f || (byte[0] == 0xc2 && byte[1] < 0xa0);
}

char *utf8_clean(char *out, size_t size, const char *text, bool plain)
{
    size_t used = 0;

    while (*text) {
        size_t length = utf8_length(text);
        size_t taken = length ? length : 1;
        bool bad = !length || (plain && is_control(text));
        if (used + (bad ? 1 : taken) >= size)
            break;
        memcpy(out + used, bad ? "?" : text, bad ? 1 : taken);
        used += bad ? 1 : taken;
        text += taken;
    }
    out[used] = 0;
    return out;
}
