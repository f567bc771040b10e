# SPDX-License-Identifier: Apache-2.0
"""Who may ask at CPROF_LISTEN: tokens, addresses, proxies, browsers, TLS; and what is refused at the start."""
import base64
import os
import re
import socket
import ssl
import stat
import subprocess
import time
import urllib.request

from tests.e2e.test_certificates import make_authority
from tests.lib import web
from tests.lib.harness import free_port, listening, need, wait_for


def basic(password):
    return {"Authorization": "Basic " + base64.b64encode(f"anybody:{password}".encode()).decode()}


def test_token(env):
    """By header, bearer and as a password; nothing else, and it is in no log, argument or socket name."""
    child, port = web.start(env, env.program("serves.c"), listen_token="s3cret-T0ken")
    answer = web.ask(port, "heap")
    assert answer.status == 401 and answer.headers["www-authenticate"].startswith("Basic "), answer.headers
    assert "CPROF_LISTEN_TOKEN" in answer.text and answer.headers["x-go-pprof"] == "1"
    for wrong in ("", "s3cret-T0ke", "s3cret-T0ken ", "s3cret-T0kenx", "S3cret-T0ken", "x" * 3000):
        wrong_headers = [{"X-Pprof-Token": wrong + "!" if wrong.endswith(" ") else wrong}, {"Authorization": "Bearer " + wrong + "!"}, basic(wrong)]
        for headers in wrong_headers:
            assert web.ask(port, "heap", headers=headers).status == 401, headers
    for bad in ("Bearer", "Basic", "Basic !!!", "Basic " + "A" * 5000, "Digest x", "Basic " + base64.b64encode(b"s3cret-T0ken").decode()):
        assert web.ask(port, "heap", headers={"Authorization": bad}).status == 401, bad
    for headers in ({"X-Pprof-Token": "s3cret-T0ken"}, {"Authorization": "Bearer s3cret-T0ken"}, {"authorization": "bearer s3cret-T0ken"},
                    basic("s3cret-T0ken")):
        assert web.ask(port, "heap", headers=headers).profile().types, headers
    assert web.ask(port, "/nothing").status == 401  # what there is, is told to nobody
    done = subprocess.run([need("go:golang-go"), "tool", "pprof", "-top", f"http://x:s3cret-T0ken@127.0.0.1:{port}/debug/pprof/allocs"],
                          env={**os.environ, "PPROF_TMPDIR": env.dir}, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "keep" in done.stdout, done.stderr
    (pid,) = env.uploaders()
    with open(f"/proc/{pid}/cmdline", encoding="utf-8") as line, open("/proc/net/unix", encoding="utf-8") as sockets:
        assert "s3cret" not in line.read() + sockets.read() + env.log()
    child.kill()


def test_allowed_addresses(env):
    _, port = web.start(env, env.program("serves.c"), listen_allow="192.0.2.0/24, 2001:db8::/32", listen_token="t",
                        listen_proxies="10.0.0.0/8")
    answer = web.ask(port, "heap", headers={"X-Pprof-Token": "t"})
    assert answer.status == 403 and "CPROF_LISTEN_ALLOW" in answer.text, answer.text
    assert web.ask(port, "heap", headers={"X-Pprof-Token": "t", "X-Forwarded-For": "192.0.2.1"}).status == 403


def test_named_proxies(env):
    """X-Forwarded-For counts from a proxy that is named: the last address of it that is no proxy."""
    _, port = web.start(env, env.program("serves.c"), listen_allow="192.0.2.0/24,2001:db8::/32", listen_proxies="127.0.0.1, 10.0.0.0/8")
    for forwarded, status in {"192.0.2.1": 200, "192.0.2.1, 10.1.1.1": 200, "192.0.2.1:4711": 200, "[2001:db8::1]:80": 200,
                              "2001:db8::1": 200, "192.0.2.1, 203.0.113.5": 403, "203.0.113.5": 403, "unknown": 403, "": 403,
                              "10.1.1.1": 403, "192.0.2.1,": 403, "," * 100: 403, "192.0.2.1, 10.1.1.1, x": 403, "1" * 2000: 403}.items():
        answer = web.ask(port, "heap", headers={"X-Forwarded-For": forwarded})
        assert answer.status == status, f"{forwarded[:50]!r}: {answer.status} {answer.text[:100]}"
    assert web.ask(port, "heap").status == 403  # the proxy itself is not allowed


def test_pages_of_other_sites(env):
    """A browser on this machine can reach the port: without a token, only by names that are this machine's own."""
    _, port = web.start(env, env.program("serves.c"))
    for host, status in {"127.0.0.1": 200, f"localhost:{port}": 200, "[::1]:80": 200, "app.localhost": 200, "192.0.2.1": 200,
                         "evil.example": 403, "localhost.evil.example": 403, "127.0.0.1.evil.example": 403, "evil-localhost": 403}.items():
        answer = web.ask(port, "heap", headers={"Host": host})
        assert answer.status == status, f"{host}: {answer.status}"
    for origin, status in {"http://localhost:8080": 200, "http://127.0.0.1": 200, "https://evil.example": 403, "null": 403}.items():
        assert web.ask(port, "heap", headers={"Origin": origin}).status == status, origin
    assert not any(name.startswith("access-control") for name in web.ask(port, "heap", headers={"Origin": "http://localhost"}).headers)


def test_unix_socket(env):
    """Mode 0600; a path that is left over is replaced; another one's is not; it is removed at the end."""
    path = env.dir + "/web.sock"
    left = socket.socket(socket.AF_UNIX)
    left.bind(path)
    left.close()
    child = env.start(env.program("serves.c"), listen="unix:" + path)
    wait_for(lambda: "profiles are served" in env.log(), 10, "a server")
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert web.ask(path, "allocs").profile().types
    assert web.ask(path, "allocs", headers={"Host": "anything.example"}).status == 200
    child.kill()
    env.uploaders_gone()
    assert not os.path.exists(path)


def test_successor_at_a_relative_path(env):
    """The uploader leaves its working directory; the next one finds the socket's place all the same."""
    env.start(env.program("serves.c"), listen="unix:web.sock")
    wait_for(lambda: os.path.exists(env.dir + "/web.sock"), 10, "a socket")
    (pid,) = wait_for(env.uploaders, 10, "an uploader")
    os.kill(pid, 9)
    wait_for(lambda: env.uploaders() not in ([], [pid]), 15, "a successor")
    wait_for(lambda: env.log().count("profiles are served") == 2, 10, "its socket")
    assert web.ask(env.dir + "/web.sock", "heap").status == 200


def test_starts_that_are_refused(env):
    """One line says what is wrong; the program is profiled all the same."""
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    taken.listen()
    port, busy = free_port(), taken.getsockname()[1]
    path = env.dir + "/file"
    with open(path, "w", encoding="utf-8") as file:
        file.write("no certificate")
    cases = {
        "everywhere": ({"listen": f"0.0.0.0:{port}"}, "CPROF_LISTEN_TOKEN"),
        "all": ({"listen": f":{port}"}, "CPROF_LISTEN_TOKEN"),
        "six": ({"listen": f"[::]:{port}"}, "CPROF_LISTEN_TOKEN"),
        "busy": ({"listen": f"127.0.0.1:{busy}"}, "another program has this port"),
        "text": ({"listen": "here"}, "is no address such as 127.0.0.1:6060"),
        "name": ({"listen": "www.example.org:80"}, "is no address"),
        "port": ({"listen": "127.0.0.1:66000"}, "is no address"),
        "long": ({"listen": "unix:/" + "x" * 200}, "107 bytes at most"),
        "directory": ({"listen": "unix:/nowhere/x"}, "No such file"),
        "other": ({"listen": "unix:" + path}, "something else is at this path"),
        "allow": ({"listen": f"127.0.0.1:{port}", "listen_allow": "10.0.0.0/8,10.0.0.0/33"}, "10.0.0.0/33 is no address or network"),
        "half": ({"listen": f"127.0.0.1:{port}", "listen_cert": path}, "CPROF_LISTEN_KEY is not"),
        "cert": ({"listen": f"127.0.0.1:{port}", "listen_cert": path, "listen_key": path}, "as PEM"),
        "none": ({"listen": f"127.0.0.1:{port}", "listen_cert": "/nowhere", "listen_key": path}, "/nowhere: No such file"),
    }
    program = env.program("serves.c")
    for name, (settings, text) in cases.items():
        out = f"{env.dir}/{name}"
        done = env.run(program, "1", env=env.environ(out=out, log=None, linger="200ms", **settings)).ok()
        said = [line for line in done.stderr.splitlines() if line.startswith("cprof:")]
        assert len(said) == 1 and text in said[0] and "CPROF_" in said[0], f"{name}: {done.stderr}"
        wait_for(lambda: os.path.exists(out + "/serves/memory.pb.gz"), 10, name)  # noqa: B023
        assert not listening(port), name
    taken.close()


def test_everywhere_with_a_token(env):
    """Both kinds of addresses at ":PORT"; with port 0 the log names the one that was chosen."""
    port = free_port()
    child, _ = web.start(env, env.program("serves.c"), port=port, listen=f":{port}", listen_token="t")
    assert web.ask(port, "heap").status == 401
    assert web.ask(port, "heap", headers={"X-Pprof-Token": "t", "Host": "any.example"}).status == 200
    child.kill()


def test_port_that_was_chosen(env):
    env.start(env.program("serves.c"), listen="127.0.0.1:0", log=None)
    line = wait_for(lambda: re.search(r"a free port was chosen: http://127\.0\.0\.1:(\d+)/", env.log()), 10, "the line")
    assert web.ask(int(line.group(1)), "heap").status == 200


def test_tls(env):
    """HTTPS with a certificate of ours, also everywhere without a token."""
    make_authority(env)
    port = free_port()
    child, _ = web.start(env, env.program("serves.c"), listen_cert=env.dir + "/server.pem", listen_key=env.dir + "/server.key",
                         listen=f"0.0.0.0:{port}", port=port)
    context = ssl.create_default_context(cafile=env.dir + "/ca.pem")
    with urllib.request.urlopen(f"https://localhost:{port}/debug/pprof/allocs", context=context, timeout=10) as answer:
        assert answer.status == 200 and answer.read()[:2] == b"\x1f\x8b"
    with urllib.request.urlopen(f"https://localhost:{port}/debug/pprof/profile?seconds=1", context=context, timeout=10) as answer:
        assert answer.status == 200 and answer.read()[:2] == b"\x1f\x8b"
    assert web.raw(port, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")[:4] != b"HTTP"
    done = subprocess.run([need("go:golang-go"), "tool", "pprof", "-top", f"https+insecure://127.0.0.1:{port}/debug/pprof/allocs"],
                          env={**os.environ, "PPROF_TMPDIR": env.dir}, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "keep" in done.stdout, done.stderr
    child.kill()


def test_rate(env):
    """Beyond it 429 with Retry-After, for one client's requests; what costs nothing is not counted."""
    _, port = web.start(env, env.program("serves.c"), listen_rate=20)
    for _ in range(100):
        assert web.ask(port, "nothing/x").status in (404, 429)
        assert web.ask(port, "/nothing").status == 404
    time.sleep(1.1)
    answers = [web.ask(port, "cmdline") for _ in range(60)]
    counts = {status: sum(a.status == status for a in answers) for status in (200, 429)}
    assert counts[200] + counts[429] == 60 and counts[200] >= 15 and counts[429] >= 15, counts
    late = next(a for a in answers if a.status == 429)
    assert 1 <= int(late.headers["retry-after"]) <= 10 and "CPROF_LISTEN_RATE" in late.text, late.headers
    time.sleep(int(late.headers["retry-after"]))
    assert web.ask(port, "cmdline").status == 200


def test_successor_listens(env):
    """An uploader that is killed: its successor listens at the same port, and sums go on."""
    _, port = web.start(env, env.program("serves.c"), interval="1s")
    time.sleep(2.5)
    before = sum(s.values[1] for s in web.ask(port, "allocs").profile().samples)
    (pid,) = env.uploaders()
    os.kill(pid, 9)
    wait_for(lambda: env.uploaders() not in ([], [pid]) and listening(port), 15, "a successor")
    wait_for(lambda: sum(s.values[1] for s in web.ask(port, "allocs").profile().samples) >= before, 10, "all that was there before")
