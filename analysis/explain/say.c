/* SPDX-License-Identifier: Apache-2.0 */
#include "say.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "uploader/encoding/amount.h"

enum {
    COLUMNS = 100,
    FIRM = 1, /* a blank at which no line ends */
};

static void add(struct say *say, const char *format, va_list list)
{
    size_t room = sizeof say->text - say->used;
    int length = vsnprintf(say->text + say->used, room, format, list);

    if (length > 0)
        say->used += (size_t)length < room ? (size_t)length : room - 1;
}

void say(struct say *say, const char *format, ...)
{
    va_list list;

    va_start(list, format);
    add(say, format, list);
    va_end(list);
}

void say_detail(struct say *say, const char *format, ...)
{
    va_list list;

    if (!say->all)
        return;
    va_start(list, format);
    add(say, format, list);
    va_end(list);
}

void say_print(const char *text)
{
    size_t column = 0;

    for (const char *word = text, *end; *word; word = end) {
        size_t length;
        word += strspn(word, " ");
        length = strcspn(word, " ");
        end = word + length;
        if (column && column + 1 + length > COLUMNS) {
            fputs("\n  ", stdout);
            column = 2;
        } else if (column) {
            putchar(' ');
            column++;
        }
        for (size_t i = 0; i < length; i++)
            putchar(word[i] == FIRM ? ' ' : (unsigned char)word[i] < ' ' || word[i] == 0x7f ? '?' : word[i]);
        column += length;
    }
    if (column)
        putchar('\n');
}

/* A number stays with its unit. */
static const char *firm(char out[SAY_NUMBER], const char *text)
{
    snprintf(out, SAY_NUMBER, "%s", text);
    for (char *at = out; *at; at++)
        if (*at == ' ')
            *at = FIRM;
    return out;
}

const char *say_amount(char out[SAY_NUMBER], int64_t value, const char *unit)
{
    char text[AMOUNT_TEXT];

    return firm(out, amount_text(text, (double)value, unit, 0));
}

const char *say_share(char out[SAY_NUMBER], int64_t part, int64_t whole)
{
    char text[AMOUNT_TEXT];

    return firm(out, percent_text(text, (double)part, (double)whole, 0));
}
