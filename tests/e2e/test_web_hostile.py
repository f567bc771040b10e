# SPDX-License-Identifier: Apache-2.0
"""A port scan's worth of bad requests: no crash, no descriptor and no memory that stays, and good requests are answered meanwhile."""
import contextlib
import os
import socket
import struct
import threading
import time

from tests.lib import web
from tests.lib.harness import EMULATED, alone, limit, wait_for

HEAD = b"Host: localhost\r\n"


def get(path, *lines, version=b"1.1"):
    return b"GET " + path + b" HTTP/" + version + b"\r\n" + HEAD + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


def post(body, *lines, path=b"/debug/pprof/symbol"):
    return b"POST " + path + b" HTTP/1.1\r\n" + HEAD + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + body


P = b"/debug/pprof/"
# Each kind: bytes to send, and whether an answer is waited for.
KINDS = {
    "nothing": (b"", False),
    "one byte": (b"G", False),
    "cut method": (b"GET", False),
    "cut line": (b"GET /debug/pprof/heap HT", False),
    "cut headers": (b"GET /debug/pprof/heap HTTP/1.1\r\nHost: lo", False),
    "no host": (b"GET /debug/pprof/heap HTTP/1.1\r\n\r\n", True),
    "two hosts": (get(P + b"heap", b"Host: evil"), True),
    "only newlines": (b"\n" * 5000, True),
    "only nul": (b"\0" * 5000, True),
    "random": (os.urandom(4000), True),
    "tls hello": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"x" * 500, True),
    "http 2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", True),
    "http 0.9": (b"GET /debug/pprof/heap\r\n\r\n", True),
    "http 9": (get(P, version=b"9.9"), True),
    "long path": (get(b"/" + b"a" * 20000), True),
    "long query": (get(P + b"heap?" + b"a=b&" * 5000), True),
    "endless path": (b"GET /" + b"a" * 500000, True),
    "long header": (get(P + b"heap", b"X: " + b"y" * 30000), True),
    "endless header": (b"GET / HTTP/1.1\r\nX: " + b"y" * 500000, True),
    "many headers": (get(P + b"heap", *[b"X-%d: y" % i for i in range(5000)]), True),
    "header without colon": (get(P + b"heap", b"nonsense"), True),
    "folded header": (get(P + b"heap", b"X: a", b" b", b"\tc"), True),
    "nul in header": (get(P + b"heap", b"X-Pprof-Token: a\0b"), True),
    "space before colon": (get(P + b"heap", b"Content-Length : 5"), True),
    "bare cr": (b"GET /debug/pprof/heap HTTP/1.1\rHost: localhost\r\r", True),
    "bad percent": (get(P + b"heap?seconds=%zz"), True),
    "cut percent": (get(P + b"heap?seconds=1%"), True),
    "nul percent": (get(P + b"heap%00?seconds=%00"), True),
    "dots": (get(b"/debug/pprof/../../../etc/passwd"), True),
    "encoded dots": (get(b"/debug/pprof/%2e%2e/%2e%2e/etc/passwd"), True),
    "backslashes": (get(b"/debug/pprof/..\\..\\etc\\passwd"), True),
    "absolute": (get(b"http://evil.example/debug/pprof/heap"), True),
    "proxy": (b"CONNECT evil.example:443 HTTP/1.1\r\n" + HEAD + b"\r\n", True),
    "star": (b"OPTIONS * HTTP/1.1\r\n" + HEAD + b"\r\n", True),
    "trace": (b"TRACE / HTTP/1.1\r\n" + HEAD + b"\r\n", True),
    "unknown method": (b"BREW /pot HTTP/1.1\r\n" + HEAD + b"\r\n", True),
    "huge method": (b"G" * 10000 + b" / HTTP/1.1\r\n" + HEAD + b"\r\n", True),
    "absurd seconds": (get(P + b"profile?seconds=99999999999999999999999"), True),
    "negative seconds": (get(P + b"heap?seconds=-9223372036854775808"), True),
    "seconds twice": (get(P + b"heap?seconds=0&seconds=1"), True),
    "float seconds": (get(P + b"profile?seconds=1e99"), True),
    "bad pid": (get(P + b"heap?pid=-1&program=%3cscript%3e"), True),
    "long program": (get(P + b"heap?program=" + b"x" * 4000), True),
    "bad debug": (get(P + b"heap?debug=99999999999"), True),
    "length too large": (post(b"0x1", b"Content-Length: 100000000000"), False),
    "length negative": (post(b"0x1", b"Content-Length: -5"), True),
    "length no number": (post(b"0x1", b"Content-Length: abc"), True),
    "length twice": (post(b"0x1+0x2", b"Content-Length: 3", b"Content-Length: 7"), True),
    "length and chunks": (post(b"0\r\n\r\n", b"Content-Length: 5", b"Transfer-Encoding: chunked"), True),
    "bad chunk size": (post(b"zz\r\nhello\r\n0\r\n\r\n", b"Transfer-Encoding: chunked"), True),
    "huge chunk size": (post(b"ffffffffffffffff\r\nhello", b"Transfer-Encoding: chunked"), True),
    "cut chunk": (post(b"5\r\nhe", b"Transfer-Encoding: chunked"), False),
    "chunk without newline": (post(b"5\r\nhelloXX0\r\n\r\n", b"Transfer-Encoding: chunked"), True),
    "unknown encoding": (post(b"hello", b"Transfer-Encoding: gzip, x"), True),
    "large body": (post(b"0x1+" * 50000, b"Content-Length: 200000"), True),
    "body no addresses": (post(b"\0\xff+0x+", b"Content-Length: 7"), True),
    "get with body": (get(P + b"cmdline", b"Content-Length: 5") + b"hello", True),
    "expect": (post(b"", b"Content-Length: 5", b"Expect: 100-continue"), False),
    "expect nonsense": (post(b"hello", b"Content-Length: 5", b"Expect: miracle"), True),
    "upgrade": (get(P + b"heap", b"Connection: Upgrade", b"Upgrade: websocket"), True),
    "pipelined": (get(P + b"cmdline") * 50, True),
    "pipelined nonsense": (get(P + b"cmdline") + b"\0\0\0" + get(P), True),
    "range": (get(P + b"heap", b"Range: bytes=0-18446744073709551615,5-,-1"), True),
    "bad token": (get(P + b"heap", b"Authorization: Basic ====", b"X-Pprof-Token: \xff\xfe"), True),
    "bad origin": (get(P + b"heap", b"Origin: http://" + b"a" * 3000), True),
    "waits and goes": (get(P + b"profile?seconds=3000"), False),
    "reset": (get(P + b"heap"), None),
}


def attack(port, kind):
    data, wait = KINDS[kind]
    with contextlib.suppress(OSError):
        if wait is None:  # a reset in the middle of the answer
            s = socket.create_connection(("127.0.0.1", port), 5)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            s.sendall(data)
            s.close()
        else:
            web.raw(port, data, 0.15, wait)


class Good:
    """Asks ten times a second, as a scraper and a user would."""

    def __init__(self, port):
        self.port, self.times, self.wrong, self.ended = port, [], [], False
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        paths = ("heap", "cmdline", "goroutine?debug=1", "allocs", "symbol?0x1")
        while not self.ended:
            start = time.monotonic()
            try:
                answer = web.ask(self.port, paths[len(self.times) % len(paths)], timeout=5)
                if answer.status != 200:
                    self.wrong.append((answer.status, answer.text[:100]))
            except OSError as error:
                self.wrong.append(error)
            self.times.append(time.monotonic() - start)
            time.sleep(0.1)

    def end(self):
        self.ended = True
        self.thread.join()
        return sorted(self.times), self.wrong


def storm(port, rounds, threads):
    """Every kind, so many times in each thread, in another order."""
    names = list(KINDS)

    def run(n):
        for i in range(rounds):
            for k in range(len(names)):
                attack(port, names[(k * (2 * n + 1) + i) % len(names)])

    workers = [threading.Thread(target=run, args=(n,)) for n in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return len(names) * rounds * threads


@alone
@limit(400)
def test_bad_requests(env):
    """More than 50 kinds, from several sides at once."""
    _, port = web.start(env, env.program("serves.c"))
    storm(port, 1, 2)
    time.sleep(1)
    before = web.uploader_memory(env)
    (pid,) = env.uploaders()
    good = Good(port)
    count = storm(port, 4 if not EMULATED else 1, 8)
    times, wrong = good.end()
    assert env.uploaders() == [pid], "the uploader did not survive " + env.log()
    assert not wrong, f"{len(wrong)} of {len(times)} good requests: {wrong[:5]}"
    assert times[len(times) * 98 // 100] < (0.5 if not EMULATED else 2), f"{count} bad requests; good ones took {times[-5:]} at most"
    wait_for(lambda: web.uploader_memory(env)[1] <= before[1] + 2, 15, f"descriptors as before, {before[1]}: {web.uploader_memory(env)}")
    after = web.uploader_memory(env)
    assert after[0] < before[0] + 4096, f"resident {before[0]} KiB before, {after[0]} after"
    assert web.ask(port, "profile?seconds=1").profile().types


@alone
@limit(200)
def test_slow_clients(env):
    """Connections that say nothing, or a byte a second, or take no answer, keep nobody out, and are ended."""
    _, port = web.start(env, env.program("serves.c"))
    idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(150)]
    good = Good(port)
    dripping = [socket.create_connection(("127.0.0.1", port)) for _ in range(30)]
    lazy = []
    for _ in range(10):
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.connect(("127.0.0.1", port))
        s.sendall(get(P) * 3)
        lazy.append(s)
    for i in range(14):
        for s in dripping:
            with contextlib.suppress(OSError):
                s.sendall(b"GET /debug/pprof/heap HTTP/1.1\r\n"[i : i + 1])
        time.sleep(1)
    times, wrong = good.end()
    assert not wrong and times[len(times) * 95 // 100] < (0.5 if not EMULATED else 2), (wrong[:5], times[-5:])
    for s in idle + dripping:
        s.settimeout(2)
        with contextlib.suppress(OSError):
            assert s.recv(10) == b"", "a slow connection is still open"
    for s in idle + dripping + lazy:
        s.close()


def test_many_that_wait(env):
    """Profiles of N seconds have a ceiling, whoever goes away leaves his place, and others are answered."""
    _, port = web.start(env, env.program("serves.c"))
    waiting = []
    for _ in range(40):
        s = socket.create_connection(("127.0.0.1", port))
        s.sendall(get(P + b"heap?seconds=1000"))
        waiting.append(s)
    time.sleep(1)
    answer = web.ask(port, "heap?seconds=1")
    assert answer.status == 503 and int(answer.headers["retry-after"]) > 0, answer.status
    assert web.ask(port, "heap").status == 200
    for s in waiting:
        s.close()
    wait_for(lambda: web.ask(port, "heap?seconds=1").status == 200, 10, "a free place")
