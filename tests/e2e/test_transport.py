# SPDX-License-Identifier: Apache-2.0
"""How pushes reach a server: proxies, IPv6, HTTP/2, and servers that answer badly. Sums are those of the files."""
import contextlib
import os
import socket
import socketserver
import struct
import subprocess
import threading
import time

from tests.e2e.test_certificates import make_authority, server
from tests.lib.harness import Skip, free_port, limit, listening, need, wait_for
from tests.lib.receiver import receiving


def run(env, url, seconds="1", patience=45, **variables):
    """A short program whose profiles are pushed there; every CPU sample of the files arrived."""
    environ = {**env.environ(server=url, name="shop", profiles="cpu", interval="300ms"), **variables}
    env.run(env.program("shares.c"), seconds, env=environ).ok()
    env.uploaders_gone(patience)
    return env.profile("shares", "cpu", 0.1).total("cpu")


class Proxy(socketserver.StreamRequestHandler):
    """CONNECT, and absolute URLs, to whom they name; keeps the first lines that it reads, and what they were sent with."""

    def handle(self):
        first = self.rfile.readline().decode()
        headers = {}
        while (line := self.rfile.readline().decode().strip()):
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        self.server.seen.append((first.strip(), headers))
        if first.startswith("CONNECT"):
            host, port = first.split()[1].rsplit(":", 1)
            with socket.create_connection((host, int(port)), 10) as upstream:
                self.wfile.write(b"HTTP/1.1 200 Connected\r\n\r\n")
                threading.Thread(target=self.pump, args=(upstream, self.connection), daemon=True).start()
                self.pump(self.connection, upstream)
            return
        method, url, version = first.split()
        host, _, path = url.removeprefix("http://").partition("/")
        name, port = host.rsplit(":", 1)
        with socket.create_connection((name, int(port)), 10) as upstream:
            head = "".join(f"{k}: {v}\r\n" for k, v in headers.items() if not k.startswith(("proxy", "connection")))
            upstream.sendall(f"{method} /{path} {version}\r\n{head}Connection: close\r\n\r\n".encode())
            upstream.sendall(self.rfile.read(int(headers.get("content-length", 0))))
            while (data := upstream.recv(65536)):
                self.wfile.write(data)

    @staticmethod
    def pump(source, sink):
        with contextlib.suppress(OSError):
            while (data := source.recv(65536)):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def proxy():
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Proxy)
    server.daemon_threads, server.seen = True, []
    server.handle_error = lambda *args: None
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


@limit(120)
def test_proxies_of_the_environment(env):
    with proxy() as through, receiving() as target:
        url, by = f"http://127.0.0.1:{target.server_port}", f"http://me:sesame@127.0.0.1:{through.server_address[1]}"
        total = run(env, url, http_proxy=by)
        assert target.sums()["shop"]["cpu"] == total, env.log()
        assert len(through.seen) >= len(target.pushes) and through.seen[0][0].startswith("POST http://127.0.0.1:"), through.seen
        assert through.seen[0][1]["proxy-authorization"] == "Basic bWU6c2VzYW1l", through.seen
        assert "sesame" not in env.log()
        count = len(through.seen)
        run(env, url, http_proxy=by, no_proxy="127.0.0.1")
        run(env, url, all_proxy=by, NO_PROXY="localhost,127.0.0.1")
        assert len(through.seen) == count, through.seen[count:]
        for variables in ({"ALL_PROXY": by}, {"HTTP_PROXY": by}, {"CPROF_PROXY": by, "http_proxy": "http://127.0.0.1:1"}):
            count = len(through.seen)
            run(env, url, **variables)
            assert len(through.seen) > count, (variables, env.log())


@limit(120)
def test_https_through_a_proxy(env):
    """The proxy sees the name of the server alone; the certificate is the server's."""
    make_authority(env)
    with proxy() as through, server(env) as (port, requests):
        run(env, f"https://localhost:{port}", HTTPS_PROXY=f"http://127.0.0.1:{through.server_address[1]}", CPROF_CA_FILE=env.dir + "/ca.pem",
            CPROF_AUTH_TOKEN="sesame")
        assert requests and {first for first, _ in through.seen} == {f"CONNECT localhost:{port} HTTP/1.1"}, through.seen
        assert not [headers for _, headers in through.seen if "authorization" in headers], through.seen


@limit(120)
def test_ipv6(env):
    try:
        socket.socket(socket.AF_INET6).bind(("::1", 0))
    except OSError as error:
        raise Skip("no IPv6 here") from error
    with receiving(host="::1") as there:
        assert run(env, f"http://[::1]:{there.server_port}") == there.sums()["shop"]["cpu"], env.log()


