/* SPDX-License-Identifier: Apache-2.0 */
/* Contended locks: which release is charged with what, and that nothing stays behind. */
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "sampler/base/clock.h"
#include "sampler/process/process.h"
#include "sampler/threads/threads.h"
#include "sampler/waits/condition.h"
#include "sampler/waits/contention.h"
#include "sampler/waits/switch_detection.h"

static int hand_over(int memfd, const struct segment *segment)
{
    (void)memfd;
    (void)segment;
    return 0;
}

static bool uploader_alive(int pid, uint64_t silent_ns)
{
    (void)silent_ns;
    (void)pid;
    return true;
}

/* Threads end in the library's eyes when they say so. A destructor would run after ThreadSanitizer's own. */
static void (*end_of_thread)(void *rounds_left);
static int keep_destructor(pthread_key_t *key, void (*destructor)(void *))
{
    (void)key;
    end_of_thread = destructor;
    return EAGAIN;
}

static int start(void **state)
{
    static const struct process_ops ops = {
        .hand_over = hand_over, .uploader_alive = uploader_alive, .describe = switch_report};
    static const struct process_settings settings = {.profiles = 1u << PROFILE_MUTEX, .mutex_fraction = 1};
    (void)state;
    signal(SIGPROF, SIG_IGN); /* of the thread's timer, which nobody here handles */
    threads_start(keep_destructor, condition_abandon);
    return process_start(&settings, &ops) || process_join();
}

/* Returns when it ended, in ticks: tests expect what really passed, on a machine that others use as well. */
static uint64_t spend_us(uint64_t us)
{
    uint64_t first = clock_ticks(), now;
    do
        now = clock_ticks();
    while (clock_ns_of(now - first) < us * 1000);
    return now;
}
static uint64_t spend(uint64_t ms)
{
    return spend_us(ms * 1000);
}

/* A release of the lock by the calling thread. */
static struct contention_charge release(const char *lock, unsigned flags, enum wait_kind function)
{
    struct contention_charge charge;
    contention_charge(&charge, lock, flags);
    if (!charge.lock)
        charge = (struct contention_charge){0};
    contention_record(&charge, function);
    return charge;
}

/* What releases by this function were charged with in all. value 1: how many, 2: ns. */
static uint64_t recorded(enum wait_kind function, int value)
{
    struct seg_bank *bank = &process_attached()->bank[0];
    uint64_t total = 0;
    for (uint32_t i = 0; i < LAYOUT_SAMPLES; i++) {
        struct seg_sample *sample = &bank->sample[i];
        const struct seg_stack *stack = (const void *)&bank->stack_word[sample_key_stack(sample->key)];
        if (sample->key && sample_key_kind(sample->key) == KIND_MUTEX && stack->pc[0] == (uint64_t)function)
            total += sample->value[value];
    }
    return total;
}

/* Time is counted in periods of 20 us at most, and a wait may have one too many or too few. */
static void assert_between_ns(uint64_t ns, uint64_t low, uint64_t high)
{
    double value = (double)ns / 1e6, slack = 0.05;
    if (value < (double)clock_ns_of(low) / 1e6 - slack || value > (double)clock_ns_of(high) / 1e6 + slack)
        fail_msg("%.3f ms, not from %.3f to %.3f", value, (double)clock_ns_of(low) / 1e6,
                 (double)clock_ns_of(high) / 1e6);
}
static void assert_between(struct contention_charge charge, uint64_t low, uint64_t high)
{
    assert_between_ns(charge.ns, low, high);
}

/* Another thread that waits until it is told to end. */
struct other {
    pthread_t thread;
    pthread_barrier_t barrier;
    const char *lock;
    enum contention_outcome outcome;
};
static void *wait_as_told(void *arg)
{
    struct other *other = arg;
    struct contention contention;
    thread_adopt_self(0);
    contention_begin(&contention, other->lock);
    pthread_barrier_wait(&other->barrier);
    pthread_barrier_wait(&other->barrier);
    contention_end(&contention, other->outcome);
    end_of_thread((void *)1);
    return NULL;
}
static void begin_other(struct other *other, const char *lock, enum contention_outcome outcome)
{
    other->lock = lock;
    other->outcome = outcome;
    pthread_barrier_init(&other->barrier, NULL, 2);
    assert_int_equal(pthread_create(&other->thread, NULL, wait_as_told, other), 0);
    pthread_barrier_wait(&other->barrier);
}
static void end_other(struct other *other)
{
    pthread_barrier_wait(&other->barrier);
    pthread_join(other->thread, NULL);
}

