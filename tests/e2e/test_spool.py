# SPDX-License-Identifier: Apache-2.0
"""Nothing is lost and nothing is sent twice, whoever is away, killed, slow or full. Sums are compared exactly with those of
the files that the same session writes."""
import collections
import glob
import os
import re
import signal
import subprocess
import threading
import time

from tests.e2e.test_keeper import hog, nothing_left, ours
from tests.e2e.test_pyroscope import ALLOC, CPU, pyroscope, server_or_skip, stacktraces
from tests.lib import pprof
from tests.lib.harness import free_port, limit, near, need, need_namespace, wait_for, waits
from tests.lib.receiver import receiving


def spooled(env):
    return sorted(glob.glob(os.path.join(env.dir, "spool", "*.request")))


def settings(env, port, **more):
    return {"server": f"http://127.0.0.1:{port}", "spool": os.path.join(env.dir, "spool"), "interval": "1s", "profiles": "cpu,memory", **more}


def of_intervals(env, directory, kind, value):
    paths = glob.glob(os.path.join(env.out, directory, "intervals", f"*-{kind}.pb.gz"))
    return sum(pprof.load(path).total(value) for path in paths)


def said_bytes(path):
    with open(path, encoding="utf-8") as file:
        return int(re.search(r"bytes (\d+)", file.read())[1])


def directories(env):
    """{service: its directory} by the summaries that the sink of files names."""
    return {os.path.basename(os.path.dirname(path)): path for path in glob.glob(os.path.join(env.out, "*", "memory.pb.gz"))}


@waits
@limit(240)
def test_server_away_and_everything_killed(env):
    """The server is away; of three programs one is killed; the uploader is killed, too. Then the server comes, a real one."""
    server_or_skip()
    port = free_port()
    children = {name: hog(env, seconds, name, name="shop-" + name, memory_rate="16KiB", **settings(env, port))
                for name, seconds in (("long", 14), ("killed", 60), ("short", 5))}
    wait_for(lambda: len(spooled(env)) > 4, 15, "profiles on disk")
    for pid in ours(env, "cprof-uploader"):
        os.kill(pid, signal.SIGKILL)
    time.sleep(3)
    children["killed"].kill()
    children["killed"].wait()
    time.sleep(2)
    with pyroscope(env, port) as url:
        for child in children.values():
            child.wait(60)
        nothing_left(env)
        assert not spooled(env), (spooled(env), env.log())
        pushed = {name: stacktraces(url, ALLOC, f'{{service_name="shop-{name}"}}')[0] for name in children}
    for name in children:
        total = said_bytes(os.path.join(env.dir, name))
        near(pushed[name]["total"], total, 0.04 * total, f"bytes of {name}")
    files = sum(pprof.load(path).total("alloc_space") for path in directories(env).values())
    assert files == sum(p["total"] for p in pushed.values()), (files, {n: p["total"] for n, p in pushed.items()})


@limit(120)
def test_order_and_sums_after_kills(env):
    """The uploader is killed again and again while the server is away. What arrives then is in order, once, and whole."""
    port = free_port()
    child = hog(env, 12, **settings(env, port, name="shop"))
    for _ in range(3):
        count = len(spooled(env))
        wait_for(lambda: len(spooled(env)) > count + 1, 15, "more profiles on disk")
        for pid in ours(env, "cprof-uploader"):
            os.kill(pid, signal.SIGKILL)
    with receiving(port) as server:
        child.wait(60)
        nothing_left(env)
        assert not os.listdir(os.path.join(env.dir, "spool")), os.listdir(os.path.join(env.dir, "spool"))
        times = collections.defaultdict(list)
        for push in server.pushes:
            times[push.labels["__name__"]].append(push.profile.time_ns)
        for name, list_of_times in times.items():
            assert list_of_times == sorted(set(list_of_times)), (name, list_of_times)
        total = said_bytes(os.path.join(env.dir, "bytes"))
        near(server.sums()["shop"]["alloc_space"], total, 0.04 * total, "bytes")
        assert server.sums()["shop"]["alloc_space"] == env.profile("keeper_hog", "memory", 0.1).total("alloc_space")


@limit(120)
def test_what_stays_is_sent_by_the_next_uploader(env):
    port = free_port()
    env.run(env.program("shares.c"), "1", name="shop", **settings(env, port)).ok()
    env.uploaders_gone(30)
    assert spooled(env)
    assert "the next uploader with this CPROF_SPOOL sends them" in env.log(), env.log()
    assert oct(os.stat(env.dir + "/spool").st_mode)[-3:] == "700" and oct(os.stat(spooled(env)[0]).st_mode)[-3:] == "600"
    with receiving(port) as server:
        env.run(env.program("shares.c"), "0.3", name="other", **settings(env, port, out="None")).ok()
        env.uploaders_gone(30)
        assert not spooled(env)
        cpu = env.profile("shares", "cpu", 0.1).total("cpu")
        assert server.sums()["shop"]["cpu"] == cpu, (server.sums(), cpu)


