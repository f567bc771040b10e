# SPDX-License-Identifier: Apache-2.0
"""/metrics: clean by promtool, counters that never go back, sums as the profiles have them; scraped by a real Prometheus, with
the rules and the dashboard of examples/."""
import contextlib
import http.server
import json
import os
import re
import shutil
import signal
import subprocess
import textwrap
import threading
import time
import urllib.error
import urllib.request

from tests.e2e.test_pyroscope import pyroscope, query
from tests.lib import pprof
from tests.lib.harness import TREE, free_port, limit, listening, near, need, wait_for, waits
from tests.lib.prometheus import get, prometheus, scrape

RULES = os.path.join(TREE, "examples", "prometheus", "cprof.rules.yml")
DASHBOARD = os.path.join(TREE, "examples", "grafana", "cprof.json")
REDIS = {"program": "redis-server"}


def start_redis(env, listen, **settings):
    server, port = need("redis-server"), free_port()
    settings = {"interval": "1s", "memory_rate": "16KiB", "linger": "4s", **settings}
    child = env.start(server, "--port", str(port), "--save", "", "--appendonly", "no", listen=f"127.0.0.1:{listen}", **settings)
    wait_for(lambda: listening(port) and listening(listen), 10, "redis-server and its uploader")
    return child, port


def load_redis(env, port, requests=100000):
    env.run(need("redis-benchmark:redis-tools"), "-p", str(port), "-n", str(requests), "-P", "16", "-q", "-r", "10000", "-t",
            "set,get,lpush", profiled=False).ok()


