/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of the segment, written by many threads at once: nothing lost, nothing double, full tables counted.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <cmocka.h>

#include "sampler/memory/live_blocks.h"
#include "sampler/samples/sample_table.h"
#include "sampler/threads/thread_slots.h"

enum { THREADS = 4, ROUNDS = 20000, STACKS = 50 };

static struct segment *segment;

static int make_segment(void **state)
{
    (void)state;
    segment = mmap(NULL, sizeof *segment, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (segment == MAP_FAILED)
        return -1;
    segment->header.used_slots = 1;
    segment->header.strings = 1;
    segment->bank[0].generation = 1;
    return 0;
}

static int drop_segment(void **state)
{
    (void)state;
    live_blocks_forget();
    thread_slots_forget();
    return munmap(segment, sizeof *segment);
}

/* A made-up leaf: the walk ends at once, since sp is in no stack and nothing can be read there. */
static bool record_one(uint32_t slot, uint64_t pc, uint64_t a, uint64_t b)
{
    static const struct stack_range ranges[STACK_RANGES] = {{0, 0}, {0, 0}};
    struct arch_regs regs = {.r = {[ARCH_PC] = pc, [ARCH_SP] = 8}};
    struct sample sample;
    uint32_t stack;

    if (!sample_begin(&sample, segment, slot, KIND_ALLOC))
        return false;
    stack = sample_walk(&sample, WAIT_NONE, &regs, ranges);
    if (stack)
        sample_add(&sample, stack, KIND_CPU, a, b);
    sample_end(&sample);
    return stack != 0;
}

static uint64_t sum(int value, uint64_t pc)
{
    uint64_t total = 0;
    for (uint32_t i = 0; i < LAYOUT_SAMPLES; i++) {
        struct seg_sample *sample = &segment->bank[0].sample[i];
        uint32_t stack = sample_key_stack(sample->key);
        if (sample->key && ((struct seg_stack *)&segment->bank[0].stack_word[stack])->pc[0] == pc)
            total += sample->value[value];
    }
    return total;
}

static void *record_many(void *unused)
{
    uint32_t slot = thread_slot_take(segment);
    (void)unused;
    for (int i = 0; i < ROUNDS; i++)
        if (!record_one(slot, 1 + (uint64_t)i % STACKS, 2, 3))
            return NULL;
    thread_slot_give_back(segment, slot);
    return (void *)1;
}

static void threads_add_up(void **state)
{
    pthread_t thread[THREADS];
    void *result;
    (void)state;
    for (int i = 0; i < THREADS; i++)
        pthread_create(&thread[i], NULL, record_many, NULL);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(thread[i], &result);
        assert_non_null(result);
    }
    for (uint64_t pc = 1; pc <= STACKS; pc++) {
        assert_int_equal(sum(0, pc), THREADS * ROUNDS / STACKS);
        assert_int_equal(sum(2, pc), 3 * THREADS * ROUNDS / STACKS);
    }
    for (int i = 1; i <= THREADS; i++)
        assert_int_equal(segment->thread[i].bank_in_use, 0);
}

static void a_full_bank_counts_what_it_loses(void **state)
{
    uint32_t slot = thread_slot_take(segment);
    uint64_t kept = 0;
    enum { TRIED = LAYOUT_SAMPLES + 1000 };
    (void)state;
    for (uint64_t i = 0; i < TRIED; i++)
        kept += record_one(slot, 0x1000 + i, 1, 1);
    assert_int_equal(segment->counter[COUNT_LOST_SAMPLE_TABLE] + segment->counter[COUNT_LOST_STACK_TABLE],
                     TRIED - sum(0, 0x1000) * LAYOUT_SAMPLES);
    assert_true(kept >= LAYOUT_SAMPLES);
}

static void samples_go_to_the_active_bank(void **state)
{
    uint32_t slot = thread_slot_take(segment);
    (void)state;
    segment->bank[1].generation = 2;
    segment->control.active_bank = 1;
    assert_true(record_one(slot, 7, 1, 1));
    assert_int_equal(segment->bank[0].samples, 0);
    assert_int_equal(segment->bank[1].samples, 1);
}

/* Were its bank not announced meanwhile, the uploader would empty it under the sample that was interrupted.
 */
static void a_handler_leaves_the_bank_that_it_interrupted_announced(void **state)
{
    struct sample outer, inner;
    uint32_t slot = thread_slot_take(segment);
    (void)state;
    assert_true(sample_begin(&outer, segment, slot, KIND_ALLOC));
    segment->bank[1].generation = 2;
    segment->control.active_bank = 1;
    assert_true(sample_begin(&inner, segment, slot, KIND_CPU));
    assert_ptr_equal(inner.bank, &segment->bank[1]);
    assert_int_equal(segment->thread[slot].bank_in_use, 1 | 2);
    sample_end(&inner);
    assert_int_equal(segment->thread[slot].bank_in_use, 1);
    sample_end(&outer);
    assert_int_equal(segment->thread[slot].bank_in_use, 0);
}

