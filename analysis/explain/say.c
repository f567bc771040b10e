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

void say(struct say *say, const char *format, ...)
{
    size_t room = sizeof say->text - say->used;
    va_list list;
    int length;

    va_start(list, format);
    length = vsnprintf(say->text + say->used, room, format, list);
    va_end(list);
    if (length > 0)
        say->used += (size_t)length < room ? (size_t)length : room - 1;
}

void say_end(struct say *say)
{
    size_t column = 0;

    for (char *word = say->text, *end; *word; word = end) {
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
    say->used = 0;
    say->text[0] = 0;
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
