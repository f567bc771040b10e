/* SPDX-License-Identifier: Apache-2.0 */
/* What the evaluator of seccomp filters says, against what the kernel does: random filters are installed in
 * children. And which of our calls filters leave. */
#include <linux/audit.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "sampler/base/bpf.h"
#include "sampler/base/seccomp.h"
#include "sampler/base/sys.h"

enum { OTHER_ARCH = ARCH_AUDIT == AUDIT_ARCH_AARCH64 ? AUDIT_ARCH_X86_64 : AUDIT_ARCH_AARCH64 };

enum { MOST = 40, CALLS_TRIED = 6, FILTERS = 400 };

static uint32_t random_word(void)
{
    static uint64_t state = 88172645463325252u;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 16);
}

static unsigned pick(unsigned count)
{
    return random_word() % count;
}

/* Small values meet each other, and so do those that calls have. */
static uint32_t random_value(void)
{
    static const uint32_t values[] = {0,          1,          2,           3,          7,  0x80000000,
                                      0xffffffff, ARCH_AUDIT, SYS_getppid, SYS_getpid, 31, 16};
    return pick(8) ? values[pick(sizeof values / sizeof values[0])] : random_word();
}

static struct sock_filter random_answer(void)
{
    static const uint32_t answers[] = {SECCOMP_RET_ALLOW,       SECCOMP_RET_ALLOW, SECCOMP_RET_ALLOW,
                                       SECCOMP_RET_ERRNO | 1,   SECCOMP_RET_ERRNO, SECCOMP_RET_TRAP,
                                       SECCOMP_RET_KILL_PROCESS};
    if (!pick(12))
        return (struct sock_filter)BPF_STMT(BPF_RET | BPF_A, 0);
    return (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, answers[pick(sizeof answers / sizeof answers[0])]);
}

static struct sock_filter random_instruction(unsigned left)
{
    static const uint16_t operations[] = {BPF_ADD, BPF_SUB, BPF_MUL, BPF_DIV, BPF_AND,
                                          BPF_OR,  BPF_XOR, BPF_NEG, BPF_LSH, BPF_RSH};
    static const uint16_t tests[] = {BPF_JEQ, BPF_JGT, BPF_JGE, BPF_JSET};
    uint16_t source = pick(3) ? BPF_K : BPF_X, operation;
    unsigned far = left < 2 ? 1 : left - 1;

    switch (pick(12)) {
    case 0:
    case 1: { /* never the address that the call is made from */
        unsigned word = pick(BPF_WORDS - 2);
        return (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 4 * (word < 2 ? word : word + 2));
    }
    case 2:
        return (struct sock_filter)BPF_STMT((pick(2) ? BPF_LD : BPF_LDX) | BPF_W | BPF_IMM, random_value());
    case 3:
        return (struct sock_filter)BPF_STMT((pick(2) ? BPF_LD : BPF_LDX) | BPF_W | BPF_LEN, 0);
    case 4:
        return (struct sock_filter)BPF_STMT(pick(2) ? BPF_ST : BPF_STX, pick(3));
    case 5:
        return (struct sock_filter)BPF_STMT((pick(2) ? BPF_LD : BPF_LDX) | BPF_W | BPF_MEM, pick(3));
    case 6:
        return (struct sock_filter)BPF_STMT(BPF_MISC | (pick(2) ? BPF_TAX : BPF_TXA), 0);
    case 7:
        operation = operations[pick(10)];
        if (operation == BPF_LSH || operation == BPF_RSH) /* by X: what the machine makes of it */
            return (struct sock_filter)BPF_STMT(BPF_ALU | operation | BPF_K, pick(32));
        return (struct sock_filter)BPF_STMT(BPF_ALU | operation | source, random_value());
    case 8:
        return (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, pick(far));
    case 9:
        return random_answer();
    default:
        return (struct sock_filter)BPF_JUMP(BPF_JMP | tests[pick(4)] | source, random_value(),
                                            (uint8_t)pick(far), (uint8_t)pick(far));
    }
}

/* Every word of the memory is set, as the kernel wants it. */
static unsigned random_filter(struct sock_filter *filter)
{
    unsigned length = 6 + pick(MOST - 6);
    for (unsigned i = 0; i < 3; i++)
        filter[i] = (struct sock_filter)BPF_STMT(BPF_ST, i);
    for (unsigned i = 3; i < length; i++)
        filter[i] = random_instruction(length - i);
    filter[length - 1] = random_answer();
    return length;
}

struct trial {
    struct seccomp_data call[CALLS_TRIED];
    int installed;
    int begun;
    long result[CALLS_TRIED];
};

/* Ends by a trap, for which no filter is asked. */
static void try_calls(struct trial *trial, const struct sock_fprog *program)
{
    static const struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    signal(SIGILL, SIG_DFL); /* cmocka goes on with the next test */
    signal(SIGSYS, SIG_DFL);
    alarm(10);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    trial->installed = !prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program);
    for (int i = 0; trial->installed && i < CALLS_TRIED; i++) {
        const uint64_t *a = (const uint64_t *)trial->call[i].args;
        trial->begun = i + 1;
        trial->result[i] = sys_call(trial->call[i].nr, a[0], a[1], a[2], a[3], a[4], a[5]);
    }
    __builtin_trap();
}

static bool copy_memory(uintptr_t from, void *to, uint64_t size)
{
    memcpy(to, (const void *)from, size);
    return true;
}

static bool evaluate(const struct sock_fprog *program, const struct seccomp_data *data, uint32_t unknown)
{
    struct bpf_program given = {
        .address = (uintptr_t)program->filter, .length = program->len, .copy = copy_memory};
    struct bpf_call call = {*data, unknown};
    return bpf_allows(&given, &call);
}

