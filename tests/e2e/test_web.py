# SPDX-License-Identifier: Apache-2.0
"""/debug/pprof/: the same as Go's own server, for go tool pprof, and of the span that was asked for."""
import os
import re
import subprocess
import threading
import time

from tests.lib import report, web
from tests.lib.harness import free_port, listening, near, need, wait_for

KINDS = ("allocs", "block", "goroutine", "heap", "mutex", "threadcreate")  # that Go has, too
MORE = ("threads", "wall", "off_cpu")
GO_SERVER = """
package main

import ("net"; "net/http"; _ "net/http/pprof"; "fmt")

func main() {
    l, err := net.Listen("tcp", "127.0.0.1:0")
    if err != nil { panic(err) }
    fmt.Println(l.Addr().(*net.TCPAddr).Port)
    panic(http.Serve(l, nil))
}
"""


def go_environment(env):
    return {**os.environ, "PPROF_TMPDIR": env.dir, "GOFLAGS": "-mod=mod", "GOTOOLCHAIN": "local"}


def go_server(env):
    go = need("go:golang-go")
    os.makedirs(env.dir + "/server")
    with open(env.dir + "/server/main.go", "w", encoding="utf-8") as file:
        file.write(GO_SERVER)
    version = subprocess.run([go, "version"], capture_output=True, text=True, check=True).stdout.split()[2]
    with open(env.dir + "/server/go.mod", "w", encoding="utf-8") as file:
        file.write("module server\n\ngo " + re.match(r"go(\d+\.\d+)", version).group(1) + "\n")
    subprocess.run([go, "build", "-o", env.dir + "/goserver", "."], cwd=env.dir + "/server", env=go_environment(env), check=True)
    child = env.start(env.dir + "/goserver", profiled=False, stdout=subprocess.PIPE)
    return int(child.stdout.readline())


