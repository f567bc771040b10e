/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of threads' time: looks at hand-made slots of this very process, one of whose threads really
   waits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "uploader/clock.h"
#include "uploader/target.h"
#include "uploader/threads_text.h"
#include "uploader/waits.h"

enum { NAME = 1, WAITER = 1, OTHER = 2 };

struct fixture {
    struct segment *segment;
    int memfd;
    struct symbols *symbols;
    struct programs programs;
    struct target *target;
    int64_t start_ns;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct join join = {.pid = getpid(), .pidfd = -1};

    f->memfd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (ftruncate(f->memfd, sizeof *f->segment) || fcntl(f->memfd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW))
        return -1;
    f->segment = mmap(NULL, sizeof *f->segment, PROT_READ | PROT_WRITE, MAP_SHARED, f->memfd, 0);
    f->segment->header.magic = LAYOUT_MAGIC;
    f->segment->header.version = LAYOUT_VERSION;
    f->segment->header.size = sizeof *f->segment;
    f->segment->header.pid = getpid();
    f->segment->control.profiles = PROFILES_READY;
    f->segment->control.cpu_period_ns = 10000000;
    f->segment->bank[0].generation = 1;
    memcpy(f->segment->name[NAME].text, "worker", 6);
    f->segment->name[NAME].state = 2;
    f->symbols = symbols_new("", 1 << 20);
    programs_init(&f->programs, f->symbols);
    join.memfd = dup(f->memfd);
    f->start_ns = monotonic_ns() + SECOND_NS; /* later than any look of the rounds' own */
    f->segment->header.start_monotonic_ns = 1;
    target_attach(&f->programs, f->symbols, &join, &f->target);
    *state = f;
    if (f->target)
        wall_look(f->target, f->start_ns); /* nobody is there yet: time counts from here */
    return !f->target;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    target_free(f->target);
    programs_free(&f->programs);
    symbols_free(f->symbols);
    munmap(f->segment, sizeof *f->segment);
    close(f->memfd);
    free(f);
    return 0;
}

static struct seg_thread *put_thread(struct fixture *f, unsigned slot, int tid)
{
    struct seg_thread *thread = &f->segment->thread[slot];
    thread->name = NAME;
    thread->flags = THREAD_HAS_TIMER;
    thread->start_monotonic_ns = (uint64_t)f->start_ns;
    thread->tid = tid;
    if (f->segment->header.used_slots < slot)
        f->segment->header.used_slots = slot;
    return thread;
}

static void put_cpu(struct fixture *f, uint64_t ns)
{
    struct seg_bank *bank = &f->segment->bank[0];
    struct seg_stack *stack = (struct seg_stack *)&bank->stack_word[8];
    bank->stack_words = 16;
    stack->frames = 1;
    stack->pc[0] = 0x1000;
    bank->sample[0].key = sample_key(8, NAME, KIND_CPU);
    bank->sample[0].value[1] = ns / 10000000;
    bank->sample[0].value[2] = ns;
    bank->samples = 1;
}

static int64_t total(const struct fixture *f, enum profile_kind_id kind)
{
    const struct profile *profile = f->programs.program[0]->interval[kind];
    return profile ? profile_total(profile, profile_kinds[kind].default_value) : 0;
}

/* The value of samples whose leaf has this name, and the whole stack of the last of them. */
static int64_t by_leaf(const struct fixture *f, enum profile_kind_id kind, const char *leaf, char *text)
{
    const struct profile *profile = f->programs.program[0]->interval[kind];
    const struct profile_sample *sample;
    size_t cursor = 0;
    int64_t sum = 0;

    *text = 0;
    while (profile && (sample = profile_next(profile, &cursor))) {
        if (strcmp(sample->frame[0]->lines[0].function, leaf) != 0)
            continue;
        sum += sample->value[profile_kinds[kind].default_value];
        for (uint32_t i = 0; i < sample->frames && strlen(text) < 512; i++)
            sprintf(text + strlen(text), "%.60s;", sample->frame[i]->lines[0].function);
    }
    return sum;
}

