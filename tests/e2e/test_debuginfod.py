# SPDX-License-Identifier: Apache-2.0
"""Debug files from servers: names come in the background, and no server can do harm."""
import contextlib
import http.server
import os
import shutil
import subprocess
import threading
import time

from tests.lib.harness import Skip, need

CLIENT = "libdebuginfod.so.1"


@contextlib.contextmanager
def serving(answer):
    """A server on loopback, whose requests are handed to answer(request handler); yields its URL and what was asked."""
    asked = []
    done = threading.Event()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):  # noqa: N802
            asked.append(self.path)
            with contextlib.suppress(OSError):
                answer(self, done)

        def log_message(self, *args):
            pass

    class Server(http.server.ThreadingHTTPServer):
        daemon_threads = True

    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/", asked
    finally:
        done.set()
        server.shutdown()
        server.server_close()


def send(handler, data, announce=True):
    handler.send_response(200)
    if announce:
        handler.send_header("Content-Length", str(len(data)))
    handler.end_headers()
    handler.wfile.write(data)


def stripped(env):
    """A program without symbols; returns its path, its debug file and its build id."""
    if subprocess.run(["sh", "-c", f"ldconfig -p | grep -q {CLIENT}"], check=False).returncode:
        raise Skip(f"no {CLIENT}")
    need("objcopy:binutils")
    program = env.program("shares.c", "-O1", "-g", "-Wl,--build-id")
    debug = os.path.join(env.dir, "debug", "shares.debug")
    os.makedirs(os.path.dirname(debug))
    subprocess.run(["objcopy", "--only-keep-debug", program, debug], check=True)
    subprocess.run(["strip", "--strip-all", program], check=True)
    notes = subprocess.run(["readelf", "-n", program], check=True, stdout=subprocess.PIPE, text=True).stdout
    return program, debug, notes.partition("Build ID: ")[2].split()[0]


def environ(env, url, **more):
    return {**env.environ(cpu_hz=1000, interval="1s"), "DEBUGINFOD_URLS": url, "HOME": env.dir,
            "DEBUGINFOD_CACHE_PATH": os.path.join(env.dir, "cache"), **more}


def only(path, build_id, data):
    """Answers with the data for this build id, 404 for others."""
    del path

    def answer(handler, _):
        if handler.path == f"/buildid/{build_id}/debuginfo":
            send(handler, data)
        else:
            handler.send_error(404)
    return answer


def cumulative(env):
    return env.final("shares", "cpu").cumulative("cpu")


def test_names_and_lines_come_later(env):
    """Intervals before the file came stay as they were; later ones, and the whole, have names."""
    program, debug, build_id = stripped(env)
    with open(debug, "rb") as file:
        data = file.read()
    with serving(only(program, build_id, data)) as (url, asked):
        env.run(program, "3", env=environ(env, url)).ok()
        profile = env.final("shares", "cpu")
        assert profile.cumulative("cpu")["work_70"] > 0, profile.cumulative("cpu").most_common(8)
        frame = next(f for s in profile.samples for f in s.frames if f.function == "work_70")
        assert frame.file.endswith("shares.c") and frame.line > 0, frame
        assert asked.count(f"/buildid/{build_id}/debuginfo") == 1, asked
    # The client's cache has it now, so no server is needed.
    shutil.rmtree(env.out)
    env.run(program, "1", env=environ(env, url)).ok()
    assert cumulative(env)["work_70"] > 0


def test_off_unless_servers_are_set(env):
    program, _, _ = stripped(env)
    with serving(lambda handler, _: handler.send_error(404)) as (_, asked):
        env.run(program, "1", env=environ(env, " ")).ok()
        assert not cumulative(env)["work_70"]
        assert not asked and not os.path.exists(os.path.join(env.dir, "cache")), asked


def test_server_that_hangs_holds_nothing_up(env):
    program, _, _ = stripped(env)
    with serving(lambda handler, done: done.wait(60)) as (url, asked):
        env.run(program, "3", env=environ(env, url)).ok()
        start = time.monotonic()
        intervals = os.listdir(os.path.join(env.out, "shares", "intervals"))
        env.uploaders_gone(20)
        assert time.monotonic() - start < 12, "the end of the session waited for the server"
        assert len(intervals) >= 2, intervals
        assert asked and env.profile("shares", "cpu").total("cpu") > 0
        cached = [f for _, _, files in os.walk(os.path.join(env.dir, "cache")) for f in files if "debuginfo" in f]
        assert not cached, f"what was stopped is left or is taken for missing: {cached}"


