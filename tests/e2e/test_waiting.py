# SPDX-License-Identifier: Apache-2.0
"""Wall, off-CPU, threads and threadcreate profiles against programs that know where their threads stood."""
import os
import re
import signal
import subprocess
import time

from tests.lib.harness import PATIENCE, TREE, alone, near, need, real_processor, wait_for


def text(env, program, name):
    with open(os.path.join(env.out, program, name), encoding="utf-8") as file:
        return file.read()


def stolen_ns():
    """CPU time that a hypervisor gave to others: threads run then, on a CPU that does not."""
    with open("/proc/stat", encoding="ascii") as file:
        return int(file.readline().split()[8]) * 10**9 // os.sysconf("SC_CLK_TCK")


@alone
def test_condition_queue(env):
    waited = env.run(env.program("queue.c"), "3", block_rate=1, wall_hz=97).ok().figures()["waited"]
    block, off = env.final("queue", "block"), env.profile("queue", "off_cpu")
    near(block.under("delay", "await_job"), waited, 0.05 * waited, "waited for jobs")
    near(off.under("off_cpu", "await_job"), waited, 0.1 * waited, "off the CPU, waiting for jobs")
    assert any(re.search("^[^;]+;[^;]+;server;await_job;pthread_cond_wait$", s) for s in off.stacks()), off.stacks()


def twenty_waits(env, out, how, calls_before, function, preload=(), tunables=None):
    """Waits of one kind; the calls that compute and are waits, less those that did wait; how waits were told."""
    out = os.path.join(env.dir, out)
    settings = env.environ(preload=preload, out=out, cpu_hz=10)
    if tunables:
        settings["GLIBC_TUNABLES"] = tunables
    program = os.path.join(env.dir, "twenty_waits")
    did_wait = env.run(program, how, calls_before, env=settings).ok().figures()["waited_in_computing"]
    block = env.final("twenty_waits", "block", out)
    ours = [s for s in block.samples if s.frames[0].function == function and "run" in {f.function for f in s.frames}]
    assert sum(s.values[0] for s in ours) == 20, (out, block.stacks())
    near(sum(s.values[1] for s in ours), 1.3e9, 0.31e9, out + ", a second at least")
    computed = block.under("contentions", "compute_in_the_kernel") - did_wait
    told = [c for c in block.comments if "tell" in c]
    return computed, told


def test_waits_by_every_way_of_telling_them(env):
    """A kernel that clears the mark or does not, from the first call on or found out later, and no rseq at all."""
    env.program("twenty_waits.c")
    later = os.path.join(env.dir, "later_kernel.so")
    subprocess.run(["gcc", "-D_GNU_SOURCE", "-O1", "-fPIC", "-shared", os.path.join(TREE, "tests/e2e/later_kernel.c"),
                    "-o", later, "-ldl"], check=True)
    for how, before in (("nanosleep", "0"), ("usleep", "40"), ("poll", "40"), ("read", "0")):
        computed, told = twenty_waits(env, f"later-{how}", how, before, how, [later])
        assert computed <= 1, f"{computed} of 20 calls that compute are waits, by {how}"
        assert len(told) == 1 and "getrusage" in told[0], told
    computed, told = twenty_waits(env, "none", "nanosleep", "100", "nanosleep", tunables="glibc.pthread.rseq=0")
    assert computed <= 1 and len(told) == 1 and "getrusage" in told[0], (computed, told)
    twenty_waits(env, "unregistered", "unregistered", "100", "nanosleep")
    _, told = twenty_waits(env, "this", "nanosleep", "100", "nanosleep")
    cleared = tuple(int(n) for n in re.findall(r"\d+", os.uname().release)[:2]) < (6, 19)
    assert len(told) == 1 and ("rseq" if cleared else "getrusage") in told[0], told


