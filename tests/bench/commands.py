# SPDX-License-Identifier: Apache-2.0
"""What the commands that people look with take: cprof report, diff, top. scripts/bench report, diff and top print it."""
import gzip
import os
import random
import shutil
import signal
import subprocess
import tempfile
import time

from tests.bench import uploader
from tests.lib import made

QUIET = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
COMMANDS = "ping,set,get,incr,lpush,rpush,lpop,rpop,sadd,hset,spop,zadd,zpopmin,lrange_100,mset"


def steady_redis(build, directory, seconds, **env):
    """A redis-server as it is configured by default, with a burst of 15 commands every 5 s."""
    port, end = uploader.free_port(), time.monotonic() + seconds
    server = subprocess.Popen(["redis-server", "--port", str(port), "--dir", directory], env=uploader.environ(build, **env), **QUIET)
    try:
        time.sleep(0.5)
        while (start := time.monotonic()) < end:
            subprocess.run(["redis-benchmark", "-p", str(port), "-c", "20", "-r", "100000", "-n", "8000", "-q", "-t", COMMANDS],
                           check=True, **QUIET)
            time.sleep(max(0, min(start + 5, end) - time.monotonic()))
    finally:
        server.terminate()
        server.wait()


def report(build, quick):
    """All profile types, the default interval of 15 s."""
    seconds, directory = 60 if quick else 600, tempfile.mkdtemp(prefix="cprof-report-")
    try:
        steady_redis(build, directory, seconds, CPROF_OUT=directory + "/out")
        page = directory + "/page.html"
        subprocess.run([f"{build}/cprof-uploader", "report", "-o", page, directory + "/out"], check=True, **QUIET)
        intervals = len([f for f in os.listdir(directory + "/out/redis-server/intervals") if f.endswith("-wall.pb.gz")])
        return [f"- redis-server, {seconds} s, all types, {intervals} intervals: {os.path.getsize(page) / 1e6:.2f} MB"]
    finally:
        shutil.rmtree(directory, ignore_errors=True)
