# SPDX-License-Identifier: Apache-2.0
"""Programs that are executed under a seccomp filter. What one installs itself: tests/targets/seccomp_*.c."""
import glob
import os

from tests.lib.harness import Skip, shares, wait_for


def skip_under_filter():
    with open("/proc/1/status", encoding="utf-8") as file:
        if "Seccomp:\t2" in file.read():
            raise Skip("everything here is under a filter")


def test_inherited_filter_may_kill(env):
    skip_under_filter()
    filtered, computes = env.program("filtered.c"), env.program("computes.c")
    done = env.run(filtered, "kill", computes)
    assert (done.status, done.stdout) == (0, "done\n"), done.stderr
    assert done.stderr.startswith("cprof: ") and done.stderr.count("\n") == 1 and "CPROF_SECCOMP=1" in done.stderr, done.stderr
    env.uploaders_gone()
    assert not os.path.exists(env.path("computes", "cpu"))


def test_inherited_filter_is_told_of_once(env):
    skip_under_filter()
    filtered, computes = env.program("filtered.c"), env.program("computes.c")
    done = env.run(filtered, "errno", "/bin/sh", "-c", f"{computes}; {computes}; exit 3")
    assert (done.status, done.stdout) == (3, "done\ndone\n"), done.stderr
    assert done.stderr.count("cprof:") == 1, done.stderr
    silent = env.run(filtered, "errno", computes, seccomp=0)
    assert (silent.stdout, silent.stderr) == ("done\n", "")


def test_inherited_filter_that_returns_errors(env):
    filtered, computes = env.program("filtered.c"), env.program("computes.c")
    done = env.run(filtered, "errno", computes, seccomp=1)
    assert (done.status, done.stdout, done.stderr) == (0, "done\n", "")
    cpu = env.final("computes", "cpu").flat("cpu")
    assert shares(cpu, "compute")[0] > 0.9, cpu


def test_keeper_that_may_not_speak_ends(env):
    """It can hand nothing over: neither does it try for ever, nor without a pause."""
    filtered, computes = env.program("filtered.c"), env.program("computes.c")
    child = env.start(filtered, "mute", *env.command(computes), env=env.environ(profiled=False, out=env.out, seccomp=1))
    assert wait_for(lambda: [path for path in glob.glob("/proc/[0-9]*") if is_keeper_of(env, path)], 10, "a keeper")
    assert child.wait(timeout=30) == 0
    wait_for(lambda: not [path for path in glob.glob("/proc/[0-9]*") if is_keeper_of(env, path)], 40, "the end of the keeper")


def is_keeper_of(env, process):
    try:
        with open(process + "/environ", "rb") as file:
            return os.path.basename(os.readlink(process + "/exe")) == "cprof-keeper" and env.dir.encode() in file.read()
    except OSError:
        return False

