/* SPDX-License-Identifier: Apache-2.0 */
/* The reader of segments, over one that is written by hand: differences, acknowledgement, live allocations,
   rotation, resumption, and fields that make no sense. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#include "uploader/session/members/member.h"
#include "uploader/target/round.h"
#include "uploader/upload/upload.h"

#define SECOND INT64_C(1000000000)
enum { NAME_MAIN = 1, INUSE_OBJECTS = 2, INUSE_SPACE = 3 };

struct fixture {
    struct segment *segment; /* the target's own mapping */
    int memfd;
    struct symbols *symbols;
    struct programs programs;
    struct member *member;
};

static struct segment *segment_make(int *memfd)
{
    struct segment *segment;

    *memfd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    assert_int_equal(ftruncate(*memfd, sizeof *segment), 0);
    assert_int_equal(fcntl(*memfd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW), 0);
    segment = mmap(NULL, sizeof *segment, PROT_READ | PROT_WRITE, MAP_SHARED, *memfd, 0);
    assert_ptr_not_equal(segment, MAP_FAILED);
    segment->header.magic = LAYOUT_MAGIC;
    segment->header.version = LAYOUT_VERSION;
    segment->header.size = sizeof *segment;
    segment->header.pid = getpid();
    strcpy(segment->header.program, "handmade");
    segment->control.profiles = 1 << PROFILE_CPU | 1 << PROFILE_MEMORY;
    segment->control.cpu_period_ns = 10000000;
    segment->control.memory_rate = 524288;
    segment->bank[0].generation = 1;
    segment->bank[0].stack_words = 8;
    memcpy(segment->name[NAME_MAIN].text, "worker", 6);
    segment->name[NAME_MAIN].state = 2;
    return segment;
}

static struct member *attach(struct fixture *f, int memfd)
{
    struct handover handover = {.pid = getpid(), .memfd = dup(memfd), .pidfd = -1};
    struct member *member = NULL;
    member_new(&f->programs, &handover, &member);
    return member;
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    f->segment = segment_make(&f->memfd);
    f->symbols = symbols_new("", 1 << 20);
    programs_init(&f->programs, f->symbols);
    f->member = attach(f, f->memfd);
    *state = f;
    return !f->member;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    if (f->member)
        member_free(f->member);
    programs_free(&f->programs);
    symbols_free(f->symbols);
    munmap(f->segment, sizeof *f->segment);
    close(f->memfd);
    free(f);
    return 0;
}

/* A stack of one frame more than `depth`, all at made-up addresses in no module; its offset. */
static uint32_t put_stack(struct segment *segment, unsigned bank, uint64_t pc, uint32_t frames,
                          uint32_t flags)
{
    struct seg_bank *b = &segment->bank[bank];
    uint32_t at = atomic_fetch_add(&b->stack_words, 4 + frames);
    if (at < 8)
        at = atomic_fetch_add(&b->stack_words, 8) + 4 + frames;
    struct seg_stack *stack = (struct seg_stack *)&b->stack_word[at];
    *stack = (struct seg_stack){.frames = frames, .flags = flags, .exact = 1};
    for (uint32_t i = 0; i < frames; i++)
        stack->pc[i] = pc + i;
    return at;
}

static struct seg_sample *put_sample(struct segment *segment, unsigned bank, uint32_t stack,
                                     enum sample_kind kind, uint64_t v1, uint64_t v2)
{
    struct seg_sample *sample = &segment->bank[bank].sample[segment->bank[bank].samples++];
    sample->key = sample_key(stack, 0, NAME_MAIN, kind);
    sample->value[0] = 1;
    sample->value[1] = v1;
    sample->value[2] = v2;
    return sample;
}

static struct seg_live *put_live(struct segment *segment, unsigned at, uint32_t stack, uint32_t generation,
                                 uint64_t size, uint64_t objects)
{
    struct seg_live *live = &segment->live[at];
    live->sequence++;
    live->stack = stack;
    live->generation = generation;
    live->name = NAME_MAIN;
    live->size = size;
    live->objects = objects << WEIGHT_SHIFT;
    live->address = 0x1000 + at;
    return live;
}

