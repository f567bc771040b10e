/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of threads' time, by wall samples. */
#include "wall_fixture.h"

#include "uploader/sinks/files/threads_text.h"
#include "uploader/threads/wait_stacks.h"

/* CPU time that was counted is taken from what wall samples saw, so that both make one whole. */
static void test_times_add_up(void **state)
{
    struct fixture *f = *state;
    pthread_t thread = start_waiter(f, WAITER);

    take_sample(f, f->start_ns + SECOND_NS);
    put_cpu(f, 300 * MS_NS);
    member_drain(f->member);
    assert_int_equal(total(f, KIND_ID_CPU), 300 * MS_NS);
    assert_int_equal(total(f, KIND_ID_OFF_CPU), 700 * MS_NS);
    assert_int_equal(total(f, KIND_ID_WALL), SECOND_NS);

    /* A sample that comes a round late is set against the next round's time. */
    put_cpu(f, 1330 * MS_NS);
    take_sample(f, f->start_ns + 2 * SECOND_NS);
    member_drain(f->member);
    take_sample(f, f->start_ns + 3 * SECOND_NS);
    member_drain(f->member);
    pthread_barrier_wait(&over);
    pthread_join(thread, NULL);
    assert_int_equal(total(f, KIND_ID_WALL), 3 * SECOND_NS);
    assert_int_equal(total(f, KIND_ID_OFF_CPU), 1670 * MS_NS);
}

/* One that begins and ends between two samples is counted for half a period at its end; its start is known. */
static void test_begin_and_end(void **state)
{
    struct fixture *f = *state;
    pthread_t thread = start_waiter(f, WAITER);

    waiter_slot->start_monotonic_ns += 40 * MS_NS;
    take_sample(f, f->start_ns + 100 * MS_NS);
    take_sample(f, f->start_ns + 200 * MS_NS);
    pthread_barrier_wait(&over);
    pthread_join(thread, NULL);
    waiter_slot->tid = 0;
    take_sample(f, f->start_ns + 300 * MS_NS);
    member_drain(f->member);
    assert_int_equal(total(f, KIND_ID_WALL), (60 + 100 + 50) * MS_NS);
}

static void test_not_hooked(void **state)
{
    struct fixture *f = *state;
    char stack[1024];

    put_thread(f, WAITER, getpid()); /* this thread: reading what it does */
    take_sample(f, f->start_ns + SECOND_NS);
    member_drain(f->member);
    assert_int_equal(total(f, KIND_ID_WALL), SECOND_NS);
    assert_int_equal(by_leaf(f, KIND_ID_OFF_CPU, "[blocked: read]", stack), SECOND_NS);
    /* Nobody, of whom nothing is known: as the others of his name. */
    put_thread(f, OTHER, 0x7ffffff0)->start_monotonic_ns = (uint64_t)f->start_ns + SECOND_NS;
    take_sample(f, f->start_ns + 2 * SECOND_NS);
    member_drain(f->member);
    assert_int_equal(total(f, KIND_ID_WALL), 3 * SECOND_NS);
    assert_int_equal(by_leaf(f, KIND_ID_OFF_CPU, "[blocked: read]", stack), 3 * SECOND_NS);
}

/* Of a process that another uploader had before, from where that one ended: the times between are given to
   what is seen first, and CPU time that was not acknowledged is a part of them. */
static struct member *attach_again(struct fixture *f)
{
    struct handover handover = {.pid = getpid(), .memfd = dup(f->memfd), .pidfd = -1};
    struct member *member = NULL;

    f->segment->header.flags |= SEGMENT_RESUMED;
    assert_int_equal(member_new(&f->programs, &handover, &member), 0);
    return member;
}

static struct seg_thread *put_waiting(struct fixture *f, unsigned slot)
{
    struct seg_thread *thread = put_thread(f, slot, getpid());

    thread->wait_kind = WAIT_poll;
    thread->wait_regs[0] = thread->wait_regs[1] = 8;
    thread->wait_sequence = 1;
    return thread;
}

