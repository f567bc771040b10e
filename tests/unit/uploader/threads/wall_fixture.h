/* SPDX-License-Identifier: Apache-2.0 */
/* A process that hand-made slots of a segment say to be, this very one, one of whose threads really waits. */
#ifndef CPROF_TESTS_UNIT_WALL_FIXTURE_H
#define CPROF_TESTS_UNIT_WALL_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#include "uploader/base/clock.h"
#include "uploader/session/members/member.h"
#include "uploader/target/round.h"
#include "uploader/upload/upload.h"

enum { NAME = 1, WAITER = 1, OTHER = 2 };

struct fixture {
    struct segment *segment;
    int memfd;
    struct symbols *symbols;
    struct programs programs;
    struct member *member;
    int64_t start_ns;
};

static inline void take_sample(struct fixture *f, int64_t now_ns)
{
    struct wall_budget budget = wall_budget();
    member_wall_sample(f->member, &budget, now_ns);
}

static inline int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct handover handover = {.pid = getpid(), .pidfd = -1};

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
    handover.memfd = dup(f->memfd);
    f->start_ns = monotonic_ns() + SECOND_NS; /* later than any wall sample that a round takes itself */
    f->segment->header.start_monotonic_ns = 1;
    member_new(&f->programs, &handover, &f->member);
    *state = f;
    if (f->member)
        take_sample(f, f->start_ns); /* nobody is there yet: time counts from here */
    return !f->member;
}

static inline int teardown(void **state)
{
    struct fixture *f = *state;
    member_free(f->member);
    programs_free(&f->programs);
    symbols_free(f->symbols);
    munmap(f->segment, sizeof *f->segment);
    close(f->memfd);
    free(f);
    return 0;
}

static inline struct seg_thread *put_thread(struct fixture *f, unsigned slot, int tid)
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

static inline void put_cpu(struct fixture *f, uint64_t ns)
{
    struct seg_bank *bank = &f->segment->bank[0];
    struct seg_stack *stack = (struct seg_stack *)&bank->stack_word[8];
    bank->stack_words = 16;
    stack->frames = 1;
    stack->pc[0] = 0x1000;
    bank->sample[0].key = sample_key(8, 0, NAME, KIND_CPU);
    bank->sample[0].value[1] = ns / 10000000;
    bank->sample[0].value[2] = ns;
    bank->samples = 1;
}

static inline int64_t total(const struct fixture *f, enum profile_kind_id kind)
{
    const struct profile *profile = f->programs.program[0]->interval[kind];
    return profile ? profile_total(profile, profile_kinds[kind].default_value) : 0;
}

/* The value of samples whose leaf has this name, and the whole stack of the last of them. */
static inline int64_t by_leaf(const struct fixture *f, enum profile_kind_id kind, const char *leaf,
                              char *text)
{
    const struct profile *profile = f->programs.program[0]->interval[kind];
    const struct profile_sample *sample;
    size_t cursor = 0;
    int64_t sum = 0;

    *text = 0;
    while (profile && (sample = profile_next(profile, &cursor))) {
        if (strcmp(sample->stack->location->lines[0].function, leaf) != 0)
            continue;
        sum += sample->value[profile_kinds[kind].default_value];
        for (const struct profile_frame *frame = sample->stack; frame && strlen(text) < 512;
             frame = frame->caller)
            sprintf(text + strlen(text), "%.60s;", frame->location->lines[0].function);
    }
    return sum;
}

/* A thread that says so, as a hook does, and then waits. */
static pthread_barrier_t in_wait, over;
static struct seg_thread *waiter_slot;

__attribute__((noinline, unused)) static void wait_in_hook(void)
{
    uint64_t *regs = waiter_slot->wait_regs;

    /* As arch_capture_words(), which would be an inlined function here. */
#if defined(__x86_64__)
    __asm__ volatile(
        "leaq 0(%%rip), %%rax\n\tmovq %%rax, 0(%0)\n\tmovq %%rsp, 8(%0)\n\tmovq %%rbp, 16(%0)\n\t"
        "movq %%rbx, 24(%0)\n\tmovq %%r12, 32(%0)\n\tmovq %%r13, 40(%0)\n\tmovq %%r14, 48(%0)\n\t"
        "movq %%r15, 56(%0)"
        :
        : "D"(regs)
        : "rax", "memory");
#elif defined(__aarch64__)
    __asm__ volatile("adr x9, .\n\tmov x10, sp\n\tstp x9, x10, [%0]\n\tstp x29, x30, [%0, #16]"
                     :
                     : "r"(regs)
                     : "x9", "x10", "memory");
#endif
    waiter_slot->wait_kind = WAIT_pthread_mutex_lock;
    waiter_slot->wait_sequence |= 1;
    pthread_barrier_wait(&in_wait);
    pthread_barrier_wait(&over);
    waiter_slot->wait_sequence++;
}

__attribute__((noinline, unused)) static void take_the_lock(void)
{
    wait_in_hook();
    __asm__ volatile("");
}

static inline void *waiter(void *arg)
{
    take_the_lock();
    return arg;
}

static inline pthread_t start_waiter_in(struct fixture *f, unsigned slot, void *(*function)(void *))
{
    pthread_t thread;
    waiter_slot = put_thread(f, slot, (int)getpid());
    pthread_barrier_init(&in_wait, NULL, 2);
    pthread_barrier_init(&over, NULL, 2);
    pthread_create(&thread, NULL, function, NULL);
    pthread_barrier_wait(&in_wait);
    return thread;
}

static inline pthread_t start_waiter(struct fixture *f, unsigned slot)
{
    return start_waiter_in(f, slot, waiter);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif
