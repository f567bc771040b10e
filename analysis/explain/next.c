/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "explain_parts.h"

void explain_next(struct explanation *explanation, const char *format, ...)
{
    char line[sizeof explanation->next[0]];
    va_list list;

    va_start(list, format);
    vsnprintf(line, sizeof line, format, list);
    va_end(list);
    for (size_t i = 0; i < explanation->nexts; i++)
        if (!strcmp(explanation->next[i], line))
            return;
    if (explanation->nexts < NEXT_MOST)
        memcpy(explanation->next[explanation->nexts++], line, sizeof line);
}
