# SPDX-License-Identifier: Apache-2.0
"""cprof diff: sums as Go's pprof has them, what is called a change and what is not, exit statuses, and wrong input."""
import contextlib
import glob
import gzip
import http.server
import json
import os
import re
import threading

from tests.lib import made, report
from tests.lib.harness import need, near

CPU = "process_cpu:cpu:nanoseconds:cpu:nanoseconds"


def diff(env, *args, status=0, stdin=None, **settings):
    """The command's standard output, after a look at its exit status."""
    done = env.run(env.uploader, "diff", *args, env=env.environ(profiled=False, **settings), stdin=stdin)
    assert done.status == status, f"exit status {done.status}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def compared(env, *args, **options):
    return json.loads(diff(env, "--json", *args, **options))


def refused(env, *args, **settings):
    """Its one line on standard error, after a look at its form."""
    done = env.run(env.uploader, "diff", *args, env=env.environ(profiled=False, **settings))
    assert done.status == 2 and not done.stdout, (done.status, done.stdout)
    assert re.fullmatch(r"cprof: [^\n]+\n", done.stderr), done.stderr
    return done.stderr


def cpu_file(env, name, **counts):
    return made.write(os.path.join(env.dir, name), made.looks(**counts))


def runs(env, name, *totals):
    """A directory with a session for each total."""
    for i, total in enumerate(totals):
        directory = os.path.join(env.dir, name, f"run-{i}", "program")
        os.makedirs(directory)
        with open(os.path.join(directory, ".cprof"), "w", encoding="utf-8") as file:
            file.write("program\n")
        made.write(os.path.join(directory, "cpu.pb.gz"), made.looks(work=total // 2, other=total - total // 2))
    return os.path.join(env.dir, name)


def by_pprof(env, a, b):
    """{function: (own change, change with callees)} in nanoseconds."""
    go_env = env.environ(profiled=False) | {"PPROF_TMPDIR": env.dir}
    top = env.run(need("go:golang-go"), "tool", "pprof", "-top", "-nodecount=100000", "-nodefraction=0", "-edgefraction=0",
                  "-unit=ns", f"-diff_base={a}", b, env=go_env).ok().stdout
    rows = re.findall(r"^ *(-?[\d.]+)(?:ns)? +\S+% +\S+% +(-?[\d.]+)(?:ns)? +\S+%  (.+)$", top, re.M)
    assert rows, top
    return {re.sub(r" \((inline|partial-inline)\)$", "", name): (float(own), float(all_)) for own, all_, name in rows}


def test_sums_are_those_of_pprof(env):
    """Of a real pair of sessions, and of stacks with recursion."""
    for i in (1, 2):
        env.cprof("--quiet", env.program("shares.c"), f"0.{2 * i}", out=f"{env.dir}/{i}", cpu_hz=1000).ok()
    stacks = [("a;b;a;main", (3, 30000000)), ("b;a;main", (2, 20000000)), ("c;c;c", (5, 50000000))]
    recursive = made.write(env.dir + "/r.pb.gz", stacks)
    other = made.write(env.dir + "/o.pb.gz", [("a;main", (9, 90000000)), ("new;c", (1, 10000000)), stacks[2]])
    real = [env.path("shares", "cpu", f"{env.dir}/{i}") for i in (1, 2)]
    for a, b in (real, (recursive, other)):
        rows = {f["name"]: (f["own"]["change"], f["cumulative"]["change"]) for f in compared(env, a, b)["functions"]}
        expected = by_pprof(env, a, b)
        changed = {name: change for name, change in rows.items() if any(change)}
        assert changed == {name: change for name, change in expected.items() if any(change)}


def test_a_change_is_told_from_chance(env):
    a = cpu_file(env, "a.pb.gz", work=400, other=600)
    noise = compared(env, a, cpu_file(env, "noise.pb.gz", work=430, other=585))
    assert not any(f["own"]["significant"] or f["cumulative"]["significant"] for f in noise["functions"]), noise
    change = compared(env, a, cpu_file(env, "b.pb.gz", work=600, other=600))
    found = {f["name"]: f["own"] for f in change["functions"]}
    assert found["work"]["significant"] and not found["other"]["significant"]
    assert found["work"]["change"] == 2e9 and found["work"]["a"] == 4e9
    # Binomial: 400 of 1,000 looks are 240 squared looks, 600 of 1,200 are 300; and one look on each side.
    # Runs are taken to differ by 2.5 %, since there is one a side.
    expected = (1e14 * (240 + 300 + 2) + (0.025 * 4e9) ** 2 + (0.025 * 6e9) ** 2) ** 0.5
    near(found["work"]["error"] / change["level"]["listed"], expected, 1e5, "standard error")
    text = diff(env, a, env.dir + "/b.pb.gz")
    assert text.startswith("CPU time of program: totals as recorded (--normalize=none)\n"), text
    assert re.search(r"^ +\+2\.00 s\* .* work$", text, re.M), text


def test_three_points_of_one_run(env):
    """A function whose share of the total moved is found with one run a side, and is none if all became slower."""
    a = cpu_file(env, "a.pb.gz", work=15000, other=15000)
    moved = compared(env, a, cpu_file(env, "moved.pb.gz", work=15900, other=14100))
    work = next(f["own"] for f in moved["functions"] if f["name"] == "work")
    assert work["significant"] and work["basis"] == "share" and abs(work["change"]) > work["error"], work
    slower = cpu_file(env, "slower.pb.gz", work=15900, other=15900)
    assert not any(f["own"]["significant"] for f in compared(env, a, slower)["functions"])
    text = diff(env, "--fail-above=5%", a, slower)
    assert "to decide: several runs a side" in text and "to decide: several runs" in diff(env, "--markdown", a, slower), text
    diff(env, "--fail-above=5%:work", a, moved["b"]["name"], status=1)
    # Looks that came three at a time are worth less.
    clumps = ("10000 CPU samples taken", "20000 CPU timer periods that were counted with a later sample")
    sides = [made.write(f"{env.dir}/{n}.pb.gz", made.looks(work=n, other=30000 - n), comments=clumps) for n in (15000, 15900)]
    assert not any(f["own"]["significant"] for f in compared(env, *sides)["functions"])


def test_exit_statuses_of_limits(env):
    a, b = cpu_file(env, "a.pb.gz", work=4000), cpu_file(env, "b.pb.gz", work=5000)
    assert "is above the limit of 5 %" in diff(env, "--fail-above=5%", a, b, status=1)
    assert "is within the limit of 30 %" in diff(env, "--fail-above", "30%", a, b)
    assert "is within the limit" in diff(env, "--fail-above=5", b, a)
    diff(env, "--fail-above=5%:work", a, b, status=1)
    diff(env, "--fail-above=5%:main", "--json", a, b, status=1)
    diff(env, "--fail-above=30%:work", a, b)
    assert "no function nothing " in refused(env, "--fail-above=5%:nothing", a, b)


def test_three_percent_of_several_runs(env):
    quiet = runs(env, "quiet", 10000, 10020, 9990, 10010, 9980)
    slower = runs(env, "slower", 10310, 10290, 10300, 10320, 10280)
    answer = compared(env, "--fail-above=2%", quiet, slower, status=1)
    assert answer["limit"]["above"] and len(answer["a"]["runs"]) == 5, answer["limit"]
    near(answer["compared"]["total"]["change"], 3e9, 1, "nanoseconds")
    assert answer["compared"]["total"]["basis"] == "runs"
    noisy = runs(env, "noisy", 10000, 11000, 9000, 10500, 9500)
    text = diff(env, "--fail-above=2%", noisy, slower)
    assert "is within the scatter of the runs, so the limit of 2 % is kept" in text, text
    # One run a side: nobody knows how runs differ.
    one = [f"{directory}/run-0" for directory in (quiet, slower)]
    assert "profile several" in diff(env, "--fail-above=2%", *one)
    # Lists name the same runs; one that was disturbed leaves the order of the others.
    listed = ",".join(sorted(glob.glob(quiet + "/*")))
    disturbed = runs(env, "disturbed", 10310, 10290, 10300, 10320, 14000)
    total = compared(env, listed, disturbed)["compared"]["total"]
    assert total["basis"] == "ranks" and total["significant"], total


def test_files_of_others_are_runs(env):
    """Of a directory: the means of those of one kind, whatever else lies there."""
    for side, counts in (("a", (100, 102, 98)), ("b", (110, 112, 108, 110))):
        os.mkdir(f"{env.dir}/{side}")
        for i, count in enumerate(counts):
            cpu_file(env, f"{side}/cpu{i}.pprof", work=count)
        made.write(f"{env.dir}/{side}/heap.pprof", [("f", (1, 1 << 20, 1, 1 << 20))], made.MEMORY)
    answer = compared(env, env.dir + "/a", env.dir + "/b")
    total = answer["compared"]["total"]
    assert (total["a"], total["b"], len(answer["b"]["runs"])) == (1e9, 1.1e9, 4), answer
    assert [o["total"]["a"] for o in answer["others"]] == [1 << 20, 1 << 20], answer["others"]


def test_normalisation(env):
    running = ("program: 1 processes so far, 1 running; 10 s",)
    a = made.write(env.dir + "/a.pb.gz", made.looks(work=300, other=700), seconds=10, comments=running)
    b = made.write(env.dir + "/b.pb.gz", made.looks(work=600, other=1400), seconds=20, comments=running)
    answer = compared(env, a, b)
    assert answer["compared"]["normalize"] == "time" and answer["compared"]["total"]["change"] == 0
    assert compared(env, "--normalize=none", a, b)["compared"]["total"]["change"] == 1e10
    shares = compared(env, "--normalize", "total", a, b)
    assert shares["compared"]["total"]["change"] == 0 and all(f["own"]["change"] == 0 for f in shares["functions"])
    job = made.write(env.dir + "/job.pb.gz", made.looks(work=600, other=1400), seconds=20)
    assert "A lasted 10.0 s and B 20.0 s: for a service" in diff(env, a, job)


def test_growth_of_a_leak(env):
    """Two files of intervals of one process, which leaks 4 MiB in a second."""
    env.cprof("--quiet", env.program("leaks.c"), "4", memory_rate="16KiB", interval="1s", profiles="memory").ok()
    files = sorted(glob.glob(env.out + "/leaks/intervals/*-memory.pb.gz"))
    assert len(files) >= 3, files
    answer = compared(env, "--type=inuse_space", files[0], files[2])
    assert answer["growth"]["one_process"] and answer["compared"]["normalize"] == "none", answer["growth"]
    assert 0 < answer["growth"]["per_hour"] < 4.8 * 2**20 * 3600, answer["growth"]
    near(answer["growth"]["per_hour"], answer["compared"]["total"]["change"] / answer["growth"]["seconds"] * 3600, 1e6, "growth")
    leak = next(f for f in answer["functions"] if f["name"] == "leak")
    assert leak["own"]["significant"] and leak["own"]["change"] > 4 * 2**20, leak
    assert re.search(r"growth: \+.* MiB in the .* between A and B: \+.* GiB per hour", diff(env, "--type", "inuse_space", files[0], files[2]))


def test_errors_of_memory(env):
    """Small blocks are sampled, and large ones all seen."""

    def memory(name, blocks, size):
        return made.write(os.path.join(env.dir, name), [("grow;main", (blocks, blocks * size, blocks, blocks * size))],
                          made.MEMORY, period=524288)

    small = compared(env, "--type=inuse_space", memory("a", 10000, 100), memory("b", 20000, 100))
    assert not small["compared"]["total"]["significant"]
    large = compared(env, "--type=inuse_space", memory("c", 10, 16 << 20), memory("d", 11, 16 << 20))
    assert large["compared"]["total"]["significant"]


def test_forms(env):
    a, b = cpu_file(env, "a.pb.gz", work=400, other=100), cpu_file(env, "b.pb.gz", work=900, other=100)
    text = diff(env, "--markdown", "--fail-above=5%", a, b, status=1)
    assert "❌ above the limit" in text and "<details open><summary>2 of 3 functions changed</summary>" in text, text
    assert re.search(r"^\| `work` \| \+5\.00 s\* \|", text, re.M), text
    template = [made.write(f"{env.dir}/{n}.pb.gz", [("ns::A<int>::f(int);main", (n, n * 10000000))]) for n in (1000, 2000)]
    text = diff(env, "--markdown", "--fail-above=5%:ns::A<int>::f", *template, status=1)
    assert "\n`ns::A<int>::f`: +100.0 %" in text, text
    page = env.dir + "/page.html"
    diff(env, "--html", page, a, b)
    with open(page, encoding="utf-8") as file:
        shown = file.read()
    assert [s["name"] for s in report.data(shown)["sides"]] == [a, b]
    assert sorted(file["side"] for file, _ in report.profiles(shown)) == [0, 1]
    with open(b, "rb") as file:
        diff(env, "--html", page, a, "-", stdin=file)
    with open(page, encoding="utf-8") as file:
        assert len(report.profiles(file.read())) == 2


def test_what_cannot_be_compared(env):
    good = cpu_file(env, "good.pb.gz", work=10)
    with open(good, "rb") as file:
        data = file.read()
    memory = made.write(env.dir + "/memory.pb.gz", [("f", (1, 1, 1, 1))], made.MEMORY)
    os.mkdir(env.dir + "/empty")
    plain = gzip.decompress(data)
    broken = {"empty.pb": b"", "cut.pb.gz": data[:60], "cut.pb": plain[:-3], "text.pb": b"#include <stdio.h>\n",
              "damaged.pb.gz": data[:40] + b"\xff" * 20 + data[60:], "zeros.pb.gz": gzip.compress(bytes(8 << 20)) * 65,
              "location.pb": plain.replace(made.message(1, b"\x01\x02"), made.message(1, b"\x01\x63"))}
    wanted = {"empty.pb": "empty", "cut.pb.gz": "cut off", "cut.pb": "damaged or cut off", "text.pb": "no pprof profile",
              "damaged.pb.gz": "damaged", "zeros.pb.gz": "more than 512 MiB", "location.pb": "location 99"}
    for name, content in broken.items():
        path = os.path.join(env.dir, name)
        with open(path, "wb") as file:
            file.write(content)
        for sides in ((good, path), (path, good)):
            line = refused(env, *sides)
            assert name in line and wanted[name] in line, line
    assert "no profile in this directory" in refused(env, env.dir + "/empty", good)
    assert "No such file" in refused(env, env.dir + "/nothing", good)
    assert "no type of profile in common" in refused(env, good, memory)
    assert "not both sides have a type wall; they have cpu samples" in refused(env, "--type=wall", good, good)
    none = made.write(env.dir + "/none.pb.gz", [])
    assert "nothing was recorded" in refused(env, none, none)


def test_wrong_arguments(env):
    for args, why in (((), "two sides"), (("a",), "two sides"), (("a", "b", "c"), "third"), (("--what", "a", "b"), "no option"),
                      (("--fail-above=x", "a", "b"), "percentage"), (("--fail-above=-1", "a", "b"), "percentage"), (("--fail-above=%", "a", "b"), "percentage"),
                      (("--fail-above=5%:", "a", "b"), "percentage"), (("a", "b", "--type"), "needs a value"),
                      (("--normalize=all", "a", "b"), "none, time or total"), (("-", "-"), "standard input"),
                      (("http://127.0.0.1:1/", "a"), "?query="), (("http://h/?query=cpu{}", "a"), "process_cpu:"),
                      ((f"http://h/?query={CPU}&from=x", "a"), "now-1h"),
                      ((f"http://h/?query={CPU}&from=now&until=now-1h", "a"), "not later")):
        assert why in refused(env, *args), (args, why)
    assert "usage: cprof diff" in diff(env, "--help")


@contextlib.contextmanager
def server(answer, status=200):
    """Yields its address and what it was asked: (path, headers, body)."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            asked.append((self.path, dict(self.headers), self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as it:
        threading.Thread(target=it.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{it.server_address[1]}", asked
        finally:
            it.shutdown()


def test_queries(env):
    """What is asked, and who gets the login."""
    a = made.plain(made.looks(work=100))
    with server(a) as (url, asked):
        query = f'{url}/?query={CPU}{{service_name="x%26y"}}&from=1700000000&until=1700000010'
        answer = compared(env, query, query, server=url, auth_token="secret-token", tenant_id="me")
        assert answer["compared"]["normalize"] == "time" and answer["compared"]["total"]["a"] == 1e8, answer["compared"]
        assert answer["a"]["program"] == "x&y"
        path, headers, body = asked[0]
        assert path == "/querier.v1.QuerierService/SelectMergeProfile" and CPU.encode() in body
        assert b'{service_name="x&y"}' in body and body.endswith(made.number(3, 1700000000000) + made.number(4, 1700000010000))
        assert headers["Authorization"] == "Bearer secret-token" and headers["X-Scope-OrgID"] == "me"
        compared(env, query, query, server="http://elsewhere.invalid", auth_token="secret-token")
        assert "Authorization" not in asked[-1][1]
        compared(env, query, query, auth_token="secret-token")
        assert "Authorization" in asked[-1][1]
        diff(env, "--html", env.dir + "/page.html", query, query)
    with server(b'{"code":"unauthenticated"}', 401) as (url, _):
        assert "CPROF_AUTH_TOKEN" in refused(env, f"{url}/?query={CPU}", env.dir)
    with server(b'{"message":"parse error"}', 400) as (url, _):
        assert "status 400" in refused(env, f"{url}/?query={CPU}{{", env.dir)
    with server(b"") as (url, _):
        assert "has no profile" in refused(env, f"{url}/?query={CPU}", env.dir)
    with server(b"<html>") as (url, _):
        assert "no pprof profile" in refused(env, f"{url}/?query={CPU}", env.dir)
    assert "no answer" in refused(env, f"http://127.0.0.1:1/?query={CPU}", env.dir)


def service(env, name, rates):
    """A session's directory of a program that still runs, with an interval of 10 s for each rate."""
    directory = os.path.join(env.dir, name, "program")
    os.makedirs(directory + "/intervals")
    with open(directory + "/.cprof", "w", encoding="utf-8") as file:
        file.write("program\n")
    running = ("program: 1 processes so far, 1 running; 60 s",)
    made.write(directory + "/cpu.pb.gz", made.looks(work=sum(rates)), seconds=10 * len(rates), comments=running)
    for i, rate in enumerate(rates):
        made.write(f"{directory}/intervals/20261129T1000{i}0.000Z-cpu.pb.gz", made.looks(work=rate), start=1700000000 + 10 * i)
    return os.path.join(env.dir, name)


def test_intervals_of_services_are_runs(env):
    steady, later = service(env, "steady", [500, 510, 490, 505, 495]), service(env, "later", [540, 550, 530, 545, 535, 540])
    answer = compared(env, steady, later)["compared"]
    assert answer["means_of"] == "intervals" and answer["normalize"] == "time" and answer["total"]["significant"], answer
    near(answer["total"]["a"], 5e8, 1, "nanoseconds per second")
    text = diff(env, steady, service(env, "restless", [100, 900, 300, 900, 500, 540]))
    assert "within the scatter of the intervals" in text, text
    assert compared(env, "--normalize=none", steady, later)["compared"]["means_of"] == "runs"


def test_programs_of_sessions(env):
    """The one with the most CPU time, of the same name on both sides; the others are named."""
    for name, large, small in (("a", 300, 100), ("b", 330, 500)):
        for program, count in (("server", large), ("worker", small)):
            directory = f"{env.dir}/{name}/{program}"
            os.makedirs(directory)
            with open(directory + "/.cprof", "w", encoding="utf-8") as file:
                file.write(program + "\n")
            made.write(directory + "/cpu.pb.gz", made.looks(work=count))
    text = diff(env, env.dir + "/a", env.dir + "/b")
    assert text.startswith("CPU time of worker:") and "other programs: server (name" in text, text
    answer = compared(env, env.dir + "/a/server", env.dir + "/b/server")
    assert answer["a"]["program"] == "server" and answer["compared"]["total"]["change"] == 3e8
    # Of one program a side, the names may differ.
    assert compared(env, env.dir + "/a/server", env.dir + "/b/worker")["b"]["program"] == "worker"
