// SPDX-License-Identifier: Apache-2.0
/* Walks of stacks whose frames are known, by the addresses that the compiler gives, and the list of modules.
 */
#include <elf.h>
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>
#include <cmocka.h>

#include "code.h"
#include "sampler/base/seccomp.h"
#include "sampler/cfi/cfi.h"
#include "sampler/modules/module_record.h"
#include "sampler/segment/layout.h"
#include "sampler/segment/return_address.h"
#include "sampler/unwind/unwind.h"

enum { MOST = 64, PAGE = 4096 };

static struct stack_range ranges[STACK_RANGES];
static struct segment *segment;
static struct unwind_room walk_room;
static uint64_t pc[MOST];
static struct unwound walk;
static volatile unsigned sink;

static void *empty_pages(size_t count)
{
    void *pages = mmap(NULL, count * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(pages != MAP_FAILED);
    return pages;
}

static void know_stack(int place, void *low, size_t size)
{
    ranges[place] = (struct stack_range){(uintptr_t)low, (uintptr_t)low + size};
}

static void know_own_stack(void)
{
    pthread_attr_t attributes;
    void *low;
    size_t size;
    memset(ranges, 0, sizeof(ranges));
    assert_int_equal(pthread_getattr_np(pthread_self(), &attributes), 0);
    pthread_attr_getstack(&attributes, &low, &size);
    pthread_attr_destroy(&attributes);
    know_stack(0, low, size);
}

__attribute__((noinline)) static void walk_here(unsigned most)
{
    struct arch_regs regs;
    arch_capture(&regs);
    walk = unwind_stack(segment, &(struct unwind_from){&regs, ranges, NULL}, &walk_room, pc, most);
}

static void walk_signal(int number, siginfo_t *info, void *context)
{
    struct arch_regs regs;
    (void)number, (void)info;
    arch_from_signal(&regs, context);
    walk = unwind_stack(segment, &(struct unwind_from){&regs, ranges, NULL}, &walk_room, pc, MOST);
}

static void on_signal(int number, void (*action)(int, siginfo_t *, void *), int flags)
{
    struct sigaction setting = {.sa_sigaction = action, .sa_flags = SA_SIGINFO | flags};
    assert_int_equal(sigaction(number, &setting, NULL), 0);
}

static bool seen(const void *address)
{
    for (unsigned i = 0; i < walk.frames; i++)
        if (pc[i] == (uintptr_t)address)
            return true;
    return false;
}

__attribute__((noinline)) static void recurse(unsigned depth, unsigned most)
{
    if (depth > 0)
        recurse(depth - 1, most);
    else
        walk_here(most);
    sink++;
}

static void test_whole_stack(void **state)
{
    (void)state;
    know_own_stack();
    recurse(20, MOST);
    assert_int_equal(walk.flags, 0);
    assert_in_range(walk.frames, 22, MOST - 1);
    assert_int_equal(walk.exact, 1);
    assert_true(pc[0] - (uintptr_t)walk_here < 200);
    assert_true(pc[2] - (uintptr_t)recurse < 200);
    assert_int_equal(pc[3], pc[10]);
    assert_true(seen(__builtin_return_address(0)));
}

WITHOUT_FRAME_POINTER static void recurse_without(unsigned depth);
WITH_SIGNED_RETURNS static void recurse_signed(unsigned depth)
{
    if (depth > 0)
        recurse_without(depth - 1);
    else
        walk_here(MOST);
    sink++;
}

WITHOUT_FRAME_POINTER static void recurse_without(unsigned depth)
{
    volatile char room[200];
    room[depth] = 1;
    recurse_signed(depth);
    sink += (unsigned)room[depth];
}

/* Every other return address is signed, every other function has no frame pointer. */
static void test_compiler_options(void **state)
{
    (void)state;
    know_own_stack();
    recurse_without(20);
    assert_int_equal(walk.flags, 0);
    assert_true(pc[2] - (uintptr_t)recurse_without < 1000);
    assert_true(pc[3] - (uintptr_t)recurse_signed < 1000);
    for (unsigned i = 4; i <= 42; i++)
        assert_int_equal(pc[i], pc[i - 2]);
    assert_true(seen(__builtin_return_address(0)));
}

static void test_depth_limit(void **state)
{
    (void)state;
    know_own_stack();
    recurse(100, 10);
    assert_int_equal(walk.frames, 10);
    assert_int_equal(walk.flags, STACK_DEEP);
}

static void *walk_in_thread(void *unused)
{
    know_own_stack();
    recurse(3, MOST);
    return unused;
}

static void test_thread(void **state)
{
    pthread_t thread;
    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, walk_in_thread, NULL), 0);
    pthread_join(thread, NULL);
    assert_int_equal(walk.flags, 0);
    assert_in_range(walk.frames, 7, 9);
}

