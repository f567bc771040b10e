# SPDX-License-Identifier: Apache-2.0
"""Mutex and block profiles against programs that measure themselves who waited, and who was waited for."""
import os

from tests.lib.harness import Skip, alone, near


def check_paths(env, waited, mutex, block, tolerance):
    """The shares of three paths of one lock, and the sum, as the program saw them.

    At a rate of 1 they are no statistic. At the default rates some 5,400 contentions are recorded, so that one standard
    error of a share of 0.7 is 0.006, and 0.02 is over three."""
    paths = ("path_70", "path_20", "path_10")
    held, charged = sum(waited[p] for p in paths), sum(mutex.under("delay", p) for p in paths)
    for p in paths:
        near(mutex.under("delay", p) / charged, waited[p] / held, tolerance, f"share of {p} in what others waited")
    total = waited["waited"]
    near(mutex.under("delay", "work"), total, 0.03 * total, "waited, by who released")
    near(block.under("delay", "take"), total, 0.03 * total, "waited, by who waited")


@alone
def test_three_paths_of_one_lock(env):
    waited = env.run(env.program("lock_paths.c"), "4", "10000", "rest", mutex_fraction=1, block_rate=1).ok().figures()
    mutex, block = env.final("lock_paths", "mutex"), env.profile("lock_paths", "block")
    assert mutex.types == block.types == [("contentions", "count"), ("delay", "nanoseconds")], mutex.types
    check_paths(env, waited, mutex, block, 0.02)
    near(mutex.under("delay", "path_70") / mutex.total("delay"), 0.7, 0.03, "of all waiting, because of path_70")


@alone
def test_lock_that_a_program_makes_of_a_futex(env):
    """As Rust's and GLib's mutexes are."""
    program = env.program("lock_paths.c", "-O1", "-g", "-DOWN_LOCK")
    waited = env.run(program, "4", "10000", "rest", mutex_fraction=1, block_rate=1).ok().figures()
    check_paths(env, waited, env.final("lock_paths", "mutex"), env.profile("lock_paths", "block"), 0.02)


def test_condition_that_a_program_makes_of_a_futex(env):
    env.run(env.program("counter.c"), mutex_fraction=1).ok()
    block = env.final("counter", "block")
    near(block.under("delay", "wait_for_events", "futex"), 1e9, 0.2e9, "waited for events")
    assert not os.path.exists(env.path("counter", "mutex")), env.profile("counter", "mutex").stacks()


@alone
def test_default_rates(env):
    """Holders on the CPU, for 35 to 5 us, of which few are drawn."""
    waited = env.run(env.program("lock_paths.c"), "3", "50", "spin").ok().figures()
    check_paths(env, waited, env.final("lock_paths", "mutex"), env.profile("lock_paths", "block"), 0.02)


@alone
def test_what_a_draw_adds_is_not_taken_back(env):
    """70 us are drawn more often than 10 us, which count for more instead."""
    waited = env.run(env.program("lock_paths.c"), "3", "100", "spin").ok().figures()
    check_paths(env, waited, env.final("lock_paths", "mutex"), env.profile("lock_paths", "block"), 0.015)


@alone
def test_holder_never_waits(env):
    waited = env.run(env.program("holder.c"), "2", mutex_fraction=1, block_rate=1).ok().figures()["waited"]
    mutex, block = env.final("holder", "mutex"), env.profile("holder", "block")
    near(mutex.under("delay", "hold"), waited, 0.03 * waited, "charged to the holder")
    assert mutex.under("delay", "wait_for_it") < 0.01 * waited, "charged to the one that waited"
    near(block.under("delay", "wait_for_it"), waited, 0.03 * waited, "waited in wait_for_it")
    assert block.under("delay", "hold", "pthread_mutex_lock") < 0.01 * waited, "the holder did not wait"


def handoffs(env, *args):
    done = env.run(env.program("handoffs.c"), *args).ok().figures()
    return done["waited"], done["contended"], env.final("handoffs", "mutex")


@alone
def test_lock_that_is_free_before_its_waiters_wake(env):
    """A third of what they wait, and more."""
    waited, _, mutex = handoffs(env, "4", "5000", "5000")
    near(mutex.total("delay"), waited, 0.03 * waited, "waited, by who released")


@alone
def test_robust_mutex(env):
    """Which libc marks as shared with other processes."""
    waited, _, mutex = handoffs(env, "4", "50000", "5000", "robust")
    near(mutex.total("delay"), waited, 0.03 * waited, "waited, by who released")