/* A thread that says so, as a hook does, and then waits. */
static pthread_barrier_t in_wait, over;
static struct seg_thread *waiter_slot;

__attribute__((noinline)) static void wait_in_hook(void)
{
    uint64_t *regs = waiter_slot->wait_regs;

    __asm__ volatile(
        "leaq 0(%%rip), %%rax\n\tmovq %%rax, 0(%0)\n\tmovq %%rsp, 8(%0)\n\tmovq %%rbp, 16(%0)\n\t"
        "movq %%rbx, 24(%0)\n\tmovq %%r12, 32(%0)\n\tmovq %%r13, 40(%0)\n\tmovq %%r14, 48(%0)\n\t"
        "movq %%r15, 56(%0)"
        :
        : "D"(regs)
        : "rax", "memory");
    waiter_slot->wait_kind = WAIT_pthread_mutex_lock;
    waiter_slot->wait_sequence |= 1;
    pthread_barrier_wait(&in_wait);
    pthread_barrier_wait(&over);
    waiter_slot->wait_sequence++;
}

__attribute__((noinline)) static void take_the_lock(void)
{
    wait_in_hook();
    __asm__ volatile("");
}

static void *waiter(void *arg)
{
    take_the_lock();
    return arg;
}

static pthread_t start_waiter_in(struct fixture *f, unsigned slot, void *(*function)(void *))
{
    pthread_t thread;
    waiter_slot = put_thread(f, slot, (int)getpid());
    pthread_barrier_init(&in_wait, NULL, 2);
    pthread_barrier_init(&over, NULL, 2);
    pthread_create(&thread, NULL, function, NULL);
    pthread_barrier_wait(&in_wait);
    return thread;
}

static pthread_t start_waiter(struct fixture *f, unsigned slot)
{
    return start_waiter_in(f, slot, waiter);
}

static void test_a_wait_is_unwound_and_counted(void **state)
{
    struct fixture *f = *state;
    pthread_t thread = start_waiter(f, WAITER);
    char stack[1024];

    for (int i = 1; i <= 10; i++)
        wall_look(f->target, f->start_ns + i * 100 * MS_NS);
    target_drain(f->target);
    pthread_barrier_wait(&over);
    pthread_join(thread, NULL);
    assert_int_equal(total(f, KIND_ID_WALL), SECOND_NS);
    assert_int_equal(by_leaf(f, KIND_ID_OFF_CPU, "pthread_mutex_lock", stack), SECOND_NS);
    assert_ptr_equal(strstr(stack, "pthread_mutex_lock;wait_in_hook;take_the_lock;waiter;"), stack);
    assert_null(strstr(stack, "truncated"));
    assert_int_equal(total(f, KIND_ID_THREADS), 1);
}

/* CPU time that was counted is taken from what the looks saw, so that both make one whole. */
static void test_times_add_up(void **state)
{
    struct fixture *f = *state;
    pthread_t thread = start_waiter(f, WAITER);

    wall_look(f->target, f->start_ns + SECOND_NS);
    put_cpu(f, 300 * MS_NS);
    target_drain(f->target);
    assert_int_equal(total(f, KIND_ID_CPU), 300 * MS_NS);
    assert_int_equal(total(f, KIND_ID_OFF_CPU), 700 * MS_NS);
    assert_int_equal(total(f, KIND_ID_WALL), SECOND_NS);

    /* A sample that comes a round late is set against the next round's time. */
    put_cpu(f, 1330 * MS_NS);
    wall_look(f->target, f->start_ns + 2 * SECOND_NS);
    target_drain(f->target);
    wall_look(f->target, f->start_ns + 3 * SECOND_NS);
    target_drain(f->target);
    pthread_barrier_wait(&over);
    pthread_join(thread, NULL);
    assert_int_equal(total(f, KIND_ID_WALL), 3 * SECOND_NS);
    assert_int_equal(total(f, KIND_ID_OFF_CPU), 1670 * MS_NS);
}

