# SPDX-License-Identifier: Apache-2.0
"""Clocks that are not what they seem: a library that tells another time, and time namespaces."""
import glob
import re
import subprocess
import time

from tests.lib.harness import Skip, alone, near, need, need_root

YEAR_S = 365 * 86400


def faketime():
    found = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
    if not found:
        raise Skip("libfaketime is not there: apt-get install faketime")
    return found[0]


def truth(env, took, begin):
    """Of halted.c, which ran for `took` seconds from `begin` on: four threads, of which one waits for another."""
    env.uploaders_gone()
    wall, block = env.profile("halted", "wall", 0.1), env.profile("halted", "block", 0.1)
    near(wall.total("wall") / 1e9, 4 * took, 0.6, "wall")
    near(block.flat("delay")["pthread_join"] / 1e9, took, 0.3, "waited for a thread")
    near(wall.duration_ns / 1e9, took, 0.5, "duration")
    near(wall.time_ns / 1e9, begin, 1, "stamp")
    # Ticks become time by the clocks of both sides.
    cost = re.search(r"cost of taking samples: (\d+) ns", "\n".join(wall.comments))
    assert cost and 0 < int(cost[1]) < 0.1e9 * took, wall.comments


def lived(text):
    """What halted.c says, in seconds of its own clock."""
    return int(text.split("lived ")[1]) / 1e9


def in_another_time(env, **environment):
    """Ten times as fast, since 2001: the program lives for 30 s of that."""
    begin = time.time()
    result = env.run(env.program("halted.c"), "30", env={**environment, "FAKETIME": "@2001-01-01 00:00:00 x10"}).ok()
    truth(env, lived(result.stdout) / 10, begin)


@alone
def test_a_library_that_tells_another_time_behind_ours(env):
    in_another_time(env, **env.environ(preload=[faketime()]))


@alone
def test_a_library_that_tells_another_time_before_ours(env):
    environment = env.environ()
    in_another_time(env, **{**environment, "LD_PRELOAD": faketime() + ":" + env.library})


@alone
def test_launcher_in_another_time(env):
    """The uploader is in it, too."""
    begin = time.time()
    environment = {**env.environ(profiled=False, out=env.out, linger="500ms"), "LD_PRELOAD": faketime(),
                   "FAKETIME": "@2001-01-01 00:00:00 x10"}
    result = env.run(*env.command(env.program("halted.c"), "30"), env=environment)
    assert result.status == 0, result.stderr
    truth(env, lived(result.stdout) / 10, begin)


@alone
def test_another_time_namespace_than_the_uploaders(env):
    need_root()
    unshare = need("unshare:util-linux")
    env.start(need("sleep"), "9")  # it has the uploader
    time.sleep(1)
    begin = time.time()
    done = subprocess.run([unshare, "--time", "--monotonic", str(YEAR_S), "--boottime", str(YEAR_S), "--fork", "--",
                           env.program("halted.c"), "3"], env=env.environ(), cwd=env.dir, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    if "unshare:" in done.stderr:
        raise Skip("no time namespaces: " + done.stderr.strip())
    assert done.returncode == 0, done.stderr
    truth(env, lived(done.stdout), begin)
