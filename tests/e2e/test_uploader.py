# SPDX-License-Identifier: Apache-2.0
"""The uploader when things go wrong around it: killed, told to end, no server, a bad one, no space on the disk."""
import contextlib
import http.server
import os
import re
import signal
import subprocess
import threading
import time

from tests.lib import pprof, report
from tests.lib.harness import free_port, limit, near, need, need_root, wait_for, waits


@contextlib.contextmanager
def server(answer, delay=0):
    """An HTTP server that answers every request with a status; yields (url, requests)."""
    requests = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            requests.append((self.path, dict(self.headers), body))
            time.sleep(delay)
            with contextlib.suppress(OSError):
                self.send_response(answer(len(requests)))
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

        def log_message(self, *args):
            pass

    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{httpd.server_port}", requests
    finally:
        httpd.shutdown()
        httpd.server_close()


def pushed(env, url, seconds="1", interval="500ms", **settings):
    """Runs a program that burns CPU time, and returns the profile of it in the files."""
    child = env.start(env.program("shares.c"), seconds, server=url, interval=interval, stdout=subprocess.PIPE,
                      stderr=subprocess.PIPE, **settings)
    child.stdout.readline()  # its work is done
    ended = time.monotonic()
    _, stderr = child.communicate(timeout=60)
    assert child.returncode == 0 and not stderr, stderr
    assert time.monotonic() - ended < 3, "the target waited for the server"
    env.uploaders_gone(60)
    profile = env.profile("shares", "cpu", 0.1)
    assert profile.total("cpu") > 0.9e9 * float(seconds), "the files miss something"
    return profile


def raw_profiles(requests):
    """Of PushRequest, its series (1), their samples (2), and these's raw profile (1)."""
    for _, _, body in requests:
        for series in pprof.message(body)[1]:
            for sample in pprof.message(series)[2]:
                yield pprof.message(sample)[1][0]


def test_push_has_labels_and_format(env):
    with server(lambda n: 200) as (url, requests):
        pushed(env, url, name="shop", labels="region=eu,tier=db", auth_token="sesame", tenant_id="t1")
    assert requests and {path for path, _, _ in requests} == {"/push.v1.PusherService/Push"}, requests
    for _, headers, body in requests:
        assert headers.get("Content-Type") == "application/proto", headers
        assert headers.get("Authorization") == "Bearer sesame" and headers.get("X-Scope-OrgID") == "t1", headers
        for text in (b"__name__", b"service_name", b"shop", b"__delta__", b"region", b"eu", b"tier"):
            assert text in body, text
    assert any(b"process_cpu" in body for _, _, body in requests), "no CPU profile pushed"


def test_server_errors_are_retried(env):
    """What was refused three times comes again: the server has in the end what the files have."""
    with server(lambda n: 503 if n <= 3 else 200) as (url, requests):
        profile = pushed(env, url, "2", profiles="cpu")
    accepted = [pprof.Profile(raw).total("cpu") for raw in raw_profiles(requests[3:])]
    assert sum(accepted) == profile.total("cpu"), (accepted, profile.total("cpu"))


def test_refusal_is_final_and_said(env):
    """No profile is sent twice."""
    with server(lambda n: 401) as (url, requests):
        pushed(env, url, "2", profiles="cpu")
    sent = list(raw_profiles(requests))
    assert len(sent) >= 2 and len(set(sent)) == len(sent), f"{len(set(sent))} profiles in {len(sent)} requests"
    assert "401" in env.log(), env.log()


def test_another_server_is_named(env):
    with server(lambda n: 404) as (url, requests):
        pushed(env, url, profiles="cpu")
    assert {path for path, _, _ in requests} == {"/push.v1.PusherService/Push"}, requests
    assert "no Pyroscope server (1.0 or later)" in env.log(), env.log()


def test_no_server(env):
    pushed(env, f"http://127.0.0.1:{free_port()}")
    assert env.log(), "not a line in the log"


@waits
def test_slow_server(env):
    """The uploader waits for it, the program does not."""
    with server(lambda n: 200, delay=5) as (url, requests):
        pushed(env, url, profiles="cpu,wall", interval="1h")  # two requests, however long its second of CPU time takes
        assert len(requests) > 1 and not re.search("warning|could not be sent|lost", env.log()), env.log()


def test_secret_is_not_in_the_log(env):
    with server(lambda n: 403) as (url, _):
        pushed(env, url.replace("//", "//user:sesame@"), profiles="cpu")
    assert "sesame" not in env.log(), env.log()


def test_full_disk(env):
    need_root()
    os.mkdir(env.out)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "none", env.out], check=True)
    try:
        done = env.run(env.program("shares.c"), "1", "2", cpu_hz=1000, interval="200ms").ok()
        assert done.stderr == (f"cprof: profiles cannot be written to {env.out}: No space left on device; "
                               "tried again at each interval\n"), done.stderr
        env.uploaders_gone()
        for directory, _, files in os.walk(env.out):
            for name in files:
                path = os.path.join(directory, name)
                if name.endswith(".gz"):
                    subprocess.run(["gzip", "-t", path], check=True)
                assert "tmp" not in name, f"half-written {path}"
        assert "No space left" in env.log(), env.log()
    finally:
        subprocess.run(["umount", "-l", env.out], check=True)


def test_out_that_cannot_be_made(env):
    done = env.run(env.program("shares.c"), "0.3", env={**env.environ(), "CPROF_OUT": "/proc/nowhere"}).ok()
    assert done.stderr == ("cprof: profiles cannot be written to /proc/nowhere: No such file or directory; "
                           "set CPROF_OUT to a directory that can be written\n"), done.stderr
    env.uploaders_gone()