static void test_unknown_bounds(void **state)
{
    struct unwound known;
    (void)state;
    know_own_stack();
    recurse(10, MOST);
    known = walk;
    memset(ranges, 0, sizeof(ranges));
    recurse(10, MOST);
    assert_int_equal(walk.frames, known.frames);
    assert_int_equal(walk.flags, 0);
    seccomp_forbid(CALL(process_vm_readv));
    recurse(10, MOST);
    seccomp_permit(CALL(process_vm_readv));
    assert_int_equal(walk.flags, STACK_TRUNCATED);
    assert_int_equal(walk.frames, 1);
}

/* The range ends inside the stack: nothing past it is read. */
static void test_short_range(void **state)
{
    (void)state;
    ranges[0].low = (uintptr_t)__builtin_frame_address(0) - 2 * PAGE;
    ranges[0].high = (uintptr_t)__builtin_frame_address(0) - 56;
    recurse(20, MOST);
    assert_int_equal(walk.flags, STACK_TRUNCATED);
    assert_in_range(walk.frames, 10, 23);
}

static void walk_on_alternate(int number)
{
    (void)number;
    walk_here(MOST);
}

static void test_alternate_stack(void **state)
{
    static char room[64 * 1024];
    stack_t stack = {.ss_sp = room, .ss_size = sizeof(room)};
    struct sigaction setting = {.sa_handler = walk_on_alternate, .sa_flags = SA_ONSTACK};
    (void)state;
    know_own_stack();
    know_stack(1, room, sizeof(room));
    sigaltstack(&stack, NULL);
    sigaction(SIGUSR1, &setting, NULL);
    raise(SIGUSR1);
    assert_int_equal(walk.flags, 0);
    assert_true(seen(__builtin_return_address(0)));
    assert_int_equal(__builtin_popcountll(walk.exact), 2); /* the leaf, and what the signal interrupted */
    stack.ss_flags = SS_DISABLE;
    sigaltstack(&stack, NULL);
}

static ucontext_t outside, inside;

static void coroutine(void)
{
    recurse(5, MOST);
}

static void walk_coroutine(char *room, size_t size)
{
    getcontext(&inside);
    inside.uc_stack = (stack_t){.ss_sp = room, .ss_size = size};
    inside.uc_link = &outside;
    makecontext(&inside, coroutine, 0);
    swapcontext(&outside, &inside);
    assert_int_equal(walk.flags, 0);
    assert_int_equal(walk.frames, 9);
}

static void test_coroutine(void **state)
{
    static char room[64 * 1024];
    (void)state;
    memset(ranges, 0, sizeof(ranges));
    walk_coroutine(room, sizeof(room));
    know_stack(0, room, sizeof(room));
    walk_coroutine(room, sizeof(room));
}

static void walk_and_step_over(int number, siginfo_t *info, void *context)
{
    walk_signal(number, info, context);
    skip_instruction(context);
}

__attribute__((noinline)) static void call_bare(void (*function)(void))
{
    function();
    sink++;
}