/* Two wait while one holds: it is charged with both, and the next holder with what comes after. Each call is
   made between two looks at the clock, so that a test that is preempted in between knows less, not wrong. */
static void test_charge(void **state)
{
    struct contention first;
    struct other second;
    struct contention_charge charge;
    uint64_t low, high, end, last;
    static _Alignas(64) char lock;
    (void)state;
    assert_false(contention_is_waited_for(&lock));
    high = clock_ticks();
    contention_begin(&first, &lock);
    low = clock_ticks();
    high += spend(10);
    begin_other(&second, &lock, CONTENTION_OWNS);
    low += clock_ticks();
    assert_true(contention_is_waited_for(&lock));
    end = spend(10);
    charge = release(&lock, 0, RELEASE_pthread_rwlock_unlock);
    last = clock_ticks();
    assert_between(charge, 2 * end - low, 2 * last - high);
    assert_true(charge.events > (1u << WEIGHT_SHIFT) * 99 / 100);
    assert_true(charge.events < (1u << WEIGHT_SHIFT) * 101 / 100);
    contention_end(&first, CONTENTION_OWNS);
    low = clock_ticks();
    high = spend(5);
    charge = release(&lock, 0, RELEASE_pthread_rwlock_unlock);
    assert_between_ns(charge.ns + charge.unowned_ns, high - low, clock_ticks() - end);
    end_other(&second);
    spend(5);
    assert_int_equal(release(&lock, 0, RELEASE_pthread_rwlock_unlock).ns, 0);
    assert_false(contention_is_waited_for(&lock));
}

/* Each moment of a wait is looked at with the fraction of that moment: what passes while it is 0 is charged to nobody,
   and what passed before it is, though the release comes later. A release of any lock notices a change. */
static void test_fraction_that_changes(void **state)
{
    _Atomic uint64_t *fraction = &process_attached()->control.mutex_fraction;
    struct contention waiter;
    uint64_t before, after, off_low, off_high, on_low, on_high, end;
    static _Alignas(64) char lock, other;
    (void)state;
    before = clock_ticks();
    contention_begin(&waiter, &lock);
    after = clock_ticks();
    off_low = spend(5);
    *fraction = 0;
    release(&other, 0, RELEASE_futex_wake);
    off_high = clock_ticks();
    on_low = spend(10);
    *fraction = 1;
    release(&other, 0, RELEASE_futex_wake);
    on_high = clock_ticks();
    end = spend(5);
    assert_between(release(&lock, 0, RELEASE_futex_wake), off_low - after + end - on_high,
                   off_high - before + clock_ticks() - on_low);
    contention_end(&waiter, CONTENTION_OWNS);
}

/* One that gives up was waiting all the same: the holder is charged. */
static void test_timeout(void **state)
{
    struct contention waiter;
    uint64_t before = clock_ticks(), after, end;
    static _Alignas(64) char lock;
    (void)state;
    contention_begin(&waiter, &lock);
    after = clock_ticks();
    end = spend(5);
    contention_end(&waiter, CONTENTION_FAILED);
    assert_between(release(&lock, 0, RELEASE_futex_wake), end - after, clock_ticks() - before);
}

/*
 * What is waited before a holder has the lock is added to earlier ones in proportion to what they were charged
 * with: 300 us keep three times the share of 100 us, though what passes in between is as long after both.
 * Returns the difference of the shares, and 2 where another program was in between, and no such thing can be
 * expected.
 */