static int64_t total(const struct fixture *f, bool merged, enum profile_kind_id kind, unsigned value)
{
    const struct program *program = f->programs.program[0];
    const struct profile *profile = merged ? program->merged[kind] : program->interval[kind];
    return profile ? profile_total(profile, value) : 0;
}

static bool has_frame(const struct fixture *f, enum profile_kind_id kind, const char *name)
{
    const struct profile *profile = f->programs.program[0]->merged[kind];
    const struct profile_sample *sample;
    size_t cursor = 0;
    while (profile && (sample = profile_next(profile, &cursor)))
        for (const struct profile_frame *frame = sample->stack; frame; frame = frame->caller)
            if (!strcmp(frame->location->lines[0].function, name))
                return true;
    return false;
}

static void next_interval(struct fixture *f)
{
    program_upload(f->programs.program[0], PROGRAM_MERGED | PROGRAM_INTERVAL);
}

static void test_differences(void **state)
{
    struct fixture *f = *state;
    uint32_t stack = put_stack(f->segment, 0, 0x5000, 3, 0);
    struct seg_sample *sample = put_sample(f->segment, 0, stack, KIND_CPU, 5, 50000000);

    member_drain(f->member);
    assert_int_equal(total(f, false, KIND_ID_CPU, 0), 5);
    assert_int_equal(total(f, false, KIND_ID_CPU, 1), 50000000);
    assert_int_equal(sample->acked[2], 0); /* nobody has it but us */
    target_commit(f->member->target);
    assert_int_equal(sample->acked[2], 50000000);
    next_interval(f);
    sample->value[1] += 2;
    sample->value[2] += 20000000;
    member_drain(f->member);
    member_drain(f->member);
    assert_int_equal(total(f, false, KIND_ID_CPU, 1), 20000000);
    assert_int_equal(total(f, true, KIND_ID_CPU, 1), 70000000);
}

static void test_labels_and_special_frames(void **state)
{
    struct fixture *f = *state;
    const struct profile_sample *sample;
    size_t cursor = 0;

    put_sample(f->segment, 0, put_stack(f->segment, 0, 0x5000, 2, STACK_TRUNCATED), KIND_CPU, 1, 1);
    member_drain(f->member);
    sample = profile_next(f->programs.program[0]->merged[KIND_ID_CPU], &cursor);
    assert_string_equal(sample->thread, "worker");
    assert_int_equal(sample->pid, getpid());
    assert_int_equal(sample->frames, 3);
    assert_string_equal(sample->stack->caller->caller->location->lines[0].function, "[truncated]");
    /* Frame 0 is exact; frame 1, at 0x5001, is a return address and looked up one byte before. */
    assert_int_equal(sample->stack->location->address, 0x5000);
    assert_int_equal(sample->stack->caller->location->address, 0x5000);
}

/* Fixed point: many small weights in many rounds add up to the right number of whole objects. */
static void test_fractions_add_up(void **state)
{
    struct fixture *f = *state;
    struct seg_sample *sample =
        put_sample(f->segment, 0, put_stack(f->segment, 0, 0x5000, 1, 0), KIND_ALLOC, 0, 0);

    for (int i = 0; i < 1000; i++) {
        sample->value[0]++;
        sample->value[1] += (UINT64_C(1) << WEIGHT_SHIFT) * 13 / 10;
        sample->value[2] += 64;
        member_drain(f->member);
    }
    assert_in_range(total(f, true, KIND_ID_MEMORY, 0), 1299, 1300);
    assert_int_equal(total(f, true, KIND_ID_MEMORY, 1), 64000);
}

