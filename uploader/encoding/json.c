/* SPDX-License-Identifier: Apache-2.0 */
#include "json.h"

#include <string.h>

#include "utf8.h"

/* "<" would let a name end the script element; the rest of what is escaped is not allowed in JSON. */
void json_put_text(FILE *out, const char *text)
{
    putc('"', out);
    while (*text) {
        size_t length = utf8_length(text);
        if (!length)
            fputs("\\ufffd", out);
        else if ((unsigned char)*text < 0x20 || *text == 0x7f || strchr("\"\\<>&", *text))
            fprintf(out, "\\u%04x", *text);
        else
            fwrite(text, 1, length, out);
        text += length ? length : 1;
    }
    putc('"', out);
}
