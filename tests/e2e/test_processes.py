# SPDX-License-Identifier: Apache-2.0
"""What happens around a program: its end, its children, its descriptors, its pipes."""
import math
import os
import re
import signal
import subprocess
import time

from tests.lib import pprof
from tests.lib.harness import alone, near, need, need_namespace, real_processor, threads_and_files, wait_for


def run_until_printed(env, *args, **settings):
    """Starts a program that prints its truth, then pauses; returns (child, what it printed)."""
    child = env.start(*args, stdout=subprocess.PIPE, **settings)
    lines = [child.stdout.readline() for _ in range(3)]
    return child, "".join(lines)


def sum_of(stdout, column=0):
    return sum(int(line.split()[1 + column]) for line in stdout.splitlines())


def test_sigkill_loses_no_cpu_time(env):
    child, stdout = run_until_printed(env, env.program("shares.c"), "1", "1", "pause", cpu_hz=1000)
    child.kill()
    total = sum_of(stdout)
    # No statistic: all but what came after the last tick of the kernel, 4 ms of a second.
    near(env.final("shares", "cpu").total("cpu"), total, 0.03 * total, "CPU nanoseconds after SIGKILL")


def test_sigkill_loses_no_allocation(env):
    child, stdout = run_until_printed(env, env.program("allocs.c"), "64", "pause", memory_rate="4KiB")
    child.kill()
    profile = env.final("allocs", "memory")
    total = sum_of(stdout)
    # A sample stands for 4 KiB at least: four standard errors.
    near(profile.total("alloc_space"), total, 4 * math.sqrt(4096 * total), "bytes after SIGKILL")
    leak = int(re.search(r"path_leak (\d+)", stdout)[1])
    near(profile.cumulative("inuse_space")["path_leak"], leak, 4 * math.sqrt(4096 * leak), "bytes in use at SIGKILL")


def test_files_within_two_seconds_of_the_end(env):
    env.run(env.program("shares.c"), "0.3", linger="10s").ok()
    end = time.monotonic()
    profile = env.profile("shares", "cpu", 2)
    assert time.monotonic() - end < 5 and profile.total("cpu") > 0


def family(env, *extra):
    leaf = env.program("family.c", name="leaf")
    system = env.program("shares.c", name="by-system")
    return env.run(env.program("family.c"), leaf, f"{system} 0.5 >/dev/null", cpu_hz=1000, **dict(extra)).ok()


def test_fork_vfork_spawn_system_exec(env):
    """One directory a program, with all processes of it; the last exec is of the same process."""
    assert family(env).stdout == "all ended\n"
    half = 5e8
    parent = env.final("family", "cpu").cumulative("cpu")
    near(parent["work_parent"], half, 0.1 * half, "CPU time before fork")
    near(parent["work_forked"], half, 0.1 * half, "CPU time of the forked child")
    leaf = env.profile("leaf", "cpu")
    near(leaf.cumulative("cpu")["work_leaf"], 3 * half, 0.3 * half, "CPU time of vfork, posix_spawn and exec")
    assert len(leaf.by_label("cpu", "pid")) == 3, leaf.by_label("cpu", "pid")
    assert env.profile("by-system", "cpu").total("cpu") > 0.8 * half


def test_vfork_before_the_first_sample(env):
    """The first to allocate in a forked child is its own child of vfork(): the segment is not that one's."""
    env.run(env.program("vfork_first.c")).ok()
    child = env.final("vfork_first", "cpu").cumulative("cpu")
    near(child["work_child"], 5e8, 1e8, "CPU time of the forked child")


def test_threads_of_a_child_that_has_not_joined_yet(env):
    """To make a thread is no reason to join; what the thread does is."""
    env.run(env.program("child_threads.c"), cpu_hz=1000).ok()
    cpu = env.final("child_threads", "cpu").cumulative("cpu")
    near(cpu["work_in_child"], 1.5e9, 0.1e9, "CPU time of threads that a forked child made")


def test_follow_0_stops_at_the_first_program(env):
    family(env, ("follow", "0"))
    assert env.final("family", "cpu").cumulative("cpu")["work_forked"] > 0
    assert not os.path.exists(os.path.join(env.out, "leaf")), os.listdir(env.out)


def test_command_substitution_ends_with_the_program(env):
    program = env.program("shares.c")
    start = time.monotonic()
    done = env.run("/bin/sh", "-c", f'x=$({program} 0.3); echo "got $x" | head -n 1', linger="20s").ok()
    assert done.stdout.startswith("got work_70"), done.stdout
    assert time.monotonic() - start < 15, "the uploader kept the pipe open"


