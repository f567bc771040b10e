// SPDX-License-Identifier: Apache-2.0
/* Walks of stacks that are deeper than what is kept: the root is found by a walk, or is known from the last one. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <cmocka.h>

#include "code.h"
#include "sampler/modules/modules.h"
#include "sampler/segment/layout.h"
#include "sampler/unwind/unwind.h"

enum {
    MOST = LAYOUT_FRAMES,
    INNER = MOST - LAYOUT_OUTER,
    DEEP = 100000,
    HUGE = 64 << 20, /* bytes of a stack */
};

static struct stack_range ranges[STACK_RANGES];
static struct unwind_room room;
static struct seg_root root;
static struct unwound walk;
static uint64_t pc[MOST];
static volatile unsigned sink;
/* A loop that the compiler cannot unroll, so that its calls have one return address. */
static volatile unsigned twice = 2;

__attribute__((noinline)) static void walk_here(void)
{
    struct arch_regs regs;
    arch_capture(&regs);
    walk = unwind_stack(NULL, &(struct unwind_from){&regs, ranges, &root}, &room, pc, MOST);
}

/* Aligned, so that an address tells which function it is in. */
__attribute__((noinline, aligned(64))) static void recurse(unsigned depth, void (*at_the_end)(void))
{
    if (depth > 0)
        recurse(depth - 1, at_the_end);
    else
        at_the_end();
    sink++;
}

__attribute__((noinline, aligned(64))) static void call_one(unsigned depth, void (*at_the_end)(void))
{
    recurse(depth, at_the_end);
    sink++;
}

__attribute__((noinline, aligned(64))) static void call_two(unsigned depth, void (*at_the_end)(void))
{
    recurse(depth, at_the_end);
    sink += 2;
}

static bool is_in(uint64_t address, void (*function)(unsigned, void (*)(void)))
{
    return address - (uintptr_t)function < 64;
}

/* How many of the outermost frames are of this function. */
static unsigned outermost(void (*function)(unsigned, void (*)(void)))
{
    unsigned seen = 0;
    for (unsigned i = walk.gap; i < walk.frames; i++)
        seen += is_in(pc[i], function);
    return seen;
}

static void expect_whole_root(void (*caller)(unsigned, void (*)(void)))
{
    assert_int_equal(walk.flags, STACK_DEEP);
    assert_int_equal(walk.frames, MOST);
    assert_int_equal(walk.gap, INNER);
    assert_true(is_in(pc[INNER - 1], recurse));
    assert_true(is_in(pc[INNER], recurse));
    assert_int_equal(outermost(caller), 1);
    assert_int_equal(outermost(call_one) + outermost(call_two), 1);
}

/* A long walk may follow at once. */
static void permit_long_walk(void)
{
    root.not_before = 0;
}

/* From here on the thread has used up what long walks may cost it. */
static void forbid_long_walks(void)
{
    root.not_before = UINT64_MAX / 2;
}

static ucontext_t outside, coroutine[2];

static void begin(ucontext_t *context, void (*function)(void), void *stack)
{
#ifdef __SANITIZE_THREAD__
    skip(); /* it keeps 65,536 frames of a thread at most, and wants to be told of each coroutine */
#endif
    getcontext(context);
    context->uc_stack = (stack_t){.ss_sp = stack, .ss_size = HUGE};
    context->uc_link = &outside;
    makecontext(context, function, 0);
    swapcontext(&outside, context);
}

static void *huge_stack(void)
{
    void *low = mmap(NULL, HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_true(low != MAP_FAILED);
    return low;
}

/* On a stack of its own, whose bounds the walk is told if `known`. */
static void on_huge_stack(void (*test)(void), bool known)
{
    char *low = huge_stack();

    memset(ranges, 0, sizeof ranges);
    memset(&root, 0, sizeof root);
    if (known)
        ranges[0] = (struct stack_range){(uintptr_t)low, (uintptr_t)low + HUGE};
    begin(&coroutine[0], test, low);
    munmap(low, HUGE);
}

/* All calls are from one place, and differ in what is called only. */
static void two_callers(void)
{
    static void (*const caller[])(unsigned, void (*)(void)) = {call_one, call_two, call_one};
    uint64_t first[MOST];

    for (unsigned i = 0; i < 3; i++) {
        permit_long_walk();
        caller[i](DEEP / (i + 1), walk_here);
        expect_whole_root(caller[i]);
        if (!i)
            memcpy(first, pc, sizeof first);
    }
    assert_memory_equal(pc, first, sizeof first); /* another depth is the same stack */
}

static void test_two_callers(void **state)
{
    (void)state;
    on_huge_stack(two_callers, true);
    on_huge_stack(two_callers, false);
}

static void known_root(void)
{
    uint64_t first[MOST];

    for (unsigned i = 0; i < 3; i++) {
        call_one(DEEP - 1000 * i, walk_here);
        expect_whole_root(call_one);
        if (i)
            assert_memory_equal(pc, first, sizeof first);
        memcpy(first, pc, sizeof first);
        forbid_long_walks();
    }
    /* Another caller: what is outside of it is known, and nothing wrong. */
    call_two(DEEP, walk_here);
    assert_int_equal(walk.flags, STACK_DEEP);
    assert_int_equal(walk.gap, INNER);
    assert_int_equal(outermost(call_one) + outermost(recurse), 0);
    assert_in_range(walk.frames, INNER + 1, INNER + 4);
    assert_int_equal(pc[walk.frames - 1], first[MOST - 1]);
    /* Walks of 4,096 frames more are always taken. */
    call_two(3000, walk_here);
    expect_whole_root(call_two);
}

static void test_known_root(void **state)
{
    (void)state;
    on_huge_stack(known_root, true);
    on_huge_stack(known_root, false);
}

static void unknown_root(void)
{
    forbid_long_walks();
    call_one(DEEP, walk_here);
    assert_int_equal(walk.flags, STACK_DEEP);
    assert_int_equal(walk.frames, INNER);
    assert_int_equal(walk.gap, INNER);
}

static void test_unknown_root(void **state)
{
    (void)state;
    on_huge_stack(unknown_root, true);
}

/* At the limit the stack is whole; one frame more, and it has a gap. */
static void around_the_limit(void)
{
    bool has_gap = false;
    for (unsigned depth = MOST - 20; depth < MOST + 2 * LAYOUT_OUTER; depth++) {
        call_one(depth, walk_here);
        assert_in_range(walk.frames, MOST - 20, MOST);
        assert_true(walk.flags == STACK_DEEP || (!has_gap && walk.flags == 0));
        has_gap = walk.flags == STACK_DEEP;
        if (has_gap)
            expect_whole_root(call_one);
    }
    assert_true(has_gap);
}

static void test_around_the_limit(void **state)
{
    (void)state;
    on_huge_stack(around_the_limit, true);
}

/* ---- other stacks */

static void on_signal(int number)
{
    (void)number;
    walk_here();
}

static void on_signal_deep(int number)
{
    (void)number;
    call_two(DEEP, walk_here);
}

static void raise_here(void)
{
    raise(SIGUSR1);
}

static void handle(void (*handler)(int), void *stack, size_t size)
{
    stack_t alternate = {.ss_sp = stack, .ss_size = size, .ss_flags = stack ? 0 : SS_DISABLE};
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_ONSTACK};
    assert_int_equal(sigaltstack(&alternate, NULL), 0);
    assert_int_equal(sigaction(SIGUSR1, &action, NULL), 0);
    ranges[1] = (struct stack_range){(uintptr_t)stack, (uintptr_t)stack + (stack ? size : 0)};
}