/* One that begins and ends between looks is counted for half a period at its end; its start is known. */
static void test_begin_and_end(void **state)
{
    struct fixture *f = *state;
    pthread_t thread = start_waiter(f, WAITER);

    waiter_slot->start_monotonic_ns += 40 * MS_NS;
    wall_look(f->target, f->start_ns + 100 * MS_NS);
    wall_look(f->target, f->start_ns + 200 * MS_NS);
    pthread_barrier_wait(&over);
    pthread_join(thread, NULL);
    waiter_slot->tid = 0;
    wall_look(f->target, f->start_ns + 300 * MS_NS);
    target_drain(f->target);
    assert_int_equal(total(f, KIND_ID_WALL), (60 + 100 + 50) * MS_NS);
}

static void test_not_hooked(void **state)
{
    struct fixture *f = *state;
    char stack[1024];

    put_thread(f, WAITER, getpid()); /* this thread: reading what it does */
    wall_look(f->target, f->start_ns + SECOND_NS);
    target_drain(f->target);
    assert_int_equal(total(f, KIND_ID_WALL), SECOND_NS);
    assert_int_equal(by_leaf(f, KIND_ID_OFF_CPU, "[blocked: read]", stack), SECOND_NS);
    /* Nobody, of whom nothing is known: as the others of his name. */
    put_thread(f, OTHER, 0x7ffffff0)->start_monotonic_ns = (uint64_t)f->start_ns + SECOND_NS;
    wall_look(f->target, f->start_ns + 2 * SECOND_NS);
    target_drain(f->target);
    assert_int_equal(total(f, KIND_ID_WALL), 3 * SECOND_NS);
    assert_int_equal(by_leaf(f, KIND_ID_OFF_CPU, "[blocked: read]", stack), 3 * SECOND_NS);
}

static void test_memory_that_cannot_be_read(void **state)
{
    struct fixture *f = *state;
    struct seg_thread *thread = put_thread(f, WAITER, getpid());
    char stack[1024];

    thread->wait_kind = WAIT_poll;
    thread->wait_regs[0] = thread->wait_regs[1] = 8;
    thread->wait_sequence = 1;
    wall_look(f->target, f->start_ns + SECOND_NS);
    target_drain(f->target);
    assert_int_equal(by_leaf(f, KIND_ID_OFF_CPU, "poll", stack), SECOND_NS);
    assert_string_equal(stack, "poll;");
}

/* Of a process that another uploader had before, from where that one ended: the times between are given to
   what is seen first, and CPU time that was not acknowledged is a part of them. */
static struct target *attach_again(struct fixture *f)
{
    struct join join = {.pid = getpid(), .memfd = dup(f->memfd), .pidfd = -1};
    struct target *target = NULL;

    f->segment->header.flags |= SEGMENT_RESUMED;
    assert_int_equal(target_attach(&f->programs, f->symbols, &join, &target), 0);
    return target;
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
    target_free(f->target);
    f->target = attach_again(f);
    wall_look(f->target, now_ns + 10 * SECOND_NS);
    target_drain(f->target);
    assert_int_equal(total(f, KIND_ID_CPU), 5 * SECOND_NS);
    assert_int_equal(total(f, KIND_ID_WALL), 20 * SECOND_NS);
    assert_int_equal(by_leaf(f, KIND_ID_OFF_CPU, "poll", stack), 15 * SECOND_NS);
    /* The session's profile goes back to the start. */
    assert_int_equal(profile_total(f->programs.program[0]->merged[KIND_ID_CPU], 1), 9 * SECOND_NS);
    assert_int_equal(profile_total(f->programs.program[0]->merged[KIND_ID_WALL], 1), 30 * SECOND_NS);
    assert_int_equal(profile_total(f->programs.program[0]->merged[KIND_ID_OFF_CPU], 1), 21 * SECOND_NS);
    assert_int_equal(f->segment->control.wall_acked_ns, now_ns + 10 * SECOND_NS);
}

