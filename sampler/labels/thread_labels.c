/* SPDX-License-Identifier: Apache-2.0 */
#include "thread_labels.h"

#include <string.h>

#include "sampler/process/process.h"

#include "sampler/base/poison.h"

__thread struct thread_labels thread_labels;

/* At most so many bytes of it, and no part of a character. */
static struct label_text text_of(const char *at, size_t most)
{
    struct label_text text = {at, strlen(at)};

    if (__builtin_expect(text.size <= most, 1))
        return text;
    process_count(COUNT_LABELS_CUT, 1);
    for (text.size = most; text.size > 1 && (at[text.size] & 0xc0) == 0x80;)
        text.size--;
    return text;
}

static bool is_key(const char *key)
{
    if (__builtin_expect(key && *key && *key != LABEL_ATTRIBUTE, 1))
        return true;
    process_count(COUNT_LABELS_CUT, 1);
    return false;
}

/* Apart, because of what it takes of the stack. */
__attribute__((noinline)) static uint32_t change_slowly(uint32_t set, struct label_text key,
                                                        struct label_text value)
{
    char scratch[LABEL_SET_BYTES];
    return label_set_change(set, key, value, scratch);
}

static inline void change(struct label_text key, struct label_text value)
{
    uint32_t set = label_set_find(thread_labels.set, key, value);
    if (__builtin_expect(set == UINT32_MAX, 0))
        set = change_slowly(thread_labels.set, key, value);
    thread_labels.set = set;
}

int thread_label_set(const char *key, const char *value)
{
    if (!value || !is_key(key))
        return -1;
    change(text_of(key, LABEL_KEY_MOST), text_of(value, LABEL_VALUE_MOST));
    return 0;
}

int thread_label_clear(const char *key)
{
    if (!is_key(key))
        return -1;
    if (thread_labels.set != LABELS_NONE)
        change(text_of(key, LABEL_KEY_MOST), (struct label_text){NULL, 0});
    return 0;
}

void thread_labels_replace(uint32_t set)
{
    if (label_set_exists(set))
        thread_labels.set = set;
}

/* Again, if a handler did the same meanwhile: else the ids would be a mixture. */
void thread_trace_set(const uint64_t trace[2], uint64_t span)
{
    struct thread_labels *own = &thread_labels;
    uint16_t writes;

    do {
        writes = ++own->writes;
        own->has_trace = false;
        atomic_signal_fence(memory_order_seq_cst);
        own->trace[0] = trace[0];
        own->trace[1] = trace[1];
        own->span = span;
        atomic_signal_fence(memory_order_seq_cst);
        own->has_trace = true;
        atomic_signal_fence(memory_order_seq_cst);
    } while (*(volatile uint16_t *)&own->writes != writes);
}

void thread_trace_clear(void)
{
    thread_labels.has_trace = false;
}

/* Pairs with the uploader's read: if the sequence is even and unchanged, what it read between is whole. */
void thread_labels_publish_trace(struct segment *segment, uint32_t slot)
{
    struct seg_thread *thread = segment && slot ? &segment->thread[slot] : NULL;
    bool has_trace = thread_labels.has_trace;
    uint32_t sequence;

    if (!thread)
        return;
    sequence = atomic_load_explicit(&thread->trace_sequence, memory_order_relaxed) | 1;
    atomic_store_explicit(&thread->trace_sequence, sequence, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    for (int i = 0; i < 2; i++)
        atomic_store_explicit(&thread->trace[i], has_trace ? thread_labels.trace[i] : 0,
                              memory_order_relaxed);
    atomic_store_explicit(&thread->span, has_trace ? thread_labels.span : 0, memory_order_relaxed);
    atomic_store_explicit(&thread->trace_sequence, sequence + 1, memory_order_release);
}
