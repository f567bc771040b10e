# SPDX-License-Identifier: Apache-2.0
"""Stack walks inside the target, judged by libunwind over real programs; stacks that are deeper than what is kept."""
import os
import re
import subprocess

from tests.lib import harness


@harness.limit(400)
def test_compare_with_libunwind(env):
    script = os.path.join(harness.TREE, "tests", "unwind", "run-compare")
    done = subprocess.run([script, f"--build={env.build}"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]


def cut_stacks(profile):
    """Those of the recursion, which all have a gap: innermost frames, the gap, and outermost frames."""
    stacks = [s.split(";") for s in profile.stacks() if ";work" in s]  # not on the way to its end
    wrong = [s for s in stacks if s.count("[frames cut]") != 1]
    assert stacks and not wrong, [(profile.types, len(s), s[:5], s[-5:]) for s in wrong][:3]
    return stacks


def check_callers(env, depth):
    done = env.run(env.program("deep.c"), depth, "4", cpu_hz=1000, memory_rate="8KiB", block_rate="1").ok()
    truth = {name: (float(ms), float(waited)) for name, ms, waited in re.findall(r"^(call_\w+) (\d+) (\d+)", done.stdout, re.M)}
    cpu = env.final("deep", "cpu")
    for caller, (ms, _) in truth.items():
        # A sample a millisecond, less those that cannot be walked to their root when the caller has just changed.
        harness.near(cpu.cumulative("cpu")[caller] / 1e6, ms, 0.1 * ms, f"CPU time below {caller}")
    memory, block, outside = (env.final("deep", kind) for kind in ("memory", "block", "off_cpu"))
    for profile in (cpu, memory, block, outside):
        callers = {c for s in cut_stacks(profile) for c in s if c.startswith("call_")}
        assert callers == set(truth), callers
    one, two = (memory.cumulative("alloc_space")[c] for c in ("call_one", "call_two"))
    assert 1.6 < two / one < 2.5, f"{two} of {one} bytes"
    delay, off = block.cumulative("delay"), outside.cumulative("off_cpu")
    for caller, (_, waited) in truth.items():
        harness.near(delay[caller] / 1e6, waited, 0.1 * waited, f"time waited below {caller}")
        # From outside, a stack that is read too late is the function that waits alone.
        assert off[caller] / 1e6 > 0.3 * waited, f"{off[caller] / 1e6} ms of {waited} off the CPU below {caller}"
    # Each round is deeper than the last one, and the stacks are the same but for what is called at the end of them.
    assert len({tuple(s[:-3]) for s in cut_stacks(cpu)}) < 16, "each depth is a stack of its own"


def test_deep_stacks_keep_their_callers(env):
    check_callers(env, "3000")


def test_very_deep_stacks_keep_their_callers(env):
    check_callers(env, "100000")
