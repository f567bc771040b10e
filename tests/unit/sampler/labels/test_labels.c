/* SPDX-License-Identifier: Apache-2.0 */
/* Labels of threads: sets with one number each, bounded, set by many threads at once; contexts of samples in a bank. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <cmocka.h>

#include "sampler/labels/label_sets.h"
#include "sampler/labels/thread_labels.h"
#include "sampler/samples/context.h"

enum { THREADS = 4, ROUNDS = 20000 };

static struct segment *segment;

static int make_segment(void **state)
{
    (void)state;
    segment = mmap(NULL, sizeof *segment, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return segment == MAP_FAILED ? -1 : 0;
}

static int drop_segment(void **state)
{
    struct label_sets *sets = atomic_exchange(&label_sets, NULL);

    (void)state;
    if (sets)
        munmap(sets, sizeof *sets);
    thread_labels = (struct thread_labels){0};
    return munmap(segment, sizeof *segment);
}

/* "key=value key=value" of a set, as the segment has it once it is entered. */
static const char *text_of(uint32_t set)
{
    static char text[2 * LABEL_SET_BYTES];
    const char *at, *end;
    size_t size = 0;

    label_set_enter(segment, set);
    assert_true(atomic_load(&segment->label_set[set].ready) || !set);
    at = (const char *)&segment->label_text[segment->label_set[set].offset];
    end = at + segment->label_set[set].size;
    *text = 0;
    for (; at < end; at += strlen(at) + 1 + strlen(at + strlen(at) + 1) + 1)
        size += (size_t)sprintf(text + size, "%s%s=%s", size ? " " : "", at, at + strlen(at) + 1);
    return text;
}

static void has_sets_with_one_number(void **state)
{
    uint32_t both, one;

    (void)state;
    assert_int_equal(thread_label_set("b", "2"), 0);
    one = thread_labels.set;
    assert_string_equal(text_of(one), "b=2");
    thread_label_set("a", "1");
    both = thread_labels.set;
    assert_string_equal(text_of(both), "a=1 b=2");
    thread_label_set("ab", "x");
    assert_string_equal(text_of(thread_labels.set), "a=1 ab=x b=2");
    thread_label_clear("ab");
    assert_int_equal(thread_labels.set, both);
    thread_label_clear("not there");
    assert_int_equal(thread_labels.set, both);
    thread_label_set("a", "3");
    thread_label_clear("a");
    assert_int_equal(thread_labels.set, one);
    thread_label_clear("b");
    assert_int_equal(thread_labels.set, LABELS_NONE);
    thread_label_set("a", "1");
    thread_label_set("b", "2");
    assert_int_equal(thread_labels.set, both);
    thread_label_set("b", "");
    assert_string_equal(text_of(thread_labels.set), "a=1 b=");
}

static void refuses_what_is_no_label(void **state)
{
    (void)state;
    assert_int_equal(thread_label_set(NULL, "x"), -1);
    assert_int_equal(thread_label_set("", "x"), -1);
    assert_int_equal(thread_label_set("\1ab", "x"), -1);
    assert_int_equal(thread_label_set("x", NULL), -1);
    assert_int_equal(thread_label_clear(NULL), -1);
    assert_int_equal(thread_labels.set, LABELS_NONE);
    thread_labels_replace(77);
    assert_int_equal(thread_labels.set, LABELS_NONE);
}

static void cuts_at_whole_characters(void **state)
{
    char value[400], expected[400] = "key=";

    (void)state;
    for (int i = 0; i < 300; i += 2)
        memcpy(value + i, "\xc3\xa4", 3);
    memcpy(expected + 4, value, 254);
    expected[4 + 254] = 0;
    thread_label_set("key", value);
    assert_string_equal(text_of(thread_labels.set), expected);
}

static void has_so_many_labels(void **state)
{
    char key[16];

    (void)state;
    for (int i = 0; i < 2 * LABEL_SET_MOST; i++) {
        sprintf(key, "k%02d", i);
        thread_label_set(key, "v");
    }
    assert_null(strstr(text_of(thread_labels.set), "k16=v"));
    assert_non_null(strstr(text_of(thread_labels.set), "k15=v"));
    thread_label_set("k03", "w");
    assert_non_null(strstr(text_of(thread_labels.set), "k03=w"));
}

/* A label whose values never end leaves the others as they are. */
static void counts_the_excess_as_other(void **state)
{
    char value[16];

    (void)state;
    for (int i = 0; i < 3 * LAYOUT_LABEL_SETS; i++) {
        thread_label_set("endpoint", i % 2 ? "/a" : "/b");
        sprintf(value, "%d", i);
        thread_label_set("request", value);
        thread_label_clear("request");
    }
    thread_label_set("endpoint", "/a");
    assert_string_equal(text_of(thread_labels.set), "endpoint=/a");
    thread_label_set("request", "new");
    assert_string_equal(text_of(thread_labels.set), "endpoint=/a request=[other]");
    thread_label_clear("endpoint");
    assert_string_equal(text_of(thread_labels.set), "request=[other]");
    thread_label_clear("request");
    thread_label_set("endpoint", "/a");
    thread_label_set("request", "1");
    assert_string_equal(text_of(thread_labels.set), "endpoint=/a request=1");
}