/* The process took us for dead: what we had seen until then is not lost, nor counted twice. */
static void test_after_ourselves(void **state)
{
    struct fixture *f = *state;
    struct target *next;

    put_waiting(f, WAITER);
    wall_look(f->target, f->start_ns + 10 * SECOND_NS);
    put_cpu(f, 5 * SECOND_NS);
    next = attach_again(f);
    target_resume(next, f->target);
    target_free(f->target);
    f->target = next;
    wall_look(f->target, f->start_ns + 20 * SECOND_NS);
    target_drain(f->target);
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

/* The looks' times are made up and the kernel's are not: what matters is where the CPU time went. */
static void test_without_a_timer(void **state)
{
    struct fixture *f = *state;
    const struct timespec pause = {0, 100 * MS_NS};
    pthread_t thread;
    char stack[1024];

    burner_tid = burner_over = 0;
    assert_int_equal(pthread_create(&thread, NULL, burner, NULL), 0);
    while (!burner_tid)
        ;
    put_thread(f, WAITER, burner_tid)->flags = 0;
    nanosleep(&pause, NULL);
    wall_look(f->target, f->start_ns + 50 * MS_NS);
    wall_look(f->target, f->start_ns + 100 * MS_NS);
    target_drain(f->target);
    burner_over = 1;
    pthread_join(thread, NULL);
    assert_true(by_leaf(f, KIND_ID_WALL, "[running]", stack) > 20 * MS_NS);
}

/* A process that began so long ago, and has not been looked at. */
static int64_t begin_again(struct fixture *f, int64_t ago_ns)
{
    struct join join = {.pid = getpid(), .memfd = dup(f->memfd), .pidfd = -1};
    int64_t now_ns = monotonic_ns();

    f->segment->header.flags |= SEGMENT_NS_TICKS;
    f->segment->header.start_monotonic_ns = f->segment->header.start_ticks = (uint64_t)(now_ns - ago_ns);
    f->segment->control.wall_acked_ns = 0;
    f->start_ns = now_ns - ago_ns;
    target_free(f->target);
    f->target = NULL;
    assert_int_equal(target_attach(&f->programs, f->symbols, &join, &f->target), 0);
    return now_ns;
}

/* Killed in a wait, which the segment still shows; what was before it is like it. */
static void test_the_end_of_a_brief_process(void **state)
{
    struct fixture *f = *state;
    int64_t now_ns = begin_again(f, 70 * MS_NS);
    char stack[1024];

    put_waiting(f, WAITER)->wait_since_ticks = (uint64_t)(now_ns - 50 * MS_NS);
    target_drain_end(f->target, now_ns);
    brief_settle(&f->programs, f->programs.program[0]);
    assert_int_equal(total(f, KIND_ID_WALL), 70 * MS_NS);
    assert_in_range(by_leaf(f, KIND_ID_OFF_CPU, "poll", stack), 70 * MS_NS - 1, 70 * MS_NS);
}

/* Of two that nobody looked at, one was sampled, for both. */
static void test_the_end_of_a_process_never_seen(void **state)
{
    struct fixture *f = *state;
    struct program *program = f->programs.program[0];
    int64_t now_ns = begin_again(f, 7 * MS_NS);
    char stack[1024];

    put_thread(f, WAITER, getpid());
    put_cpu(f, 10 * MS_NS);
    target_drain_end(f->target, now_ns);
    now_ns = begin_again(f, 7 * MS_NS);
    put_thread(f, WAITER, getpid());
    target_drain_end(f->target, now_ns);
    brief_settle(&f->programs, program);
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
    wall_look(f->target, f->start_ns + 1 * MS_NS);
    for (unsigned i = 1; i < 150; i++)
        put_thread(f, i, getpid())->start_monotonic_ns = (uint64_t)f->start_ns + 1 * MS_NS;
    /* Its wait is over, and it is not asked what it does now: not in the lock any more, nor running. */
    thread->wait_sequence = 2;
    wall_look(f->target, f->start_ns + 51 * MS_NS);
    target_drain(f->target);
    assert_int_equal(by_leaf(f, KIND_ID_WALL, "[waiting for a CPU]", stack), 0);
    assert_int_equal(by_leaf(f, KIND_ID_WALL, "[running]", stack), 0);
    assert_in_range(by_leaf(f, KIND_ID_OFF_CPU, "pthread_mutex_lock", stack), 1 * MS_NS, 4 * MS_NS);
    assert_in_range(total(f, KIND_ID_OFF_CPU), 7501 * MS_NS - 1000, 7501 * MS_NS);
}

static void test_off_and_on_again(void **state)
{
    struct fixture *f = *state;

    put_waiting(f, WAITER);
    wall_look(f->target, f->start_ns + SECOND_NS);
    f->segment->control.profiles = 1u << PROFILE_CPU;
    put_cpu(f, 100 * MS_NS); /* what is drained when it is noticed was until then */
    wall_look(f->target, f->start_ns + 2 * SECOND_NS);
    put_cpu(f, 800 * MS_NS);
    f->segment->control.profiles = PROFILES_READY;
    wall_look(f->target, f->start_ns + 3600 * SECOND_NS);
    wall_look(f->target, f->start_ns + 3601 * SECOND_NS);
    put_cpu(f, 900 * MS_NS);
    target_drain(f->target);
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
        bank->sample[i].key = sample_key(8, NAME, KIND_CPU);
        bank->sample[i].value[2] = (UINT64_C(1) << 62) - 1;
    }
    bank->samples = 4;
    wall_look(f->target, f->start_ns + SECOND_NS);
    target_drain(f->target);
    wall_look(f->target, f->start_ns + 2 * SECOND_NS);
    target_drain(f->target);
    assert_in_range(total(f, KIND_ID_OFF_CPU), 900 * MS_NS, SECOND_NS);
}