@alone
def test_short_waits(env):
    """Shorter than it takes to go to sleep."""
    waited, contended, mutex = handoffs(env, "2", "300", "300")
    if contended < 100000:
        raise Skip(f"{contended} contentions in 2 s: its two threads hardly ever ran at once; give it two CPUs")
    near(mutex.total("delay"), waited, 0.3 * waited, "waited, by who released")


@alone
def test_readers_and_a_writer(env):
    waited = env.run(env.program("readers.c"), "2", mutex_fraction=1, block_rate=1).ok().figures()
    mutex, block = env.final("readers", "mutex"), env.profile("readers", "block")
    near(block.under("delay", "read_it"), waited["readers"], 0.05 * waited["readers"], "readers waited")
    near(mutex.under("delay", "write_it"), waited["readers"], 0.1 * waited["readers"], "because of the writer")


@alone
def test_lock_got_again_inside_a_condition(env):
    waited = env.run(env.program("relock.c")).ok().figures()["waited"]
    mutex, block = env.final("relock", "mutex"), env.profile("relock", "block")
    near(mutex.under("delay", "hold", "pthread_mutex_unlock"), waited, 0.05 * waited, "charged to who signalled")
    assert block.under("delay", "wait_for_turns", "pthread_cond_wait") > waited, "to who waits it is all one wait"


@alone
def test_woken_while_nobody_had_the_lock(env):
    waited = env.run(env.program("broadcast.c")).ok().figures()["waited"]
    mutex = env.final("broadcast", "mutex")
    near(mutex.under("delay", "wait_for_turns"), waited, 0.05 * waited, "charged to each of them but the last")


def overdue(env, how, **settings):
    waited = env.run(env.program("overdue.c"), how, **settings).ok().figures()["waited"]
    mutex = env.final("overdue", "mutex")
    near(mutex.under("delay", "hold"), waited, 0.03 * waited, "waited for the mutex, by who released it")
    near(mutex.total("contentions"), 20, 2, "times")


@alone
def test_condition_that_times_out_while_the_lock_is_held(env):
    overdue(env, "timeout")


@alone
def test_condition_that_is_signalled_without_the_lock_while_it_is_held(env):
    overdue(env, "signal")


@alone
def test_signal_before_the_wait(env):
    """A thread that is about to wait holds the mutex, and does not wait for it when somebody signals."""
    slow = env.program("on_its_way.c", "-DSLOW", "-shared", "-fPIC", name="slow_waits.so")
    program = env.program("on_its_way.c")
    env.run(program, env=env.environ(preload=[slow], mutex_fraction=1)).ok()
    env.uploaders_gone()
    assert os.path.exists(env.path("on_its_way", "block"))
    if os.path.exists(env.path("on_its_way", "mutex")):
        delay = env.profile("on_its_way", "mutex").total("delay")
        assert delay < 10e6, delay


@alone
def test_200_waiters(env):
    waited = env.run(env.program("lock_paths.c"), "3", "500", "spin", "200", mutex_fraction=1, block_rate=1).ok().figures()
    check_paths(env, waited, env.final("lock_paths", "mutex"), env.profile("lock_paths", "block"), 0.02)


@alone
def test_lock_that_is_seldom_waited_for(env):
    """Each wait is a fourth longer than the holding: who waited has to wake up, and no later release tells of that."""
    waited = env.run(env.program("holder.c"), "1", "200").ok().figures()["waited"]
    mutex = env.final("holder", "mutex")
    near(mutex.under("delay", "hold"), waited, 0.03 * waited, "charged to the holder")


@alone
def test_long_holdings_of_a_hot_lock(env):
    """Each is charged once, however short the others are; and a waiter that jumped away waits no longer."""
    stalled = env.run(env.program("stalls.c")).ok().figures()["stalled"]
    mutex = env.final("stalls", "mutex")
    assert 10 <= mutex.under("contentions", "stall") <= 12, mutex.cumulative("contentions")
    # Time in which nobody had the lock is shared among earlier releases, of which stalls are the largest.
    assert 0.75 * stalled < mutex.under("delay", "stall") < 1.5 * stalled, (stalled, mutex.cumulative("delay"))
    assert not mutex.under("contentions", "alone"), mutex.stacks()


def test_off_records_nothing(env):
    env.run(env.program("lock_paths.c"), "1", "1000", "spin", mutex_fraction=0, block_rate=0).ok()
    env.uploaders_gone()
    assert os.path.exists(env.path("lock_paths", "cpu"))
    assert not os.path.exists(env.path("lock_paths", "mutex")) and not os.path.exists(env.path("lock_paths", "block"))