static void test_live(void **state)
{
    struct fixture *f = *state;
    uint32_t stack = put_stack(f->segment, 0, 0x5000, 2, 0);
    struct seg_live *first = put_live(f->segment, 3, stack, 1, 100, 10);

    put_live(f->segment, 40000, stack, 1, 1000, 1);
    member_drain(f->member);
    assert_int_equal(total(f, true, KIND_ID_MEMORY, INUSE_OBJECTS), 11);
    assert_int_equal(total(f, true, KIND_ID_MEMORY, INUSE_SPACE), 2000);
    first->address = 0;
    member_drain(f->member);
    assert_int_equal(total(f, true, KIND_ID_MEMORY, INUSE_OBJECTS), 1);
    assert_int_equal(total(f, true, KIND_ID_MEMORY, INUSE_SPACE), 1000);
    assert_int_equal(total(f, false, KIND_ID_MEMORY, INUSE_SPACE), 1000);
}

/* What a process had in use at its end stays in the session's profile and is in no later interval. */
static void test_live_of_an_ended_process(void **state)
{
    struct fixture *f = *state;
    put_live(f->segment, 3, put_stack(f->segment, 0, 0x5000, 2, 0), 1, 100, 10);
    member_drain(f->member);
    member_free(f->member);
    f->member = NULL;
    assert_int_equal(total(f, false, KIND_ID_MEMORY, INUSE_SPACE), 1000);
    next_interval(f);
    assert_int_equal(total(f, false, KIND_ID_MEMORY, INUSE_SPACE), 0);
    assert_int_equal(total(f, true, KIND_ID_MEMORY, INUSE_SPACE), 1000);
}

/* Reading the live table must not allocate the pages of it that nobody wrote. */
static void test_holes_stay_holes(void **state)
{
    struct fixture *f = *state;
    off_t live = offsetof(struct segment, live);

    put_live(f->segment, 40000, 0, 0, 1, 1);
    member_drain(f->member);
    assert_in_range(lseek(f->memfd, live + LAYOUT_PAGE, SEEK_DATA),
                    live + 39000 * (off_t)sizeof(struct seg_live),
                    live + 40000 * (off_t)sizeof(struct seg_live));
}

static void fill_bank(struct fixture *f, unsigned bank, uint64_t pc)
{
    for (unsigned i = 0; i < LAYOUT_SAMPLES / 2 + 1; i++)
        put_sample(f->segment, bank, put_stack(f->segment, bank, pc + 16 * i, 2, 0), KIND_CPU, 1, 1000);
}

static void test_rotation(void **state)
{
    struct fixture *f = *state;
    const int64_t each = LAYOUT_SAMPLES / 2 + 1;

    f->segment->header.used_slots = 1;
    f->segment->thread[1].bank_in_use = 1;
    fill_bank(f, 0, 0x100000);
    put_live(f->segment, 7, 8, 1, 100, 1);
    member_rotate(f->member, SECOND);
    assert_int_equal(f->segment->control.active_bank, 1);
    assert_int_equal(f->segment->bank[1].generation, 2);
    /* As long as a thread may write to the old bank, it is left alone. */
    member_rotate(f->member, 2 * SECOND);
    assert_int_equal(f->segment->bank[0].generation, 1);
    f->segment->thread[1].bank_in_use = 1 | 2;
    member_rotate(f->member, 5 * SECOND / 2);
    assert_int_equal(f->segment->bank[0].generation, 1);
    f->segment->thread[1].bank_in_use = 2;
    member_rotate(f->member, 3 * SECOND);
    assert_int_equal(f->segment->bank[0].generation, 0);
    assert_int_equal(f->segment->bank[0].samples, 0);
    assert_int_equal(f->segment->bank[0].sample[0].key, 0);
    assert_int_equal(total(f, true, KIND_ID_CPU, 0), each);
    /* The stack of a live block of the old generation is still known. */
    member_drain(f->member);
    assert_int_equal(total(f, true, KIND_ID_MEMORY, INUSE_SPACE), 100);
    assert_false(has_frame(f, KIND_ID_MEMORY, "[stack lost with an earlier uploader]"));

    /* And back: the bank that was emptied is used again. */
    f->segment->bank[1].stack_words = 8;
    fill_bank(f, 1, 0x100000);
    member_rotate(f->member, 4 * SECOND);
    f->segment->thread[1].bank_in_use = 0;
    member_rotate(f->member, 5 * SECOND);
    assert_int_equal(f->segment->control.active_bank, 0);
    assert_int_equal(f->segment->bank[0].generation, 3);
    assert_int_equal(f->segment->bank[1].generation, 0);
    assert_int_equal(total(f, true, KIND_ID_CPU, 0), 2 * each);
    member_drain(f->member);
    assert_int_equal(total(f, true, KIND_ID_MEMORY, INUSE_SPACE), 100);
    assert_false(has_frame(f, KIND_ID_MEMORY, "[stack lost with an earlier uploader]"));
}

