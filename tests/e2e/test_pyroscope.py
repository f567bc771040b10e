# SPDX-License-Identifier: Apache-2.0
"""Against a real Pyroscope: what is pushed is found by its queries, with the shares that the program itself knows."""
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import time
import urllib.request

from tests.lib.harness import Skip, free_port, limit, near, wait_for, waits


def server_or_skip():
    given, found = os.environ.get("CPROF_TEST_PYROSCOPE"), shutil.which("pyroscope")
    if not given and not found:
        raise Skip("no Pyroscope: put the `pyroscope` binary on PATH (github.com/grafana/pyroscope, releases), or set "
                   "CPROF_TEST_PYROSCOPE to a program that starts one given DIR HTTP_PORT GRPC_PORT GOSSIP_PORT")
    return given, found


@contextlib.contextmanager
def pyroscope(env, http=None):
    """Starts a server of the test's own, on a port of its own or the given one; yields its URL."""
    given, found = server_or_skip()
    http, grpc, gossip = http or free_port(), free_port(), free_port()
    directory = os.path.join(env.dir, "pyroscope")
    command = [given, directory, str(http), str(grpc), str(gossip)] if given else [
        found, "-storage.backend=filesystem", f"-storage.filesystem.dir={directory}/blocks",
        f"-pyroscopedb.data-path={directory}/db", "-self-profiling.disable-push=true", "-usage-stats.enabled=false",
        f"-server.http-listen-port={http}", f"-server.grpc-listen-port={grpc}", f"-memberlist.bind-port={gossip}"]
    with open(os.path.join(env.dir, "pyroscope.log"), "w", encoding="utf-8") as log:
        child = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True, cwd=env.dir)
        try:
            url = f"http://127.0.0.1:{http}"
            wait_for(lambda: ready(url), 30, "the Pyroscope server")
            yield url
        finally:
            os.killpg(child.pid, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(10)
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGKILL)


def ready(url):
    try:
        return urllib.request.urlopen(url + "/ready", timeout=1).status == 200
    except OSError:
        return False