static void test_after_another_uploader(void **state)
{
    struct fixture *f = *state;
    int64_t now_ns = monotonic_ns();
    char stack[1024];

    f->segment->header.start_monotonic_ns = (uint64_t)(now_ns - 20 * SECOND_NS);
    f->segment->control.wall_acked_ns = (uint64_t)(now_ns - 10 * SECOND_NS);
    put_waiting(f, WAITER)->start_monotonic_ns = (uint64_t)(now_ns - 20 * SECOND_NS);
    put_cpu(f, 9 * SECOND_NS);
    f->segment->bank[0].sample[0].acked[2] = 4 * (uint64_t)SECOND_NS;
    member_free(f->member);
    f->member = attach_again(f);
    take_sample(f, now_ns + 10 * SECOND_NS);
    member_drain(f->member);
    assert_int_equal(total(f, KIND_ID_CPU), 5 * SECOND_NS);
    assert_int_equal(total(f, KIND_ID_WALL), 20 * SECOND_NS);
    assert_int_equal(by_leaf(f, KIND_ID_OFF_CPU, "poll", stack), 15 * SECOND_NS);
    /* The session's profile goes back to the start. */
    assert_int_equal(profile_total(f->programs.program[0]->merged[KIND_ID_CPU], 1), 9 * SECOND_NS);
    assert_int_equal(profile_total(f->programs.program[0]->merged[KIND_ID_WALL], 1), 30 * SECOND_NS);
    assert_int_equal(profile_total(f->programs.program[0]->merged[KIND_ID_OFF_CPU], 1), 21 * SECOND_NS);
    target_commit(f->member->target);
    assert_int_equal(f->segment->control.wall_acked_ns, now_ns + 10 * SECOND_NS);
}

/* The process took us for dead: what we had seen until then is not lost, nor counted twice. */
static void test_after_ourselves(void **state)
{
    struct fixture *f = *state;
    struct member *next;

    put_waiting(f, WAITER);
    take_sample(f, f->start_ns + 10 * SECOND_NS);
    put_cpu(f, 5 * SECOND_NS);
    next = attach_again(f);
    member_resume(next, f->member);
    member_free(f->member);
    f->member = next;
    take_sample(f, f->start_ns + 20 * SECOND_NS);
    member_drain(f->member);
    assert_int_equal(total(f, KIND_ID_CPU), 5 * SECOND_NS);
    assert_int_equal(total(f, KIND_ID_WALL), 20 * SECOND_NS);
    assert_int_equal(total(f, KIND_ID_OFF_CPU), 15 * SECOND_NS);
}

/* A thread that burns a CPU, and its id. */
static _Atomic int burner_tid, burner_over;
static void *burner(void *arg)
{
    burner_tid = (int)gettid();
    while (!burner_over)
        ;
    return arg;
}

/* The times of wall samples are made up and the kernel's are not: only where the CPU time went is checked. */
static void test_without_a_timer(void **state)
{
    struct fixture *f = *state;
    const struct timespec pause = {0, 10 * MS_NS};
    struct timespec used;
    clockid_t clock;
    pthread_t thread;
    char stack[1024];

    burner_tid = burner_over = 0;
    assert_int_equal(pthread_create(&thread, NULL, burner, NULL), 0);
    while (!burner_tid)
        ;
    put_thread(f, WAITER, burner_tid)->flags = 0;
    assert_int_equal(pthread_getcpuclockid(thread, &clock), 0);
    do
        nanosleep(&pause, NULL);
    while (!clock_gettime(clock, &used) && !used.tv_sec && used.tv_nsec < 40 * MS_NS);
    take_sample(f, f->start_ns + 50 * MS_NS);
    take_sample(f, f->start_ns + 100 * MS_NS);
    member_drain(f->member);
    burner_over = 1;
    pthread_join(thread, NULL);
    assert_true(by_leaf(f, KIND_ID_WALL, "[running]", stack) > 20 * MS_NS);
}

/* A process that began so long ago, and no wall sample saw. */
static int64_t begin_again(struct fixture *f, int64_t ago_ns)
{
    struct handover handover = {.pid = getpid(), .memfd = dup(f->memfd), .pidfd = -1};
    int64_t now_ns = monotonic_ns();

    target_commit(f->member->target);
    f->segment->header.flags |= SEGMENT_NS_TICKS;
    f->segment->header.start_monotonic_ns = f->segment->header.start_ticks = (uint64_t)(now_ns - ago_ns);
    f->segment->control.wall_acked_ns = 0;
    f->start_ns = now_ns - ago_ns;
    member_free(f->member);
    f->member = NULL;
    assert_int_equal(member_new(&f->programs, &handover, &f->member), 0);
    return now_ns;
}