static void test_large_counters_start_anew(void **state)
{
    struct fixture *f = *state;
    struct seg_sample *sample =
        put_sample(f->segment, 0, put_stack(f->segment, 0, 0x100000, 2, 0), KIND_CPU, 1, 1);
    sample->value[1] = (UINT64_C(1) << 61) + 5;
    sample->acked[1] = UINT64_C(1) << 61;
    member_drain(f->member);
    assert_int_equal(total(f, true, KIND_ID_CPU, 0), 5);
    member_rotate(f->member, SECOND);
    member_rotate(f->member, 2 * SECOND);
    assert_int_equal(f->segment->control.active_bank, 1);
    assert_int_equal(f->segment->bank[0].generation, 0);
    member_rotate(f->member, 3 * SECOND);
    assert_int_equal(f->segment->control.active_bank, 1);
}

static void test_rotation_gives_up_waiting(void **state)
{
    struct fixture *f = *state;
    f->segment->header.used_slots = 1;
    f->segment->thread[1].bank_in_use = 1;
    fill_bank(f, 0, 0x100000);
    member_rotate(f->member, SECOND);
    member_rotate(f->member, 10 * SECOND);
    assert_int_equal(f->segment->bank[0].generation, 1);
    member_rotate(f->member, 12 * SECOND);
    assert_int_equal(f->segment->bank[0].generation, 0);
}

/* An uploader died: its successor pushes what is new, and its session's profile has everything. */
static void test_resumed_by_another_uploader(void **state)
{
    struct fixture *f = *state;
    struct seg_sample *sample =
        put_sample(f->segment, 0, put_stack(f->segment, 0, 0x5000, 1, 0), KIND_CPU, 7, 7000);

    member_free(f->member);
    sample->acked[0] = 1;
    sample->acked[1] = 5;
    sample->acked[2] = 5000;
    put_live(f->segment, 3, 1000, 77, 100, 1);
    f->segment->header.flags |= SEGMENT_RESUMED;
    f->member = attach(f, f->memfd);
    member_drain(f->member);
    member_drain(f->member);
    assert_int_equal(total(f, false, KIND_ID_CPU, 1), 2000);
    assert_int_equal(total(f, true, KIND_ID_CPU, 1), 7000);
    assert_true(has_frame(f, KIND_ID_MEMORY, "[stack lost with an earlier uploader]"));
}

/* The target only believed us dead: its copy holds what we have handed on since as not acknowledged. */
static void test_resumed_by_ourselves(void **state)
{
    struct fixture *f = *state;
    struct member *copy;
    struct segment *segment;
    int memfd;

    put_sample(f->segment, 0, put_stack(f->segment, 0, 0x5000, 1, 0), KIND_CPU, 7, 7000);
    segment = segment_make(&memfd);
    memcpy(segment, f->segment, sizeof *segment);
    segment->header.flags |= SEGMENT_RESUMED;
    member_drain(f->member);
    copy = attach(f, memfd);
    member_resume(copy, f->member);
    member_free(f->member);
    f->member = copy;
    segment->bank[0].sample[0].value[2] += 100;
    member_drain(f->member);
    assert_int_equal(total(f, true, KIND_ID_CPU, 1), 7100);
    munmap(segment, sizeof *segment);
    close(memfd);
}

