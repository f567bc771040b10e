# SPDX-License-Identifier: Apache-2.0
"""What the uploader takes: bytes on the wire, CPU time, memory. scripts/bench upstream and crowd print it."""
import contextlib
import glob
import os
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))


class Server:
    """Answers 200 to every push. Counts each byte that comes in, with headers, and the pushes of each profile type."""

    def __init__(self):
        self.bytes, self.pushes = 0, {}
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.socket.accept()
                threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        data = b""
        with client, contextlib.suppress(OSError):
            while part := client.recv(1 << 16):
                data += part
                head, end, rest = data.partition(b"\r\n\r\n")
                length = re.search(rb"(?i)^content-length:\s*(\d+)", head, re.M)
                length = int(length[1]) if length else 0
                if not end or len(rest) < length:
                    continue
                self.bytes += len(head) + len(end) + length
                name = re.search(rb"__name__\x12.([a-z_]+)", rest)
                name = name[1].decode() if name else "?"
                self.pushes[name] = self.pushes.get(name, 0) + 1
                client.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/proto\r\nContent-Length: 0\r\n\r\n")
                data = rest[length:]

    def close(self):
        self.socket.close()


class Uploader:
    """The running one whose environment has the text."""

    def __init__(self, text):
        self.pid = next(pid for pid in self.search(text) if pid)

    @staticmethod
    def search(text):
        for _ in range(400):
            for path in glob.glob("/proc/[0-9]*/environ"):
                with contextlib.suppress(OSError), open(path, "rb") as file:
                    pid = path.split("/")[2]
                    if os.readlink(f"/proc/{pid}/exe").endswith("/cprof-uploader") and text.encode() in file.read():
                        yield pid
            time.sleep(0.05)

    def cpu(self):
        """Seconds. schedstat counts nanoseconds, stat whole ticks."""
        with open(f"/proc/{self.pid}/schedstat", encoding="utf-8") as file:
            return int(file.read().split()[0]) / 1e9

    def memory(self, field):
        """KiB: VmHWM, VmRSS, RssAnon, RssFile, RssShmem."""
        with open(f"/proc/{self.pid}/status", encoding="utf-8") as file:
            return int(re.search(rf"{field}:\s+(\d+)", file.read())[1])


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def environ(build, **more):
    env = {k: v for k, v in os.environ.items() if not k.startswith(("CPROF_", "PYROSCOPE_", "OTEL_", "LD_"))}
    return {**env, "LD_PRELOAD": f"{build}/libcprof.so", "CPROF_LINGER": "0s", **more}


@contextlib.contextmanager
def redis(build, tests, **env):
    """A redis-server with cprof and a load that does not end."""
    port = free_port()
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    server = subprocess.Popen(["redis-server", "--port", str(port), "--save", "", "--appendonly", "no"],
                              env=environ(build, **env), **quiet)
    time.sleep(0.5)
    load = subprocess.Popen(["redis-benchmark", "-p", str(port), "-c", "20", "-P", "8", "-r", "100000", "-n", "200000", "-q", "-l",
                             "-t", tests], **quiet)
    try:
        yield
    finally:
        load.kill()
        load.wait()
        server.terminate()
        server.wait()


def upstream(build, quick):
    """A redis-server at full load, all profile types, the default interval of 15 s."""
    lines, intervals = [], 1 if quick else 3
    for tests in ("set,lpush", "set,get,incr,lpush,lpop,sadd,hset"):
        server = Server()
        try:
            with redis(build, tests, CPROF_SERVER=server.url):
                uploader = Uploader(server.url)
                time.sleep(18 if quick else 63)
                cpu, size, start = uploader.cpu(), server.bytes, time.monotonic()
                time.sleep(15 * intervals)
                share = (uploader.cpu() - cpu) / (time.monotonic() - start) * 100
                lines.append(f"- redis-server, {tests}: {(server.bytes - size) / 15 / intervals:.0f} bytes/s upstream, of "
                             f"{len(server.pushes)} profile types; uploader {share:.2f} % of a CPU, "
                             f"{uploader.memory('VmHWM')} KiB at its highest, {uploader.memory('VmRSS')} KiB now")
        finally:
            server.close()
    return lines


def crowd_programs(directory, count):
    """So many programs with build ids of their own."""
    source = os.path.join(HERE, "crowd.c")
    for number in range(count):
        subprocess.run(["gcc", "-O1", "-g1", "-pthread", f"-DNUMBER={number}", source, "-o", f"{directory}/service-{number:03}"],
                       check=True)
    return sorted(glob.glob(f"{directory}/service-*"))


def crowd(build, quick):
    """100 programs of 100 threads each in one session."""
    count, seconds = (20, 30) if quick else (100, 60)
    directory, server, children = tempfile.mkdtemp(prefix="cprof-crowd-"), Server(), []
    try:
        env = environ(build, CPROF_SERVER=server.url)
        for program in crowd_programs(directory, count):
            children.append(subprocess.Popen([program, "100", "3600"], env=env, cwd=directory))
        uploader = Uploader(server.url)
        time.sleep(20 if quick else 60)
        cpu, size, start = uploader.cpu(), server.bytes, time.monotonic()
        time.sleep(seconds)
        share = (uploader.cpu() - cpu) / (time.monotonic() - start) * 100
        return [f"- {count} programs, {count * 100} threads: uploader {share:.2f} % of a CPU, {uploader.memory('VmHWM') / 1024:.0f} MiB "
                f"at its highest ({uploader.memory('RssAnon') / 1024:.0f} MiB of its own now, "
                f"{uploader.memory('RssShmem') / 1024:.0f} MiB of segments, {uploader.memory('RssFile') / 1024:.0f} MiB of files); "
                f"{(server.bytes - size) / seconds / 1024:.1f} KiB/s upstream"]
    finally:
        for child in children:
            child.kill()
        for child in children:
            child.wait()
        server.close()
        shutil.rmtree(directory, ignore_errors=True)
