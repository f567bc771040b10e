/* SPDX-License-Identifier: Apache-2.0 */
#include "json_reader.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

void json_init(struct json *json, struct source *in)
{
    json->in = in;
    json->depth = 0;
    json->open[0] = 0;
    json->text[0] = 0;
    json->error = NULL;
}

void json_fail(struct json *json, const char *expected)
{
    if (!json->error)
        json->error = expected;
}

/* The next byte that is no blank, without taking it; -1: the end, or there was an error. */
static int next(struct json *json)
{
    int byte = json->error ? -1 : source_peek(json->in);

    while (byte == ' ' || byte == '\n' || byte == '\t' || byte == '\r') {
        source_take(json->in);
        byte = source_peek(json->in);
    }
    return byte;
}

static bool take(struct json *json, char byte)
{
    if (next(json) != byte)
        return false;
    source_take(json->in);
    return true;
}

static void enter(struct json *json, char first, const char *expected)
{
    if (!take(json, first))
        json_fail(json, expected);
    else if (json->depth == JSON_DEPTH)
        json_fail(json, "at most 64 levels of brackets are expected");
    else
        json->open[++json->depth] = 0;
}

void json_object(struct json *json)
{
    enter(json, '{', "an object is expected");
}

void json_array(struct json *json)
{
    enter(json, '[', "an array is expected");
}

/* Before an entry: a comma, unless it is the first one; or the end. */
static bool begin_entry(struct json *json, char last, const char *expected)
{
    if (json->error || !json->depth)
        return false;
    if (take(json, last)) {
        json->depth--;
        return false;
    }
    if (json->open[json->depth] && !take(json, ','))
        json_fail(json, expected);
    json->open[json->depth]++;
    return !json->error;
}

bool json_more(struct json *json)
{
    return begin_entry(json, ']', "a comma or ] is expected");
}

static unsigned hex_digits(struct json *json)
{
    unsigned value = 0;

    for (int i = 0; i < 4; i++) {
        int digit = source_take(json->in);
        if (digit >= '0' && digit <= '9')
            value = value << 4 | (unsigned)(digit - '0');
        else if ((digit | 32) >= 'a' && (digit | 32) <= 'f')
            value = value << 4 | (unsigned)((digit | 32) - 'a' + 10);
        else
            json_fail(json, "four hexadecimal digits are expected");
    }
    return value;
}

static void put(struct json *json, size_t *used, unsigned byte)
{
    if (*used + 1 < JSON_TEXT)
        json->text[(*used)++] = (char)byte;
}

static void put_character(struct json *json, size_t *used, unsigned code)
{
    if (code < 0x80) {
        put(json, used, code ? code : '?');
    } else if (code < 0x800) {
        put(json, used, 0xc0 | code >> 6);
        put(json, used, 0x80 | (code & 63));
    } else if (code < 0x10000) {
        put(json, used, 0xe0 | code >> 12);
        put(json, used, 0x80 | (code >> 6 & 63));
        put(json, used, 0x80 | (code & 63));
    } else {
        put(json, used, 0xf0 | code >> 18);
        put(json, used, 0x80 | (code >> 12 & 63));
        put(json, used, 0x80 | (code >> 6 & 63));
        put(json, used, 0x80 | (code & 63));
    }
}

/* After \u. Half of a pair, without the other half, is '?'. */
static void take_code(struct json *json, size_t *used)
{
    unsigned code = hex_digits(json);

    while (code >= 0xd800 && code < 0xdc00) {
        unsigned low;
        if (source_peek(json->in) != '\\')
            break;
        source_take(json->in);
        if (source_peek(json->in) != 'u') {
            json_fail(json, "the second half of a character is expected");
            return;
        }
        source_take(json->in);
        low = hex_digits(json);
        if (low >= 0xdc00 && low < 0xe000) {
            put_character(json, used, 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00));
            return;
        }
        put(json, used, '?');
        code = low;
    }
    put_character(json, used, code >= 0xd800 && code < 0xe000 ? '?' : code);
}

static void take_escape(struct json *json, size_t *used)
{
    static const char letters[] = "\"\\/bfnrt", bytes[] = "\"\\/\b\f\n\r\t";
    int letter = source_take(json->in);
    const char *found = letter > 0 ? strchr(letters, letter) : NULL;

    if (letter == 'u')
        take_code(json, used);
    else if (found)
        put(json, used, (unsigned char)bytes[found - letters]);
    else
        json_fail(json, "no such escape in a text");
}