static char handler_stack[64 * 1024];
static void *deep_handler_stack;

static void in_handlers(void)
{
    for (unsigned i = 0; i < 4; i++) {
        handle(on_signal, i % 2 ? handler_stack : NULL, sizeof handler_stack);
        call_one(DEEP, raise_here);
        expect_whole_root(call_one);
        forbid_long_walks();
    }
    permit_long_walk();
    /* The frames on both sides of the signal are among the outermost ones. */
    handle(on_signal_deep, deep_handler_stack, HUGE);
    call_one(3, raise_here);
    assert_int_equal(walk.flags, STACK_DEEP);
    assert_int_equal(walk.frames, MOST);
    assert_int_equal(outermost(call_one), 1);
    assert_int_equal(outermost(call_two), 1);
}

static void test_handlers(void **state)
{
    (void)state;
    deep_handler_stack = huge_stack();
    on_huge_stack(in_handlers, true);
    munmap(deep_handler_stack, HUGE);
}

static void first_coroutine(void)
{
    for (unsigned i = 0; i < twice; i++) {
        call_one(DEEP - 1000 * i, walk_here);
        expect_whole_root(call_one);
        forbid_long_walks();
        if (!i)
            swapcontext(&coroutine[0], &outside);
    }
}

static void second_coroutine(void)
{
    call_two(DEEP, walk_here);
}

/* The root of a coroutine that is suspended is intact, and is not taken for another one's. */
static void test_coroutines(void **state)
{
    void *first = huge_stack(), *second = huge_stack();
    (void)state;
    memset(ranges, 0, sizeof ranges);
    memset(&root, 0, sizeof root);
    begin(&coroutine[0], first_coroutine, first);
    expect_whole_root(call_one);
    forbid_long_walks();
    begin(&coroutine[1], second_coroutine, second);
    assert_int_equal(walk.frames, INNER);
    assert_int_equal(outermost(call_one), 0);
    swapcontext(&outside, &coroutine[0]);
    expect_whole_root(call_one);
    munmap(first, HUGE);
    munmap(second, HUGE);
}

/* Generated code with a frame pointer, which no module knows of, calls the recursion. */
static void *generated;

static void run_deep(void)
{
    call_one(DEEP, walk_here);
}

static void below_generated(void)
{
    void (*run)(void (*)(void));
    memcpy(&run, &generated, sizeof run);
    for (unsigned i = 0; i < twice; i++) {
        run(run_deep);
        expect_whole_root(call_one);
        forbid_long_walks();
    }
}

static void test_generated_code(void **state)
{
    bool seen = false;
    (void)state;
    generated = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memcpy(generated, generated_code, sizeof generated_code);
    __builtin___clear_cache((char *)generated, (char *)generated + sizeof generated_code);
    assert_int_equal(mprotect(generated, 4096, PROT_READ | PROT_EXEC), 0);
    on_huge_stack(below_generated, true);
    for (unsigned i = walk.gap; i < walk.frames; i++)
        seen |= pc[i] == (uintptr_t)generated + GENERATED_RETURN;
    assert_true(seen);
    munmap(generated, 4096);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_callers),    cmocka_unit_test(test_known_root),
        cmocka_unit_test(test_unknown_root),   cmocka_unit_test(test_around_the_limit),
        cmocka_unit_test(test_handlers),       cmocka_unit_test(test_coroutines),
        cmocka_unit_test(test_generated_code),
    };
    modules_start(); /* not unwind_start(): it would take this whole program for the library */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