@limit(120)
def test_http_2_where_the_server_has_it(env):
    nginx = need("nginx")
    make_authority(env)
    port = free_port()
    with receiving() as behind, open(env.dir + "/nginx.conf", "w", encoding="utf-8") as file:
        file.write(f"""daemon off; pid {env.dir}/nginx.pid; error_log {env.dir}/error.log;
events {{}}
http {{ log_format version '$server_protocol $ssl_alpn_protocol $status'; access_log {env.dir}/access.log version;
  client_body_temp_path {env.dir}; proxy_temp_path {env.dir}; fastcgi_temp_path {env.dir}; uwsgi_temp_path {env.dir}; scgi_temp_path {env.dir};
  server {{ listen 127.0.0.1:{port} ssl http2; ssl_certificate {env.dir}/server.pem; ssl_certificate_key {env.dir}/server.key;
    location / {{ proxy_pass http://127.0.0.1:{behind.server_port}; }} }} }}
""")
        file.flush()
        child = subprocess.Popen([nginx, "-c", env.dir + "/nginx.conf", "-p", env.dir], stderr=subprocess.DEVNULL)
        try:
            wait_for(lambda: listening(port), 10, "nginx")
            total = run(env, f"https://localhost:{port}", CPROF_CA_FILE=env.dir + "/ca.pem")
            assert behind.sums()["shop"]["cpu"] == total, env.log()
        finally:
            child.terminate()
            child.wait(10)
    with open(env.dir + "/access.log", encoding="utf-8") as file:
        lines = file.read().split("\n")
    assert "HTTP/2.0 h2 200" in lines, lines


def hang_up(connection):
    connection.close()


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def half(connection):
    connection.sendall(b"HTTP/1.1 20")


def rubbish(connection):
    connection.sendall(bytes(range(256)) * 10)


def only_promises(connection):
    connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" * 50)


def huge_header(connection):
    connection.sendall(b"HTTP/1.1 503 X\r\n" + b"".join(b"X-%d: %s\r\n" % (i, b"y" * 1000) for i in range(500)))


def text(status, **headers):
    return (status, {name.replace("_", "-"): value for name, value in headers.items()}, b"")


def in_a_circle(connection):
    connection.sendall(b"HTTP/1.1 307 X\r\nLocation: /push.v1.PusherService/Push\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


@limit(180)
def test_answers_of_all_kinds(env):
    """Each costs an attempt at most, but for one that leads in a circle: that is said, and the rest arrives."""
    bad = [hang_up, reset, half, rubbish, only_promises, huge_header, (503, {"Retry-After": "1"}, b"busy"), (429, {}, b"slow down"),
           (502, {"Content-Encoding": "gzip"}, b"not gzip"), (500, {"Content-Type": "application/json"}, b'{"code":"internal"}')]
    with receiving(answer=lambda number, push: bad[number] if number < len(bad) else None) as there:
        url = f"http://127.0.0.1:{there.server_port}"
        total = run(env, url, "2", CPROF_SPOOL=env.dir + "/spool")
        # An uploader that ends leaves what it could not send in so short a time.
        while any(name.endswith(".request") for name in os.listdir(env.dir + "/spool")):
            env.run(env.program("shares.c"), "0.05", env={**env.environ(server=url, out="None", name="next"), "CPROF_SPOOL": env.dir + "/spool"}).ok()
            env.uploaders_gone(45)
        assert there.sums()["shop"]["cpu"] == total, (there.sums(), total, env.log())
    with receiving(answer=lambda number, push: in_a_circle) as there:
        run(env, f"http://127.0.0.1:{there.server_port}", "0.3")
        assert "leads elsewhere (307), to http://127.0.0.1:" in env.log(), env.log()


@limit(180)
def test_another_server_for_a_while(env):
    """Maintenance: proxies that deny, pages elsewhere, hosts without the service. Nothing is lost, and no login goes elsewhere."""
    with receiving() as elsewhere:
        page = f"http://localhost:{elsewhere.server_port}/maintenance"
        bad = [text(404), text(302, Location=page), text(308, Location=page), text(407, Proxy_Authenticate="Basic realm=x"), text(405), text(425)]
        with receiving(answer=lambda number, push: bad[number] if number < len(bad) else None) as there:
            url, spool = f"http://127.0.0.1:{there.server_port}", {"CPROF_SPOOL": env.dir + "/spool", "CPROF_AUTH_TOKEN": "sesame"}
            total = run(env, url, "2", **spool)
            while any(name.endswith(".request") for name in os.listdir(env.dir + "/spool")):
                env.run(env.program("shares.c"), "0.05", env={**env.environ(server=url, out="None", name="next"), **spool}).ok()
                env.uploaders_gone(45)
            assert there.sums()["shop"]["cpu"] == total, (there.sums(), total, env.log())
        assert not elsewhere.seen and "leads elsewhere (302), to " + page in env.log(), env.log()
        assert env.log().count("it answers 404; correct the server's URL") == 1, env.log()


@limit(180)
def test_server_that_thinks_for_long(env):
    """It answers after 40 s: no request comes twice, and the uploader waits at its end, without a spool."""
    with receiving(answer=lambda number, push: time.sleep(40)) as there:
        total = run(env, f"http://127.0.0.1:{there.server_port}", "0.3", CPROF_INTERVAL="15s", patience=100)
        assert there.sums()["shop"]["cpu"] == total and there.seen == len(there.pushes), (there.seen, there.sums(), env.log())