/* The free slots of a resumed segment are those of a moment before. */
static void a_slot_that_is_taken_is_not_given_out(void **state)
{
    uint32_t first = thread_slot_take(segment), second = thread_slot_take(segment);
    (void)state;
    thread_slot_give_back(segment, second);
    atomic_store(&segment->header.free_slots, UINT64_C(7) << 32 | first);
    segment->thread[first].next_free = second;
    assert_int_equal(thread_slot_take(segment), second);
    thread_slot_give_back(segment, first);
    thread_slot_give_back(segment, first); /* would make a ring */
    assert_int_equal(thread_slot_take(segment), first);
    assert_int_not_equal(thread_slot_take(segment), first);
}

static void slots_are_given_again(void **state)
{
    (void)state;
    for (int i = 0; i < 3 * LAYOUT_THREADS; i++) {
        uint32_t slot = thread_slot_take(segment);
        assert_true(slot == 1);
        thread_slot_give_back(segment, slot);
    }
    for (uint32_t i = 1; i < LAYOUT_THREADS; i++)
        assert_int_not_equal(thread_slot_take(segment), 0);
    assert_int_equal(thread_slot_take(segment), 0);
    assert_int_equal(segment->counter[COUNT_LOST_THREAD_SLOT], 1);
}

static void *take_and_give(void *unused)
{
    (void)unused;
    for (int i = 0; i < ROUNDS; i++) {
        uint32_t slot = thread_slot_take(segment);
        int32_t nobody = 0;
        if (!atomic_compare_exchange_strong(&segment->thread[slot].tid, &nobody, 1))
            return NULL; /* two owners */
        thread_slot_give_back(segment, slot);
    }
    return (void *)1;
}

static void no_slot_has_two_owners(void **state)
{
    pthread_t thread[THREADS];
    void *result;
    (void)state;
    for (int i = 0; i < THREADS; i++)
        pthread_create(&thread[i], NULL, take_and_give, NULL);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(thread[i], &result);
        assert_non_null(result);
    }
    assert_true(segment->header.used_slots <= THREADS + 1);
}

static void names_are_interned(void **state)
{
    char a[16] = "worker-1", b[16] = "worker-2", many[16] = "";
    uint32_t first = thread_name_index(segment, a);
    (void)state;
    assert_int_not_equal(first, 0);
    assert_int_equal(thread_name_index(segment, a), first);
    assert_int_not_equal(thread_name_index(segment, b), first);
    for (uint32_t i = 0; i < LAYOUT_NAMES; i++) {
        memcpy(many, &i, sizeof i);
        many[4] = 'x';
        thread_name_index(segment, many);
    }
    assert_true(segment->counter[COUNT_LOST_NAME] > 0);
    assert_int_equal(thread_name_index(segment, a), first);
}

static void live_blocks_come_and_go(void **state)
{
    struct alloc_saved what = {
        .size = 100, .objects = 5 << WEIGHT_SHIFT, .stack = 8, .generation = 1, .name = 2};
    struct alloc_saved got = {0};
    uintptr_t block = 0x7f0000001000;
    (void)state;
    assert_false(alloc_may_be_tracked((void *)block));
    live_blocks_insert(segment, block, &what);
    assert_true(alloc_may_be_tracked((void *)block));
    assert_true(alloc_may_be_tracked((void *)(block + 64))); /* the same page: the table is asked */
    assert_false(live_blocks_remove(segment, block + 64, &got));
    assert_true(live_blocks_remove(segment, block, &got));
    assert_int_equal(got.objects, what.objects);
    assert_int_equal(got.stack, 8);
    assert_false(live_blocks_remove(segment, block, NULL));
    assert_false(alloc_may_be_tracked((void *)block));
}

static void a_full_live_table_counts(void **state)
{
    struct alloc_saved what = {.size = 1, .objects = 1, .stack = 8, .generation = 1};
    uint64_t found = 0;
    (void)state;
    for (uintptr_t i = 1; i <= 2 * LAYOUT_LIVE; i++)
        live_blocks_insert(segment, i * 16, &what);
    for (int i = 0; i < LAYOUT_LIVE; i++)
        found += segment->live[i].address > 1;
    assert_int_equal(found + segment->counter[COUNT_LOST_LIVE_TABLE], 2 * LAYOUT_LIVE);
    assert_true(found > LAYOUT_LIVE * 9 / 10);
}

int main(void)
{
#define EACH(test) cmocka_unit_test_setup_teardown(test, make_segment, drop_segment)
    const struct CMUnitTest tests[] = {
        EACH(threads_add_up),
        EACH(a_full_bank_counts_what_it_loses),
        EACH(samples_go_to_the_active_bank),
        EACH(a_handler_leaves_the_bank_that_it_interrupted_announced),
        EACH(slots_are_given_again),
        EACH(a_slot_that_is_taken_is_not_given_out),
        EACH(no_slot_has_two_owners),
        EACH(names_are_interned),
        EACH(live_blocks_come_and_go),
        EACH(a_full_live_table_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
