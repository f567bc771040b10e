# SPDX-License-Identifier: Apache-2.0
"""OTLP profiles: to a receiver of the test's own, to a real collector, and to Pyroscope's own endpoint."""
import contextlib
import os
import re
import shutil
import signal
import subprocess

from tests.e2e.test_pyroscope import pyroscope, query, stacktraces
from tests.lib.harness import Skip, free_port, limit, wait_for, waits
from tests.lib.otlp import receiver


@contextlib.contextmanager
def collector(env):
    """Starts an OpenTelemetry collector that prints what it takes; yields its URL and the path of its output."""
    given = os.environ.get("CPROF_TEST_OTELCOL")
    if not given:
        raise Skip("no collector: set CPROF_TEST_OTELCOL to a program that starts one that takes and prints profiles, given "
                   "HTTP_PORT GRPC_PORT")
    port, path = free_port(), os.path.join(env.dir, "otelcol.log")
    with open(path, "w", encoding="utf-8") as log:
        child = subprocess.Popen([given, str(port), str(free_port())], stdout=log, stderr=log, start_new_session=True)
    try:
        wait_for(lambda: "Everything is ready" in read(path), 30, "the collector")
        yield f"http://127.0.0.1:{port}", path
    finally:
        os.killpg(child.pid, signal.SIGTERM)
        child.wait(10)


