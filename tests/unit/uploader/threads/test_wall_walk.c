/* SPDX-License-Identifier: Apache-2.0 */
/* Stacks of waiting threads, walked from outside, also where they mean harm. */
#include "wall_fixture.h"

#include <errno.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include "uploader/unwind/unwind.h"

/* The waiter is looked at ten times, and ends. */
static void see_for_a_second(struct fixture *f, pthread_t waiter)
{
    for (int i = 1; i <= 10; i++)
        take_sample(f, f->start_ns + i * 100 * MS_NS);
    member_drain(f->member);
    pthread_barrier_wait(&over);
    pthread_join(waiter, NULL);
}

static void test_a_wait_is_unwound_and_counted(void **state)
{
    struct fixture *f = *state;
    pthread_t thread = start_waiter(f, WAITER);
    char stack[1024];

    see_for_a_second(f, thread);
    assert_int_equal(total(f, KIND_ID_WALL), SECOND_NS);
    assert_int_equal(by_leaf(f, KIND_ID_OFF_CPU, "pthread_mutex_lock", stack), SECOND_NS);
    assert_ptr_equal(strstr(stack, "pthread_mutex_lock;wait_in_hook;take_the_lock;waiter;"), stack);
    assert_null(strstr(stack, "truncated"));
    assert_int_equal(total(f, KIND_ID_THREADS), 1);
}

static void test_memory_that_cannot_be_read(void **state)
{
    struct fixture *f = *state;
    struct seg_thread *thread = put_thread(f, WAITER, getpid());
    char stack[1024];

    thread->wait_kind = WAIT_poll;
    thread->wait_regs[0] = thread->wait_regs[1] = 8;
    thread->wait_sequence = 1;
    take_sample(f, f->start_ns + SECOND_NS);
    member_drain(f->member);
    assert_int_equal(by_leaf(f, KIND_ID_OFF_CPU, "poll", stack), SECOND_NS);
    assert_string_equal(stack, "poll;");
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
    take_sample(f, f->start_ns + SECOND_NS);
    member_drain(f->member);
    alarm(0);
    pthread_barrier_wait(&over);
    pthread_join(thread, NULL);
    assert_int_equal(by_leaf(f, KIND_ID_OFF_CPU, "pthread_mutex_lock", stack), SECOND_NS);
    assert_string_equal(stack, "pthread_mutex_lock;wait_in_hook;wait_without_end;[truncated];");
}

#if defined(__aarch64__)
/* Its return address is signed, where the processor can. Its table says so by an operation that libunwind 1.6 refuses. */
__attribute__((noinline, target("branch-protection=pac-ret"))) static void wait_signed(void)
{
    wait_in_hook();
    __asm__ volatile("");
}

static void *signed_waiter(void *arg)
{
    wait_signed();
    return arg;
}

static void test_signed_return_addresses(void **state)
{
    struct fixture *f = *state;
    pthread_t thread = start_waiter_in(f, WAITER, signed_waiter);
    char stack[1024];

    see_for_a_second(f, thread);
    assert_int_equal(by_leaf(f, KIND_ID_OFF_CPU, "pthread_mutex_lock", stack), SECOND_NS);
    assert_ptr_equal(strstr(stack, "pthread_mutex_lock;wait_in_hook;wait_signed;signed_waiter;"), stack);
    assert_null(strstr(stack, "truncated"));
}
#endif

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
    take_sample(f, f->start_ns + SECOND_NS);
    member_drain(f->member);
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
    if (getenv("CPROF_TEST_EMULATED"))
        skip(); /* it compares with a real processor's time */
    enum { FRAMES = 500 };
    static uint64_t chain[2 * FRAMES];
    struct fixture *f = *state;
    int64_t began_ns = monotonic_ns();

    put_hostile_waits(f, LAYOUT_THREADS - 1, chain, 1, 0x1000);
    take_sample(f, f->start_ns + SECOND_NS);
    assert_true(monotonic_ns() - began_ns < 2 * SECOND_NS); /* 0.1; 5 with the mappings read for each */
    put_hostile_waits(f, LAYOUT_THREADS - 1, chain, FRAMES, 0x1000);
    began_ns = monotonic_ns();
    take_sample(f, f->start_ns + 2 * SECOND_NS);
    assert_true(monotonic_ns() - began_ns < 2 * SECOND_NS);
}

static void test_unknown_addresses_have_a_ceiling(void **state)
{
    struct fixture *f = *state;
    const struct process_files source = {.root_fd = -1, .exe_fd = -1};
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
    take_sample(f, f->start_ns + SECOND_NS);
    member_drain(f->member);
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
    const struct process_files source = {.root_fd = -1, .exe_fd = -1};
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_wait_is_unwound_and_counted),
        TEST(test_memory_that_cannot_be_read),
        TEST(test_call_frame_information_without_end),
        TEST(test_memory_above_a_stack_is_left_alone),
        TEST(test_what_hostile_waits_cost),
        TEST(test_unknown_addresses_have_a_ceiling),
        TEST(test_a_guess_is_marked_as_such),
        TEST(test_copies_are_made_together),
#if defined(__aarch64__)
        TEST(test_signed_return_addresses),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
