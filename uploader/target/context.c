/* SPDX-License-Identifier: Apache-2.0 */
#include "context.h"

#include <stdlib.h>
#include <string.h>

/* Sets that were read. */
struct target_label_sets {
    const struct profile_labels *labels[LAYOUT_LABEL_SETS]; /* NULL: none, or not read yet */
};

/* The text of the set, copied; 0: there is no such set (yet), or it makes no sense. */
static size_t copy_text(struct target *target, uint32_t number, char text[LABEL_SET_BYTES + 1])
{
    const struct segment *segment = target->segment;
    /* Pairs with the release when the set is entered. */
    uint32_t ready = atomic_load_explicit(&segment->label_set[number].ready, memory_order_acquire);
    uint32_t offset = segment->label_set[number].offset, size = segment->label_set[number].size;

    if (!ready || size > LABEL_SET_BYTES || offset > LAYOUT_LABEL_TEXT - size)
        return 0;
    for (uint32_t i = 0; i < size; i++)
        text[i] = atomic_load_explicit(&segment->label_text[offset + i], memory_order_relaxed);
    text[size] = 0;
    return size;
}

static int hex(char digit)
{
    return digit >= '0' && digit <= '9' ? digit - '0' : digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

/* What the process context calls the attribute; NULL: nothing yet. */
static const char *attribute_name(const struct target *target, const char *key)
{
    int high = hex(key[1]), low = high < 0 ? -1 : hex(key[2]);
    unsigned index = low < 0 || key[3] ? CONTEXT_KEYS : (unsigned)(high << 4 | low);

    return index < target->context.thread_keys ? target->context.thread_key[index] : NULL;
}

/* The program's own labels come before attributes with the same name. false: an attribute's name is not known. */
static bool list_labels(const struct target *target, const char *text, size_t size, bool attributes,
                        struct label_list *list)
{
    const char *end = text + size, *value;
    bool all = true;

    for (const char *key = text; key < end && list->count < PROFILE_LABELS; key = value + strlen(value) + 1) {
        const char *name = key;
        value = key + strlen(key) + 1;
        if (value >= end)
            break;
        if ((*key == LABEL_ATTRIBUTE) != attributes)
            continue;
        if (attributes && !(name = attribute_name(target, key)))
            all = false;
        if (name && *name)
            list->label[list->count++] = (struct profile_label){name, value, NULL};
    }
    return all;
}

const struct profile_labels *target_labels(struct target *target, uint32_t number)
{
    const struct profile_labels *labels;
    struct label_list list = {.count = 0};
    char text[LABEL_SET_BYTES + 1];
    size_t size;
    bool all;

    if (number == LABELS_NONE)
        return NULL;
    if (number >= LAYOUT_LABEL_SETS) {
        program_count_malformed(target->program);
        return NULL;
    }
    if (!target->label_sets && !(target->label_sets = calloc(1, sizeof *target->label_sets)))
        return NULL;
    if (target->label_sets->labels[number])
        return target->label_sets->labels[number];
    size = copy_text(target, number, text);
    if (!size) {
        program_count_malformed(target->program);
        return NULL;
    }
    list_labels(target, text, size, false, &list);
    all = list_labels(target, text, size, true, &list);
    labels = label_sets_get(&target->programs->label_sets, &list);
    if (all)
        target->label_sets->labels[number] = labels;
    return labels;
}

void target_forget_labels(struct target *target)
{
    free(target->label_sets);
    target->label_sets = NULL;
}

static void set_trace(const struct trace_ids *ids, struct profile_trace *room, struct profile_sample *sample)
{
    if (!(ids->trace[0] | ids->trace[1]) || !ids->span)
        return;
    profile_trace_make(room, ids->trace, &ids->span, &ids->root);
    sample->trace = room;
}

void target_context(struct target *target, struct seg_bank *bank, uint32_t context,
                    struct profile_trace *room, struct profile_sample *sample)
{
    struct seg_context *entry;
    struct trace_ids ids;

    if (context < LAYOUT_LABEL_SETS) {
        sample->labels = target_labels(target, context);
        return;
    }
    entry = &bank->context[(context - LAYOUT_LABEL_SETS) % LAYOUT_CONTEXTS];
    /* Pairs with the release when the context is entered. */
    if (context - LAYOUT_LABEL_SETS >= LAYOUT_CONTEXTS ||
        !atomic_load_explicit(&entry->ready, memory_order_acquire)) {
        program_count_malformed(target->program);
        return;
    }
    sample->labels = target_labels(target, entry->labels);
    ids = entry->ids;
    set_trace(&ids, room, sample);
}

void target_thread_context(struct target *target, struct seg_thread *slot, struct profile_trace *room,
                           struct profile_sample *sample)
{
    /* Pairs with the release after the ids were written. */
    uint32_t sequence = atomic_load_explicit(&slot->trace_sequence, memory_order_acquire);
    struct trace_ids ids = {{0, 0}, 0, 0};

    sample->labels = target_labels(target, atomic_load_explicit(&slot->labels, memory_order_relaxed));
    if (!sequence || sequence & 1)
        return;
    for (int i = 0; i < 2; i++)
        ids.trace[i] = atomic_load_explicit(&slot->trace[i], memory_order_relaxed);
    ids.span = atomic_load_explicit(&slot->span, memory_order_relaxed);
    atomic_thread_fence(memory_order_acquire);
    if (atomic_load_explicit(&slot->trace_sequence, memory_order_relaxed) == sequence)
        set_trace(&ids, room, sample);
}