/* Killed in a wait, which the segment still shows; what was before it is like it. */
static void test_the_end_of_a_short_lived_process(void **state)
{
    struct fixture *f = *state;
    int64_t now_ns = begin_again(f, 70 * MS_NS);
    char stack[1024];

    put_waiting(f, WAITER)->wait_since_ticks = (uint64_t)(now_ns - 50 * MS_NS);
    member_drain_end(f->member, now_ns);
    program_settle_short_lived(f->programs.program[0]);
    assert_int_equal(total(f, KIND_ID_WALL), 70 * MS_NS);
    assert_in_range(by_leaf(f, KIND_ID_OFF_CPU, "poll", stack), 70 * MS_NS - 1, 70 * MS_NS);
}

/* Of two that no wall sample saw, one had CPU samples, which count for both. */
static void test_the_end_of_a_process_never_seen(void **state)
{
    struct fixture *f = *state;
    struct program *program = f->programs.program[0];
    int64_t now_ns = begin_again(f, 7 * MS_NS);
    char stack[1024];

    put_thread(f, WAITER, getpid());
    put_cpu(f, 10 * MS_NS);
    member_drain_end(f->member, now_ns);
    now_ns = begin_again(f, 7 * MS_NS);
    put_thread(f, WAITER, getpid());
    member_drain_end(f->member, now_ns);
    program_settle_short_lived(program);
    assert_int_equal(total(f, KIND_ID_WALL), 14 * MS_NS);
    assert_int_equal(total(f, KIND_ID_OFF_CPU), 4 * MS_NS);
    assert_int_equal(by_leaf(f, KIND_ID_OFF_CPU, "[ended before it was looked at]", stack), 4 * MS_NS);
}

static void test_many_in_no_hooked_call(void **state)
{
    struct fixture *f = *state;
    struct seg_thread *thread = put_waiting(f, 150);
    char stack[1024];

    thread->wait_kind = WAIT_pthread_mutex_lock;
    take_sample(f, f->start_ns + 1 * MS_NS);
    for (unsigned i = 1; i < 150; i++)
        put_thread(f, i, getpid())->start_monotonic_ns = (uint64_t)f->start_ns + 1 * MS_NS;
    /* Its wait is over, and it is not asked what it does now: not in the lock any more, nor running. */
    thread->wait_sequence = 2;
    take_sample(f, f->start_ns + 51 * MS_NS);
    member_drain(f->member);
    assert_int_equal(by_leaf(f, KIND_ID_WALL, "[waiting for a CPU]", stack), 0);
    assert_int_equal(by_leaf(f, KIND_ID_WALL, "[running]", stack), 0);
    assert_in_range(by_leaf(f, KIND_ID_OFF_CPU, "pthread_mutex_lock", stack), 1 * MS_NS, 4 * MS_NS);
    assert_in_range(total(f, KIND_ID_OFF_CPU), 7501 * MS_NS - 1000, 7501 * MS_NS);
}

static void test_off_and_on_again(void **state)
{
    struct fixture *f = *state;

    put_waiting(f, WAITER);
    take_sample(f, f->start_ns + SECOND_NS);
    f->segment->control.profiles = 1u << PROFILE_CPU;
    put_cpu(f, 100 * MS_NS); /* what is drained when it is noticed was until then */
    take_sample(f, f->start_ns + 2 * SECOND_NS);
    put_cpu(f, 800 * MS_NS);
    f->segment->control.profiles = PROFILES_READY;
    take_sample(f, f->start_ns + 3600 * SECOND_NS);
    take_sample(f, f->start_ns + 3601 * SECOND_NS);
    put_cpu(f, 900 * MS_NS);
    member_drain(f->member);
    assert_int_equal(total(f, KIND_ID_CPU), 900 * MS_NS);
    assert_int_equal(total(f, KIND_ID_WALL), 2 * SECOND_NS);
    assert_int_equal(total(f, KIND_ID_OFF_CPU), 1800 * MS_NS);
}

