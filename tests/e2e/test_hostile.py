# SPDX-License-Identifier: Apache-2.0
"""Programs of other users that an uploader of root's serves: what they choose, addresses and paths, harms nobody else."""
import contextlib
import glob
import os
import subprocess
import time

from tests.lib.harness import Skip, alone, need_root, wait_for


def halted_beside(env, seconds=2):
    """Another program of the session, which must be looked at as ever."""
    begin = time.monotonic()
    env.run(env.program("halted.c"), str(seconds)).ok()
    wait_for(lambda: "halted[" in env.log() and "] ended" in env.log().split("halted[")[-1], 3, "the end of the other one")
    assert time.monotonic() - begin < seconds + 4
    wall = env.profile("halted", "wall")
    assert wall.total("wall") > seconds * 3.2e9, wall.flat("wall")
    assert any("sleep_hooked" in s for s in wall.stacks()), wall.stacks()


@alone
def test_memory_that_does_not_answer(env):
    need_root()
    child = env.start(env.program("snare.c"), "6", stdout=subprocess.PIPE)
    if child.stdout.readline() != "caught\n":
        child.wait(10)
        raise Skip("no userfaultfd here")
    time.sleep(0.5)
    halted_beside(env)
    assert child.poll() is None and "does not answer" in env.log(), env.log()
    child.wait(30)
    assert env.final("snare", "off_cpu").flat("off_cpu")["[blocked: nanosleep]"] > 5e9


def names(env, path, kind):
    """Of the generated code, and all functions."""
    os.chmod(env.dir, 0o755)
    os.makedirs(env.out, exist_ok=True)
    try:
        status = env.run(env.program("generated.c"), path, kind, interval="1s").status
    finally:
        for link in glob.glob("/tmp/perf-*.map"):
            with contextlib.suppress(OSError):
                if os.readlink(link).startswith(env.dir):
                    os.unlink(link)
    if status == 77:
        raise Skip("no file system in user space can be mounted here")
    assert status == 0
    cpu = env.final("generated", "cpu")
    return cpu.flat("cpu")


def names_file(env, mode):
    path = os.path.join(env.dir, "names")
    with open(path, "w", encoding="ascii") as file:
        file.write("510000000000 1000 name_of_code\n")
    os.chmod(path, mode)
    return path


def test_names_that_the_user_may_read(env):
    need_root()
    assert names(env, names_file(env, 0o644), "file")["name_of_code"] > 24e8


def test_names_that_the_user_may_not_read(env):
    need_root()
    found = names(env, names_file(env, 0o600), "file")
    assert "name_of_code" not in found and sum(found.values()) > 24e8, found


def test_names_in_a_file_system_that_does_not_answer(env):
    need_root()
    os.mkdir(os.path.join(env.dir, "mount"))
    found = names(env, os.path.join(env.dir, "mount"), "snare")
    assert sum(found.values()) > 24e8, found
    assert "does not answer" in env.log(), env.log()
