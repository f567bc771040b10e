# SPDX-License-Identifier: Apache-2.0
"""What the commands take that people look with: cprof report, diff and top. scripts/bench report, diff and top print it."""
import contextlib
import gzip
import os
import random
import re
import resource
import shutil
import subprocess
import tempfile
import time

from tests.bench import uploader
from tests.lib import made

QUIET = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
COMMANDS = "ping,set,get,incr,lpush,rpush,lpop,rpop,sadd,hset,spop,zadd,zpopmin,lrange_100,mset"


@contextlib.contextmanager
def redis_in_bursts(build, directory, **env):
    """A redis-server as it is configured by default. Yields a function that loads it for some seconds, 15 commands each 5 s."""
    port = uploader.free_port()
    server = subprocess.Popen(["redis-server", "--port", str(port), "--dir", directory], env=uploader.environ(build, **env), **QUIET)

    def load(seconds):
        end = time.monotonic() + seconds
        while (start := time.monotonic()) < end:
            subprocess.run(["redis-benchmark", "-p", str(port), "-c", "20", "-r", "100000", "-n", "8000", "-q", "-t", COMMANDS],
                           check=True, **QUIET)
            time.sleep(max(0, min(start + 5, end) - time.monotonic()))

    try:
        time.sleep(0.5)
        yield load
    finally:
        server.terminate()
        server.wait()


def report(build, quick):
    """All profile types, the default interval of 15 s."""
    seconds, directory = 60 if quick else 600, tempfile.mkdtemp(prefix="cprof-report-")
    try:
        with redis_in_bursts(build, directory, CPROF_OUT=directory + "/out") as load:
            load(seconds)
        page = directory + "/page.html"
        subprocess.run([f"{build}/cprof-uploader", "report", "-o", page, directory + "/out"], check=True, **QUIET)
        intervals = len([f for f in os.listdir(directory + "/out/redis-server/intervals") if f.endswith("-wall.pb.gz")])
        return [f"- redis-server, {seconds} s, all types, {intervals} intervals: {os.path.getsize(page) / 1e6:.2f} MB"]
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def stacks(count, seed):
    """Distinct stacks of 12 to 50 frames out of 6,000 functions, as numbers of functions. Each leaves an earlier one at a random
    depth, as stacks of programs do."""
    dice, last = random.Random(seed), []
    for _ in range(count):
        depth = dice.randrange(12, 50)
        last = last[:min(depth - 1, int(len(last) * (1 - dice.random() ** 2)))]
        last += [int(dice.random() ** 2 * 6000) for _ in range(depth - len(last))]
        yield last


def profile(count, seed):
    """The bytes of a CPU profile with so many distinct stacks."""
    head = made.plain([(";".join(f"namespace_{n % 40}::function_{n}" for n in range(6000)), (1, 10000000))])
    ids, dice = [made.varint(n + 1) for n in range(6000)], random.Random(seed)
    samples = []
    for stack in stacks(count, 7):  # the same stacks on both sides; other values
        looks = dice.randrange(1, 20)
        samples.append(made.message(2, made.message(1, b"".join(ids[n] for n in reversed(stack))) +
                                    made.message(2, made.varint(looks) + made.varint(looks * 10000000))))
    return head + b"".join(samples)


def measured(*command):
    """Seconds that passed, seconds of CPU time, MB at the highest."""
    start = time.monotonic()
    child = subprocess.Popen(command, **QUIET)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    assert child.returncode in (0, 1), (command, child.returncode)
    return time.monotonic() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / 1e6


def diff(build, quick):
    """Two profiles of 20 MB each, as they are and gzipped to 20 MB."""
    lines, directory = [], tempfile.mkdtemp(prefix="cprof-diff-")
    each = len(profile(2000, 1)) - len(profile(1000, 1))
    try:
        for what, size, pack in (("raw", 20e6, bytes), ("gzipped", 20e6, lambda data: gzip.compress(data, 6))):
            count = int(size / (each / 1000))
            if pack is not bytes:
                count = int(count * size / len(pack(profile(count, 1))))
            paths, plain = [], 0
            for side in (1, 2):
                data = profile(count, side)
                plain = len(data)
                paths.append(f"{directory}/{what}-{side}.pb{'.gz' if what == 'gzipped' else ''}")
                with open(paths[-1], "wb") as file:
                    file.write(pack(data))
            runs = [measured(f"{build}/cprof-uploader", "diff", *paths) for _ in range(1 if quick else 5)]
            wall, cpu, memory = min(runs)
            lines.append(f"- two profiles of {os.path.getsize(paths[0]) / 1e6:.0f} MB {what} ({plain / 1e6:.0f} MB unpacked, {count} "
                         f"stacks): {wall:.1f} s, {cpu:.1f} s of CPU time, {memory:.0f} MB")
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    return lines


def top(build, quick):
    """What a frame takes: of the uploader, which is asked, and of cprof top itself."""
    frames, directory = 10 if quick else 30, tempfile.mkdtemp(prefix="cprof-top-")
    try:
        log = directory + "/log"
        with redis_in_bursts(build, directory, CPROF_OUT=directory + "/out", CPROF_LOG=log) as load:
            load(5)
            with open(log, encoding="utf-8") as file:
                name = re.search(r"session (@\S+):", file.read())[1]
            session = uploader.Uploader(log)
            cpu = session.cpu()
            time.sleep(frames)
            idle, cpu = session.cpu() - cpu, session.cpu()
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            with contextlib.suppress(subprocess.TimeoutExpired):
                subprocess.run([f"{build}/cprof-uploader", "top", "--session=" + name, "--interval=1s"], timeout=frames + 0.5, **QUIET)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            asked = session.cpu() - cpu
            own = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            return [f"- redis-server, a frame a second: {(asked - idle) / frames * 1000:.1f} ms of the uploader's CPU time a frame, "
                    f"{own / frames * 1000:.1f} ms of cprof top's"]
    finally:
        shutil.rmtree(directory, ignore_errors=True)