static void test_hostile_samples(void **state)
{
    static const uint32_t offsets[] = {0, 7, LAYOUT_STACK_WORDS - 3, LAYOUT_STACK_WORDS, UINT32_MAX};
    struct fixture *f = *state;
    uint32_t good = put_stack(f->segment, 0, 0x5000, 2, 0), long_one, empty;

    long_one = put_stack(f->segment, 0, 0x5000, 2, 0);
    ((struct seg_stack *)&f->segment->bank[0].stack_word[long_one])->frames = LAYOUT_FRAMES + 1;
    empty = put_stack(f->segment, 0, 0x5000, 1, 0);
    ((struct seg_stack *)&f->segment->bank[0].stack_word[empty])->frames = 0;
    for (unsigned i = 0; i < sizeof offsets / sizeof offsets[0]; i++)
        put_sample(f->segment, 0, offsets[i], KIND_CPU, 1, 1);
    put_sample(f->segment, 0, long_one, KIND_CPU, 1, 1);
    put_sample(f->segment, 0, empty, KIND_CPU, 1, 1);
    put_sample(f->segment, 0, good, KIND_COUNT, 1, 1);
    put_sample(f->segment, 0, good, KIND_CPU, 1, UINT64_C(1) << 62);
    put_sample(f->segment, 0, good, KIND_CPU, 1, 1)->acked[2] = 2;
    put_sample(f->segment, 0, good, KIND_CPU, 1, 42);
    f->segment->bank[0].samples = UINT32_MAX;
    member_drain(f->member);
    member_drain(f->member);
    assert_int_equal(total(f, true, KIND_ID_CPU, 1), 42);
    assert_int_equal(f->programs.program[0]->counts.malformed, 10);
}

static void test_hostile_live(void **state)
{
    struct fixture *f = *state;
    uint32_t good = put_stack(f->segment, 0, 0x5000, 2, 0);

    put_live(f->segment, 0, good, 1, UINT64_MAX, 1 << 20);
    put_live(f->segment, 1, UINT32_MAX, 1, 1, 1);
    put_live(f->segment, 2, good, 1, 64, 1)->name = UINT16_MAX;
    put_live(f->segment, 3, good, 1, 64, 1)->address = 1;
    put_live(f->segment, LAYOUT_LIVE - 1, good, 1, 64, 1);
    member_drain(f->member);
    assert_int_equal(total(f, true, KIND_ID_MEMORY, INUSE_SPACE), 128);
    assert_int_equal(f->programs.program[0]->counts.malformed, 2);
}

static void test_hostile_modules(void **state)
{
    struct fixture *f = *state;

    f->segment->header.modules = UINT32_MAX;
    f->segment->header.used_slots = UINT32_MAX;
    memset(f->segment->strings, 0xff, sizeof f->segment->strings);
    f->segment->module[0] = (struct seg_module){
        .start = 0x4000, .end = 0x6000, .path = LAYOUT_STRINGS - 1, .build_id_size = 255, .ready = 1};
    f->segment->module[1] =
        (struct seg_module){.start = 0x9000, .end = 0x1000, .path = UINT32_MAX, .ready = 1};
    put_sample(f->segment, 0, put_stack(f->segment, 0, 0x5000, 2, 0), KIND_CPU, 1, 42);
    member_drain(f->member);
    member_tick(f->member, SECOND);
    assert_int_equal(total(f, true, KIND_ID_CPU, 1), 42);
}

/* Of two modules at the same addresses, the stack's epoch says which one it ran through. */
static void test_module_by_epoch(void **state)
{
    struct fixture *f = *state;
    uint32_t old = put_stack(f->segment, 0, 0x5000, 1, 0), young = put_stack(f->segment, 0, 0x5000, 1, 0);

    strcpy(f->segment->strings + 1, "/old.so");
    strcpy(f->segment->strings + 16, "/young.so");
    f->segment->module[0] =
        (struct seg_module){.start = 0x4000, .end = 0x6000, .bias = 0x4000, .path = 1, .ready = 1};
    f->segment->module[1] = (struct seg_module){
        .start = 0x4000, .end = 0x6000, .bias = 0x4800, .epoch = 3, .path = 16, .ready = 1};
    f->segment->header.modules = 2;
    ((struct seg_stack *)&f->segment->bank[0].stack_word[old])->epoch = 2;
    ((struct seg_stack *)&f->segment->bank[0].stack_word[young])->epoch = 4;
    put_sample(f->segment, 0, old, KIND_CPU, 1, 1);
    put_sample(f->segment, 0, young, KIND_CPU, 1, 1);
    member_drain(f->member);
    assert_true(has_frame(f, KIND_ID_CPU, "old.so+0x1000"));
    assert_true(has_frame(f, KIND_ID_CPU, "young.so+0x800"));
}