def read(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def conforms(env, bodies):
    """profcheck (github.com/open-telemetry/sig-profiling) finds nothing wrong, if it is there."""
    profcheck = os.environ.get("CPROF_TEST_PROFCHECK") or shutil.which("profcheck")
    for i, body in enumerate(bodies if profcheck else []):
        path = os.path.join(env.dir, f"body-{i}")
        with open(path, "wb") as file:
            file.write(body)
        done = subprocess.run([profcheck, "-check-dupes", "-check-orphans", path], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout


def otlp(env, url, **settings):
    """An environment in which profiles go to `url`, and to files."""
    variables = {k: settings.pop(k) for k in list(settings) if k.startswith("OTEL_")}
    return {**env.environ(**settings), "OTEL_EXPORTER_OTLP_ENDPOINT": url, **variables}


def file_totals(env, program):
    """{(type, period type): total} of all files, as OTLP has them."""
    totals = {}
    for kind in ("cpu", "memory", "mutex", "block", "wall", "off_cpu"):
        if not os.path.exists(env.path(program, kind)):
            continue
        profile = env.profile(program, kind)
        for name, _ in profile.types:
            period = "cpu" if kind == "cpu" else kind
            totals[name, period] = profile.total(name)
    return totals


def check_totals(env, program, total):
    """total(type, period type), with CPU time in ns as "samples" of a period."""
    for (name, period), expected in file_totals(env, program).items():
        if name.startswith("inuse") or (name, period) == ("samples", "cpu"):
            continue
        kind = "samples" if (name, period) == ("cpu", "cpu") else name
        assert total(kind, period) == expected, (kind, period, total(kind, period), expected)


def test_requests_have_what_the_files_have(env):
    with receiver() as seen:
        env.run(env.program("shares.c"), "2", "2", env=otlp(env, seen.url, interval="1s", name="shop", labels="region=eu",
                OTEL_RESOURCE_ATTRIBUTES="service.name=other,deployment.environment.name=a%20b")).ok()
        env.uploaders_gone()
        assert set(seen.paths) == {"/v1development/profiles"}, seen.paths
        assert seen.headers[0]["Content-Type"] == "application/x-protobuf", seen.headers[0]
        conforms(env, seen.bodies)
        profiles = seen.profiles()

        def total(kind, period):
            return sum(s.value * (p.period if kind == "samples" and period == "cpu" else 1) for p in profiles
                       if (p.type, p.period_type) == (kind, period) for s in p.samples)

        check_totals(env, "shares", total)
        assert total("samples", "cpu") > 3e9, total("samples", "cpu")
        resource = profiles[0].resource
        assert resource["service.name"] == "shop" and resource["region"] == "eu", resource
        assert resource["deployment.environment.name"] == "a b", resource
        assert any(f.startswith("work_") for p in profiles for s in p.samples for f in s.frames)
        mappings = {path: m for r in seen.requests() for path, m in r.mappings().items()}
        own = next(m for path, m in mappings.items() if path.endswith("/shares"))
        assert len(own["process.executable.build_id.htlhash"]) == 32, own


@limit(120)
def test_a_collector_has_what_the_files_have(env):
    """Its output has the values of each Profile's samples, and of a program that ends before its interval there is one request."""
    with collector(env) as (url, path):
        env.run(env.program("shares.c"), "2", "2", env=otlp(env, url, interval="60s", name="shop")).ok()
        env.uploaders_gone()
        wait_for(lambda: "Profile #0" in read(path), 10, "the collector's output")
        sums = [sum(int(v) for v in re.findall(r"Values: \[(\d+)\]", part)) for part in read(path).split("Profile #")[1:]]
    expected = file_totals(env, "shares")
    assert expected["cpu", "cpu"] // 10_000_000 in sums, (expected, sums)
    for kind in (("wall", "wall"), ("off_cpu", "off_cpu")):
        assert expected[kind] in sums, (kind, expected, sums)


TYPES = {"process_cpu:cpu:nanoseconds:cpu:nanoseconds", "memory:alloc_objects:count:memory:bytes",
         "memory:alloc_space:bytes:memory:bytes", "memory:inuse_space:bytes:memory:bytes",
         "wall:wall:nanoseconds:wall:nanoseconds", "off_cpu:off_cpu:nanoseconds:off_cpu:nanoseconds",
         "threads:threads:count:threads:count", "threadcreate:threadcreate:count:threadcreate:count"}


@limit(180)
def test_pyroscope_has_what_the_files_have(env):
    with pyroscope(env) as url:
        env.run(env.program("shares.c"), "3", "2", env=otlp(env, url, interval="1s", name="shop")).ok()
        env.run(env.program("allocs.c"), "64", env=otlp(env, url, interval="1s", memory_rate="16KiB", name="shop-memory")).ok()
        env.uploaders_gone(25)
        types = {t["ID"] for t in query(url, "ProfileTypes")["profileTypes"]}
        assert TYPES <= types, types
        cpu, _ = stacktraces(url, "process_cpu:cpu:nanoseconds:cpu:nanoseconds", '{service_name="shop"}')
        wall, _ = stacktraces(url, "wall:wall:nanoseconds:wall:nanoseconds", '{service_name="shop"}')
        space, _ = stacktraces(url, "memory:alloc_space:bytes:memory:bytes", '{service_name="shop-memory"}')
        objects, _ = stacktraces(url, "memory:alloc_objects:count:memory:bytes", '{service_name="shop-memory"}')
    assert cpu["total"] == env.profile("shares", "cpu").total("cpu"), cpu["total"]
    assert wall["total"] == env.profile("shares", "wall").total("wall"), wall["total"]
    assert space["total"] == env.profile("allocs", "memory").total("alloc_space"), space["total"]
    assert objects["total"] == env.profile("allocs", "memory").total("alloc_objects"), objects["total"]
    assert any(name.startswith("work_") for name in cpu), cpu


def samples_of(seen, service):
    """Values of CPU samples by service."""
    return sum(s.value for p in seen.profiles() if p.resource["service.name"] == service and p.period_type == "cpu" for s in p.samples)


def test_what_the_program_publishes_of_itself(env):
    """service.name and version of its own SDK count, below what is set."""
    with receiver() as seen:
        program = env.program("publishes.c")
        env.run(program, "store", "4", env=otlp(env, seen.url, interval="1s", profiles="cpu")).ok()
        env.uploaders_gone()
        resource = seen.profiles()[-1].resource
        assert resource["service.name"] == "store" and resource["service.version"] == "1.2.3", resource
        assert resource["process.executable.path"] == program and resource["process.executable.name"] == "publishes", resource
        assert resource["process.pid"] > 1 and resource["process.command"] == program and resource["host.name"], resource
        seen.bodies.clear()
        env.run(program, "store", "3", env=otlp(env, seen.url, interval="1s", profiles="cpu", name="mine")).ok()
        env.uploaders_gone()
        assert {p.resource["service.name"] for p in seen.profiles()} == {"mine"}, seen.profiles()
        assert seen.profiles()[-1].resource["service.version"] == "1.2.3", seen.profiles()[-1].resource


def test_two_services_of_one_program(env):
    """A process and its child are of one program and call themselves differently."""
    with receiver() as seen:
        env.run(env.program("publishes.c"), "fork", "store", "4", env=otlp(env, seen.url, interval="20s", profiles="cpu")).ok()
        env.uploaders_gone()
        mine, child = samples_of(seen, "store"), samples_of(seen, "store-child")
        pids = {p.resource["service.name"]: p.resource["process.pid"] for p in seen.profiles()}
    total = env.profile("publishes", "cpu").total("samples")
    assert mine + child == total, (mine, child, total)
    assert min(mine, child) > total / 5, (mine, child)  # two threads that compute, on however many CPUs are free
    assert pids["store"] != pids["store-child"], pids


def test_refusals_are_said_once(env):
    """An endpoint of all signals without profiles: one line, and no more requests."""
    with receiver() as seen:
        seen.answers += [(404, {"Content-Type": "text/plain"}, b"404 page not found")] * 100
        env.run(env.program("shares.c"), "3", env=otlp(env, seen.url, interval="300ms", profiles="cpu")).ok()
        env.uploaders_gone()
        assert len(seen.paths) <= 4, seen.paths
    assert env.log().count("answers 404") == 1, env.log()
    assert "no receiver of OTLP profiles at " + seen.url in env.log(), env.log()


def test_what_is_sent_again(env):
    """Only 429, 502, 503, 504 and broken connections are; partial success is said."""
    partial = b"\x0a\x0c\x08\x02\x12\x08too late"
    with receiver() as seen:
        seen.answers += [(503, {"Retry-After": "1"}, b""), (200, {}, partial)]
        env.run(env.program("shares.c"), "1", env=otlp(env, seen.url, interval="20s", profiles="cpu")).ok()
        env.uploaders_gone()
        assert len(seen.paths) == 2 and len(seen.bodies) == 1, seen.paths
        assert "2 profiles were rejected: too late" in env.log(), env.log()
    with receiver() as seen:
        seen.answers += [(500, {}, b"\x08\x02\x12\x06broken")]
        env.run(env.program("shares.c"), "1", env=otlp(env, seen.url, interval="20s", profiles="cpu")).ok()
        env.uploaders_gone()
        assert len(seen.paths) == 1 and not seen.bodies, seen.paths
        assert "500: broken" in env.log(), env.log()


def test_too_large_is_split(env):
    with receiver() as seen:
        seen.answers += [(413, {}, b"")]
        env.run(env.program("shares.c"), "1", env=otlp(env, seen.url, interval="20s")).ok()
        env.uploaders_gone()
        assert len(seen.bodies) == 2, seen.paths
        conforms(env, seen.bodies)
        total = sum(s.value * p.period for p in seen.profiles() if p.period_type == "cpu" for s in p.samples)
    assert total == env.profile("shares", "cpu").total("cpu"), total


def test_settings(env):
    """Headers, compression, own endpoint; what cprof does not speak is said, and nothing is sent."""
    program = env.program("shares.c")

    def run(url, **variables):
        env.run(program, "1", env=otlp(env, url, interval="20s", profiles="cpu", **variables)).ok()
        env.uploaders_gone()

    with receiver() as seen:
        run("http://127.0.0.1:1", OTEL_EXPORTER_OTLP_PROFILES_ENDPOINT=seen.url + "/own/path",
            OTEL_EXPORTER_OTLP_HEADERS="authorization=Bearer%20abcdefgh,x-a=1", OTEL_EXPORTER_OTLP_COMPRESSION="none")
        assert seen.paths == ["/own/path"], seen.paths
        headers = {k.lower(): v for k, v in seen.headers[0].items()}
        assert headers["authorization"] == "Bearer abcdefgh" and headers["x-a"] == "1", headers
        assert "content-encoding" not in headers and seen.profiles(), headers
        for variables, said in (({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "OTEL_EXPORTER_OTLP_PROTOCOL is grpc"),):
            run(seen.url, **variables)
            assert env.log().count(said) == 1, env.log()
        run("http://127.0.0.1:4317")
        assert "gRPC's port 4317" in env.log(), env.log()
        assert len(seen.paths) == 1, seen.paths


@waits
@limit(120)
def test_pyroscope_is_told_the_service(env):
    """What the program publishes of itself names the pushed series, too."""
    with pyroscope(env) as url:
        env.run(env.program("publishes.c"), "fork", "store", "4", server=url, interval="20s", profiles="cpu").ok()
        env.uploaders_gone(25)
        services = query(url, "LabelValues", name="service_name")["names"]
        versions = query(url, "LabelValues", name="service_version")["names"]
        cpu = "process_cpu:cpu:nanoseconds:cpu:nanoseconds"
        both = [stacktraces(url, cpu, f'{{service_name="{name}"}}')[0]["total"] for name in ("store", "store-child")]
    assert {"store", "store-child"} <= set(services) and versions == ["1.2.3"], (services, versions)
    assert sum(both) == env.profile("publishes", "cpu").total("cpu"), both