/* Keys that never end: what cannot even be kept in part is one set, out of which a thread comes again. */
static void ends_in_one_set(void **state)
{
    char key[16];

    (void)state;
    thread_label_set("known", "1");
    thread_label_clear("known");
    for (int i = 0; i < 2 * LAYOUT_LABEL_SETS; i++) {
        sprintf(key, "%d", i);
        thread_label_set(key, "x");
        thread_label_clear(key);
    }
    thread_label_set("new", "x");
    assert_int_equal(thread_labels.set, LABELS_OTHER);
    assert_string_equal(text_of(thread_labels.set), "labels=[other]");
    thread_label_set("known", "1");
    assert_string_equal(text_of(thread_labels.set), "known=1");
}

static void *set_many(void *unused)
{
    char value[16];

    (void)unused;
    for (unsigned i = 0; i < ROUNDS; i++) {
        sprintf(value, "%u", i * 7919 % 500);
        thread_label_set("v", value);
        label_set_enter(segment, thread_labels.set);
        if (i % 100 == 0 && atomic_load(&segment->label_set[thread_labels.set].ready)) {
            const char *at = (const char *)&segment->label_text[segment->label_set[thread_labels.set].offset];
            assert_string_equal(at, "v");
            assert_string_equal(at + 2, value);
        }
    }
    return NULL;
}

static void is_right_in_many_threads(void **state)
{
    pthread_t thread[THREADS];

    (void)state;
    for (int i = 0; i < THREADS; i++)
        pthread_create(&thread[i], NULL, set_many, NULL);
    for (int i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    /* The losers of races leave some numbers unused. */
    assert_in_range(label_sets->sets, 502, 1000);
}

static struct context read_context(void)
{
    static char scratch[LABEL_SET_BYTES];
    struct context context;

    context_read(&context, segment, &segment->thread[1], scratch);
    return context;
}

static void numbers_contexts_in_a_bank(void **state)
{
    struct seg_bank *bank = &segment->bank[0];
    struct context context;
    uint32_t first, second;

    (void)state;
    context = read_context();
    assert_int_equal(context_number(&context, segment, bank), LABELS_NONE);
    thread_label_set("a", "1");
    context = read_context();
    assert_int_equal(context_number(&context, segment, bank), thread_labels.set);
    thread_trace_set((const uint64_t[2]){1, 2}, 3);
    context = read_context();
    first = context_number(&context, segment, bank);
    assert_true(first >= LAYOUT_LABEL_SETS);
    assert_int_equal(bank->context[first - LAYOUT_LABEL_SETS].labels, thread_labels.set);
    assert_int_equal(bank->context[first - LAYOUT_LABEL_SETS].ids.span, 3);
    thread_trace_set((const uint64_t[2]){1, 2}, 4);
    context = read_context();
    second = context_number(&context, segment, bank);
    assert_int_not_equal(first, second);
    assert_int_equal(context_number(&context, segment, bank), second);
    thread_trace_clear();
    context = read_context();
    assert_int_equal(context_number(&context, segment, bank), thread_labels.set);
}

/* A bank without room for another trace: the labels stay. */
static void leaves_the_trace_out(void **state)
{
    struct seg_bank *bank = &segment->bank[0];
    unsigned left_out = 0;

    (void)state;
    thread_label_set("a", "1");
    for (uint64_t i = 1; i <= 2 * LAYOUT_CONTEXTS; i++) {
        struct context context;
        thread_trace_set((const uint64_t[2]){i, i * 31}, i);
        context = read_context();
        left_out += context_number(&context, segment, bank) == thread_labels.set;
    }
    assert_in_range(left_out, LAYOUT_CONTEXTS, LAYOUT_CONTEXTS + LAYOUT_CONTEXTS / 4);
    assert_int_equal(segment->counter[COUNT_LOST_TRACE], left_out);
    assert_int_equal(bank->contexts + left_out, 2 * LAYOUT_CONTEXTS);
}

static void publishes_traces_whole(void **state)
{
    struct seg_thread *slot = &segment->thread[1];

    (void)state;
    thread_trace_set((const uint64_t[2]){5, 6}, 7);
    thread_labels_publish_trace(segment, 1);
    assert_int_equal(slot->trace_sequence, 2);
    assert_int_equal(slot->trace[0], 5);
    assert_int_equal(slot->span, 7);
    thread_trace_clear();
    thread_labels_publish_trace(segment, 1);
    assert_int_equal(slot->trace_sequence, 4);
    assert_int_equal(slot->trace[0] | slot->trace[1] | slot->span, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(has_sets_with_one_number, make_segment, drop_segment),
        cmocka_unit_test_setup_teardown(refuses_what_is_no_label, make_segment, drop_segment),
        cmocka_unit_test_setup_teardown(cuts_at_whole_characters, make_segment, drop_segment),
        cmocka_unit_test_setup_teardown(has_so_many_labels, make_segment, drop_segment),
        cmocka_unit_test_setup_teardown(counts_the_excess_as_other, make_segment, drop_segment),
        cmocka_unit_test_setup_teardown(ends_in_one_set, make_segment, drop_segment),
        cmocka_unit_test_setup_teardown(is_right_in_many_threads, make_segment, drop_segment),
        cmocka_unit_test_setup_teardown(numbers_contexts_in_a_bank, make_segment, drop_segment),
        cmocka_unit_test_setup_teardown(leaves_the_trace_out, make_segment, drop_segment),
        cmocka_unit_test_setup_teardown(publishes_traces_whole, make_segment, drop_segment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