/* Counters that make no sense: each alone is believed, their sum would run over. */
static void test_hostile_cpu_time(void **state)
{
    struct fixture *f = *state;
    struct seg_bank *bank = &f->segment->bank[0];

    put_waiting(f, WAITER);
    put_cpu(f, 1);
    for (int i = 0; i < 4; i++) {
        bank->sample[i].key = sample_key(8, 0, NAME, KIND_CPU);
        bank->sample[i].value[2] = (UINT64_C(1) << 62) - 1;
    }
    bank->samples = 4;
    take_sample(f, f->start_ns + SECOND_NS);
    member_drain(f->member);
    take_sample(f, f->start_ns + 2 * SECOND_NS);
    member_drain(f->member);
    assert_in_range(total(f, KIND_ID_OFF_CPU), 900 * MS_NS, SECOND_NS);
}

static void put_live_thread(struct fixture *f, struct program *program, uint32_t pid)
{
    const struct symbol_location *frame = symbols_special(f->symbols, "main");
    struct profile_sample sample = {
        .pid = pid, .frames = 1, .thread = "main", .about = {.tid = pid}, .value = {1}, .frame = &frame};
    assert_int_equal(program_enter(program, (pid_t)pid, monotonic_ns()), 0);
    assert_int_equal(program_add(program, PROGRAM_MERGED | PROGRAM_INTERVAL, KIND_ID_THREADS, &sample), 0);
}

static int64_t threads_shown(const struct program *program)
{
    return profile_total(program->merged[KIND_ID_THREADS], 0);
}

static void test_threads_of_live_processes(void **state)
{
    struct fixture *f = *state;
    struct program *program = programs_get(&f->programs, "many", "", "");

    put_live_thread(f, program, 1001);
    put_live_thread(f, program, 1002);
    program_leave(program, 1001, monotonic_ns());
    program_upload(program, PROGRAM_MERGED);
    assert_int_equal(threads_shown(program), 1);
    program_leave(program, 1002, monotonic_ns());
    program_upload(program, PROGRAM_MERGED);
    assert_int_equal(threads_shown(program), 1);
    /* Others came, and ended together. */
    put_live_thread(f, program, 1003);
    put_live_thread(f, program, 1004);
    program_leave(program, 1003, monotonic_ns());
    program_leave(program, 1004, monotonic_ns());
    program_upload(program, PROGRAM_MERGED | PROGRAM_INTERVAL);
    assert_int_equal(threads_shown(program), 2);
}

/* As many as there are: those that there was no time for are not mistaken, and their time is not lost. */
static void test_more_waits_than_time(void **state)
{
    if (getenv("CPROF_TEST_EMULATED"))
        skip(); /* a round there takes longer than its waits last */
    struct fixture *f = *state;
    pthread_t thread = start_waiter(f, WAITER);
    enum { MANY = 4000 };
    char stack[1024];

    for (unsigned i = 2; i <= MANY; i++) {
        struct seg_thread *like = put_thread(f, i, (int)getpid());
        like->wait_kind = WAIT_pthread_mutex_lock;
        memcpy(like->wait_regs, waiter_slot->wait_regs, sizeof like->wait_regs);
        like->wait_sequence = 1;
    }
    for (int i = 1; i <= 100; i++)
        take_sample(f, f->start_ns + i * 10 * MS_NS);
    member_drain(f->member);
    pthread_barrier_wait(&over);
    pthread_join(thread, NULL);
    assert_int_equal(total(f, KIND_ID_WALL), MANY * SECOND_NS);
    assert_int_equal(by_leaf(f, KIND_ID_OFF_CPU, "pthread_mutex_lock", stack), MANY * SECOND_NS);
    assert_ptr_equal(strstr(stack, "pthread_mutex_lock;wait_in_hook;"), stack);
}

/* This very thread, which reads what it does. */
static void test_threads_without_a_slot(void **state)
{
    struct fixture *f = *state;
    const struct untracked_threads one = {.thread = {{getpid(), "test", f->start_ns}}, .count = 1},
                                   none = {0};
    char stack[1024];

    wall_set_untracked(f->member->wall, &one);
    take_sample(f, f->start_ns + SECOND_NS);
    wall_set_untracked(f->member->wall, &one);
    take_sample(f, f->start_ns + 2 * SECOND_NS);
    /* It has one now. */
    put_thread(f, WAITER, getpid())->start_monotonic_ns = (uint64_t)f->start_ns + 2 * SECOND_NS;
    take_sample(f, f->start_ns + 3 * SECOND_NS);
    wall_set_untracked(f->member->wall, &none);
    member_drain(f->member);
    assert_int_equal(by_leaf(f, KIND_ID_OFF_CPU, "[blocked: read]", stack), 3 * SECOND_NS);
    assert_int_equal(total(f, KIND_ID_THREADS), 1);
}

