/* SPDX-License-Identifier: Apache-2.0 */
/* What was said is printed at the end, since only then it is known what matters most. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "explain_parts.h"

void explain_paragraph(struct explanation *explanation, enum rank rank)
{
    struct say *text = &explanation->say;

    if (text->used && explanation->paragraphs < PARAGRAPHS_MOST) {
        struct paragraph *paragraph = &explanation->paragraph[explanation->paragraphs++];
        paragraph->rank = rank;
        memcpy(paragraph->text, text->text, text->used + 1);
    }
    text->used = 0;
    text->text[0] = 0;
}

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

void explain_print(const struct explanation *explanation)
{
    for (unsigned rank = 0; rank <= RANK_LAST; rank++)
        for (size_t i = 0; i < explanation->paragraphs; i++)
            if (explanation->paragraph[i].rank == rank)
                say_print(explanation->paragraph[i].text);
    for (size_t i = 0; i < explanation->nexts; i++)
        printf("%s  %s\n", i ? "" : "Next:\n", explanation->next[i]);
}
