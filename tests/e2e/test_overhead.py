# SPDX-License-Identifier: Apache-2.0
"""CPROF_MAX_OVERHEAD: rates are lowered to hold it, that is said, and sums stay what they were."""
import re

from tests.e2e.test_memory import check, truth
from tests.lib.harness import alone, limit

RATE = 4096
UNLIMITED = 7500  # bytes a sample at that rate, at most, as some blocks are larger than it


def storm(env, **settings):
    """A program that allocates as fast as it can, at a rate that takes 8 % of its CPU time."""
    done = env.run(env.program("allocs.c"), "4000", memory_rate=RATE, **settings).ok()
    profile = env.final("allocs", "memory")
    comments = "\n".join(profile.comments)
    taken = int(re.search(r"(\d+) allocation samples taken", comments)[1])
    took = float(re.search(r"cost of taking samples: \d+ ns, ([\d.]+) %", comments)[1])
    size = sum(size for size, _ in truth(done.stdout).values())
    return done, profile, comments, size / taken, took


@alone
@limit(180)
def test_budget_is_held_and_bytes_are_right(env):
    """Distances that differ add up to larger errors than their mean tells: half as large again are allowed."""
    done, profile, comments, mean, took = storm(env, max_overhead="2%")
    assert mean > 2 * UNLIMITED, f"a sample in {mean:.0f} bytes"
    assert took < 2.5, f"samples took {took} % of the CPU time, from the first second on"
    check(profile, truth(done.stdout), 1.5 * mean, leak=False)  # more blocks than the table of live ones has room for
    assert "the limit is 2 %" in comments, comments


def test_rates_are_lowered_and_that_is_said(env):
    """Of CPU samples the uploader alone decides. A limit below what they take at any depth."""
    env.run(env.program("shares.c"), "5", max_overhead="0.005%").ok()
    profile = env.final("shares", "cpu")
    comments = "\n".join(profile.comments)
    assert re.search(r"^to hold the limit: .*cpu \d+", comments, re.M), comments
    assert "the limit is 0.005 %" in comments, comments
    assert env.log().count("samples are taken less often") == 1, env.log()
    assert 4.8e9 < profile.total("cpu") < 5.3e9, profile.total("cpu")


@limit(180)
def test_rate_that_is_set_is_kept_and_that_is_said(env):
    _, _, comments, mean, took = storm(env)
    assert mean < UNLIMITED, f"a sample in {mean:.0f} bytes"
    assert took > 3, took
    assert "at rates that are set and therefore kept" in env.log(), env.log()
    assert "memory" not in "".join(re.findall(r"^to hold the limit: (.*)", comments, re.M)), comments


@limit(180)
def test_no_budget(env):
    _, _, comments, mean, _ = storm(env, max_overhead=0)
    assert mean < UNLIMITED, f"a sample in {mean:.0f} bytes"
    assert "to hold the limit" not in comments and "; no limit" in comments, comments


def test_wrong_budget_is_said(env):
    done = env.run(env.program("allocs.c"), "1", max_overhead="much").ok()
    assert "CPROF_MAX_OVERHEAD=much is not a share from 0% to 100%, such as 2%; 2% is used" in done.stderr, done.stderr