static double unfairness_of_gaps(const char *lock, int first)
{
    enum { HOLDINGS = 100 };
    static const enum wait_kind function[] = {RELEASE_pthread_mutex_unlock, RELEASE_mtx_unlock};
    struct contention waiter;
    uint64_t all = 0, held[2] = {0}, charged[2], from, now;

    for (int i = 0; i < 2; i++)
        charged[i] = 0 - recorded(function[i], 2);
    for (int i = first; i < first + HOLDINGS; i++) {
        contention_begin(&waiter, lock);
        from = clock_ticks();
        now = spend_us(i % 2 ? 300 : 100);
        held[i % 2] += now - from;
        release(lock, 0, function[i % 2]);
        if (clock_ns_of(now - from) > 1000000)
            return 2;
        spend_us(100);
        contention_end(&waiter, CONTENTION_OWNS);
        all += waiter.end - waiter.start;
    }
    for (int i = 0; i < 2; i++)
        charged[i] += recorded(function[i], 2);
    assert_between_ns(charged[0] + charged[1], all - all / 20, all + all / 20);
    return (double)charged[1] / (double)(charged[0] + charged[1]) -
           (double)held[1] / (double)(held[0] + held[1]);
}

/* A third of the time are gaps. Charged to the last release, they would make the result -0.083. Each of the eight
   chosen releases changes 270 times, so the standard error is 0.009 at most. */
static void test_gaps(void **state)
{
    enum { RUNS = 32, TRIES = 400 };
    static char locks[TRIES][64];
    double sum = 0, one;
    int runs = 0;
    (void)state;
    for (int i = 0; i < TRIES && runs < RUNS; i++) {
        one = unfairness_of_gaps(locks[i], runs % 2);
        sum += one < 2 ? one : 0;
        runs += one < 2;
    }
    if (runs < RUNS)
        skip();
    if (fabs(sum / RUNS) > 0.04)
        fail_msg("%.3f", sum / RUNS);
}

/* Where another process has the lock, it is that one's time: the waiting thread has seen it, or the caller knows. */
static void test_shared(void **state)
{
    static char locks[2][64];
    struct contention waiter;
    struct other other;
    struct contention_charge charge;
    (void)state;
    contention_begin(&waiter, locks[0]);
    contention_owned_by(&waiter, getppid());
    spend(5);
    contention_end(&waiter, CONTENTION_OWNS);
    assert_int_equal(release(locks[0], 0, RELEASE_futex_wake).ns, 0);

    begin_other(&other, locks[1], CONTENTION_FAILED);
    contention_begin(&waiter, locks[1]);
    contention_owned_by(&waiter, getpid());
    spend(5);
    contention_end(&waiter, CONTENTION_OWNS);
    spend(1);
    charge = release(locks[1], CONTENTION_IS_SHARED, RELEASE_futex_wake);
    assert_int_equal(charge.unowned_ns, 0);
    assert_true(charge.ns > 5900000); /* 5 ms of the waiter that came back, 1 ms of the other one */
    end_other(&other);
    release(locks[1], 0, RELEASE_futex_wake);
}

/* Threads that wait for a condition want its mutex when they are woken, or when it is time. */
static void test_condition(void **state)
{
    static _Alignas(64) char lock;
    struct contention_group group = {0};
    struct contention_charge charge;
    uint64_t now;
    (void)state;
    contention_begin_grouped(&lock, &group, UINT64_MAX);
    spend(2);
    assert_int_equal(release(&lock, CONTENTION_IS_SURE, RELEASE_futex_wake).ns, 0);
    now = clock_ticks();
    group.woken = contention_pack(2, 2 * contention_units(now));
    spend(2);
    assert_true(release(&lock, 0, RELEASE_futex_wake).ns > 3900000);
    spend(2);
    assert_true(release(&lock, 0, RELEASE_futex_wake).unowned_ns < 100000);
    group.woken = 0;
    group.uncertain_from = clock_ticks();
    group.uncertain = 1;
    spend(2);
    assert_int_equal(release(&lock, 0, RELEASE_futex_wake).ns, 0);
    spend(2);
    charge = release(&lock, CONTENTION_IS_SURE, RELEASE_futex_wake);
    assert_true(charge.ns + charge.unowned_ns > 3900000);
    contention_end_grouped(&lock, 0, clock_ticks());
    contention_begin_grouped(&lock, &group, clock_ticks());
    group.uncertain = 0;
    spend(2);
    assert_true(release(&lock, 0, RELEASE_futex_wake).ns > 1900000);
    condition_abandon();
    spend(2);
    assert_int_equal(release(&lock, 0, RELEASE_futex_wake).ns, 0);
}

