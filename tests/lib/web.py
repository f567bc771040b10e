# SPDX-License-Identifier: Apache-2.0
"""What tests ask the uploader's HTTP server: whole requests by http.client, broken ones as bytes."""
import contextlib
import http.client
import os
import socket

from tests.lib import pprof
from tests.lib.harness import free_port, listening, wait_for

INDEX = "/debug/pprof/"


class Answer:
    def __init__(self, response, body):
        self.status, self.headers, self.body = response.status, {k.lower(): v for k, v in response.getheaders()}, body

    @property
    def text(self):
        return self.body.decode("utf-8", "replace")

    def profile(self):
        assert self.status == 200, f"{self.status}: {self.text}"
        return pprof.Profile(self.body)


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def ask(where, path, method="GET", body=None, headers=None, timeout=30):
    """where: a port, or the path of a unix socket. path: behind /debug/pprof/, or from the top."""
    connection = UnixConnection(where, timeout) if isinstance(where, str) else http.client.HTTPConnection("127.0.0.1", where, timeout=timeout)
    with contextlib.closing(connection):
        connection.request(method, path if path.startswith("/") else INDEX + path, body, headers or {})
        response = connection.getresponse()
        return Answer(response, response.read())


def raw(port, data, timeout=5, wait=True):
    """Sends bytes and returns all that comes, until the other side ends or the time is over."""
    with socket.create_connection(("127.0.0.1", port), timeout) as s:
        with contextlib.suppress(OSError):
            s.sendall(data)
        got = b""
        while wait:
            try:
                part = s.recv(65536)
            except OSError:
                break
            if not part:
                break
            got += part
        return got


def start(env, program, *args, port=None, **settings):
    """Starts the program with a server; returns (child, port)."""
    port = port or free_port()
    child = env.start(program, *args, listen=settings.pop("listen", f"127.0.0.1:{port}"), **settings)
    wait_for(lambda: listening(port), 10, f"a server at port {port}; the log: {env.log()}")
    return child, port


def uploader_memory(env):
    """Resident KiB of the test's uploader, and how many descriptors it has."""
    (pid,) = env.uploaders()
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        resident = next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))
    return resident, len(os.listdir(f"/proc/{pid}/fd"))