static void test_code_without_cfi(void **state)
{
    void (*const bare[])(void) = {bare_leaf, bare_pushes, bare_frame};
    (void)state;
    know_own_stack();
    on_signal(SIGILL, walk_and_step_over, 0);
    for (unsigned i = 0; i < sizeof(bare) / sizeof(bare[0]); i++) {
        call_bare(bare[i]);
        assert_int_equal(walk.flags, 0);
        assert_true(pc[0] - (uintptr_t)bare[i] < 64);
        assert_true(pc[1] - (uintptr_t)call_bare < 64);
        assert_true(seen(__builtin_return_address(0)));
    }
}

/* Generated code with a frame pointer, which no module knows of. */
static void test_generated_code(void **state)
{
    uint8_t *room = empty_pages(1);
    void (*run)(void (*)(void));
    (void)state;
    memcpy(room, generated_code, sizeof(generated_code));
    __builtin___clear_cache((char *)room, (char *)room + sizeof(generated_code));
    assert_int_equal(mprotect(room, PAGE, PROT_READ | PROT_EXEC), 0);
    memcpy(&run, &room, sizeof(run));
    know_own_stack();
    run(coroutine);
    assert_int_equal(walk.flags, 0);
    assert_true(seen(room + GENERATED_RETURN));
    assert_true(seen(__builtin_return_address(0)));
    munmap(room, PAGE);
}

/* Registers and stack of any content are survived. */
static void test_wild_registers(void **state)
{
    struct arch_regs regs = {0};
    (void)state;
    know_own_stack();
    srand(1);
    for (unsigned i = 0; i < 200000; i++) {
        for (unsigned k = 0; k < ARCH_REGS; k++)
            regs.r[k] = (uint64_t)rand() << (rand() % 34);
        if (i % 2)
            regs.r[ARCH_SP] = ranges[0].high - (unsigned)rand() % 4096;
        if (i % 4 == 1)
            regs.r[ARCH_FP] = regs.r[ARCH_SP] + (unsigned)rand() % 256;
        regs.r[ARCH_PC] = (uintptr_t)(i % 3 ? (void *)&recurse : (void *)&raise) + (unsigned)rand() % 64;
        walk = unwind_stack(NULL, &(struct unwind_from){&regs, ranges, NULL}, &walk_room, pc, MOST);
        assert_in_range(walk.frames, 1, MOST);
    }
}

static const struct seg_module *module_of(uint64_t address, uint32_t epoch)
{
    const struct seg_module *best = NULL;
    for (uint32_t i = 0; i < segment->header.modules && i < LAYOUT_MODULES; i++) {
        const struct seg_module *m = &segment->module[i];
        if (m->ready && address >= m->start && address < m->end && m->epoch <= epoch &&
            (!best || m->epoch >= best->epoch))
            best = m;
    }
    return best;
}

static void test_modules_are_recorded(void **state)
{
    char program[PAGE] = "";
    (void)state;
    know_own_stack();
    recurse(3, MOST);
    const struct seg_module *own = module_of((uintptr_t)recurse, 0),
                            *libc = module_of(pc[walk.frames - 2], 0);
    assert_non_null(own);
    assert_non_null(libc);
    assert_true(readlink("/proc/self/exe", program, sizeof(program) - 1) > 0);
    assert_string_equal(segment->strings + own->path, program);
    assert_non_null(strstr(segment->strings + libc->path, "/libc.so.6"));
    assert_int_equal(libc->build_id_size, 20);
    uint32_t count = segment->header.modules;
    module_record_again();
    recurse(3, MOST);
    assert_int_equal(segment->header.modules, count);
}

static void test_vdso(void **state)
{
    struct module module;
    uintptr_t start = getauxval(AT_SYSINFO_EHDR);
    (void)state;
    if (!start)
        skip();
    assert_true(module_find(start + PAGE / 2, &module));
    assert_int_equal(module.start, start);
    if (module.frame_hdr) /* arm64's has no call frame information */
        assert_in_range(module.frame_hdr, start, module.end);
    assert_true(module.stays);
    peek_begin(&walk_room.peek, &module);
    assert_true(module_record(segment, &walk_room.peek, walk_room.path));
    assert_string_equal(segment->strings + module_of(start, 0)->path, "linux-vdso.so.1");
}

