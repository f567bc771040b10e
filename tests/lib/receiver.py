# SPDX-License-Identifier: Apache-2.0
"""A server that takes what is pushed to Pyroscope, keeps it, and behaves as badly as a test wants."""
import collections
import contextlib
import http.server
import socket
import threading
import time

from tests.lib import pprof

Push = collections.namedtuple("Push", "labels profile time path headers")


def read_push(body, path="", headers=None):
    """Of PushRequest, its one series (1): labels (1: name 1, value 2) and sample (2), whose profile (1) is gzipped pprof."""
    series = pprof.message(pprof.message(body)[1][0])
    pairs = [pprof.message(label) for label in series[1]]
    raw = pprof.message(series[2][0])[1][0]
    return Push({pair[1][0].decode(): pair[2][0].decode() for pair in pairs}, pprof.Profile(raw), time.time(), path, headers)


class Receiver(http.server.ThreadingHTTPServer):
    """answer(number, push) is called for each request; it returns None to take it, or (status, headers, body), or an
    object that is called with the connection's socket. What is taken is in pushes, in the order of its arrival."""
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, port=0, answer=lambda number, push: None, host="127.0.0.1"):
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.answer, self.pushes, self.seen = answer, [], 0
        self.lock = threading.Lock()
        super().__init__((host, port), Handler)

    def handle_error(self, *args):
        pass

    def sums(self, label="service_name"):
        """{label's value: {sample type: sum of its values}} of what was taken."""
        sums = collections.defaultdict(collections.Counter)
        for push in self.pushes:
            for i, (kind, _) in enumerate(push.profile.types):
                sums[push.labels[label]][kind] += sum(sample.values[i] for sample in push.profile.samples)
        return sums


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        push = read_push(body, self.path, self.headers)
        with self.server.lock:
            number = self.server.seen
            self.server.seen += 1
        answer = self.server.answer(number, push)
        if callable(answer):
            self.close_connection = True
            answer(self.connection)
            return
        status, headers, text = answer or (200, {}, b"{}")
        if status == 200:
            with self.server.lock:
                self.server.pushes.append(push)
        self.send_response(status)
        for name, value in {"Content-Length": len(text), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *args):
        pass


@contextlib.contextmanager
def receiving(port=0, **options):
    server = Receiver(port, **options)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