static void test_hostile_slots(void **state)
{
    struct fixture *f = *state;

    f->segment->header.used_slots = UINT32_MAX;
    for (unsigned i = 1; i < 200; i++) {
        struct seg_thread *thread = put_thread(f, i, (int)(i * 0x12345678u));
        thread->name = i * 977;
        thread->start_monotonic_ns = i % 3 ? UINT64_MAX / i : 0;
        thread->wait_sequence = i;
        thread->wait_kind = i * 0x1010101;
        thread->wait_since_ticks = UINT64_MAX / i;
        thread->created_stack = i * 7919;
        thread->created_generation = i % 2;
        for (int r = 0; r < LAYOUT_REGS; r++)
            thread->wait_regs[r] = i % 4 ? (uintptr_t)&f + 8 * i : UINT64_MAX - i * (uint64_t)r;
    }
    for (int i = 1; i < 4; i++) {
        take_sample(f, f->start_ns + i * SECOND_NS);
        member_drain(f->member);
    }
    assert_true(total(f, KIND_ID_WALL) > 0);
}

static void test_threads_as_text(void **state)
{
    struct fixture *f = *state;
    pthread_t thread = start_waiter(f, WAITER);
    char *text = NULL;
    size_t size;
    FILE *out;

    take_sample(f, f->start_ns + SECOND_NS);
    member_drain(f->member);
    pthread_barrier_wait(&over);
    pthread_join(thread, NULL);
    for (int form = THREADS_GROUPED; form <= THREADS_EACH; form++) {
        out = open_memstream(&text, &size);
        assert_int_equal(threads_text_write(out, f->programs.program[0]->interval[KIND_ID_THREADS],
                                            (enum threads_form)form, "threads"),
                         0);
        fclose(out);
        assert_ptr_equal(strstr(text, "threads profile: total 1\n# 1 waits for a lock"), text);
        assert_non_null(
            strstr(text, form == THREADS_EACH ? "\npthread_mutex_lock\nwait_in_hook\n" : "\n1 @ 0x"));
        free(text);
    }
}

static void test_frames_of_waits_have_a_ceiling(void **state)
{
    enum { ENOUGH = 1024 * 1024 / LAYOUT_FRAMES };
    static struct unwound unwound = {.frames = LAYOUT_FRAMES};
    struct fixture *f = *state;
    const struct process_files source = {.root_fd = -1, .exe_fd = -1};
    struct wait_stacks *waits = wait_stacks_new(f->symbols, &source);
    const char *leaf = symbols_intern(f->symbols, "poll");
    struct wait_stack *first, *stack;

    first = wait_stacks_intern(waits, leaf, &unwound);
    assert_int_equal(first->frames, LAYOUT_FRAMES);
    for (unsigned i = 1; i < ENOUGH; i++) {
        unwound.frame[0].pc = i;
        stack = wait_stacks_intern(waits, leaf, &unwound);
    }
    assert_int_equal(stack->frames, 0);
    wait_stacks_mark(first);
    wait_stacks_sweep(waits);
    assert_int_equal(wait_stacks_intern(waits, leaf, &unwound)->frames, LAYOUT_FRAMES);
    wait_stacks_free(waits);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_times_add_up),
        TEST(test_begin_and_end),
        TEST(test_not_hooked),
        TEST(test_after_another_uploader),
        TEST(test_after_ourselves),
        TEST(test_without_a_timer),
        TEST(test_the_end_of_a_short_lived_process),
        TEST(test_the_end_of_a_process_never_seen),
        TEST(test_many_in_no_hooked_call),
        TEST(test_off_and_on_again),
        TEST(test_hostile_cpu_time),
        TEST(test_threads_of_live_processes),
        TEST(test_more_waits_than_time),
        TEST(test_threads_without_a_slot),
        TEST(test_hostile_slots),
        TEST(test_threads_as_text),
        TEST(test_frames_of_waits_have_a_ceiling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