/* A wait that was left by a jump leaves nothing; one inside of another puts that back. */
static void test_nested(void **state)
{
    static _Alignas(64) char outer_lock, inner_lock[64];
    struct contention outer, inner;
    (void)state;
    contention_begin(&outer, &outer_lock);
    contention_begin(&inner, inner_lock);
    spend(2);
    assert_true(release(inner_lock, 0, RELEASE_futex_wake).ns > 1900000);
    contention_end(&inner, CONTENTION_OWNS);
    assert_true(release(&outer_lock, 0, RELEASE_futex_wake).ns > 1900000);
    condition_abandon();
    spend(2);
    assert_int_equal(release(&outer_lock, 0, RELEASE_futex_wake).ns, 0);
}

/* A forked child's table is empty. */
static void test_forget(void **state)
{
    struct contention waiter;
    static _Alignas(64) char lock;
    (void)state;
    contention_begin(&waiter, &lock);
    spend(1);
    release(&lock, 0, RELEASE_futex_wake);
    condition_forget();
    assert_false(contention_is_waited_for(&lock));
    contention_end(&waiter, CONTENTION_OWNS);
    for (unsigned i = 0; i < CONTENTION_FILTER; i++)
        assert_int_equal(contention_filter[i], 0);
}

static char shared[4];
static void *come_and_go(void *unused)
{
    for (unsigned i = 0; i < 20000; i++) {
        struct contention waiter;
        contention_begin(&waiter, &shared[i % 4]);
        release(&shared[(i + 1) % 4], 0, RELEASE_futex_wake);
        contention_end(&waiter, i % 2 ? CONTENTION_OWNS : CONTENTION_FAILED);
    }
    end_of_thread((void *)1);
    return unused;
}

static void test_many_threads(void **state)
{
    pthread_t thread[4];
    (void)state;
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, come_and_go, NULL), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(thread[i], NULL);
    for (int i = 0; i < 4; i++) {
        spend(1);
        release(&shared[i], 0, RELEASE_futex_wake);
        assert_int_equal(release(&shared[i], 0, RELEASE_futex_wake).ns, 0);
    }
}

/* A process that forbids itself the time stamp counter is charged all the same. The last test: ours goes on
   without the counter. */
static void test_ban(void **state)
{
    struct contention waiter;
    struct contention_charge charge;
    uint64_t before, begin, end, last, ns, outer_ns = clock_ns(CLOCK_MONOTONIC), inner_ns;
    char lock = 0;
    (void)state;
    before = clock_ticks();
    contention_begin(&waiter, &lock);
    begin = clock_ticks();
    inner_ns = clock_ns(CLOCK_MONOTONIC);
    spend(5);
    clock_stop_ticks();
    prctl(PR_SET_TSC, PR_TSC_SIGSEGV);
    assert_true(clock_ticks() > begin);
    inner_ns = clock_ns(CLOCK_MONOTONIC) - inner_ns;
    end = spend(5);
    charge = release(&lock, 0, RELEASE_mtx_unlock);
    last = clock_ticks();
    outer_ns = clock_ns(CLOCK_MONOTONIC) - outer_ns;
    prctl(PR_SET_TSC, PR_TSC_ENABLE);
    ns = clock_ns_of(end - begin);
    assert_true(ns <= outer_ns && ns + ns / 100 > inner_ns + 5000000);
    assert_between(charge, end - begin, last - before);
    contention_end(&waiter, CONTENTION_FAILED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gaps),
        cmocka_unit_test(test_charge),
        cmocka_unit_test(test_fraction_that_changes),
        cmocka_unit_test(test_timeout),
        cmocka_unit_test(test_shared),
        cmocka_unit_test(test_nested),
        cmocka_unit_test(test_condition),
        cmocka_unit_test(test_forget),
        cmocka_unit_test(test_many_threads),
        cmocka_unit_test(test_ban),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