const char *json_text(struct json *json)
{
    size_t used = 0;

    if (!take(json, '"'))
        json_fail(json, "a text is expected");
    while (!json->error) {
        int byte = source_take(json->in);
        if (byte == '"')
            break;
        if (byte < 0)
            json_fail(json, "a text does not end");
        else if (byte == '\\')
            take_escape(json, &used);
        else
            put(json, &used, byte ? (unsigned)byte : '?');
    }
    json->text[json->error ? 0 : used] = 0;
    return json->text;
}

bool json_key(struct json *json)
{
    if (!begin_entry(json, '}', "a comma or } is expected"))
        return false;
    json_text(json);
    if (!take(json, ':'))
        json_fail(json, "a colon is expected");
    return !json->error;
}

bool json_is(const struct json *json, const char *key)
{
    return !strcmp(json->text, key);
}

static bool is_of_number(int byte)
{
    return (byte >= '0' && byte <= '9') || byte == '-' || byte == '+' || byte == '.' || byte == 'e' ||
           byte == 'E';
}

double json_number(struct json *json)
{
    enum { DIGITS = 64 };
    char text[DIGITS], *end = text;
    size_t used = 0;
    double value;

    for (int byte = next(json); is_of_number(byte) && used < DIGITS - 1; byte = source_peek(json->in))
        text[used++] = (char)source_take(json->in);
    text[used] = 0;
    value = strtod(text, &end);
    if (!used || *end || !isfinite(value) || used == DIGITS - 1)
        json_fail(json, "a number is expected");
    return json->error ? 0 : value;
}

int64_t json_integer(struct json *json, int64_t least, int64_t most)
{
    enum { EXACT = 18 }; /* digits that cannot overflow */
    bool negative = next(json) == '-';
    int64_t value = 0;
    unsigned digits = 0;

    if (negative)
        source_take(json->in);
    for (int byte = source_peek(json->in); byte >= '0' && byte <= '9' && digits <= EXACT && !json->error;
         byte = source_peek(json->in), digits++)
        value = value * 10 + (source_take(json->in) - '0');
    if (!digits || digits > EXACT || is_of_number(source_peek(json->in)))
        json_fail(json, "a whole number of at most 18 digits is expected");
    value = negative ? -value : value;
    if (value < least || value > most)
        json_fail(json, "this number is not in its range");
    return json->error ? least : value;
}

static bool take_word(struct json *json, const char *word)
{
    if (next(json) != *word)
        return false;
    for (; *word; word++)
        if (source_take(json->in) != *word)
            json_fail(json, "null, true or false is expected");
    return true;
}

static bool json_bool(struct json *json)
{
    if (take_word(json, "true"))
        return !json->error;
    if (!take_word(json, "false"))
        json_fail(json, "true or false is expected");
    return false;
}

bool json_null(struct json *json)
{
    return take_word(json, "null");
}

const char *json_text_or_null(struct json *json)
{
    if (!json_null(json))
        return json_text(json);
    json->text[0] = 0;
    return json->text;
}

int64_t json_line(struct json *json)
{
    double line = json_null(json) ? 0 : json_number(json);

    return line > 0 && line < INT32_MAX ? (int64_t)line : 0;
}

bool json_next_is(struct json *json, char first)
{
    int byte = next(json);

    return first == '0' ? byte == '-' || (byte >= '0' && byte <= '9') : byte == first;
}

/* A value that has no others inside. */
static void skip_plain(struct json *json)
{
    int byte = next(json);

    if (byte == '"')
        json_text(json);
    else if (byte == 'n')
        json_null(json);
    else if (byte == 't' || byte == 'f')
        json_bool(json);
    else
        json_number(json);
}

/* Without recursion: is_object[] tells which bracket was opened at each depth. */
void json_skip(struct json *json)
{
    const unsigned outer = json->depth;
    bool is_object[JSON_DEPTH + 1] = {false};

    do {
        int byte = next(json);
        if (byte == '{' || byte == '[') {
            (byte == '{' ? json_object : json_array)(json);
            is_object[json->depth] = byte == '{';
        } else {
            skip_plain(json);
        }
        while (json->depth > outer && !json->error &&
               !(is_object[json->depth] ? json_key(json) : json_more(json)))
            ;
    } while (json->depth > outer && !json->error);
}

void json_end(struct json *json)
{
    if (next(json) >= 0)
        json_fail(json, "nothing is expected behind the end");
    if (json->in->error)
        json_fail(json, "the file cannot be read to its end");
}
