/* SPDX-License-Identifier: Apache-2.0 */
#include "names.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "uploader/base/store.h"
#include "uploader/encoding/utf8.h"

enum { NAME_MOST = 200 }; /* bytes; longer ones are cut, with a hash of the whole */

/* Names that are taken in OUT. */
static const char *const reserved[] = {"report.html", "cprof.log"};

struct writer {
    char *text;
    size_t size, used;
};

static void put(struct writer *writer, const char *bytes, size_t count)
{
    for (size_t i = 0; i < count && writer->used + 1 < writer->size; i++)
        writer->text[writer->used++] = bytes[i];
    writer->text[writer->used] = 0;
}

static void put_escape(struct writer *writer, unsigned char byte)
{
    char text[4];

    snprintf(text, sizeof(text), "%%%02X", byte);
    put(writer, text, 3);
}

/* Control characters: those of ASCII, and the others that terminals know, U+0080 to U+009F. */
static bool is_control(const char *text)
{
    const unsigned char *byte = (const unsigned char *)text;

    return byte[0] < 0x20 || byte[0] == 0x7f || (byte[0] == 0xc2 && byte[1] < 0xa0);
}

/* special: further characters that are escaped. */
static void put_escaped(struct writer *writer, const char *text, const char *special)
{
    while (*text) {
        size_t length = utf8_length(text);
        if (length && !is_control(text) && !strchr(special, *text)) {
            put(writer, text, length);
            text += length;
            continue;
        }
        for (size_t i = length ? length : 1; i--; text++)
            put_escape(writer, (unsigned char)*text);
    }
}

static bool is_reserved(const char *program)
{
    for (size_t i = 0; i < sizeof(reserved) / sizeof(*reserved); i++)
        if (!strcmp(program, reserved[i]))
            return true;
    return *program == '.';
}

static void put_program(struct writer *writer, const char *program)
{
    if (!*program)
        put(writer, "%", 1); /* no other name has one that stands alone */
    if (is_reserved(program))
        put_escape(writer, (unsigned char)*program++);
    put_escaped(writer, program, "%/@");
}

/* Not in the middle of a character. */
static void cut(char *name, uint64_t hash)
{
    size_t length = NAME_MOST;

    while (length && ((unsigned char)name[length] & 0xc0) == 0x80)
        length--;
    snprintf(name + length, DIRECTORY_NAME_BYTES - length, "%%~%016" PRIx64, hash);
}

void directory_name(const struct program_id *id, unsigned n, char name[DIRECTORY_NAME_BYTES])
{
    char text[ID_TEXT_BYTES] = "", number[16] = "";
    struct writer writer = {text, sizeof(text), 0};

    put_program(&writer, id->program);
    if (n) {
        put(&writer, "@", 1);
        put_escaped(&writer, id->service, "%/,");
        if (*id->labels)
            put(&writer, ",", 1);
        put_escaped(&writer, id->labels, "%/");
    }
    if (n > 1)
        snprintf(number, sizeof(number), "%%~%u", n);
    if (writer.used > NAME_MOST)
        cut(text, hash_bytes(text, writer.used));
    snprintf(name, DIRECTORY_NAME_BYTES, "%.230s%s", text, number);
}

void id_text(const struct program_id *id, char text[ID_TEXT_BYTES])
{
    struct writer writer = {text, ID_TEXT_BYTES, 0};
    const struct {
        const char *what, *value;
    } lines[] = {{"program ", id->program}, {"\nservice ", id->service}, {"\nlabels ", id->labels}};

    for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
        put(&writer, lines[i].what, strlen(lines[i].what));
        put_escaped(&writer, lines[i].value, "%");
    }
    put(&writer, "\n", 1);
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* One line, without its head. */
static const char *read_line(const char *text, const char *head, char value[ID_TEXT_BYTES])
{
    size_t used = 0;

    if (strncmp(text, head, strlen(head)) != 0)
        return NULL;
    for (text += strlen(head); *text && *text != '\n' && used + 1 < ID_TEXT_BYTES; text++) {
        int high = *text == '%' ? hex_digit(text[1]) : -1, low = high < 0 ? -1 : hex_digit(text[2]);
        value[used++] = low < 0 ? *text : (char)(high << 4 | low);
        text += low < 0 ? 0 : 2;
    }
    value[used] = 0;
    return *text == '\n' ? text + 1 : NULL;
}

int id_read(const char *text, char program[ID_TEXT_BYTES], char service[ID_TEXT_BYTES],
            char labels[ID_TEXT_BYTES])
{
    text = read_line(text, "program ", program);
    text = text ? read_line(text, "service ", service) : NULL;
    text = text ? read_line(text, "labels ", labels) : NULL;
    return text && !*text ? 0 : -EINVAL;
}
