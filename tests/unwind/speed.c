// SPDX-License-Identifier: Apache-2.0
// build: sampler/unwind/*.c sampler/cfi/*.c sampler/modules/*.c sampler/libc/*.c sampler/segment/code_frame.c sampler/segment/instruction.c
// build: sampler/base/clock.c sampler/base/nofault.c sampler/base/seccomp.c sampler/base/bpf.c sampler/base/weights.c
// build: -O2
/* Prints what one frame of a stack walk costs, the walk of a deep stack less the walk of a shallow one, and
   what one read by the kernel costs (nofault.h). */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <ucontext.h>

#include "sampler/base/nofault.h"
#include "sampler/modules/modules.h"
#include "sampler/unwind/unwind.h"

enum { SHALLOW = 40, DEEP = 440, WALKS = 20000, ROUNDS = 9, MOST = 512 };

static struct stack_range ranges[STACK_RANGES];
static struct unwind_room room;
static volatile unsigned sink;

static uint64_t now_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

/* Nanoseconds of one walk from here; the number of its frames in *frames. */
__attribute__((noinline)) static double measure(unsigned *frames)
{
    uint64_t pc[MOST], start = now_ns();
    for (unsigned i = 0; i < WALKS; i++) {
        struct arch_regs regs;
        arch_capture(&regs);
        *frames = unwind_stack(NULL, &(struct unwind_from){&regs, ranges, NULL}, &room, pc, MOST).frames;
    }
    return (double)(now_ns() - start) / WALKS;
}

static double nofault_ns(void)
{
    uint64_t words[8], start = now_ns();
    for (unsigned i = 0; i < WALKS; i++)
        sink += nofault_read(words, (uintptr_t)ranges, sizeof ranges);
    return (double)(now_ns() - start) / WALKS;
}

static double descend(unsigned depth, unsigned *frames);

/* Frames of different kinds: few and many saved registers, and a large local array. */
__attribute__((noinline)) static double descend_small(unsigned depth, unsigned *frames)
{
    double result = descend(depth, frames);
    sink++;
    return result;
}

__attribute__((noinline)) static double descend_busy(unsigned depth, unsigned *frames)
{
    unsigned a = sink, b = a * 3, c = b ^ 5, d = c + a, e = d * b;
    double result = descend(depth, frames);
    sink += a + b + c + d + e;
    return result;
}

__attribute__((noinline)) static double descend_large(unsigned depth, unsigned *frames)
{
    volatile char room[600];
    room[depth % sizeof(room)] = 1;
    double result = descend(depth, frames);
    sink += (unsigned)room[0];
    return result;
}

__attribute__((noinline)) static double descend(unsigned depth, unsigned *frames)
{
    double result;
    if (depth == 0)
        return measure(frames);
    if (depth % 3 == 0)
        result = descend_small(depth - 1, frames);
    else if (depth % 3 == 1)
        result = descend_busy(depth - 1, frames);
    else
        result = descend_large(depth - 1, frames);
    sink++;
    return result;
}

/* ---- stacks that are deeper than what is kept */

enum { LONG = 100000, LONG_WALKS = 200, LONG_STACK = 64 << 20 };
static struct seg_root root;
static double walked_us, known_us;
static ucontext_t outside, inside;

__attribute__((noinline)) static double walk_long(bool is_known)
{
    static uint64_t pc[MOST];
    uint64_t start = now_ns();
    for (unsigned i = 0; i < LONG_WALKS; i++) {
        struct arch_regs regs;
        arch_capture(&regs);
        root.not_before = 0;
        root.size = is_known ? root.size : 0;
        unwind_stack(NULL, &(struct unwind_from){&regs, ranges, &root}, &room, pc, MOST);
    }
    return (double)(now_ns() - start) / LONG_WALKS / 1000;
}

__attribute__((noinline)) static void recurse(unsigned depth)
{
    if (depth > 0)
        recurse(depth - 1);
    else {
        walked_us = walk_long(false);
        known_us = walk_long(true);
    }
    sink++;
}

static void start_long(void)
{
    recurse(LONG);
}

static void measure_long(bool is_bounded)
{
    char *stack = mmap(NULL, LONG_STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ranges[0].low = is_bounded ? (uintptr_t)stack : 0;
    ranges[0].high = is_bounded ? (uintptr_t)stack + LONG_STACK : 0;
    getcontext(&inside);
    inside.uc_stack = (stack_t){.ss_sp = stack, .ss_size = LONG_STACK};
    inside.uc_link = &outside;
    makecontext(&inside, start_long, 0);
    swapcontext(&outside, &inside);
    printf("unwind: %d frames, stack %s: %.0f us to the root, %.1f us if the root is known\n", LONG,
           is_bounded ? "of known bounds" : "of unknown bounds", walked_us, known_us);
    munmap(stack, LONG_STACK);
}

static int compare(const void *a, const void *b)
{
    double difference = *(const double *)a - *(const double *)b;
    return (difference > 0) - (difference < 0);
}

int main(void)
{
    double frame[ROUNDS], first[ROUNDS];
    unsigned shallow = 0, deep = 0;
    static struct segment segment;
    peek_keep(&segment);
    modules_start(); /* not unwind_start(): it would take this whole program for the library */
    ranges[0].high = (uintptr_t)__builtin_frame_address(0) + 4096;
    ranges[0].low = ranges[0].high - (1 << 20);
    for (int i = 0; i < ROUNDS; i++) {
        first[i] = descend(SHALLOW / 2, &shallow);
        frame[i] = (descend(DEEP / 2, &deep) - first[i]) / (deep - shallow);
    }
    qsort(frame, ROUNDS, sizeof(frame[0]), compare);
    qsort(first, ROUNDS, sizeof(first[0]), compare);
    printf("unwind: %.1f ns a frame (%u frames less %u), %.0f ns for a stack of %u; %.0f ns for a read by "
           "the kernel\n",
           frame[ROUNDS / 2], deep, shallow, first[ROUNDS / 2], shallow, nofault_ns());
    measure_long(true);
    measure_long(false);
    return deep > shallow + DEEP / 2 ? 0 : 1;
}