static void put_live_thread(struct fixture *f, struct program *program, uint32_t pid)
{
    const struct symbol_location *frame = symbols_special(f->symbols, "main");
    struct profile_sample sample = {
        .pid = pid, .frames = 1, .thread = "main", .about = {.tid = pid}, .value = {1}, .frame = &frame};
    assert_int_equal(program_enter(program, (pid_t)pid), 0);
    assert_int_equal(program_add_thread(&f->programs, program, &sample), 0);
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
    program_leave(program, 1001);
    program_upload(program, NULL, 0, PROGRAM_MERGED);
    assert_int_equal(threads_shown(program), 1);
    program_leave(program, 1002);
    program_upload(program, NULL, 0, PROGRAM_MERGED);
    assert_int_equal(threads_shown(program), 1);
    /* Others came, and ended together. */
    put_live_thread(f, program, 1003);
    put_live_thread(f, program, 1004);
    program_leave(program, 1003);
    program_leave(program, 1004);
    program_upload(program, NULL, 0, PROGRAM_MERGED | PROGRAM_INTERVAL);
    assert_int_equal(threads_shown(program), 2);
}

/* As many as there are: those that there was no time for are not mistaken, and their time is not lost. */
static void test_more_waits_than_time(void **state)
{
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
        wall_look(f->target, f->start_ns + i * 10 * MS_NS);
    target_drain(f->target);
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
    const int tid[] = {getpid()};
    char stack[1024];

    wall_set_strays(f->target, tid, 1);
    wall_look(f->target, f->start_ns + SECOND_NS);
    wall_set_strays(f->target, tid, 1);
    wall_look(f->target, f->start_ns + 2 * SECOND_NS);
    /* It has one now. */
    put_thread(f, WAITER, getpid())->start_monotonic_ns = (uint64_t)f->start_ns + 2 * SECOND_NS;
    wall_look(f->target, f->start_ns + 3 * SECOND_NS);
    wall_set_strays(f->target, NULL, 0);
    target_drain(f->target);
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
        wall_look(f->target, f->start_ns + i * SECOND_NS);
        target_drain(f->target);
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

    wall_look(f->target, f->start_ns + SECOND_NS);
    target_drain(f->target);
    pthread_barrier_wait(&over);
    pthread_join(thread, NULL);
    for (int form = THREADS_GROUPED; form <= THREADS_EACH; form++) {
        out = open_memstream(&text, &size);
        assert_int_equal(threads_text_write(out, f->programs.program[0]->interval[KIND_ID_THREADS],
                                            (enum threads_form)form),
                         0);
        fclose(out);
        assert_ptr_equal(strstr(text, "threads profile: total 1\n# 1 waits for a lock"), text);
        assert_non_null(
            strstr(text, form == THREADS_EACH ? "\npthread_mutex_lock\nwait_in_hook\n" : "\n1 @ 0x"));
        free(text);
    }
}