def promtool(*arguments, stdin=None):
    done = subprocess.run([need("promtool:prometheus"), *arguments], input=stdin, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "error" not in done.stderr.lower(), done.stdout + done.stderr
    return done.stdout


def comment(profile, pattern):
    found = [re.search(pattern, c) for c in profile.comments]
    return next((float(m[1]) for m in found if m), 0)


def scrape_later(listen, before):
    """Another scrape, in which nothing has gone back."""
    figures = scrape(listen)
    now = figures.counters()
    for series, value in before.counters().items():
        assert now.get(series, -1) >= value, f"{series} went from {value} to {now.get(series)}"
    return figures


def test_sums(env):
    listen = free_port()
    child, port = start_redis(env, listen)
    before = scrape(listen)
    for _ in range(4):
        load_redis(env, port)
        before = scrape_later(listen, before)
    promtool("check", "metrics", stdin=before.text)
    assert before.get("cprof_program_threads", **REDIS) == len(os.listdir(f"/proc/{child.pid}/task"))
    assert before.get("cprof_program_processes", **REDIS) == 1

    # Blocks are looked at every eight seconds, and a process that does nothing keeps those that it has.
    time.sleep(9)
    memory, figures = env.profile("redis-server", "memory"), scrape(listen)
    in_use = figures.get("cprof_program_live_heap_bytes", **REDIS) + figures.get("cprof_program_live_mapped_bytes", **REDIS)
    near(in_use, memory.total("inuse_space"), 0.01 * in_use, "bytes in use")
    near(figures.get("cprof_program_live_heap_objects", **REDIS), memory.total("inuse_objects"), 0.01 * memory.total("inuse_objects") + 1, "blocks in use")
    resident = figures.get("cprof_program_resident_memory_bytes", **REDIS)
    with open(f"/proc/{child.pid}/status", encoding="utf-8") as file:
        rss = 1024 * int(re.search(r"VmRSS:\s+(\d+)", file.read())[1])
    near(resident, rss, 0.05 * rss, "resident memory")

    child.send_signal(signal.SIGTERM)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    figures = wait_for(lambda: (f := scrape(listen)).get("cprof_program_processes", **REDIS) == 0 and f, 5, "the process's end")
    _, _, usage = os.wait4(child.pid, 0)
    child.returncode = 0
    spent = usage.ru_utime + usage.ru_stime
    near(figures.get("cprof_program_cpu_seconds_total", **REDIS), spent, 0.02 + 0.02 * spent, "CPU seconds")
    assert figures.get("cprof_program_threads", **REDIS) is None
    cpu, memory = env.final("redis-server", "cpu"), env.profile("redis-server", "memory")
    for profile, kind, text in ((cpu, "cpu", "CPU samples taken"), (memory, "memory", "allocation samples taken")):
        assert figures.get("cprof_samples_total", profile=kind, **REDIS) == comment(profile, rf"^(\d+) {text}") > 0, profile.comments
    in_program = sum(figures.get("cprof_overhead_cpu_seconds_total", part=p, **REDIS) for p in ("cpu", "memory", "mutex", "block"))
    near(in_program * 1e9, comment(cpu, r"cost of taking samples: (\d+) ns"), 10, "cost of samples in the program")
    assert figures.get("cprof_program_threads_started_total", **REDIS) == comment(cpu, r"^(\d+) threads began")


def test_between_rounds(env):
    """What is counted is shown at once, also if the next upload is far away."""
    listen = free_port()
    _, port = start_redis(env, listen, interval="1h")
    load_redis(env, port)
    figures = scrape(listen)
    for name in ("cprof_samples_total", "cprof_program_cpu_seconds_total", "cprof_overhead_cpu_seconds_total",
                 "cprof_program_threads_started_total"):
        assert figures.get(name, **REDIS) > 0, name
    assert figures.get("cprof_round_duration_seconds_count") == 0
    assert figures.get("cprof_cpu_sample_period_seconds", **REDIS) == 0.01
    assert figures.get("cprof_overhead_limit_ratio", **REDIS) == 0.02
    assert figures.get("cprof_overhead_ratio", **REDIS) >= 0
    assert figures.get("cprof_recording_processes", profile="wall", **REDIS) == 1
    wait_for(lambda: (scrape(listen).get("cprof_program_live_heap_bytes", **REDIS) or 0) > 1 << 20, 20, "a look at its blocks")


def test_short_processes(env):
    """Their CPU time is counted, although nobody can be asked once they are gone; they are one program, without a label for each."""
    listen = free_port()
    script = f"i=0; while [ $i -lt 30 ]; do {need('seq')} 1 200000 >/dev/null; i=$((i + 1)); done; sleep 2"
    child = env.start(need("sh"), "-c", script, listen=f"127.0.0.1:{listen}", cpu_hz="1000", linger="5s")
    wait_for(lambda: listening(listen), 10, "the uploader")
    figures = scrape(listen)
    while child.poll() is None:
        figures = scrape_later(listen, figures)
        time.sleep(0.05)
    scrape_later(listen, figures)
    figures = wait_for(lambda: (f := scrape(listen)).get("cprof_processes") == 0 and f, 5, "their end")
    assert figures.get("cprof_program_processes_joined_total", program="seq") == 30
    assert figures.get("cprof_processes_ended_total") == figures.get("cprof_processes_joined_total") >= 31
    sampled = pprof.load(env.path("seq", "cpu")).total("cpu") / 1e9
    counted = figures.get("cprof_program_cpu_seconds_total", program="seq")
    assert counted > 0.9 * sampled, f"{counted} s, {sampled} s in samples"
    assert not re.search(r'pid="', figures.text)


def test_token(env):
    """Prometheus sends it as a bearer token. Probes have none."""
    listen = free_port()
    start_redis(env, listen, listen_token="secret")
    url = f"http://127.0.0.1:{listen}"
    assert get(f"{url}/healthz") == "ok\n"
    try:
        get(f"{url}/metrics")
        raise AssertionError("/metrics without a token")
    except urllib.error.HTTPError as error:
        assert error.code == 401, error
    request = urllib.request.Request(f"{url}/metrics", headers={"Authorization": "Bearer secret"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert b"cprof_build_info" in answer.read()


def test_uploader_that_is_killed(env):
    """Its successor begins at zero and says so by its start time, so that rate() counts nothing twice."""
    listen = free_port()
    child, port = start_redis(env, listen)
    load_redis(env, port)
    before = scrape(listen)
    killed = env.uploaders()
    assert len(killed) == 1
    os.kill(killed[0], signal.SIGKILL)

    def successor():
        with contextlib.suppress(OSError):
            figures = scrape(listen)
            return figures if figures.get("process_start_time_seconds") != before.get("process_start_time_seconds") else None
    after = wait_for(successor, 10, "another uploader")
    assert after.get("cprof_program_cpu_seconds_total", **REDIS) < 0.5 * before.get("cprof_program_cpu_seconds_total", **REDIS)
    assert after.get("cprof_program_processes", **REDIS) == 1
    load_redis(env, port)
    later = scrape(listen)
    assert later.get("cprof_program_cpu_seconds_total", **REDIS) > after.get("cprof_program_cpu_seconds_total", **REDIS)
    assert child.poll() is None


def test_rules(_env):
    """By promtool: they are right, each fires, and none where it should not."""
    promtool("check", "rules", "--lint=all", "--lint-fatal", RULES)
    assert "SUCCESS" in promtool("test", "rules", os.path.join(os.path.dirname(RULES), "tests.yml"))


def test_documented_configurations(env):
    """Each scrape configuration of docs/metrics.md is one that Prometheus reads. Debian's is built without Kubernetes."""
    with open(os.path.join(TREE, "docs", "metrics.md"), encoding="utf-8") as file:
        blocks = re.findall(r"(?:^    .*\n|^\n(?=    ))+", file.read(), re.M)
    blocks = [textwrap.dedent(block) for block in blocks if "scrape_configs" in block]
    assert len(blocks) == 2, blocks
    shutil.copy(RULES, env.dir)
    with open(os.path.join(env.dir, "token"), "w", encoding="utf-8") as file:
        file.write("secret")
    for block in blocks:
        path = os.path.join(env.dir, "prometheus.yml")
        with open(path, "w", encoding="utf-8") as file:
            block = block.replace("/etc/prometheus/cprof-token", os.path.join(env.dir, "token"))
            file.write(block.replace("kubernetes_sd_configs: [{ role: pod }]", "static_configs: [{ targets: [pod] }]"))
        assert "SUCCESS" in promtool("check", "config", path)


def known_metrics():
    with open(os.path.join(TREE, "docs", "metrics.md"), encoding="utf-8") as file:
        return set(re.findall(r"^\| `(\w+)` \| (?:counter|gauge|histogram)", file.read(), re.M))


def queries():
    """(panel, expression) of the dashboard, its variables filled in as Grafana does with "All"."""
    with open(DASHBOARD, encoding="utf-8") as file:
        board = json.load(file)
    for panel in board["panels"]:
        for target in panel.get("targets", []):
            if "expr" in target:
                yield panel["title"], re.sub(r"\$(job|instance|service|program)\b", ".*", target["expr"]).replace("$__rate_interval", "10s")


def test_names_are_known(_env):
    with open(RULES, encoding="utf-8") as file:
        text = file.read() + "\n".join(expression for _, expression in queries())
    used = set(re.findall(r"\b(?:cprof|process)_\w+", re.sub(r"_(bucket|sum|count)\b", "", text)))
    assert used > {"cprof_samples_total", "process_cpu_seconds_total"}
    assert not used - known_metrics(), used - known_metrics()


class Taker(http.server.BaseHTTPRequestHandler):
    """Takes whatever is pushed."""

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


@limit(180)
def test_prometheus(env):
    taker = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Taker)
    threading.Thread(target=taker.serve_forever, daemon=True).start()
    listen = free_port()
    _, port = start_redis(env, listen, server=f"http://127.0.0.1:{taker.server_port}", mutex_fraction=1, block_rate=1,
                          spool=os.path.join(env.dir, "spool"))
    with prometheus(env, [listen], [RULES]) as server:
        for _ in range(5):
            load_redis(env, port)
            time.sleep(1)
        targets = server.targets()
        assert len(targets) == 1 and all(t["health"] == "up" and not t["lastError"] for t in targets), targets
        assert all(value == 1 for _, value in server.query("min_over_time(up[1m])"))
        assert server.query("process_start_time_seconds") and server.query('cprof_build_info{version!=""}')
        empty = [(panel, expression) for panel, expression in queries() if not server.query(expression)]
        assert not empty, f"panels of the dashboard without data: {empty}"
        for group in server.api("rules")["groups"]:
            for rule in group["rules"]:
                assert rule["health"] == "ok" and not rule.get("lastError"), rule
    taker.shutdown()


@waits
@limit(180)
def test_dashboards_profiles(env):
    """The dashboard's flame graphs are of types that a real Pyroscope has, and its selector finds them."""
    with open(DASHBOARD, encoding="utf-8") as file:
        targets = [t for p in json.load(file)["panels"] for t in p.get("targets", []) if "profileTypeId" in t]
    assert len(targets) >= 5
    with pyroscope(env) as url:
        env.run(env.program("lock_paths.c"), "4", "10000", "rest", server=url, interval="1s", name="shop", mutex_fraction=1,
                block_rate=1).ok()
        env.run(env.program("allocs.c"), "64", server=url, interval="1s", name="shop", memory_rate="16KiB").ok()
        env.uploaders_gone(25)
        for target in targets:
            selector = target["labelSelector"].replace("${service:regex}", "shop|other")
            graph = query(url, "SelectMergeStacktraces", profileTypeID=target["profileTypeId"], labelSelector=selector)
            assert int(graph["flamegraph"].get("total", 0)) > 0, f"{target['profileTypeId']}{selector}: nothing"
