/* SPDX-License-Identifier: Apache-2.0 */
/* The table of contended locks: who is charged with what, and that nothing stays behind. */
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
#include "sampler/waits/contention.h"
#include "sampler/waits/resched.h"

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

static int start(void **state)
{
    static const struct process_ops ops = {
        .hand_over = hand_over, .uploader_alive = uploader_alive, .describe = resched_report};
    static const struct process_settings settings = {.profiles = 1u << PROFILE_MUTEX, .mutex_fraction = 1};
    (void)state;
    signal(SIGPROF, SIG_IGN); /* of the thread's timer, which nobody here handles */
    threads_start(pthread_key_create, contention_abandon);
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

static struct contention_charge charge_for(const char *lock, bool is_shared)
{
    struct contention_charge charge = {0};
    contention_charge(&charge, lock, is_shared);
    return charge;
}

static double ms_of(struct contention_charge charge)
{
    return charge.events ? (double)charge.ns / 1e6 : 0;
}

static void assert_between(struct contention_charge charge, uint64_t low, uint64_t high)
{
    double value = ms_of(charge), slack = 0.01;
    if (value < (double)clock_ns_of(low) / 1e6 - slack || value > (double)clock_ns_of(high) / 1e6 + slack)
        fail_msg("%.3f ms, not from %.3f to %.3f", value, (double)clock_ns_of(low) / 1e6,
                 (double)clock_ns_of(high) / 1e6);
}

/* Two wait while one holds: it is charged with both, and the next holder with what comes after. Each call is
   made between two looks at the clock, so that a test that is preempted in between knows less, not wrong. */
static void test_charge(void **state)
{
    struct contention first, second;
    struct contention_charge charge;
    uint64_t low, high, end, last;
    char lock = 0;
    (void)state;
    assert_false(contention_is_waited_for(&lock));
    high = clock_ticks();
    contention_begin(&first, &lock);
    low = clock_ticks();
    high += spend(10);
    contention_begin(&second, &lock);
    low += clock_ticks();
    assert_true(contention_is_waited_for(&lock));
    end = spend(10);
    charge = charge_for(&lock, false);
    last = clock_ticks();
    assert_between(charge, 2 * end - low, 2 * last - high);
    contention_end(&first, CONTENTION_OWNS);
    low = clock_ticks();
    high = spend(5);
    charge = charge_for(&lock, false);
    assert_between(charge, high - low, clock_ticks() - end);
    contention_end(&second, CONTENTION_OWNS);
    assert_false(contention_is_waited_for(&lock));
    spend(5);
    assert_int_equal(charge_for(&lock, false).events, 0);
}

/* One that gives up was waiting all the same: the holder is charged, and nobody else. */
static void test_timeout(void **state)
{
    struct contention waiter, other;
    struct contention_charge charge;
    uint64_t before = clock_ticks(), after, end, last;
    char lock = 0;
    (void)state;
    contention_begin(&waiter, &lock);
    after = clock_ticks();
    end = spend(5);
    contention_begin(&other, &lock);
    contention_end(&waiter, CONTENTION_FAILED);
    charge = charge_for(&lock, false);
    last = clock_ticks();
    assert_between(charge, end - after, last - before + last - end);
    contention_end(&other, CONTENTION_OWNS);
}

/* What passes between a release and the next acquisition comes with later charges, in proportion to them: the
   holders of 300 us still have three times the share of those of 100 us, and all together what was waited.
   false: another program was in between, and no such thing can be expected. */
static bool spread_is_fair(const char *lock)
{
    enum { HOLDINGS = 64 };
    static const uint64_t us[] = {100, 300, 20000};
    struct contention waiter;
    struct contention_charge all = {.events = 1};
    uint64_t before = clock_ticks(), after, got, charged[3] = {0}, gaps = 0, released, end;
    bool is_disturbed = false;

    contention_begin(&waiter, lock);
    after = got = clock_ticks();
    for (int i = 0; i <= HOLDINGS; i++) {
        int which = i == HOLDINGS ? 2 : i % 2;
        spend_us(us[which]);
        charged[which] += charge_for(lock, false).ns;
        released = clock_ticks();
        is_disturbed |= clock_ns_of(released - got) > 1200 * us[which];
        if (i < HOLDINGS) {
            got = spend_us(300);
            is_disturbed |= clock_ns_of(got - released) > 1200 * 300;
            gaps += got - released;
            contention_acquired(lock);
        }
    }
    end = clock_ticks();
    contention_end(&waiter, CONTENTION_OWNS);
    all.ns = charged[0] + charged[1] + charged[2];
    if (is_disturbed)
        return false;
    assert_between(all, released - after - gaps / 10, end - before);
    assert_true(charged[1] > 5 * charged[0] / 2 && charged[1] < 7 * charged[0] / 2);
    return true;
}

static void test_spread(void **state)
{
    static char locks[20][64];
    (void)state;
    for (int i = 0; i < 20; i++)
        if (spread_is_fair(locks[i]))
            return;
    skip();
}

/* Where other processes have the lock, too, that is their time: who waits has seen it, or the caller knows.
 */
static void is_charged(const char *lock, int owner, bool is_shared, bool with_gap)
{
    struct contention waiter;
    struct contention_charge charge;
    uint64_t released, before, got, end;
    contention_begin(&waiter, lock);
    contention_owned_by(&waiter, owner);
    released = clock_ticks();
    charge_for(lock, is_shared);
    spend(5);
    before = clock_ticks();
    contention_acquired(lock);
    got = clock_ticks();
    end = spend(2);
    charge = charge_for(lock, is_shared);
    assert_between(charge, end - (with_gap ? before : got), clock_ticks() - (with_gap ? released : before));
    if (with_gap)
        assert_true(ms_of(charge) > 6);
    contention_end(&waiter, CONTENTION_OWNS);
}

static void test_shared(void **state)
{
    static char locks[3][64];
    (void)state;
    thread_adopt_self(0);
    is_charged(locks[0], gettid(), true, false);
    is_charged(locks[1], getppid(), false, false);
    is_charged(locks[2], gettid(), false, true);
}

/* More locks than there are places: counted, and the others are not disturbed. */
static void test_full(void **state)
{
    enum { LOCKS = 20000 };
    static char locks[LOCKS * 64];
    static struct contention waiters[LOCKS];
    uint64_t lost = process_attached()->counter[COUNT_LOST_CONTENTION];
    unsigned registered = 0;
    (void)state;
    for (unsigned i = 0; i < LOCKS; i++) {
        contention_begin(&waiters[i], &locks[i * 64]);
        registered += waiters[i].entry != 0;
    }
    lost = process_attached()->counter[COUNT_LOST_CONTENTION] - lost;
    assert_int_equal(lost + registered, LOCKS);
    assert_true(registered > 3500);
    for (unsigned i = 0; i < LOCKS; i++)
        contention_end(&waiters[i], CONTENTION_FAILED);
    for (unsigned i = 0; i < CONTENTION_FILTER; i++)
        assert_int_equal(contention_filter[i], 0);
    contention_begin(&waiters[0], &locks[64]);
    assert_int_not_equal(waiters[0].entry, 0);
    contention_end(&waiters[0], CONTENTION_OWNS);
}

/* A forked child's table is empty: a wait that began in its parent ends without a trace. */
static void test_forget(void **state)
{
    struct contention waiter;
    char lock = 0;
    (void)state;
    contention_begin(&waiter, &lock);
    contention_forget();
    assert_false(contention_is_waited_for(&lock));
    contention_end(&waiter, CONTENTION_OWNS);
    assert_false(contention_is_waited_for(&lock));
}

static char shared[4];
static void *come_and_go(void *unused)
{
    for (unsigned i = 0; i < 20000; i++) {
        struct contention waiter;
        contention_begin(&waiter, &shared[i % 4]);
        charge_for(&shared[(i + 1) % 4], false);
        contention_end(&waiter, i % 2 ? CONTENTION_OWNS : CONTENTION_FAILED);
    }
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
    for (int i = 0; i < 4; i++)
        assert_false(contention_is_waited_for(&shared[i]));
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
    charge = charge_for(&lock, false);
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
        cmocka_unit_test(test_charge),       cmocka_unit_test(test_timeout), cmocka_unit_test(test_spread),
        cmocka_unit_test(test_shared),       cmocka_unit_test(test_full),    cmocka_unit_test(test_forget),
        cmocka_unit_test(test_many_threads), cmocka_unit_test(test_ban),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