def test_rubbish_is_refused(env):
    program, _, build_id = stripped(env)
    with serving(only(program, build_id, b"\x7fELF" + b"rubbish" * 1000)) as (url, _):
        env.run(program, "2", env=environ(env, url)).ok()
        assert not cumulative(env)["work_70"]
        assert "not the debug file that was asked for" in env.log(), env.log()
        assert not os.path.exists(os.path.join(env.dir, "cache", build_id, "debuginfo"))


def test_missing_files_are_asked_for_once(env):
    program, _, build_id = stripped(env)
    with serving(lambda handler, _: handler.send_error(404)) as (url, asked):
        for _ in range(2):
            env.run(program, "1", env=environ(env, url)).ok()
            env.uploaders_gone()
        assert asked.count(f"/buildid/{build_id}/debuginfo") == 1, asked


def test_endless_file_is_cut(env):
    """The server announces no size, and DEBUGINFOD_MAXSIZE holds all the same."""
    program, _, build_id = stripped(env)

    def endless(handler, done):
        handler.send_response(200)
        handler.end_headers()
        while not done.is_set():
            handler.wfile.write(bytes(1 << 20))
    with serving(endless) as (url, _):
        env.run(program, "3", env=environ(env, url, DEBUGINFOD_MAXSIZE=str(8 << 20))).ok()
        assert not cumulative(env)["work_70"]
        sizes = [os.path.getsize(os.path.join(d, f)) for d, _, files in os.walk(os.path.join(env.dir, "cache")) for f in files]
        assert all(size <= 8 << 20 for size in sizes), sizes


def test_cache_that_cannot_be_written_is_said(env):
    program, _, _ = stripped(env)
    cache = os.path.join(env.dir, "file")
    with open(cache, "w", encoding="utf-8"):
        pass
    with serving(lambda handler, _: handler.send_error(404)) as (url, asked):
        env.run(program, "1", env=environ(env, url, DEBUGINFOD_CACHE_PATH=os.path.join(cache, "below"))).ok()
        env.uploaders_gone()
        assert not asked
        said = [line for line in env.log().splitlines() if "debug files cannot be kept in" in line]
        assert len(said) == 1 and cache in said[0], env.log()


def test_nobody_answers(env):
    program, _, _ = stripped(env)
    env.run(program, "1", env=environ(env, "http://127.0.0.1:1/")).ok()
    assert env.final("shares", "cpu").total("cpu") > 0


def test_real_server(env):
    """elfutils' own server, in a network namespace of its own, since it binds all addresses."""
    server = need("debuginfod")
    program, debug, _ = stripped(env)
    if subprocess.run(["unshare", "-rn", "true"], check=False, stderr=subprocess.DEVNULL).returncode:
        raise Skip("no namespaces")
    script = os.path.join(env.dir, "script")
    with open(script, "w", encoding="utf-8") as file:
        file.write(f"""ip link set lo up 2>/dev/null || python3 -c 'import fcntl, socket, struct
fcntl.ioctl(socket.socket(), 0x8914, struct.pack("16sH14x", b"lo", 1))'
{server} -F -d :memory: -p 8002 -t 2 -g 0 {os.path.dirname(debug)} >{env.dir}/server.log 2>&1 &
server=$!
for i in $(seq 100); do
    python3 -c 'import urllib.request
import sys
sys.exit("thread_work_pending{{role=\\"scan\\"}} 0" not in urllib.request.urlopen("http://127.0.0.1:8002/metrics").read().decode())' 2>/dev/null && break
    sleep 0.2
done
env LD_PRELOAD={env.library} {program} 3
sleep 4
kill $server
""")
    plain = {k: v for k, v in environ(env, "http://127.0.0.1:8002/").items() if k != "LD_PRELOAD"}
    env.run("unshare", "-rn", "sh", script, env=plain).ok()
    assert cumulative(env)["work_70"] > 0, env.log()