@alone
@real_processor
def test_short_waits_are_sampled(env):
    """By the mark, and by counts: of both kinds of waits as much as there was, within 4 standard errors of so many
    points; their sum within a point a thread."""
    rate = 2000000
    for name, tunables in (("mark", None), ("count", "glibc.pthread.rseq=0")):
        settings = env.environ(out=os.path.join(env.dir, name), block_rate=rate, profiles="block")
        if tunables:
            settings["GLIBC_TUNABLES"] = tunables
        truth = env.run(env.program("short_waits.c"), "4", env=settings).ok().figures()
        block = env.final("short_waits", "block", os.path.join(env.dir, name))
        total = truth["brief"] + truth["longer"]
        near(block.under("delay", "run"), total, 0.02 * total + 2 * rate, f"all waits, by {name}")
        share = truth["brief"] / total
        error = (total / rate * share * (1 - share)) ** 0.5 * rate
        assert error < 0.06 * truth["brief"], (error, truth)
        for function, key in (("wait_briefly", "brief"), ("wait_longer", "longer")):
            near(block.under("delay", function), truth[key], 4 * error + 0.01 * total, f"{function}, by {name}")
            mean = truth[key] / truth["count"]
            near(block.under("contentions", function), truth["count"], 4 * error / mean + 0.02 * truth["count"],
                 f"waits in {function}, by {name}")
        records = int(re.search(r"(\d+) blocking events recorded", "\n".join(block.comments))[1])
        assert records < 1.1 * total / rate + 50, f"{records} records of {truth['count']} waits, by {name}"


@alone
@real_processor
def test_wall_time_adds_up(env):
    stolen = stolen_ns()
    lived = env.run(env.program("lives.c"), "4").ok().figures()
    stolen = stolen_ns() - stolen
    wall, off, cpu = env.final("lives", "wall"), env.profile("lives", "off_cpu"), env.profile("lives", "cpu")
    assert wall.types == [("samples", "count"), ("wall", "nanoseconds")], wall.types
    assert off.types == [("samples", "count"), ("off_cpu", "nanoseconds")], off.types
    by_thread = wall.by_label("wall", "thread")
    for name, ns in lived.items():
        near(by_thread[name], ns, 0.03 * ns, f"wall time of {name}")
    total = sum(lived.values())
    near(sum(by_thread[name] for name in lived) / total, 1.005, 0.015, "wall time accounted for")
    running = wall.under("wall", "[running]")
    assert running <= 0.01 * total + stolen, f"{running / 1e9} s of no CPU time, {stolen / 1e9} s stolen"
    near(off.total("off_cpu") + cpu.total("cpu") + running, wall.total("wall"), 0.005 * total, "off-CPU and CPU time")
    near(off.by_label("off_cpu", "thread")["raw"], lived["raw"], 0.03 * lived["raw"], "in a raw futex")
    assert off.under("off_cpu", "live", "raw", "[blocked: futex]") > 0.9 * lived["raw"], off.stacks()
    near(off.under("off_cpu", "sleeper", "nanosleep"), lived["sleeper"], 0.05 * lived["sleeper"], "asleep")


def test_blocked_where_nobody_interposes(env):
    """Whether functions keep a frame pointer, as without optimization, or not."""
    for flags in (("-O2", "-g"), ("-O0", "-g")):
        program = env.program("unhooked.c", *flags, name="unhooked" + flags[0])
        lived = env.run(program, "2").ok().figures()["lived"]
        off, threads = env.final(os.path.basename(program), "off_cpu"), env.profile(os.path.basename(program), "threads")
        for function, call in (("read_a_line", "[blocked: read]"), ("run_a_command", "[blocked: wait4]"),
                               ("park_for_good", "[blocked: futex]")):
            near(off.under("off_cpu", function, call), lived, 0.2 * lived, f"{call} in {function}, {flags[0]}")
        assert threads.under("threads", "read_a_line") == threads.under("threads", "park_for_good") == 1, threads.stacks()
        assert not any("truncated" in s for s in off.stacks()), off.stacks()


def test_waits_in_functions_with_something_to_clean_up(env):
    """As C++ has them everywhere: their frame information leads to the program's data."""
    env.run(env.program("cleanups.cc", "-O2", "-g")).ok()
    off = env.final("cleanups", "off_cpu")
    waits = "^[^;]+;[^;]+;.*;take_order;wait_for_order;.*pthread_cond_wait$"
    assert any(re.search(waits, s) for s in off.stacks()), off.stacks()
    assert not any("truncated" in s for s in off.stacks()), off.stacks()


@real_processor
def test_functions_without_frame_information(env):
    """With a frame pointer in all of them, and assembly that has neither, as main() of a Rust program that aborts."""
    bare = ("-O1", "-fno-asynchronous-unwind-tables", "-fno-omit-frame-pointer")
    for name, flags in (("framed", bare), ("assembly", ("-O1",))):
        env.run(env.program("tableless.c", *flags, name=name), cpu_hz=500).ok()
        off, cpu = env.final(name, "off_cpu"), env.profile(name, "cpu")
        deepest = "main" + 50 * ";descend" + ";compute"
        right = sum(s.values[cpu.index("cpu")] for s, stack in zip(cpu.samples, cpu.stacks()) if deepest in stack)
        assert right > 0.9 * cpu.total("cpu"), (name, cpu.stacks())
        assert any(re.search("^_start;.*;main;take_a_nap;usleep$", s) for s in off.stacks()), (name, off.stacks())
        if name == "assembly":  # below run() are functions inside libc, which a stripped one does not name
            assert any(re.search("^[^;]+;[^;]+;run;call_it;take_a_nap;usleep$", s) for s in off.stacks()), off.stacks()
        assert not any("truncated" in s for s in off.stacks()), (name, off.stacks())