static void record(struct module module)
{
    module.key = module.bias * 4096 + (uintptr_t)module.path;
    peek_begin(&walk_room.peek, &module);
    module_record(segment, &walk_room.peek, walk_room.path);
}

/* Two files take turns at the same addresses, as plugins do. */
static void test_addresses_change_hands(void **state)
{
    uintptr_t page = (uintptr_t)empty_pages(1);
    struct module first = {.start = page, .end = page + PAGE, .path = "/plugins/first.so", .stays = true};
    struct module second = {.start = page, .end = page + PAGE, .path = "second.so", .stays = true};
    uint32_t count = segment->header.modules, before = segment->header.epoch;
    (void)state;
    record(first);
    record(first);
    assert_int_equal(segment->header.modules, count + 1);
    assert_int_equal(segment->header.epoch, before);
    record(second);
    assert_int_equal(segment->header.epoch, before + 1);
    module_record_again();
    record(second);
    assert_int_equal(segment->header.modules, count + 2);
    module_record_again();
    record(first);
    assert_int_equal(segment->header.epoch, before + 2);
    const struct seg_module *now = module_of(first.start, before + 2);
    assert_string_equal(segment->strings + now->path, first.path);
    assert_int_equal(now->path, module_of(first.start, before)->path); /* the text is stored once */
    const char *relative = segment->strings + module_of(first.start, before + 1)->path;
    assert_int_equal(relative[0], '/');
    assert_non_null(strstr(relative, "/second.so"));
}

static void test_module_table_is_full(void **state)
{
    uint8_t *pages = empty_pages(2);
    (void)state;
    for (unsigned i = 0; i < LAYOUT_MODULES + 10; i++) {
        struct module module = {
            .start = (uintptr_t)pages + i % 2 * PAGE, .path = i % 2 ? "/a" : "/b", .bias = i, .stays = true};
        module.end = module.start + PAGE;
        record(module);
    }
    assert_int_equal(segment->header.modules, LAYOUT_MODULES);
    assert_in_range(segment->counter[COUNT_LOST_MODULE], 10, 30);
}

static void test_calls_are_recognized(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++)
        assert_true(is_code_after_call(after_call[i] + 7));
    for (unsigned i = 0; i < 3; i++)
        assert_false(is_code_after_call(not_after_call[i] + 7));
}

/* From here on this program is the library, and all of its frames are left out. */
static void test_own_frames_are_left_out(void **state)
{
    (void)state;
    know_own_stack();
    unwind_start();
    recurse(20, MOST);
    assert_int_equal(walk.flags, 0);
    assert_in_range(walk.frames, 2, 10);
    assert_true(seen(__builtin_return_address(0)));
    assert_int_equal(walk.exact, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_stack),
        cmocka_unit_test(test_depth_limit),
        cmocka_unit_test(test_compiler_options),
        cmocka_unit_test(test_thread),
        cmocka_unit_test(test_unknown_bounds),
        cmocka_unit_test(test_short_range),
        cmocka_unit_test(test_alternate_stack),
        cmocka_unit_test(test_coroutine),
        cmocka_unit_test(test_code_without_cfi),
        cmocka_unit_test(test_generated_code),
        cmocka_unit_test(test_wild_registers),
        cmocka_unit_test(test_modules_are_recorded),
        cmocka_unit_test(test_vdso),
        cmocka_unit_test(test_addresses_change_hands),
        cmocka_unit_test(test_calls_are_recognized),
        cmocka_unit_test(test_module_table_is_full),
        cmocka_unit_test(test_own_frames_are_left_out),
    };
    segment = mmap(NULL, sizeof(*segment), PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (segment == MAP_FAILED)
        return 1;
    peek_keep(segment);
    modules_start(); /* not unwind_start(): it would take this whole program for the library */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