/* Its call frame information is a program that jumps back to its own beginning. */
__attribute__((noinline)) static void wait_without_end(void)
{
    __asm__ volatile(".cfi_remember_state\n\t.cfi_escape 0x0f, 3, 0x2f, 0xfd, 0xff"); /* DW_OP_skip -3 */
    wait_in_hook();
    __asm__ volatile(".cfi_restore_state");
}

static void *endless_waiter(void *arg)
{
    wait_without_end();
    return arg;
}

static void test_call_frame_information_without_end(void **state)
{
    struct fixture *f = *state;
    pthread_t thread = start_waiter_in(f, WAITER, endless_waiter);
    char stack[1024];

    alarm(20);
    wall_look(f->target, f->start_ns + SECOND_NS);
    target_drain(f->target);
    alarm(0);
    pthread_barrier_wait(&over);
    pthread_join(thread, NULL);
    assert_int_equal(by_leaf(f, KIND_ID_OFF_CPU, "pthread_mutex_lock", stack), SECOND_NS);
    assert_string_equal(stack, "pthread_mutex_lock;wait_in_hook;wait_without_end;[truncated];");
}

/* Two pages; who reads the second waits for somebody who never comes. NULL: the kernel has no such thing. */
static char *map_trap(size_t page)
{
    struct uffdio_api api = {.api = UFFD_API};
    struct uffdio_register second = {.range.len = page, .mode = UFFDIO_REGISTER_MODE_MISSING};
    int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
    char *map = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    second.range.start = (uintptr_t)map + page;
    if (fd == -1 || map == MAP_FAILED || ioctl(fd, UFFDIO_API, &api) || ioctl(fd, UFFDIO_REGISTER, &second))
        return NULL;
    memset(map, 0, page);
    return map;
}

static void test_memory_above_a_stack_is_left_alone(void **state)
{
    struct fixture *f = *state;
    const size_t page = 4096;
    char *map = map_trap(page), stack[1024];
    struct seg_thread *thread;

    if (!map)
        skip();
    for (unsigned slot = WAITER; slot <= OTHER; slot++) {
        thread = put_thread(f, slot, getpid());
        thread->wait_kind = WAIT_poll;
        thread->wait_regs[0] = (uintptr_t)&map_trap + 1;
        thread->wait_regs[1] = (uintptr_t)map + page - 64;
        thread->wait_regs[2] = (uintptr_t)map + page + 64;
        thread->wait_sequence = 1;
    }
    thread->stack_low = (uintptr_t)map;
    thread->stack_high = (uintptr_t)map + page;
    alarm(20);
    wall_look(f->target, f->start_ns + SECOND_NS);
    target_drain(f->target);
    alarm(0);
    assert_int_equal(by_leaf(f, KIND_ID_OFF_CPU, "poll", stack), 2 * SECOND_NS);
    assert_ptr_equal(strstr(stack, "poll;map_trap;"), stack);
}

