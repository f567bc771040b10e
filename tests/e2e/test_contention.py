# SPDX-License-Identifier: Apache-2.0
"""Mutex and block profiles against programs that measure their own waits. Rates are the defaults, where not said."""
import os

from tests.lib.harness import alone, near


def run(env, work, **settings):
    """The program's own figures in seconds, the mutex and the block profile's delay by function in seconds."""
    done = env.run(env.program("contention.c"), work, **settings).ok()
    truth = {name: float(seconds) for name, seconds in (line.split() for line in done.stdout.splitlines())}
    env.uploaders_gone()
    return truth, delays(env, "mutex"), delays(env, "block")


def delays(env, kind):
    """Nothing is written of a profile that nothing was recorded for."""
    if not os.path.exists(env.path("contention", kind)):
        return {}
    return {name: delay / 1e9 for name, delay in env.profile("contention", kind).cumulative("delay").items()}


@alone
def test_three_paths(env):
    truth, mutex, block = run(env, "three")
    paths = ("path_70", "path_20", "path_10")
    held, charged = sum(truth[p] for p in paths), sum(mutex[p] for p in paths)
    for path in paths:
        near(mutex[path] / charged, truth[path] / held, 0.02, f"share of {path}")
    near(charged / truth["waited"], 1, 0.03, "charged to holders, of what was waited")
    near(sum(block[p] for p in paths) / truth["waited"], 1, 0.03, "recorded with waiters, of what was waited")


@alone
def test_holder_that_never_waits(env):
    truth, mutex, block = run(env, "holder", mutex_fraction="1")
    near(mutex["path_holder"] / truth["path_holder"], 1, 0.05, "the holder's charge")
    assert mutex.get("path_passing", 0) < 0.1 * mutex["path_holder"], mutex
    assert block["path_passing"] > 5 * block.get("path_holder", 0), block


@alone
def test_readers_wait_for_writer(env):
    _, mutex, block = run(env, "readers", mutex_fraction="1")
    assert mutex["path_writer"] > 0.2, mutex
    assert mutex.get("path_reader", 0) < 0.1 * mutex["path_writer"], mutex
    assert block["path_reader"] > 5 * block.get("path_writer", 0), block


@alone
def test_condition_queue(env):
    truth, _, block = run(env, "queue")
    near(block["path_queue"] / truth["path_queue"], 1, 0.03, "the waits of the queue")


def test_off_records_nothing(env):
    env.run(env.program("contention.c"), "holder", mutex_fraction="0", block_rate="0").ok()
    env.uploaders_gone()
    assert not delays(env, "mutex") and not delays(env, "block")