def test_out_that_is_no_directory_is_one_line(env):
    program = env.program("shares.c")
    out = os.path.join(program, "out")
    done = env.run("/bin/sh", "-c", f"{program} 0.1; {program} 0.1", env={**env.environ(), "CPROF_OUT": out}).ok()
    assert done.stderr == (f"cprof: profiles cannot be written to {out}: Not a directory; "
                           "set CPROF_OUT to a directory that can be written\n"), done.stderr
    env.uploaders_gone()


def test_out_that_others_own_is_said(env):
    need_root()
    env.for_other_users()
    program = env.program("shares.c")
    out = os.path.join(env.dir, "theirs")
    os.makedirs(out, 0o755)
    without = {k: v for k, v in env.environ().items() if k not in ("LD_PRELOAD", "CPROF_LOG")}
    done = env.run(need("setpriv:util-linux"), "--reuid", "65534", "--clear-groups", "/usr/bin/env", f"LD_PRELOAD={env.library}",
                   program, "0.3", env={**without, "CPROF_OUT": out}).ok()
    assert done.stderr == f"cprof: profiles cannot be written to {out}: Permission denied; tried again at each interval\n", done.stderr
    assert not os.listdir(out)
    env.uploaders_gone()


@limit(150)
def test_killed_uploader_comes_back(env):
    child = env.start(env.program("shares.c"), "8", "1", cpu_hz=1000, interval="1s", stdout=subprocess.PIPE)
    first = wait_for(env.uploaders, 5, "an uploader")[0]
    time.sleep(2)
    os.kill(first, signal.SIGKILL)
    second = wait_for(lambda: [pid for pid in env.uploaders() if pid != first], 20, "another uploader")[0]
    assert second != first
    stdout, _ = child.communicate(timeout=100)
    assert child.returncode == 0
    env.uploaders_gone()
    total = sum(int(ns) for ns in re.findall(r"work_\d+ (\d+)", stdout))
    cpu = env.profile("shares", "cpu", 0.1).total("cpu")
    near(cpu, total, 0.03 * total, "CPU nanoseconds in the files of both uploaders")


@waits
@limit(150)
def test_times_of_two_uploaders_add_up(env):
    """Half burning, half asleep, and no uploader for some of the time."""
    child = env.start(env.program("lives.c"), "15", interval="2s", stdout=subprocess.PIPE)
    first = wait_for(env.uploaders, 5, "an uploader")[0]
    time.sleep(3)
    os.kill(first, signal.SIGKILL)
    lived = {name: int(ns) for name, ns in re.findall(r"^(\w+) (\d+)$", child.communicate(timeout=60)[0], re.M)}
    env.uploaders_gone()
    wall, off, cpu = (env.profile("lives", kind, 0.1) for kind in ("wall", "off_cpu", "cpu"))
    by_thread, running = wall.by_label("wall", "thread"), wall.under("wall", "[running]")
    for name, ns in lived.items():
        near(by_thread[name], ns, 0.05 * ns, f"wall time of {name}")
    near(off.total("off_cpu") + cpu.total("cpu") + running, wall.total("wall"), 0.02 * wall.total("wall"), "the parts")
    assert running < 0.03 * wall.total("wall"), wall.stacks()


def cpu_ns(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        user, system = file.read().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) * 10**9 // os.sysconf("SC_CLK_TCK")


def test_sigterm_is_a_last_push(env):
    child = env.start(env.program("shares.c"), "30", cpu_hz=1000)
    uploader = wait_for(env.uploaders, 5, "an uploader")[0]
    wait_for(lambda: cpu_ns(child.pid) > 1e9, 20, "a second of CPU time")
    used = cpu_ns(child.pid)
    os.kill(uploader, signal.SIGTERM)
    wait_for(lambda: uploader not in env.uploaders(), 8, "the end of the uploader after SIGTERM")
    total = env.profile("shares", "cpu", 0.1).total("cpu")
    assert total > 0.95 * used, (total, used)
    assert child.poll() is None, "the target ended with the uploader"
    child.kill()


def test_comments_say_what_it_was_made_with(env):
    env.run(env.program("shares.c"), "1").ok()
    comments = "\n".join(env.final("shares", "cpu").comments)
    for word in ("cprof 0.1.0", "100", "samples"):
        assert word in comments, comments


def test_intervals_add_up_to_the_whole(env):
    env.run(env.program("shares.c"), "3", interval="500ms").ok()
    whole = env.final("shares", "cpu")
    directory = os.path.join(env.out, "shares", "intervals")
    parts = [os.path.join(directory, name) for name in os.listdir(directory) if name.endswith("-cpu.pb.gz")]
    assert len(parts) >= 4, parts
    assert sum(pprof.load(path).total("cpu") for path in parts) == whole.total("cpu")


def test_report_stands_alone(env):
    env.run(env.program("shares.c"), "0.5").ok()
    env.uploaders_gone()
    with open(os.path.join(env.out, "report.html"), encoding="utf-8") as file:
        text = file.read()
    assert "work_70" in report.functions(text, "cpu")
    parts = {file["part"] for file, _ in report.profiles(text)}
    assert parts == {"whole", "interval"}, parts
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", text), "the report loads something"


@waits
def test_memory_of_the_uploader_with_two_targets(env):
    for program in ("shares.c", "allocs.c"):
        env.program(program)
    children = [env.start(os.path.join(env.dir, "shares"), "8", "2"),
                env.start(os.path.join(env.dir, "allocs"), "200", "pause")]
    time.sleep(6)
    uploader = env.uploaders()[0]
    with open(f"/proc/{uploader}/status", encoding="utf-8") as file:
        kib = int(re.search(r"VmHWM:\s+(\d+)", file.read())[1])
    for child in children:
        child.kill()
    assert kib < 25 * 1024, f"{kib} KiB at its highest"
