/* SPDX-License-Identifier: Apache-2.0 */
#include "selection.h"

#include <string.h>

bool selection_has(const struct selection *selection, const struct program *program)
{
    return !*selection->program || !strcmp(selection->program, program->name) ||
           !strcmp(selection->program, program->service);
}

unsigned selection_count(const struct selection *selection, const struct programs *programs,
                         struct program **first)
{
    unsigned count = 0;

    *first = NULL;
    for (size_t i = 0; i < programs->count; i++) {
        if (!selection_has(selection, programs->program[i]))
            continue;
        if (!count++)
            *first = programs->program[i];
    }
    return count;
}

bool selection_number(const char *text, uint64_t most, uint64_t *number)
{
    uint64_t value = 0;

    if (!*text || strlen(text) > 18)
        return false;
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return false;
        value = 10 * value + (uint64_t)(*text - '0');
    }
    *number = value;
    return value <= most;
}