def test_stacks_that_a_program_made(env):
    """They end where they begin, and are whole."""
    env.run(env.program("fibers.c", "-O2", "-g"), cpu_hz=500).ok()
    off, cpu = env.final("fibers", "off_cpu"), env.profile("fibers", "cpu")
    assert any(s.endswith("in_context;work;usleep") for s in off.stacks()), off.stacks()
    for profile in (off, cpu):
        assert any(s.startswith("enter;in_assembly;work") for s in profile.stacks()), profile.stacks()
        assert not any("truncated" in s for s in profile.stacks()), profile.stacks()


def test_pages_of_the_file_that_are_in_two_segments(env):
    """As lld writes it, with which Rust links."""
    need("ld.lld:lld")
    env.run(env.program("asleep.c", "-O2", "-g", "-fuse-ld=lld"), "2").ok()
    off = env.final("asleep", "off_cpu")
    assert off.under("off_cpu", "place_3", "sleep"), off.stacks()
    assert not any("truncated" in s for s in off.stacks()), off.stacks()


def test_200_asleep_in_ten_places(env):
    """They sleep as long as 200 stacks take, which is seconds in an emulator."""
    lived = env.run(env.program("asleep.c"), str(2 * PATIENCE)).ok().figures()["lived"]
    threads, wall = env.final("asleep", "threads"), env.profile("asleep", "wall")
    for n in range(10):
        assert threads.under("threads", f"place_{n}") == 20, threads.cumulative("threads")
        near(wall.under("wall", f"place_{n}"), 20 * lived, 0.05 * 20 * lived, f"time in place_{n}")
    one = next(s for s in threads.samples if "place_3" in {f.function for f in s.frames})
    assert one.frames[0].function == "sleep" and one.frames[1].function == "place_3", one.frames
    assert one.labels["state"] == "sleep" and one.labels["tid"] and one.labels["waited"] > 1e9, one.labels
    assert not any("truncated" in s or "libcprof" in s for s in threads.stacks()), threads.stacks()[:3]
    created = env.profile("asleep", "threadcreate")
    assert created.under("threadcreate", "main") == 200, created.stacks()
    assert re.search(r"^threads profile: total 201$", text(env, "asleep", "threads.txt"), re.M)
    assert len(re.findall(r"^20 @", text(env, "asleep", "threads.txt"), re.M)) == 10


def test_deadlock_is_obvious(env):
    child = env.start(env.program("deadlock.c"), interval="500ms")
    path = os.path.join(env.out, "deadlock", "threads-each.txt")
    wait_for(lambda: os.path.exists(path) and "# 2 wait for a lock" in text(env, "deadlock", "threads-each.txt"),
             10, "a dump with waiting threads")
    time.sleep(1.2)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    env.uploaders_gone()
    dump = text(env, "deadlock", "threads-each.txt")
    assert "# 2 wait for a lock, the longest for " in dump, dump
    for name, function, other in (("seller", "reserve_stock", "buyer"), ("buyer", "update_orders", "seller")):
        assert re.search(rf'^thread \d+ "{name}" of process {child.pid} '
                         rf'\[lock: pthread_mutex_lock, \d+\.\d+ s, held by \d+ "{other}"\]:\n'
                         rf"pthread_mutex_lock\n{function}\n.*deadlock\.c:\d+\n{name}\n", dump, re.M), dump
    assert re.search(rf'^# deadlock in process {child.pid}: (\d+) "(seller|buyer)" waits for \d+ "(seller|buyer)" '
                     r'waits for \1 "\2"$', dump, re.M), dump
    assert re.search(r'\[join: pthread_join, \d+\.\d+ s, of \d+ "seller"\]', dump), dump
    grouped = text(env, "deadlock", "threads.txt")
    assert grouped.startswith("threads profile: total 3\n"), grouped


def test_waits_of_a_killed_program(env):
    child = env.start(env.program("asleep.c"), "60")
    time.sleep(1.5)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    off = env.final("asleep", "off_cpu")
    near(off.under("off_cpu", "place_5"), 20 * 1.5e9, 0.15 * 20 * 1.5e9, "time in place_5 until the kill")