def go_pprof(env, url, *options):
    done = subprocess.run([need("go:golang-go"), "tool", "pprof", "-top", *options, url], env=go_environment(env),
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


def test_headers_are_gos(env):
    """Path by path: status, Content-Type, Content-Disposition, X-Content-Type-Options, X-Go-Pprof, encoding."""
    go = go_server(env)
    _, port = web.start(env, env.program("serves.c"))
    paths = [("GET", "/debug/pprof"), ("GET", ""), ("GET", "cmdline"), ("GET", "symbol"), ("GET", "symbol?0x1"),
             ("GET", "nothing"), ("HEAD", "heap"), ("GET", "/nothing"), ("POST", "heap"), ("DELETE", "heap"),
             ("GET", "heap?seconds=-1"), ("GET", "heap?seconds=x"), ("GET", "mutex?seconds=1&debug=1"), ("GET", "profile?seconds=1"),
             ("GET", "heap?gc=1"), ("GET", "goroutine?debug=2"), ("GET", "nothing?seconds=x")]
    paths += [("GET", kind + query) for kind in KINDS for query in ("", "?debug=0", "?debug=1", "?seconds=1")]
    named = ("content-type", "content-disposition", "x-content-type-options", "content-encoding", "allow", "location", "x-go-pprof")
    for method, path in paths:
        theirs, ours = web.ask(go, path, method), web.ask(port, path, method)
        if method in ("POST", "DELETE") and theirs.status == 200:
            continue  # before Go 1.22
        same = theirs.status == ours.status or {theirs.status, ours.status} == {301, 307}  # before Go 1.26
        assert same, f"{method} {path}: {ours.status} {ours.text[:200]}, Go: {theirs.status}"
        for name in named:
            if theirs.status in (301, 307, 404, 405) and name in ("x-go-pprof", "x-content-type-options", "content-type"):
                continue  # Go's router, which has no X-Go-Pprof
            assert theirs.headers.get(name) == ours.headers.get(name), f"{method} {path}: {name}: {ours.headers}, Go: {theirs.headers}"
        assert (theirs.body[:2] == b"\x1f\x8b") == (ours.body[:2] == b"\x1f\x8b"), f"{method} {path}: {ours.body[:20]}"
    assert web.ask(port, "nothing").text == web.ask(go, "nothing").text == "Unknown profile\n"
    types = {kind: [(t, u) for t, u in web.ask(go, kind).profile().types] for kind in KINDS}
    for kind, wanted in types.items():
        assert web.ask(port, kind).profile().types == wanted, kind


def test_go_tool_pprof(env):
    """Each profile by its URL, as binary and as text; it has nothing to ask of symbol."""
    _, port = web.start(env, env.program("serves.c"), cpu_hz=500)
    base = f"http://127.0.0.1:{port}/debug/pprof/"
    expected = {"profile?seconds=1": "compute", "heap": "keep", "allocs": "keep", "mutex": "hold", "block": "hold",
                "goroutine": "waits", "threads": "waits", "threadcreate": "main", "wall": "compute", "off_cpu": "hold"}
    time.sleep(2)
    for path, name in expected.items():
        out, err = go_pprof(env, base + path)
        assert re.search(rf"\b{name}$", out, re.M), f"{path}:\n{out}\n{err}"
        assert "symbol" not in err.lower(), err
        if path != "profile?seconds=1":
            with open(env.dir + "/text", "wb") as file:
                file.write(web.ask(port, path + "?debug=1").body)
            done = subprocess.run([need("go:golang-go"), "tool", "pprof", "-raw", env.dir + "/text"], env=go_environment(env),
                                  capture_output=True, text=True, check=False)
            assert done.returncode == 0 and "Samples:" in done.stdout, f"{path}?debug=1: {done.stderr}"
    out, _ = go_pprof(env, f"http://127.0.0.1:{port}", "-seconds", "1")
    assert "compute" in out, out


def test_seconds_are_seconds(env):
    """CPU time of N seconds, at any time between two rounds, is what the program's clock says; so for several at once."""
    child, port = web.start(env, env.program("serves.c"), interval="1h", cpu_hz=500)

    def cpu():
        with open(f"/proc/{child.pid}/schedstat", encoding="utf-8"), open(f"/proc/{child.pid}/stat", encoding="utf-8") as file:
            words = file.read().rsplit(")", 1)[1].split()
            return (int(words[11]) + int(words[12])) * 10_000_000

    results = []

    def profile(seconds):
        before = cpu()
        answer = web.ask(port, f"profile?seconds={seconds}")
        results.append((seconds, cpu() - before, answer.profile()))

    time.sleep(1.3)
    threads = []
    for seconds in (1, 3, 2):
        threads.append(threading.Thread(target=profile, args=(seconds,)))
        threads[-1].start()
        time.sleep(0.3)
    for thread in threads:
        thread.join()
    assert len(results) == 3
    for seconds, spent, got in results:
        total = sum(sample.values[1] for sample in got.samples)
        near(total / 1e9, spent / 1e9, 0.12 * seconds, f"CPU time of {seconds} s")
        near(got.duration_ns / 1e9, seconds, 0.4, "duration")
    heap = web.ask(port, "allocs?seconds=1").profile()
    counts = [sum(s.values[i] for s in heap.samples) for i in range(4)]
    assert 0 < counts[1] and counts[3] < counts[1] / 3, counts  # one in ten is kept
    for kind in ("mutex", "block", "wall", "off_cpu"):
        assert web.ask(port, kind + "?seconds=1").profile().samples, kind
    for kind in ("goroutine", "threads", "threadcreate"):
        total = sum(s.values[0] for s in web.ask(port, kind + "?seconds=1").profile().samples)
        assert total == 0, f"{kind}: {total}"


def test_so_far_grows(env):
    """Without seconds: sums since the start, which a scraper takes differences of. No sample has a label of a process or thread."""
    _, port = web.start(env, env.program("serves.c"))
    time.sleep(1)
    for kind in ("allocs", "mutex", "block", "wall"):
        first, second = ({}, {})
        for into in (first, second):
            profile = web.ask(port, kind).profile()
            assert not any(s.labels for s in profile.samples), kind
            for s in profile.samples:
                key = tuple(f.function for f in s.frames)
                into[key] = into.get(key, 0) + s.values[1]
            time.sleep(0.5)
        assert all(second.get(key, 0) >= value for key, value in first.items()), kind
        assert sum(second.values()) > sum(first.values()), kind
    labels = web.ask(port, "threads?labels=1").profile().samples[0].labels
    assert {"pid", "tid", "state"} <= set(labels), labels


def test_programs_and_processes(env):
    """One of several by ?program= and ?pid=; what is not there is refused with a list; without either all are added up."""
    serves, shares = env.program("serves.c"), env.program("shares.c")
    first, port = web.start(env, serves, cpu_hz=500)
    second = env.start(shares, "30", "1", listen=f"127.0.0.1:{port}", cpu_hz=500)
    wait_for(lambda: "shares" in web.ask(port, "").text, 10, "the second program")

    def functions(path):
        return {f.function for s in web.ask(port, path).profile().samples for f in s.frames}

    both = functions("profile?seconds=1")
    assert {"compute", "work_70"} <= both, both
    one = functions("profile?seconds=1&program=shares")
    assert "work_70" in one and "compute" not in one, one
    one = functions(f"profile?seconds=1&pid={first.pid}")
    assert "compute" in one and "work_70" not in one, one
    assert "keep" not in functions(f"allocs?pid={second.pid}") and "keep" in functions("allocs")
    answer = web.ask(port, "heap?program=nginx")
    assert answer.status == 400 and "serves" in answer.text and "shares" in answer.text, answer.text
    answer = web.ask(port, f"heap?pid={os.getpid()}")
    assert answer.status == 400 and f"{first.pid} (serves)" in answer.text, answer.text
    assert web.ask(port, f"heap?pid={first.pid}&program=shares").status == 400
    assert web.ask(port, f"cmdline?pid={second.pid}").body == b"\0".join([shares.encode(), b"30", b"1"])
    assert web.ask(port, f"cmdline?pid={first.pid}").body == serves.encode()


def test_symbol_names_addresses(env):
    """Of the process, by GET and POST; unknown ones get no line."""
    child, port = web.start(env, env.program("serves.c"))
    output = subprocess.run(["nm", env.dir + "/serves"], capture_output=True, text=True, check=True).stdout
    offset = int(re.search(r"^(\w+) T compute$", output, re.M).group(1), 16)
    with open(f"/proc/{child.pid}/maps", encoding="utf-8") as file:
        base = int(next(line for line in file if line.rstrip().endswith("/serves")).split("-")[0], 16)
    wanted = f"num_symbols: 1\n0x{base + offset:x} compute\n"
    assert web.ask(port, f"symbol?0x1+0x{base + offset:x}").text == wanted
    assert web.ask(port, "symbol", "POST", f"0x{base + offset:x}+0x1").text == wanted
    assert web.ask(port, "symbol", "POST", "").text == "num_symbols: 1\n"


def test_page(env):
    """The index is the report with the data of now, and lists all profiles."""
    _, port = web.start(env, env.program("serves.c"), interval="1h")
    time.sleep(1)
    page = web.ask(port, "").text
    for kind in KINDS + MORE + ("profile", "cmdline"):
        assert f'href="{kind}' in page, kind
    assert "compute" in report.functions(page, "cpu"), "the data of now is not in the page"
    assert report.data(page)["live"] == "./"
    assert web.ask(port, "/").headers["location"] == "/debug/pprof/"
    assert web.ask(port, "/debug/pprof?program=serves").headers["location"] == "/debug/pprof/?program=serves"


def test_threads_as_text(env):
    _, port = web.start(env, env.program("serves.c"))
    time.sleep(1)
    grouped, each, go = (web.ask(port, path).text for path in ("goroutine?debug=1", "threads?debug=2", "goroutine?debug=2"))
    assert grouped.startswith("goroutine profile: total 4\n"), grouped[:100]
    assert re.search(r'^thread \d+ "serves" of process \d+ \[', each, re.M), each[:300]
    stacks = go.strip().split("\n\n")
    assert len(stacks) == 4, go
    for stack in stacks:
        lines = stack.split("\n")
        assert re.fullmatch(r"goroutine \d+ \[[a-z ]+(, \d+ minutes)?\]:", lines[0]), lines[0]
        assert len(lines) % 2 == 1, stack
        for name, place in zip(lines[1::2], lines[2::2]):
            assert re.fullmatch(r".+\(\.\.\.\)", name) and re.fullmatch(r"\t.+:\d+", place), (name, place)


def test_end_of_the_program(env):
    """Who waits when the program ends gets what there is; the server stays as long as the session, and is gone then."""
    child, port = web.start(env, env.program("serves.c"), cpu_hz=500, linger="2s")
    results = []
    thread = threading.Thread(target=lambda: results.append(web.ask(port, "profile?seconds=60")))
    thread.start()
    time.sleep(1.5)
    child.kill()
    time.sleep(0.5)
    assert "keep" in {f.function for s in web.ask(port, "allocs").profile().samples for f in s.frames}
    thread.join(10)
    assert results and results[0].profile().samples and results[0].profile().duration_ns < 10e9, results
    env.uploaders_gone()
    assert not listening(port)


def test_launcher_says_where(env):
    child = env.start(*env.command("--listen=127.0.0.1:0", env.program("serves.c"), "2"), env=env.environ(profiled=False, out=env.out),
                      stderr=subprocess.PIPE)
    line = child.stderr.readline()
    port = int(re.fullmatch(r"cprof: profiles are served at http://127\.0\.0\.1:(\d+)/debug/pprof/\n", line).group(1))
    assert web.ask(port, "heap").status == 200


def test_service(env):
    """`cprof-uploader serve` for programs that come and go."""
    port = free_port()
    settings = env.environ(profiled=False, socket=env.dir + "/socket", listen=f"127.0.0.1:{port}", out=env.out)
    service = env.start(env.uploader, "serve", env=settings)
    wait_for(lambda: listening(port), 10, "the service")
    assert not web.ask(port, "heap").profile().samples
    assert web.ask(port, "cmdline").body == b""
    env.run(env.program("serves.c"), "2", env=env.environ(socket=env.dir + "/socket", listen=f"127.0.0.1:{port}")).ok()
    assert "keep" in {f.function for s in web.ask(port, "allocs").profile().samples for f in s.frames}
    service.terminate()
    assert service.wait(15) == 0
