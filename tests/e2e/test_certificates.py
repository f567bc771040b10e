# SPDX-License-Identifier: Apache-2.0
"""Pushes over HTTPS: whose certificates are trusted, by which setting or place, and a certificate of the uploader's own."""
import contextlib
import http.server
import os
import shutil
import ssl
import subprocess
import threading

from tests.e2e.test_bundle import bundle, in_root, libraries
from tests.lib.harness import need, need_root, wait_for


def make_authority(env):
    """ca.pem signs server.pem and client.pem, which have their keys in server.key and client.key; certs/ has ca.pem by its hash."""
    openssl = need("openssl")
    with open(env.dir + "/san", "w", encoding="utf-8") as file:
        file.write("subjectAltName=DNS:localhost,DNS:profiles.test")
    new = f"{openssl} req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3"
    for command in (f"{new} -x509 -subj /CN=authority -keyout ca.key -out ca.pem",
                    *(f"{new} -subj /CN={name} -keyout {name}.key -out {name}.csr" for name in ("server", "client")),
                    *(f"{openssl} x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -extfile san -out {name}.pem"
                      for name in ("server", "client")),
                    f"mkdir certs && cp ca.pem certs && {openssl} rehash certs", "cat client.pem client.key >both.pem"):
        subprocess.run(command, shell=True, cwd=env.dir, check=True, capture_output=True)


@contextlib.contextmanager
def server(env, asks=False):
    """An HTTPS server that takes every push; it may ask for a certificate. Yields (port, paths of the requests)."""
    requests = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            requests.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *args):
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(env.dir + "/server.pem", env.dir + "/server.key")
    if asks:
        context.load_verify_locations(env.dir + "/ca.pem")
        context.verify_mode = ssl.CERT_REQUIRED
    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.handle_error = lambda *args: None
    httpd.socket = context.wrap_socket(httpd.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    try:
        yield httpd.server_port, requests
    finally:
        httpd.shutdown()
        httpd.server_close()


def pushes(env, port, requests, **variables):
    """Whether something arrives of a short program that is run with these variables; paths are relative."""
    before = len(requests)
    with contextlib.suppress(FileNotFoundError):
        os.remove(env.dir + "/log")
    environ = {**env.environ(server=f"https://localhost:{port}", out="None"), **variables}
    for name in ("CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        if name not in variables:
            environ.pop(name, None)
    done = env.run(env.program("shares.c"), "0.2", env=environ).ok()
    missing = variables.get("CPROF_CA_FILE") == "none.pem"
    assert done.stderr == missing * "cprof: CPROF_CA_FILE: none.pem: No such file or directory\n", done.stderr
    env.uploaders_gone(25)
    return len(requests) > before


def test_whom_the_uploader_trusts(env):
    make_authority(env)
    with server(env) as (port, requests):
        for variables in ({"CPROF_CA_FILE": "ca.pem"}, {"CURL_CA_BUNDLE": "ca.pem"}, {"SSL_CERT_FILE": "ca.pem"}, {"SSL_CERT_DIR": "certs"},
                          {"CPROF_CA_FILE": "ca.pem", "CURL_CA_BUNDLE": "client.pem", "SSL_CERT_FILE": "client.pem"}):
            assert pushes(env, port, requests, **variables), (variables, env.log())
        for variables, words in (({}, "certificate"), ({"CPROF_CA_FILE": "client.pem"}, "certificate"),
                                 ({"CPROF_CA_FILE": "none.pem", "SSL_CERT_FILE": "ca.pem"}, "CPROF_CA_FILE: none.pem: No such file")):
            assert not pushes(env, port, requests, **variables), variables
            assert words in env.log(), env.log()


def test_certificate_of_its_own(env):
    make_authority(env)
    with server(env, asks=True) as (port, requests):
        for variables in ({"CPROF_CLIENT_CERT": "client.pem", "CPROF_CLIENT_KEY": "client.key"}, {"CPROF_CLIENT_CERT": "both.pem"}):
            assert pushes(env, port, requests, CPROF_CA_FILE="ca.pem", **variables), (variables, env.log())
        assert not pushes(env, port, requests, CPROF_CA_FILE="ca.pem")
        assert not pushes(env, port, requests, CPROF_CA_FILE="ca.pem", CPROF_CLIENT_KEY="client.key")
        assert "no use without CPROF_CLIENT_CERT" in env.log(), env.log()


def test_places_of_other_distributions(env):
    """The bundle in a root that has certificates at one place, and names in /etc/hosts; nothing else of /etc."""
    need_root()
    make_authority(env)
    root, program = env.dir + "/root", env.program("shares.c")
    for path, to in ((program, "/shares"), *((p, p) for p in libraries(program))):
        os.makedirs(os.path.dirname(root + to), exist_ok=True)
        shutil.copy(path, root + to)
    bundle(env, "root/cprof")
    with server(env) as (port, requests):
        for place in ("etc/ssl/certs/ca-certificates.crt", "etc/pki/tls/certs/ca-bundle.crt", "etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
                      "etc/ssl/ca-bundle.pem", "etc/ssl/cert.pem", "etc/ssl/certs", ""):
            shutil.rmtree(root + "/etc", ignore_errors=True)
            os.makedirs(os.path.dirname(os.path.join(root, place or "etc/hosts")))
            if place:
                (shutil.copytree if place.endswith("certs") else shutil.copy)(env.dir + ("/certs" if place.endswith("certs") else "/ca.pem"),
                                                                              os.path.join(root, place))
            with open(root + "/etc/hosts", "w", encoding="utf-8") as file:
                file.write("127.0.0.1 profiles.test\n")
            before = len(requests)
            in_root(env, root, "/shares", "0.2", LD_PRELOAD="/cprof/libcprof.so", CPROF_LOG=f"/log-{os.path.basename(place)}",
                    CPROF_LINGER="200ms", CPROF_SERVER=f"https://profiles.test:{port}").ok()
            log = f"{root}/log-{os.path.basename(place)}"
            if place:
                wait_for(lambda: len(requests) > before, 10, f"a push with {place}: {open(log, encoding='utf-8').read()}")
            else:
                wait_for(lambda: "no certificates of authorities are here" in open(log, encoding="utf-8").read(), 5, "a word on it")
