# SPDX-License-Identifier: Apache-2.0
"""CPU profiles against programs that know where their time went."""
import math
import os
import platform
import re

from tests.lib.harness import alone, near, need, real_processor

WORK = ("work_70", "work_20", "work_10")


def truth(stdout):
    spent = {name: int(ns) for name, ns in re.findall(r"^(work_\d+) (\d+)", stdout, re.M)}
    return [spent[name] / sum(spent.values()) for name in WORK], sum(spent.values())


def check_shares(profile, expected):
    cumulative = profile.cumulative("cpu")
    total = sum(cumulative[name] for name in WORK)
    # A tick of the kernel that covers several periods is one sample, whatever it counts for.
    count = int(re.search(r"(\d+) CPU samples taken", " ".join(profile.comments))[1])
    assert total > 0, "no sample in any of the three functions"
    for name, true in zip(WORK, expected):
        near(cumulative[name] / total, true, 4 * math.sqrt(true * (1 - true) / count) + 0.003,
             f"share of {name} of {count} samples")


@alone
def test_shares_of_10000_samples(env):
    done = env.run(env.program("shares.c"), "6", "2", cpu_hz=1000).ok()
    profile = env.final("shares", "cpu")
    expected, total = truth(done.stdout)
    check_shares(profile, expected)
    near(profile.total("cpu"), total, 0.02 * total, "CPU nanoseconds in all")
    assert profile.types == [("samples", "count"), ("cpu", "nanoseconds")], profile.types
    assert profile.period_type == ("cpu", "nanoseconds") and profile.period == 1000000, profile.period


def test_default_rate_counts_all_time(env):
    done = env.run(env.program("shares.c"), "2", "2").ok()
    profile = env.final("shares", "cpu")
    expected, total = truth(done.stdout)
    near(profile.total("cpu"), total, 0.05 * total, "CPU nanoseconds in all")
    assert profile.period == 10000000, profile.period


def test_stacks_reach_main_and_thread_start(env):
    env.run(env.program("shares.c"), "1", "2", cpu_hz=1000).ok()
    profile = env.final("shares", "cpu")
    inside = [s for s in profile.stacks() if "work_" in s]
    assert any("main;burn;work_70" in s for s in inside), inside[:5]
    assert any("main" not in s and "burn;work_70" in s for s in inside), inside[:5]
    assert not any("truncated" in s for s in inside), [s for s in inside if "truncated" in s][:3]
    ours = [s for s in profile.stacks() if "libcprof" in s or "thread_main" in s]
    assert not ours, ours[:3]


def test_program_with_gaps_between_its_segments(env):
    """As lld links, and ld for large pages: the loader then knows the program by single segments."""
    gaps = ("-O2", "-fomit-frame-pointer", "-Wl,-z,separate-code,-z,max-page-size=0x200000")
    env.run(env.program("shares.c", *gaps), "1", "2", cpu_hz=1000).ok()
    stacks = env.final("shares", "cpu").stacks()
    inside = [s for s in stacks if "work_" in s]
    assert any("main;burn;work_70" in s for s in inside), inside[:5]
    cut = [s for s in stacks if "truncated" in s]
    assert not cut, cut[:3]


@alone
def test_threads_that_live_for_a_tick_of_the_kernel(env):
    """Which looks at their timers when most of them have ended, and finds the late ones due."""
    short = env.run(env.program("short_threads.c"), "5000", "6").ok().figures()["short"]
    cpu = env.final("short_threads", "cpu")
    counted, early = (cpu.under("cpu", function) for function in ("be_short", "early"))
    near(counted, short, 0.12 * short, "CPU time of short threads")
    # What ticks are in step with makes more of it than the samples' own scatter, some 4 points.
    assert 0.5 < early / counted < 0.9, f"what they do first: {early / counted:.3f} instead of 0.75"


def test_thread_names(env):
    env.run(env.program("named_threads.c"), cpu_hz=1000, memory_rate="64KiB").ok()
    by_thread = env.final("named_threads", "cpu").by_label("cpu", "thread")
    # Timers count all CPU time; a tick of the kernel, 4 ms, is missing of each at most.
    near(by_thread["three-parts"] / max(1, by_thread["one-part"]), 3, 0.4, "CPU time of three-parts to one-part")
    memory = env.profile("named_threads", "memory").by_label("alloc_space", "thread")
    near(memory["allocator"], 2e8, 3.5 * math.sqrt(2e8 / 65536) * 65536, "bytes of the thread named by prctl")


def test_inlined_frames_and_lines(env):
    env.run(env.program("inlined.c", "-O2", "-g"), cpu_hz=1000).ok()
    profile = env.final("inlined", "cpu")
    best = max((s for s in profile.samples), key=lambda s: s.values[1])
    frames = [(f.function, os.path.basename(f.file), f.line) for f in best.frames[:3]]
    assert [f[0] for f in frames] == ["innermost", "middle", "outer"], frames
    assert all(f[1] == "inlined.c" for f in frames), frames
    assert frames[0][2] in (10, 11, 12) and frames[1][2] == 17 and frames[2][2] == 22, frames
    assert profile.mappings, "no mapping"


def test_go_tool_pprof_reads_it(env):
    go = need("go:golang-go")
    env.run(env.program("shares.c"), "1", cpu_hz=1000).ok()
    env.uploaders_gone()
    path = env.path("shares", "cpu")
    os.remove(os.path.join(env.dir, "shares"))  # names come from the file, not from the binary
    environ = env.environ(profiled=False)
    for view in ("-top", "-tree", "-peek=work_70"):
        done = env.run(go, "tool", "pprof", view, path, env=environ).ok()
        assert "work_70" in done.stdout, f"{view}: {done.stdout}{done.stderr}"
    done = env.run(go, "tool", "pprof", "-top", path, env=environ)
    assert re.search(r"Type: cpu", done.stdout) and re.search(r"Duration: ", done.stdout), done.stdout


def test_handler_that_has_not_begun(env):
    """A sample that is due when another signal's handler is about to run is the interrupted code's."""
    env.run(env.program("at_entry.c")).ok()
    profile = env.final("at_entry", "cpu")
    flat, total = profile.flat("cpu"), profile.total("cpu")
    assert total > 1.6e9, total
    assert flat["on_second"] < 0.02 * total, flat
    if platform.machine() != "aarch64":  # a handler without SA_SIGINFO gets no arguments there that tell: docs/limits.md
        assert flat["on_first"] < 0.02 * total, flat


def test_time_of_handlers_on_alternate_stacks_is_counted(env):
    """No sample is taken there; what comes due is one of what the handler interrupted."""
    env.run(env.program("on_alternate.c"), "returns").ok()
    profile = env.final("on_alternate", "cpu")
    near(profile.total("cpu"), 1.01e9, 0.05e9, "CPU time")
    assert profile.flat("cpu")["work"] == 0, profile.flat("cpu")
    assert profile.cumulative("cpu")["call_here"] > 0.9e9, profile.cumulative("cpu")


@real_processor
def test_time_of_handlers_that_jump_off_alternate_stacks_is_counted(env):
    """They are never returned from: what comes due in one is its own."""
    env.run(env.program("on_alternate.c"), "jumps").ok()
    profile = env.final("on_alternate", "cpu")
    near(profile.total("cpu"), 1.01e9, 0.05e9, "CPU time")
    assert profile.cumulative("cpu")["work"] > 0.9e9, profile.cumulative("cpu")
    assert profile.cumulative("cpu")["main"] > 0.9e9, profile.cumulative("cpu")