def test_forked_children_that_only_wait(env):
    env.run(env.program("forked_waits.c"), "2").ok()
    wall = env.final("forked_waits", "wall")
    for function, call in (("child_in_lock", "pthread_mutex_lock"), ("child_in_epoll", "epoll_wait"), ("child_in_read", "read")):
        near(wall.under("wall", function, call), 2e9, 0.5e9, f"time in {call}")


def test_threads_end_with_their_program(env):
    """An exec of what does not join ends all of them: the main thread's process lives on."""
    env.run(env.program("replaced.c"), "4").ok()
    off = env.final("replaced", "off_cpu")
    near(off.under("off_cpu", "sleeper"), 10 * 1e9, 10 * 1.2e9, "asleep in threads that the exec ended")


@real_processor
def test_brief_processes_slept(env):
    """None of them lives from one wall sample to the next."""
    program = env.program("nap.c")
    done = env.run("/bin/sh", "-c", f"i=0; while [ $i -lt 200 ]; do {program} 0.005; i=$((i+1)); done").ok()
    slept = sum(int(ns) for ns in re.findall(r"^slept (\d+)$", done.stdout, re.M))
    off = env.final("nap", "off_cpu")
    assert slept and off.under("off_cpu", "nanosleep") > 0.85 * slept, off.stacks()
    assert off.under("off_cpu", "[waiting for a CPU]") < 0.1 * off.total("off_cpu"), off.stacks()


def traced(env, *args, **settings):
    """Runs `strace -f ARGS` of a program that joins an uploader which is there already: what strace wrote, and the run."""
    log = os.path.join(env.dir, "strace")
    env.run(env.program("asleep.c", name="first"), "0.1", linger="20s", **settings).ok()
    environ = env.environ(linger="20s", **settings)
    command = [need("strace"), "-f", "-q", "-o", log, "-E", "LD_PRELOAD=" + environ.pop("LD_PRELOAD"), *args]
    done = env.run(*command, env=environ).ok()
    with open(log, encoding="utf-8") as file:
        return file.read(), done


@alone
def test_no_system_call_of_ours_while_a_target_waits(env):
    """200 threads asleep for two seconds, seen 19 times a second: none of them leaves its call. What the main thread asks
    for is about its own sleep, which has ended."""
    lines = traced(env, env.program("asleep.c"), "2")[0].splitlines()
    asleep = max(i for i, line in enumerate(lines) if "nanosleep" in line and "tv_sec=1000" in line)
    end = next(i for i, line in enumerate(lines) if "write(1" in line)
    between = [line for line in lines[asleep + 1:end] if not re.search("nanosleep|getrusage|process_vm_readv|fstat|SIGPROF|rt_sigreturn", line)]
    assert end > asleep and not between, between
    threads = env.profile("asleep", "threads", 20)
    assert threads.total("threads") == 201 and threads.under("threads", "place_7") == 20


def test_uploader_gets_leave_to_read(env):
    """From Yama, which this kernel may be without."""
    lines, _ = traced(env, "-e", "trace=prctl", env.program("asleep.c"), "0.1")
    assert f"PR_SET_PTRACER, {env.uploaders()[0]}" in lines, lines


@alone
def test_off_cpu_is_what_strace_sums_up(env):
    """strace counts from the call's stop at entry to that at exit: less than the program waits by its own clock, by
    what the tracer costs each call."""
    table, done = traced(env, "-c", "-w", "-U", "name,total-time", env.program("calls.c"), "4", wall_hz=97, block_rate=1)
    by_strace = {name: float(time) * 1e9 for name, time in re.findall(r"^(\w+) +([\d.]+)$", table, re.M)}
    waited = done.figures()
    os.kill(env.uploaders()[0], signal.SIGTERM)
    off, block = env.final("calls", "off_cpu"), env.profile("calls", "block")
    calls = (("reader", "read", "read"), ("poller", "poll", "poll"), ("main", "nanosleep", "clock_nanosleep"),
             ("worker", "sem_wait", "futex"))
    for function, name, call in calls:
        blocked = block.under("delay", function, name)
        near(blocked, waited[function], 0.03 * waited[function] + 0.02e9, f"blocked in {name}")
        assert blocked > 0.97 * by_strace[call] - 0.02e9, f"{name}: {blocked / 1e9} s, {by_strace[call] / 1e9} s by strace"
        near(off.under("off_cpu", function, name), waited[function], 0.2 * waited[function] + 0.2e9, f"off the CPU in {name}")
