/* SPDX-License-Identifier: Apache-2.0 */
#include "screen.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "uploader/base/array.h"
#include "uploader/encoding/utf8.h"

static const char *const styles[STYLES] = {
    [STYLE_PLAIN] = "",       [STYLE_BOLD] = "\033[1m",    [STYLE_DIM] = "\033[2m",
    [STYLE_HEAD] = "\033[7m", [STYLE_WARN] = "\033[1;31m",
};

void screen_begin(struct screen *screen, unsigned width, unsigned height)
{
    screen->width = width;
    screen->height = height;
    screen->size = 0;
    screen->lines = 0;
    screen->failed = false;
}

void screen_free(struct screen *screen)
{
    free(screen->text);
    *screen = (struct screen){0};
}

/* ---- Characters ---- */

static uint32_t code_point(const char *text, size_t length)
{
    static const uint8_t first[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    uint32_t code = (uint8_t)text[0] & first[length];

    for (size_t i = 1; i < length; i++)
        code = code << 6 | ((uint8_t)text[i] & 0x3f);
    return code;
}

struct range {
    uint32_t first, last;
};

static bool is_in(const struct range *ranges, size_t count, uint32_t code)
{
    for (size_t i = 0; i < count; i++)
        if (code >= ranges[i].first && code <= ranges[i].last)
            return true;
    return false;
}

/* Control characters; what is not seen, turns the direction, or is no character. */
static bool is_obeyed(uint32_t code)
{
    static const struct range bad[] = {{0x00, 0x1f},     {0x7f, 0x9f},     {0xad, 0xad},
                                       {0x61c, 0x61c},   {0x200b, 0x200f}, {0x2028, 0x202e},
                                       {0x2060, 0x206f}, {0xfe00, 0xfe0f}, {0xfeff, 0xfeff},
                                       {0xfff0, 0xfffb}, {0xe000, 0xf8ff}, {0xe0000, 0x10ffff}};
    return is_in(bad, sizeof bad / sizeof bad[0], code);
}

/* As terminals have it, for the scripts that matter most. */
static unsigned columns_of(uint32_t code)
{
    static const struct range none[] = {{0x300, 0x36f},
                                        {0x1ab0, 0x1aff},
                                        {0x1dc0, 0x1dff},
                                        {0x20d0, 0x20ff},
                                        {0xfe20, 0xfe2f}},
                              wide[] = {{0x1100, 0x115f},   {0x2e80, 0x303e},   {0x3041, 0xa4cf},
                                        {0xa960, 0xa97f},   {0xac00, 0xd7a3},   {0xf900, 0xfaff},
                                        {0xfe30, 0xfe6f},   {0xff00, 0xff60},   {0xffe0, 0xffe6},
                                        {0x1f300, 0x1f64f}, {0x1f900, 0x1f9ff}, {0x20000, 0x3fffd}};
    if (is_in(none, sizeof none / sizeof none[0], code))
        return 0;
    return is_in(wide, sizeof wide / sizeof wide[0], code) ? 2 : 1;
}

unsigned screen_columns(const char *text)
{
    unsigned columns = 0;

    while (*text) {
        size_t length = utf8_length(text);
        columns += length ? columns_of(code_point(text, length)) : 1;
        text += length ? length : 1;
    }
    return columns;
}

/* One character of text, as it may be printed. Returns how many bytes of text it was; *columns: what it takes. */
static size_t take(const char *text, bool is_ascii, char out[8], unsigned *columns)
{
    size_t length = utf8_length(text);
    uint32_t code = length ? code_point(text, length) : 0;

    if (!length || is_obeyed(code) || (is_ascii && length > 1)) {
        strcpy(out, "?");
        *columns = 1;
        return length ? length : 1;
    }
    memcpy(out, text, length);
    out[length] = 0;
    *columns = columns_of(code);
    return length;
}

char *screen_fit(char *out, size_t size, const char *text, unsigned columns, bool is_ascii)
{
    size_t used = 0, mark = 0;
    unsigned at = 0, mark_at = 0, width;
    char one[8];

    while (*text) {
        size_t taken = take(text, is_ascii, one, &width);
        if (at + width > columns || used + strlen(one) + 2 > size) {
            used = mark;
            at = mark_at;
            if (columns && used + 2 < size) {
                out[used++] = '~';
                at++;
            }
            break;
        }
        if (at + width < columns) { /* here it could be cut */
            mark = used + strlen(one);
            mark_at = at + width;
        }
        memcpy(out + used, one, strlen(one));
        used += strlen(one);
        at += width;
        text += taken;
    }
    for (; at < columns && used + 1 < size; at++)
        out[used++] = ' ';
    out[used] = 0;
    return out;
}

/* ---- Lines ---- */

static void add(struct screen *screen, const char *text)
{
    const size_t length = strlen(text);
    char *grown = array_reserve(screen->text, &screen->room, screen->size + length + 1, 1);

    if (!grown) {
        screen->failed = true;
        return;
    }
    screen->text = grown;
    memcpy(grown + screen->size, text, length + 1);
    screen->size += length;
}

static void strip_end(char *text)
{
    size_t length = strlen(text);

    while (length && text[length - 1] == ' ')
        text[--length] = 0;
}

void screen_line(struct screen *screen, enum screen_style style, const char *format, ...)
{
    char text[SCREEN_LINE], line[2 * SCREEN_LINE];
    va_list args;

    if (screen->height && screen->lines >= screen->height)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    screen_fit(line, sizeof line, text, screen->width, screen->is_ascii);
    if (style != STYLE_HEAD || !screen->has_styles)
        strip_end(line);
    if (screen->lines++)
        add(screen, screen->has_styles ? "\r\n" : "\n");
    if (screen->has_styles && style)
        add(screen, styles[style]);
    add(screen, line);
    if (screen->has_styles)
        add(screen, style ? "\033[0m\033[K" : "\033[K");
}
