# SPDX-License-Identifier: Apache-2.0
"""Processes that somebody stops, such whose main thread has ended, and threads that nobody made by a function."""
import contextlib
import ctypes
import os
import re
import signal
import subprocess
import time

from tests.lib.harness import Skip, near, need_root, wait_for, waits

STOP_S = 2.5


@contextlib.contextmanager
def by_signal(pid):
    os.kill(pid, signal.SIGSTOP)
    yield
    os.kill(pid, signal.SIGCONT)


@contextlib.contextmanager
def by_debugger(pid):
    """Each thread by itself, as debuggers do it."""
    seize, interrupt, detach, wall = 0x4206, 0x4207, 17, 0x40000000
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    tids = [int(tid) for tid in os.listdir(f"/proc/{pid}/task")]
    for tid in tids:
        if libc.ptrace(seize, tid, None, None):
            raise Skip("may not trace: " + os.strerror(ctypes.get_errno()))
        libc.ptrace(interrupt, tid, None, None)
        os.waitpid(tid, wall)
    yield
    for tid in tids:
        libc.ptrace(detach, tid, None, None)


@contextlib.contextmanager
def frozen(pid, directory, file, on, off):
    """In a control group of its own."""
    need_root()
    if not os.path.exists(os.path.join(directory, "cgroup.procs")):
        raise Skip(f"no control groups in {directory}")
    group = os.path.join(directory, f"cprof-test-{pid}")
    os.mkdir(group)
    try:
        if not os.path.exists(os.path.join(group, file)):
            raise Skip(f"{group} has no {file}")
        write(os.path.join(group, "cgroup.procs"), pid)
        write(os.path.join(group, file), on)
        yield
        write(os.path.join(group, file), off)
        write(os.path.join(directory, "cgroup.procs"), pid)
    finally:
        wait_for(lambda: not removed(group), what="an empty group")


def removed(group):
    with contextlib.suppress(OSError):
        os.rmdir(group)
    return os.path.exists(group)


def write(path, text):
    with open(path, "w", encoding="ascii") as file:
        file.write(str(text))


def by_freezer(pid):
    unified = "/sys/fs/cgroup/unified" if os.path.exists("/sys/fs/cgroup/unified/cgroup.procs") else "/sys/fs/cgroup"
    return frozen(pid, unified, "cgroup.freeze", 1, 0)


def by_old_freezer(pid):
    return frozen(pid, "/sys/fs/cgroup/freezer", "freezer.state", "FROZEN", "THAWED")


def stopped_ns(profile, function):
    """Off-CPU time that is stopped, below a function."""
    at = profile.index("off_cpu")
    return sum(s.values[at] for s in profile.samples
               if s.frames[0].function == "[stopped]" and any(f.function == function for f in s.frames))


def halted(env, stop):
    """Four threads; each was stopped for as long, wherever it was, and is said to be so while it is."""
    child = env.start(env.program("halted.c"), "6", stdout=subprocess.PIPE, interval="1s")
    pid = int(child.stdout.readline())
    time.sleep(1)
    begin = time.monotonic()
    with stop(pid):
        time.sleep(STOP_S)
        lasted = time.monotonic() - begin
        with open(os.path.join(env.out, "halted", "threads-each.txt"), encoding="utf-8") as file:
            text = file.read()
    child.wait(60)
    off = env.final("halted", "off_cpu")
    for function in ("sleep_hooked", "sleep_bare", "main"):
        near(stopped_ns(off, function) / 1e9, lasted, 0.7, f"stopped in {function}")
    # This one may have been stopped anywhere, too, between two instructions of libc's that no table describes.
    near(sum(s.values[1] for s in off.samples if s.frames[0].function == "[stopped]") / 1e9, 4 * lasted, 2.8, "stopped in all")
    assert len(re.findall(r"^thread .*\[stopped", text, re.M)) == 4, text


@waits
def test_stopped_by_a_signal(env):
    halted(env, by_signal)


@waits
def test_stopped_by_a_debugger(env):
    halted(env, by_debugger)


@waits
def test_stopped_by_the_freezer(env):
    halted(env, by_freezer)


@waits
def test_stopped_by_the_old_freezer(env):
    halted(env, by_old_freezer)


def leaderless(env, *args):
    plugin = env.program("leaderless.c", "-O1", "-g", "-fPIC", "-shared", "-DPLUGIN", name="there.so")
    child = env.start(env.program("leaderless.c", "-O1", "-g", "-rdynamic"), plugin, *args, stdout=subprocess.PIPE, interval="1s")
    lived = [int(child.stdout.readline().split()[1]) for _ in range(2)]
    assert child.wait(30) == 0
    off, wall = env.final("leaderless", "off_cpu"), env.profile("leaderless", "wall")
    assert not [s for s in env.profile("leaderless", "cpu").stacks() if "unknown" in s or "truncated" in s]
    others = sum(s.values[1] for s in wall.samples if s.labels.get("thread") in ("sleeper", "worker"))
    near(others / 1e9, sum(lived) / 1e9, 0.4, "wall")
    near(wall.total("wall") / 1e9, others / 1e9, 1, "the main thread")
    near(off.cumulative("off_cpu")["sleep_here"] / 1e9, 6.0, 0.4, "asleep")
    near(off.cumulative("off_cpu")["wait_there"] / 1e9, 2.5, 0.3, "asleep in code that was loaded later")
    assert not [s for s in off.stacks() if "unknown" in s or "truncated" in s], off.stacks()


@waits
def test_main_thread_has_ended(env):
    leaderless(env)


@waits
def test_main_thread_has_ended_without_notice(env):
    leaderless(env, "exit")


def untracked(env, **settings):
    """Names, times and ages of threads without a slot."""
    child = env.start(env.program("untracked.c"), "5", interval="1s", **settings)
    time.sleep(3.5)
    if child.poll() == 77:
        raise Skip("no io_uring here")
    with open(os.path.join(env.out, "untracked", "threads-each.txt"), encoding="utf-8") as file:
        text = file.read()
    assert child.wait(30) == 0
    wall = env.final("untracked", "wall")
    names = {f"iou-sqp-{child.pid}": "kernel's own thread", "bare-one": "nanosleep"}
    for name, what in names.items():
        took = sum(s.values[1] for s in wall.samples if s.labels.get("thread") == name)
        near(took / 1e9, 5, 0.4, name)
        age = re.search(rf'^thread \d+ "{name}" of process {child.pid} \[blocked: {what}, ([\d.]+) s\]', text, re.M)
        assert age, text
        near(float(age.group(1)), 2.6, 1.2, "age of " + name)


@waits
def test_threads_that_no_hook_sees(env):
    untracked(env)


@waits
def test_threads_that_no_hook_sees_without_cpu_profile(env):
    untracked(env, profiles="wall,off_cpu,threads")
