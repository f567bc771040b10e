# SPDX-License-Identifier: Apache-2.0
"""The uploader, its keeper or both are killed or stopped, at any time and again and again: no byte is lost."""
import glob
import os
import random
import re
import signal
import time

from tests.lib import pprof
from tests.lib.harness import limit, near, wait_for, waits


def ours(env, name):
    """Processes of this test that run this program, zombies excepted."""
    found = []
    for path in glob.glob("/proc/[0-9]*"):
        try:
            if os.path.basename(os.readlink(path + "/exe")) == name and env.dir.encode() in open(path + "/environ", "rb").read():
                found.append(int(path[6:]))
        except OSError:
            pass
    return found


def hog(env, seconds, into="bytes", **settings):
    program = os.path.join(env.dir, "keeper_hog")
    if not os.path.exists(program):
        env.program("keeper_hog.c")
    with open(os.path.join(env.dir, into), "w") as out:
        return env.start(program, str(seconds), stdout=out, **{"interval": "2s", "memory_rate": "64KiB", **settings})


def said(env, *names):
    total = 0
    for name in names:
        with open(os.path.join(env.dir, name)) as file:
            total += int(re.search(r"bytes (\d+)", file.read()).group(1))
    return total


def nothing_left(env):
    wait_for(lambda: not ours(env, "cprof-uploader") and not ours(env, "cprof-keeper"), 20, "the end of uploader and keeper")


def all_there(env, *names):
    """In the merged profile, and in the intervals together."""
    nothing_left(env)
    total = said(env, *names)
    near(env.profile("keeper_hog", "memory", 0.1).total("alloc_space"), total, 0.04 * total, "merged bytes")
    intervals = glob.glob(os.path.join(env.out, "keeper_hog", "intervals", "*-memory.pb.gz"))
    near(sum(pprof.load(path).total("alloc_space") for path in intervals), total, 0.04 * total, "bytes of the intervals")


def kill_and_count(env, names, after, ends_by_exit):
    """names are killed some time after the start, and the program ends so many seconds later."""
    first = random.uniform(0.8, 3)
    child = hog(env, first + after if ends_by_exit else 60)
    wait_for(lambda: "joined" in env.log(), 10, "the join")
    time.sleep(first)
    for name in names:
        for pid in ours(env, name):
            os.kill(pid, signal.SIGKILL)
    if not ends_by_exit:
        time.sleep(after)
        child.kill()
    child.wait(timeout=30)
    all_there(env, "bytes")


def test_uploader_killed_before_the_exit(env):
    kill_and_count(env, ["cprof-uploader"], 0.5, True)


def test_uploader_killed_before_sigkill(env):
    kill_and_count(env, ["cprof-uploader"], 0.5, False)


@waits
def test_uploader_killed_long_before_sigkill(env):
    kill_and_count(env, ["cprof-uploader"], 6.5, False)


def test_uploader_killed_with_the_program(env):
    kill_and_count(env, ["cprof-uploader"], 0, False)


def test_keeper_killed_before_the_exit(env):
    kill_and_count(env, ["cprof-keeper"], 0.5, True)


def test_both_killed_before_the_exit(env):
    kill_and_count(env, ["cprof-uploader", "cprof-keeper"], 2, True)


def test_both_killed_before_sigkill(env):
    """Within 3 s another uploader is there; the keeper dies first."""
    kill_and_count(env, ["cprof-keeper", "cprof-uploader"], 4, False)


@waits
@limit(60)
def test_killed_again_and_again(env):
    """Uploader or keeper, never both at once; the first process ends in the meantime and stays in the files."""
    children = [hog(env, 3, "first"), hog(env, 14, "second")]
    wait_for(lambda: f"keeper_hog[{children[1].pid}] joined" in env.log(), 10, "the join")
    end = time.monotonic() + 11
    while time.monotonic() < end:
        time.sleep(random.uniform(0.2, 1.5))
        name, line = random.choice([("cprof-uploader", f"keeper_hog[{children[1].pid}] kept"), ("cprof-keeper", "the keeper has died")])
        before = env.log().count(line)
        for pid in ours(env, name):
            os.kill(pid, signal.SIGKILL)
        wait_for(lambda: env.log().count(line) > before, 10, line)
    for child in children:
        child.wait(timeout=30)
    all_there(env, "first", "second")


@waits
@limit(140)
def test_stopped_uploader_is_replaced(env):
    child = hog(env, 75)
    first = wait_for(lambda: ours(env, "cprof-uploader"), 5, "an uploader")[0]
    wait_for(lambda: "joined" in env.log(), 10, "the join")
    time.sleep(1)
    os.kill(first, signal.SIGSTOP)
    wait_for(lambda: [pid for pid in ours(env, "cprof-uploader") if pid != first], 72, "another uploader")
    child.wait(timeout=30)
    all_there(env, "bytes")


def test_keeper_is_small_and_ends(env):
    child = hog(env, 3)
    keeper = wait_for(lambda: ours(env, "cprof-keeper"), 5, "a keeper")[0]
    with open(f"/proc/{keeper}/status") as file:
        resident = int(re.search(r"VmRSS:\s+(\d+)", file.read()).group(1))
    assert resident < 1024, f"{resident} KiB"
    child.wait()
    all_there(env, "bytes")


def test_launcher_killed(env):
    """The program goes on, and what it recorded is written."""
    env.program("keeper_hog.c")
    with open(os.path.join(env.dir, "bytes"), "w") as out:
        launcher = env.start(*env.command(os.path.join(env.dir, "keeper_hog"), "4"), stdout=out,
                             env=env.environ(profiled=False, out=env.out, linger="500ms", interval="2s", memory_rate="64KiB"))
    wait_for(lambda: ours(env, "cprof-keeper") and os.path.getsize(out.name), 10, "the program")
    time.sleep(1)
    launcher.kill()
    time.sleep(4)
    all_there(env, "bytes")


def test_service_is_replaced_as_a_service(env):
    path = os.path.join(env.dir, "socket")
    service = env.start(env.uploader, "serve", f"--socket={path}", env=env.environ(profiled=False, out=env.out, log=os.path.join(env.dir, "log"),
                                                                                     interval="2s", linger="500ms"))
    wait_for(lambda: os.path.exists(path) and ours(env, "cprof-keeper"), 5, "the service")
    service.kill()
    successor = wait_for(lambda: [pid for pid in ours(env, "cprof-uploader") if pid != service.pid], 5, "another uploader")[0]
    child = hog(env, 2, socket=path, out="None", log="None", linger="None")
    child.wait(timeout=20)
    time.sleep(1.5)
    assert successor in ours(env, "cprof-uploader"), "a service stays"
    os.kill(successor, signal.SIGTERM)
    all_there(env, "bytes")
    assert not os.path.exists(path)
