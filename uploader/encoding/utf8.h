/* SPDX-License-Identifier: Apache-2.0 */
/* Text from outside (symbols, thread and program names, answers) for formats that demand UTF-8. Pure. */
#ifndef CPROF_UPLOADER_UTF8_H
#define CPROF_UPLOADER_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* Length in bytes (1..4) of the well-formed character at text. text ends with a NUL. 0: there is none. */
size_t utf8_length(const char *text);

bool utf8_is_valid(const char *text);

/* Copies text to out (size bytes with the NUL). Each malformed byte becomes '?', and with plain each control
   character, too. Cut text ends at a whole character. Returns out. */
char *utf8_clean(char *out, size_t size, const char *text, bool plain);

#endif