def test_pipe_to_head_ends_with_the_program(env):
    program = env.program("shares.c")
    start = time.monotonic()
    done = env.run("/bin/sh", "-c", f"{program} 0.3 | head -n 1", linger="20s").ok()
    assert done.stdout.startswith("work_70") and time.monotonic() - start < 15, done.stdout


def test_process_group_and_terminal_are_not_the_uploaders(env):
    child = env.start(env.program("shares.c"), "20", linger="1s")
    uploader = wait_for(env.uploaders, 5, "an uploader")[0]
    with open(f"/proc/{uploader}/stat", encoding="utf-8") as file:
        group, session = file.read().rpartition(")")[2].split()[2:4]
    assert int(group) != child.pid and int(session) != child.pid, "the uploader is in the target's process group"
    time.sleep(0.5)  # CPU time for a sample
    os.killpg(child.pid, signal.SIGTERM)
    child.wait(5)
    assert env.final("shares", "cpu").total("cpu") > 0


def test_no_thread_and_no_descriptor_of_ours(env):
    program = env.program("shares.c")
    seen = []
    for profiled in (False, True):
        child = env.start(program, "30", "3", profiled=profiled)
        time.sleep(1)
        seen.append(threads_and_files(child.pid))
        if profiled:
            with open(f"/proc/{child.pid}/maps", encoding="utf-8") as file:
                assert "libcprof.so" in file.read(), "the library is not in the program at all"
        child.kill()
    assert seen[0] == seen[1], f"bare {seen[0]}, profiled {seen[1]}"


def test_no_child_and_no_sigchld_of_ours(env):
    done = env.run("/bin/sh", "-c", "trap 'echo SIGCHLD' CHLD; :; :; echo end").ok()
    assert done.stdout == "end\n", done.stdout
    child = env.start("/bin/sleep", "30")
    wait_for(env.uploaders, 5, "an uploader")
    path = f"/proc/{child.pid}/task/{child.pid}/children"
    # The one that started the uploader is gone as soon as that was done.
    wait_for(lambda: not open(path, encoding="utf-8").read().strip(), 1, "no child of the target")


def test_two_sessions_at_once(env):
    program = env.program("shares.c")
    outs = [os.path.join(env.dir, name) for name in ("one", "two")]
    children = [env.start(program, "1", env={**env.environ(), "CPROF_OUT": out}) for out in outs]
    for child in children:
        assert child.wait(30) == 0
    env.uploaders_gone()
    for out in outs:
        assert pprof.load(env.path("shares", "cpu", out)).total("cpu") > 8e8


def test_two_programs_in_one_session(env):
    program = env.program("shares.c")
    children = [env.start(program, "1") for _ in range(4)]
    time.sleep(0.4)
    assert len(env.uploaders()) == 1, f"{len(env.uploaders())} uploaders"
    for child in children:
        assert child.wait(30) == 0
    profile = env.final("shares", "cpu")
    assert len(profile.by_label("cpu", "pid")) == 4
    near(profile.total("cpu"), 4e9, 0.25e9, "CPU time of four processes")


@alone
@real_processor
def test_200_short_processes_a_second(env):
    """The best of three rounds, as the machine may do other things in one of them."""
    rounds, script = [], "i=0; while [ $i -lt 400 ]; do /bin/true; i=$((i+1)); done"
    bare = env.run("/bin/sh", "-c", script, profiled=False).ok().seconds
    for _ in range(3):
        done = env.run("/bin/sh", "-c", script).ok()
        assert not done.stderr, done.stderr
        rounds.append(done.seconds)
    assert min(rounds) < max(2, 3 * bare), f"400 processes in {min(rounds):.1f} s, {bare:.1f} s without the library"
    comments = env.final("true", "wall").comments
    assert any(line.startswith("true: 1200 processes") for line in comments), comments
    # One after another: no process lives on in the profile when it has ended before its segment is looked at.
    lived = env.final("true", "wall").total("wall") / 1e9
    assert lived < 1.1 * sum(rounds), f"{lived:.1f} s of processes in {sum(rounds):.1f} s"