static unsigned compare(struct trial *trial, const struct sock_fprog *program)
{
    unsigned allowed = 0;
    for (int i = 0; i < trial->begun; i++) {
        bool allows = trial->result[i] > 0;
        assert_int_equal(evaluate(program, &trial->call[i], 0), allows);
        /* Whatever the arguments are: only what is allowed with these, too. */
        if (evaluate(program, &trial->call[i], 0xfff0))
            assert_true(allows);
        allowed += allows;
    }
    return allowed;
}

static void kernel_says_the_same(void **state)
{
    struct trial *trial =
        mmap(NULL, sizeof *trial, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct sock_filter filter[MOST];
    struct sock_fprog program = {0, filter};
    unsigned installed = 0, calls = 0, allowed = 0;

    (void)state;
#ifdef __SANITIZE_THREAD__
    skip(); /* its run-time makes calls of its own in the children */
#endif
    for (int i = 0; i < FILTERS; i++) {
        pid_t child;
        program.len = (unsigned short)random_filter(filter);
        memset(trial, 0, sizeof *trial);
        for (int k = 0; k < CALLS_TRIED; k++) {
            trial->call[k].nr = pick(2) ? SYS_getppid : SYS_getpid;
            trial->call[k].arch = ARCH_AUDIT;
            for (int j = 0; j < 6; j++)
                trial->call[k].args[j] = (uint64_t)random_value() << 32 | random_value();
        }
        child = fork();
        if (!child)
            try_calls(trial, &program);
        assert_int_equal(waitpid(child, NULL, 0), child);
        installed += (unsigned)trial->installed;
        calls += (unsigned)trial->begun;
        allowed += compare(trial, &program);
    }
    munmap(trial, sizeof *trial);
    if (!installed)
        skip(); /* no filters here */
    assert_in_range(installed, FILTERS / 3, FILTERS);
    assert_in_range(allowed, calls / 10, calls - calls / 10);
}

#define JUMP_EQUAL(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, yes, no)
#define LOAD(field)                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define ANSWER(answer)             BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_##answer)

#define EVALUATE(...)                                                                                        \
    ({                                                                                                       \
        struct sock_filter code[] = {__VA_ARGS__};                                                           \
        struct sock_fprog program = {sizeof code / sizeof code[0], code};                                    \
        seccomp_evaluate(&program);                                                                          \
    })

static void our_calls(void **state)
{
    (void)state;
    assert_int_equal(EVALUATE(ANSWER(ALLOW)), CALL(launch));
    assert_int_equal(EVALUATE(ANSWER(LOG)), CALL(launch));
    assert_int_equal(EVALUATE(ANSWER(TRACE)) | ~((UINT64_C(1) << CALLS) - 1), ~UINT64_C(0));
    assert_int_equal(
        EVALUATE(LOAD(nr), JUMP_EQUAL(SYS_rt_sigreturn, 0, 1), ANSWER(KILL_THREAD), ANSWER(ALLOW)),
        CALL(launch) | CALL(rt_sigreturn));
    /* Of another machine's numbers nothing is ours. */
    assert_int_equal(EVALUATE(LOAD(arch), JUMP_EQUAL(OTHER_ARCH, 0, 1), ANSWER(KILL_THREAD), ANSWER(ALLOW)),
                     CALL(launch));
    /* Sockets but of one family; names but of other threads. */
    assert_int_equal(EVALUATE(LOAD(nr), JUMP_EQUAL(SYS_socket, 0, 3), LOAD(args[0]),
                              JUMP_EQUAL(2 /* AF_INET */, 1, 0), ANSWER(ERRNO), ANSWER(ALLOW)),
                     CALL(launch) | CALL(socket));
    assert_int_equal(EVALUATE(LOAD(nr), JUMP_EQUAL(SYS_socket, 0, 3), LOAD(args[0]),
                              JUMP_EQUAL(1 /* AF_UNIX */, 1, 0), ANSWER(ERRNO), ANSWER(ALLOW)),
                     CALL(launch));
    /* An argument that is not known. */
    assert_int_equal(EVALUATE(LOAD(nr), JUMP_EQUAL(SYS_timer_delete, 0, 3), LOAD(args[0]),
                              JUMP_EQUAL(1000, 0, 1), ANSWER(KILL_THREAD), ANSWER(ALLOW)),
                     CALL(launch) | CALL(timer_delete));
}

static void what_the_kernel_refuses(void **state)
{
    struct sock_fprog nowhere = {8, (struct sock_filter *)16}, empty = {0, (struct sock_filter *)16};
    (void)state;
    assert_int_equal(seccomp_evaluate((const void *)16), 0);
    assert_int_equal(seccomp_evaluate(&empty), 0);
    assert_int_not_equal(seccomp_evaluate(&nowhere) & CALL(rt_sigreturn), 0);
}

/* A filter that doubles its ways with every instruction is given up soon. */
static void many_ways(void **state)
{
    static struct sock_filter code[BPF_MAXINSNS];
    struct sock_fprog program = {BPF_MAXINSNS, code};
    const struct seccomp_data data = {.nr = SYS_getpid, .arch = ARCH_AUDIT};

    (void)state;
    for (unsigned i = 0; i < BPF_MAXINSNS; i += 2) {
        code[i] = (struct sock_filter)LOAD(args[0]);
        code[i + 1] = (struct sock_filter)JUMP_EQUAL(i, 0, 1);
    }
    code[BPF_MAXINSNS - 1] = (struct sock_filter)ANSWER(ALLOW);
    assert_false(evaluate(&program, &data, 0xfff0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kernel_says_the_same),
        cmocka_unit_test(our_calls),
        cmocka_unit_test(what_the_kernel_refuses),
        cmocka_unit_test(many_ways),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