/* Each slot in a new wait, with a stack of ever other addresses that no code is at. */
static void put_hostile_waits(struct fixture *f, unsigned slots, uint64_t *chain, unsigned frames,
                              uint64_t pc)
{
    for (unsigned i = 0; i < frames; i++) {
        chain[2 * i] = i + 1 < frames ? (uintptr_t)&chain[2 * i + 2] : 0;
        chain[2 * i + 1] = pc + i;
    }
    for (unsigned i = 1; i <= slots; i++) {
        struct seg_thread *thread = put_thread(f, i, getpid());
        thread->stack_low = (uintptr_t)chain;
        thread->stack_high = (uintptr_t)(chain + 2 * frames);
        thread->wait_kind = WAIT_poll;
        thread->wait_regs[0] = pc;
        thread->wait_regs[1] = thread->wait_regs[2] = (uintptr_t)chain;
        thread->wait_sequence += thread->wait_sequence & 1 ? 2 : 1;
    }
}

static void test_what_hostile_waits_cost(void **state)
{
    enum { FRAMES = 500 };
    static uint64_t chain[2 * FRAMES];
    struct fixture *f = *state;
    int64_t began_ns = monotonic_ns();

    put_hostile_waits(f, LAYOUT_THREADS - 1, chain, 1, 0x1000);
    wall_look(f->target, f->start_ns + SECOND_NS);
    assert_true(monotonic_ns() - began_ns < 2 * SECOND_NS); /* 0.1; 5 with the mappings read for each */
    put_hostile_waits(f, LAYOUT_THREADS - 1, chain, FRAMES, 0x1000);
    began_ns = monotonic_ns();
    wall_look(f->target, f->start_ns + 2 * SECOND_NS);
    assert_true(monotonic_ns() - began_ns < 2 * SECOND_NS);
}

static void test_frames_of_waits_have_a_ceiling(void **state)
{
    enum { ENOUGH = 1024 * 1024 / LAYOUT_FRAMES };
    static struct unwound unwound = {.frames = LAYOUT_FRAMES};
    struct fixture *f = *state;
    const struct symbol_source source = {.root_fd = -1, .exe_fd = -1};
    struct waits *waits = waits_new(f->symbols, &source);
    const char *leaf = symbols_intern(f->symbols, "poll");
    struct wait_stack *first, *stack;

    first = waits_intern(waits, leaf, &unwound);
    assert_int_equal(first->frames, LAYOUT_FRAMES);
    for (unsigned i = 1; i < ENOUGH; i++) {
        unwound.frame[0].pc = i;
        stack = waits_intern(waits, leaf, &unwound);
    }
    assert_int_equal(stack->frames, 0);
    waits_use(first);
    waits_sweep(waits);
    assert_int_equal(waits_intern(waits, leaf, &unwound)->frames, LAYOUT_FRAMES);
    waits_free(waits);
}

static void test_unknown_addresses_have_a_ceiling(void **state)
{
    struct fixture *f = *state;
    const struct symbol_source source = {.root_fd = -1, .exe_fd = -1};
    const struct symbol_location *first = symbols_locate(f->symbols, &source, NULL, 1), *last = NULL, *other;

    for (uint64_t i = 2; i < 40000; i++)
        last = symbols_locate(f->symbols, &source, NULL, i);
    other = symbols_locate(f->symbols, &source, NULL, 40000);
    assert_string_equal(last->lines[0].function, "[unknown]");
    assert_ptr_equal(last, other);
    assert_ptr_equal(symbols_locate(f->symbols, &source, NULL, 1), first);
}