def test_wrong_setting_is_one_line_once(env):
    done = env.run("/bin/sh", "-c", "/bin/true; /bin/true; /bin/echo end", cpu_hz="fast").ok()
    lines = done.stderr.splitlines()
    assert done.stdout == "end\n" and len(lines) == 1, done.stderr
    assert lines[0].startswith("cprof: ") and "CPROF_CPU_HZ=fast" in lines[0], lines


def test_wrong_settings_of_a_session_are_one_line(env):
    """Those that the uploader reads: it has the program's stderr until it has started."""
    server = "http://127.0.0.1:1"
    for settings, words in (({"server": "htp://x"}, "CPROF_SERVER is no http"),
                            ({"server": server, "labels": "nonsense"}, "CPROF_LABELS: a part of it is neither"),
                            ({"server": server, "label_names": "x"}, "CPROF_LABEL_NAMES=x is neither"),
                            ({"server": "http://127.0.0.1:2", "http_headers": "x"}, "CPROF_HTTP_HEADERS: write name=value"),
                            ({"log": "/nonexistent/x"}, "CPROF_LOG=/nonexistent/x: No such file")):
        lines = env.run("/bin/true", **settings).ok().stderr.splitlines()
        assert len(lines) == 1 and lines[0].startswith("cprof: " + words), (settings, lines)
    assert not env.run("/bin/true", log=env.out + "/x.log").ok().stderr, "that directory is made a moment later"


def test_silence(env):
    for command in (["/bin/true"], ["/bin/ls", "/"], ["/bin/sh", "-c", "exit 3"], ["/bin/sh", "-c", "kill -SEGV $$"]):
        bare, ours = env.run(*command, profiled=False), env.run(*command)
        assert (bare.status, bare.stdout, bare.stderr) == (ours.status, ours.stdout, ours.stderr), command


def test_enabled_0_does_nothing(env):
    env.run(env.program("shares.c"), "0.3", enabled="0").ok()
    assert not os.path.exists(env.out) and not env.uploaders()


def test_closed_standard_descriptors(env):
    program = env.program("shares.c")
    env.run("/bin/sh", "-c", f"{program} 0.3 <&- >&- 2>&-").ok()
    assert env.final("shares", "cpu").total("cpu") > 0


def test_exports_and_needs_of_the_library(env):
    need("readelf:binutils")
    dynamic = subprocess.run(["readelf", "-dW", env.library], stdout=subprocess.PIPE, text=True, check=True).stdout
    needed = re.findall(r"NEEDED.*\[(.*)\]", dynamic)
    assert set(needed) <= {"libc.so.6", "ld-linux-x86-64.so.2"}, needed


def test_pid_1_waits_for_its_last_push(env):
    """The end of pid 1 takes its container along, and with it an uploader that runs inside."""
    unshare = need_namespace("--pid", "--fork", "--mount-proc")
    done = env.run(unshare, "--pid", "--fork", "--mount-proc", *env.preloaded(env.program("shares.c"), "1"), env=env.environ_before()).ok()
    assert done.seconds < 12, f"{done.seconds:.1f} s"
    assert env.profile("shares", "cpu", 1).total("cpu") > 0.9e9


def test_joins_a_service_at_a_socket(env):
    """cprof-uploader as a service or a sidecar: programs join it by path and start none of their own."""
    path = os.path.join(env.dir, "socket")
    environ = {k: v for k, v in env.environ(linger="60s").items() if k != "LD_PRELOAD"}
    service = env.start(env.uploader, "serve", f"--socket={path}", env=environ)
    wait_for(lambda: os.path.exists(path), 5, "the socket")
    env.run(env.program("shares.c"), "1", socket=path).ok()
    assert env.uploaders() == [service.pid], env.uploaders()
    assert env.profile("shares", "cpu").total("cpu") > 0.9e9
    service.terminate()
    assert service.wait(10) == 0


def test_socket_that_nobody_answers_is_said_once(env):
    done = env.run(env.program("shares.c"), "0.3", socket=f"{env.dir}/nowhere").ok()
    lines = done.stderr.splitlines()
    assert len(lines) == 1 and lines[0].startswith("cprof: ") and "nowhere" in lines[0], done.stderr


def test_program_that_executes_itself_by_proc_keeps_its_name(env):
    env.run(need("bash"), "-c", "exec /proc/self/exe -c 'for ((i = 0; i < 300000; i++)); do :; done'", cpu_hz=500).ok()
    assert env.final("bash", "cpu").total("cpu") > 1e8
    assert not os.path.exists(os.path.join(env.out, "exe"))