def query(url, method, **body):
    now = int(time.time() * 1000)
    body = {"start": now - 600000, "end": now + 60000, **body}
    request = urllib.request.Request(f"{url}/querier.v1.QuerierService/{method}", json.dumps(body).encode(),
                                     {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)


def stacktraces(url, profile, selector):
    """Total and own value by function."""
    graph = query(url, "SelectMergeStacktraces", profileTypeID=profile, labelSelector=selector)["flamegraph"]
    total, own = {}, {}
    for level in graph["levels"]:
        values = [int(v) for v in level["values"]]
        for i in range(0, len(values), 4):
            name = graph["names"][values[i + 3]]
            total[name] = total.get(name, 0) + values[i + 1]
            own[name] = own.get(name, 0) + values[i + 2]
    return total, own


CPU = "process_cpu:cpu:nanoseconds:cpu:nanoseconds"
ALLOC = "memory:alloc_space:bytes:space:bytes"
INUSE = "memory:inuse_space:bytes:space:bytes"


@limit(180)
def test_profiles_are_found_by_queries(env):
    with pyroscope(env) as url:
        settings = {"server": url, "interval": "1s", "labels": "region=eu", "memory_rate": "16KiB"}
        done = env.run(env.program("shares.c"), "5", "2", cpu_hz=1000, name="shop-cpu", **settings).ok()
        allocs = env.run(env.program("allocs.c"), "64", name="shop-memory", **settings).ok()
        env.uploaders_gone(25)

        types = {t["ID"] for t in query(url, "ProfileTypes")["profileTypes"]}
        assert {CPU, ALLOC, INUSE} <= types, types
        services = query(url, "LabelValues", name="service_name")["names"]
        assert {"shop-cpu", "shop-memory"} <= set(services), services
        assert query(url, "LabelValues", name="region")["names"] == ["eu"]
        names = query(url, "LabelNames")["names"]
        assert not {"pid", "thread", "tid"} & set(names), names

        total, _ = stacktraces(url, CPU, '{service_name="shop-cpu"}')
        spent = {name: int(ns) for name, ns in re.findall(r"(work_\d+) (\d+)", done.stdout)}
        # A kernel of 250 ticks a second makes 2,500 samples of it: 0.03 is over three standard errors.
        for name, ns in spent.items():
            near(total[name] / total["total"], ns / sum(spent.values()), 0.03, f"share of {name}")
        near(total["total"], sum(spent.values()), 0.03 * sum(spent.values()), "CPU nanoseconds in all")

        # cprof diff asks for the same, and a span is not different from itself.
        side = f'{url}/?query={CPU}{{service_name="shop-cpu"}}&from=now-10m&until=now'
        done = env.run(env.uploader, "diff", "--json", "--normalize=none", side, side, env=env.environ(profiled=False)).ok()
        answer = json.loads(done.stdout)
        assert answer["compared"]["total"]["a"] == total["total"] and not answer["compared"]["total"]["significant"], answer["compared"]
        rows = {f["name"]: f["cumulative"]["a"] for f in answer["functions"]}
        assert all(rows[name] == total[name] for name in spent), (rows, total)

        total, _ = stacktraces(url, ALLOC, '{service_name="shop-memory"}')
        inuse, _ = stacktraces(url, INUSE, '{service_name="shop-memory"}')
        for name, size in re.findall(r"(path_\w+) (\d+)", allocs.stdout):
            near(total[name] / int(size), 1, 0.06, f"bytes of {name}, relative")
        assert inuse["path_leak"] > 0


@limit(180)
def test_server_that_comes_late(env):
    """Nothing is lost while the server is away, as long as it is not away for long."""
    port = free_port()
    server_or_skip()
    child = env.start(env.program("shares.c"), "12", server=f"http://127.0.0.1:{port}", name="late", interval="1s",
                      stdout=subprocess.PIPE, profiles="cpu")
    time.sleep(3)
    with pyroscope(env, port) as url:
        stdout, _ = child.communicate(timeout=60)
        env.uploaders_gone(25)
        total, _ = stacktraces(url, CPU, '{service_name="late"}')
    spent = sum(int(ns) for ns in re.findall(r"work_\d+ (\d+)", stdout))
    near(total["total"], spent, 0.05 * spent, "CPU nanoseconds in all")


@waits
@limit(180)
def test_wrong_path_is_said(env):
    with pyroscope(env) as url:
        env.run(env.program("shares.c"), "1", server=url + "/nowhere", profiles="cpu").ok()
        env.uploaders_gone(25)
    assert "404" in env.log(), env.log()


WAITS = {"mutex": "mutex:delay:nanoseconds:contentions:count", "block": "block:delay:nanoseconds:contentions:count",
         "wall": "wall:wall:nanoseconds:wall:nanoseconds", "off_cpu": "off_cpu:off_cpu:nanoseconds:off_cpu:nanoseconds",
         "threads": "threads:threads:count:threads:count",
         "threadcreate": "threadcreate:threadcreate:count:threadcreate:count"}


@waits
@limit(180)
def test_waits_are_found_by_queries(env):
    with pyroscope(env) as url:
        done = env.run(env.program("lock_paths.c"), "4", "10000", "rest", server=url, interval="1s", name="shop-locks", mutex_fraction=1,
                       block_rate=1).ok()
        env.uploaders_gone(25)
        types = {t["ID"] for t in query(url, "ProfileTypes")["profileTypes"]}
        assert set(WAITS.values()) <= types, types
        names = query(url, "LabelNames")["names"]
        assert not {"pid", "thread", "tid", "state", "wait", "waits_for"} & set(names), names
        total = {kind: stacktraces(url, type_id, '{service_name="shop-locks"}')[0] for kind, type_id in WAITS.items()}
    waited = int(re.search(r"waited (\d+)", done.stdout)[1])
    near(total["mutex"]["path_70"] / total["mutex"]["total"], 0.7, 0.03, "share of path_70 in what others waited")
    near(total["block"]["take"], waited, 0.05 * waited, "nanoseconds waited for the lock")
    near(total["off_cpu"]["take"], waited, 0.1 * waited, "nanoseconds off the CPU in take()")
    near(total["wall"]["total"], 5 * 4e9, 0.05 * 5 * 4e9, "wall time of five threads")
    assert total["threads"]["work"] and total["threadcreate"]["main"], total