/* Code that no table describes: what its frame pointers lead to is whole only where their chain ends. */
static void test_a_guess_is_marked_as_such(void **state)
{
    struct fixture *f = *state;
    uintptr_t code = (uintptr_t)mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uint64_t chain[64] = {(uintptr_t)&chain[2], code + 1, 0, code + 2}, other[64] = {0};
    char stack[1024];

    other[0] = (uintptr_t)&other[2];
    other[1] = (uintptr_t)&map_trap + 1; /* its table finds a return address of 0 */
    for (unsigned slot = WAITER; slot <= OTHER; slot++) {
        struct seg_thread *thread = put_thread(f, slot, getpid());
        thread->wait_kind = slot == WAITER ? WAIT_poll : WAIT_select;
        thread->wait_regs[0] = code;
        thread->wait_regs[1] = thread->wait_regs[2] = (uintptr_t)(slot == WAITER ? chain : other);
        thread->wait_sequence = 1;
    }
    wall_look(f->target, f->start_ns + SECOND_NS);
    target_drain(f->target);
    assert_int_equal(by_leaf(f, KIND_ID_OFF_CPU, "poll", stack), SECOND_NS);
    assert_null(strstr(stack, "truncated"));
    assert_int_equal(by_leaf(f, KIND_ID_OFF_CPU, "select", stack), SECOND_NS);
    assert_non_null(strstr(stack, "map_trap;[truncated];"));
}

/* Many copies by one call, which ends at the first that cannot be read. */
static void test_copies_are_made_together(void **state)
{
    enum { COUNT = UNWIND_COPIES };
    static uint64_t stack[COUNT][4];
    const struct symbol_source source = {.root_fd = -1, .exe_fd = -1};
    struct fixture *f = *state;
    struct unwinder *unwinder = unwinder_new(getpid(), &source, f->symbols);
    struct stack_copy copy[COUNT] = {0};
    uint64_t word;

    for (unsigned i = 0; i < COUNT; i++) {
        stack[i][3] = i;
        copy[i].sp = i % 7 == 3 ? 8 : (uintptr_t)stack[i];
        copy[i].low = (uintptr_t)stack[i];
        copy[i].high = (uintptr_t)stack[i + 1];
        copy[i].size = 4096;
    }
    unwinder_copy(unwinder, copy, COUNT);
    for (unsigned i = COUNT; i--;) {
        assert_int_equal(copy[i].error, i % 7 == 3 ? -EFAULT : 0);
        unwinder_use(unwinder, &copy[i]);
        assert_int_equal(unwinder_word(unwinder, (uintptr_t)&stack[i][3], &word), i % 7 != 3);
        assert_true(i % 7 == 3 || word == i);
        assert_false(unwinder_word(unwinder, copy[i].sp + sizeof stack[i], &word));
    }
    unwinder_free(unwinder);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_wait_is_unwound_and_counted),
        TEST(test_times_add_up),
        TEST(test_begin_and_end),
        TEST(test_not_hooked),
        TEST(test_memory_that_cannot_be_read),
        TEST(test_after_another_uploader),
        TEST(test_after_ourselves),
        TEST(test_without_a_timer),
        TEST(test_the_end_of_a_brief_process),
        TEST(test_the_end_of_a_process_never_seen),
        TEST(test_many_in_no_hooked_call),
        TEST(test_off_and_on_again),
        TEST(test_hostile_cpu_time),
        TEST(test_threads_of_live_processes),
        TEST(test_more_waits_than_time),
        TEST(test_threads_without_a_slot),
        TEST(test_hostile_slots),
        TEST(test_threads_as_text),
        TEST(test_call_frame_information_without_end),
        TEST(test_memory_above_a_stack_is_left_alone),
        TEST(test_what_hostile_waits_cost),
        TEST(test_frames_of_waits_have_a_ceiling),
        TEST(test_unknown_addresses_have_a_ceiling),
        TEST(test_a_guess_is_marked_as_such),
        TEST(test_copies_are_made_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