@waits
@limit(120)
def test_file_of_a_later_version_stays(env):
    """Damaged files go, those that only a later uploader can read do not, and neither holds up the others."""
    port = free_port()
    env.run(env.program("shares.c"), "1", name="shop", **settings(env, port)).ok()
    env.uploaders_gone(30)
    with open(spooled(env)[0], "rb") as file:
        good = file.read()
    name = os.path.basename(spooled(env)[0]).split("-")
    for unique, data in (("70000001", good[:8] + b"\x09" + good[9:]), ("70000002", good[:-1]), ("70000003", b"")):
        with open(os.path.join(env.dir, "spool", "-".join([*name[:2], unique, *name[3:]])), "wb") as file:
            file.write(data)
    with receiving(port) as server:
        env.run(env.program("shares.c"), "0.3", name="other", **settings(env, port, out="None")).ok()
        env.uploaders_gone(30)
        assert server.sums()["shop"]["cpu"] == env.profile("shares", "cpu", 0.1).total("cpu"), server.sums()
    assert len(spooled(env)) == 1 and "was written by a later version of cprof; it stays there" in env.log(), (spooled(env), env.log())
    assert "is damaged and not sent" in env.log(), env.log()


@limit(120)
def test_slow_server_at_the_end(env):
    """One request at a time, a second each: more than ten seconds of them wait when the program ends. No spool."""
    one = threading.Lock()

    def slowly(number, push):
        with one:
            time.sleep(1)

    with receiving(answer=slowly) as server:
        done = env.cprof(env.program("shares.c"), "4", server=f"http://127.0.0.1:{server.server_port}", interval="1s", name="shop", timeout=100).ok()
        assert done.seconds > 4 + 10, done.seconds
        assert "profiles are still to be sent; an interrupt ends the waiting" in done.stderr, done.stderr
        assert server.sums()["shop"]["cpu"] == env.profile("shares", "cpu", 0.1).total("cpu"), (server.sums(), done.stderr)


@limit(120)
def test_stopped_while_the_server_is_slow(env):
    """An uploader that is told to end leaves the rest in the spool. The program goes on, with another uploader."""
    port = free_port()
    child = hog(env, 8, **settings(env, port, name="shop"))
    wait_for(lambda: len(spooled(env)) > 2, 15, "profiles on disk")
    for pid in ours(env, "cprof-uploader"):
        os.kill(pid, signal.SIGTERM)
    child.wait(30)
    nothing_left(env)
    with receiving(port) as server:
        env.run(env.program("shares.c"), "0.1", **settings(env, port, out="None", name="next")).ok()
        env.uploaders_gone(30)
        assert not spooled(env), env.log()
        total = said_bytes(os.path.join(env.dir, "bytes"))
        near(server.sums()["shop"]["alloc_space"], total, 0.04 * total, "bytes")


@limit(120)
def test_away_at_the_end_without_a_spool_is_said(env):
    done = env.cprof(env.program("shares.c"), "0.5", server=f"http://127.0.0.1:{free_port()}", profiles="cpu").ok()
    assert re.search(r"profiles could not be sent to http://127.0.0.1:\d+ in time and are lost; CPROF_SPOOL=DIRECTORY", done.stderr), done.stderr
    done = env.cprof(env.program("shares.c"), "0.5", server=f"http://127.0.0.1:{free_port()}", profiles="cpu", spool="spool").ok()
    assert "wait in spool; the next uploader" in done.stderr, done.stderr


@limit(120)
def test_full_disk(env):
    """A file system of 64 KiB for the spool; the server comes before memory is full."""
    need_namespace("-rm")
    port = free_port()
    os.mkdir(env.dir + "/spool")
    command = f"mount -t tmpfs -o size=64k,mode=700 tmpfs {env.dir}/spool && exec env LD_PRELOAD={env.library} {env.program('shares.c')} 12"
    environ = env.environ_before(name="shop", **settings(env, port, interval="300ms", profiles="all"))
    child = env.start(need("unshare"), "-rm", need("sh"), "-c", command, env=environ, stdout=subprocess.PIPE)
    wait_for(lambda: "cannot be written" in env.log(), 15, "a full disk")
    with receiving(port) as server:
        stdout, _ = child.communicate(timeout=60)
        env.uploaders_gone(30)
        spent = sum(int(ns) for ns in re.findall(r"work_\d+ (\d+)", stdout))
        assert server.sums()["shop"]["cpu"] == env.profile("shares", "cpu", 0.1).total("cpu"), (server.sums(), env.log())
        near(server.sums()["shop"]["cpu"], spent, 0.05 * spent, "CPU time")
