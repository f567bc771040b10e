/* SPDX-License-Identifier: Apache-2.0 */
#include "counter_labels.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define X(name, class, text) [COUNT_##name] = CLASS_##class,
const enum counter_class counter_classes[COUNTERS] = {LAYOUT_COUNTERS(X)};
#undef X

#define X(name, class, text) [COUNT_##name] = #name,
static const char *const counter_names[COUNTERS] = {LAYOUT_COUNTERS(X)};
#undef X

static const char *without(const char *name, const char *head)
{
    return strncmp(name, head, strlen(head)) ? name : name + strlen(head);
}

void counter_label(enum counter counter, char label[COUNTER_LABEL])
{
    const char *name = counter == COUNT_ALLOC_SAMPLES ? "MEMORY_SAMPLES" : counter_names[counter], *end;

    name = without(without(name, "LOST_"), "STACKS_");
    end = strstr(name, "_SAMPLES");
    snprintf(label, COUNTER_LABEL, "%.*s", (int)(end ? (size_t)(end - name) : strlen(name)), name);
    for (char *c = label; *c; c++)
        *c = (char)tolower((unsigned char)*c);
}