static void test_counters(void **state)
{
    struct fixture *f = *state;
    const struct program *program = f->programs.program[0];

    f->segment->counter[COUNT_CPU_SAMPLES] = 10;
    member_drain(f->member);
    next_interval(f);
    f->segment->counter[COUNT_CPU_SAMPLES] = 15;
    f->segment->counter[COUNT_LOST_BUFFER] = UINT64_MAX;
    member_drain(f->member);
    assert_int_equal(program->interval_counts.counter[COUNT_CPU_SAMPLES], 5);
    assert_int_equal(program->counts.counter[COUNT_CPU_SAMPLES], 15);
    assert_int_equal(program->counts.counter[COUNT_LOST_BUFFER], 0);
}

static void refuse(struct fixture *f, int memfd)
{
    struct handover handover = {.pid = getpid(), .memfd = memfd, .pidfd = -1};
    struct member *member;
    assert_int_equal(member_new(&f->programs, &handover, &member), -EINVAL);
    assert_int_equal(fcntl(memfd, F_GETFD), -1);
}

static void test_refusals(void **state)
{
    struct fixture *f = *state;
    struct segment *segment;
    int memfd = memfd_create("unsealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    assert_int_equal(ftruncate(memfd, sizeof *segment), 0);
    refuse(f, memfd);
    memfd = memfd_create("short", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    assert_int_equal(ftruncate(memfd, sizeof *segment - LAYOUT_PAGE), 0);
    fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW);
    refuse(f, memfd);
    refuse(f, open("/dev/null", O_RDONLY | O_CLOEXEC));
    segment = segment_make(&memfd);
    segment->header.version++;
    munmap(segment, sizeof *segment);
    refuse(f, memfd);
}

static void add(struct program *program, enum profile_kind_id kind, const struct stack *stack, int pid,
                int64_t n, int64_t m)
{
    struct profile_sample sample = program_sample(stack, pid, "");

    sample.value[0] = n;
    sample.value[1] = m;
    program_add(program, PROGRAM_MERGED, kind, &sample);
}

/* Processes that ended are folded when there are many; sums stay. */
static void test_fold(void **state)
{
    struct fixture *f = *state;
    struct program *program = f->programs.program[0];
    struct stack *stack = calloc(1, sizeof *stack + sizeof stack->frame[0]);

    stack->frames = 1;
    stack->frame[0] = symbols_special(f->symbols, "[test]");
    for (int pid = 100000; pid < 100000 + PROGRAMS_FOLD_SAMPLES; pid++)
        add(program, KIND_ID_CPU, stack, pid, 1, 10);
    add(program, KIND_ID_CPU, stack, getpid(), 1, 10);
    programs_upload_all(&f->programs);
    assert_int_equal(profile_count(program->merged[KIND_ID_CPU]), 2);
    assert_int_equal(total(f, true, KIND_ID_CPU, 0), PROGRAMS_FOLD_SAMPLES + 1);
    free(stack);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_differences),
        TEST(test_labels_and_special_frames),
        TEST(test_fractions_add_up),
        TEST(test_live),
        TEST(test_live_of_an_ended_process),
        TEST(test_holes_stay_holes),
        TEST(test_rotation),
        TEST(test_large_counters_start_anew),
        TEST(test_rotation_gives_up_waiting),
        TEST(test_resumed_by_another_uploader),
        TEST(test_resumed_by_ourselves),
        TEST(test_hostile_samples),
        TEST(test_hostile_live),
        TEST(test_hostile_modules),
        TEST(test_module_by_epoch),
        TEST(test_counters),
        TEST(test_refusals),
        TEST(test_fold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
