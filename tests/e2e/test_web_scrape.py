# SPDX-License-Identifier: Apache-2.0
"""Scrapers, by the rules of Alloy's pyroscope.scrape (scrape_loop.go, validate.go, delta_profiles.go) and Parca's (scrape.go)."""
import collections
import re
import threading
import time

from tests.lib import web
from tests.lib.harness import near, wait_for

ALLOY = {"memory": "allocs", "block": "block", "goroutine": "goroutine", "mutex": "mutex", "process_cpu": "profile?seconds=2"}
DELTAS = {"memory": ("alloc_objects", "alloc_space"), "mutex": ("contentions", "delay"), "block": ("contentions", "delay")}


def validate(answer):
    """What Alloy drops is no profile to it."""
    assert 200 <= answer.status < 300, answer.status
    kind = answer.headers.get("content-type", "")
    assert kind.startswith("application/octet-stream"), kind
    assert answer.body, "empty"
    assert answer.body[:2] == b"\x1f\x8b" or answer.body[0] in (0x0A, 0x12, 0x1A, 0x22, 0x2A, 0x32), answer.body[:4]
    assert not answer.body.lstrip().startswith((b"<", b"{", b"[")), answer.body[:20]
    return answer.profile()


class Alloy:
    """Scrapes all types at once, and takes differences of what is cumulative; the first scrape of each counts for nothing."""

    def __init__(self, port):
        self.port, self.last, self.sums, self.first = port, {}, collections.Counter(), {}

    def scrape_one(self, name, path, profiles):
        profiles[name] = validate(web.ask(self.port, path, headers={"Accept-Encoding": "gzip", "User-Agent": "Alloy/1"}))

    def scrape(self):
        profiles = {}
        threads = [threading.Thread(target=self.scrape_one, args=(name, path, profiles)) for name, path in ALLOY.items()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert set(profiles) == set(ALLOY), "not all types were scraped"
        for name, profile in profiles.items():
            self.take(name, profile)
        return profiles

    def take(self, name, profile):
        assert abs(profile.time_ns / 1e9 - time.time()) < 60, "a server refuses what is an hour old"
        if name not in DELTAS:
            return
        values = collections.Counter()
        columns = [i for i, (kind, _) in enumerate(profile.types) if kind in DELTAS[name]]
        assert len(columns) == 2, profile.types
        for s in profile.samples:
            key = tuple((f.function, f.line, f.mapping, f.address) for f in s.frames), tuple(sorted(map(str, s.labels.items())))
            for column in columns:
                values[key, column] += s.values[column]
        before = self.last.get(name)
        self.last[name] = values
        if before is None:
            self.first[name] = sum(v for (_, column), v in values.items() if column == columns[1])
            return
        reset = any(values[key] < value for key, value in before.items())
        for key, value in values.items():
            if key[1] == columns[1]:
                self.sums[name] += value - (0 if reset else before[key])


def total(port, path):
    return sum(s.values[1] for s in web.ask(port, path).profile().samples)


def test_alloy(env):
    """The differences add up to what the session counted; a process that ends, is folded or comes anew makes no jump."""
    child, port = web.start(env, env.program("serves.c"), interval="1s", linger="5s", cpu_hz=500)
    alloy = Alloy(port)
    time.sleep(1)
    for i in range(4):
        profiles = alloy.scrape()
        assert profiles["process_cpu"].samples and near_two_seconds(profiles["process_cpu"])
        assert profiles["goroutine"].types == [("goroutine", "count")], profiles["goroutine"].types
        if i == 1:
            child.kill()
            child = env.start(env.program("serves.c"), env=env.environ(listen=f"127.0.0.1:{port}", interval="1s", linger="5s", cpu_hz=500))
            wait_for(lambda: f"pid={child.pid}" and web.ask(port, f"heap?pid={child.pid}").status == 200, 10, "the next process")
    child.kill()
    wait_for(lambda: "none now" in web.ask(port, "heap?pid=1").text, 10, "the end of the program")
    alloy.scrape()
    for name, path in (("memory", "allocs"), ("mutex", "mutex"), ("block", "block")):
        whole = total(port, path)
        near(alloy.sums[name] + alloy.first[name], whole, 0.001 * whole, name)


def near_two_seconds(profile):
    near(profile.duration_ns / 1e9, 2, 0.5, "duration")
    return True


def test_restart_is_a_reset(env):
    """Another session begins at nothing, as a program of Go's does, so that nothing is counted twice."""
    child, port = web.start(env, env.program("serves.c"), linger="200ms", out=env.dir + "/one")
    alloy = Alloy(port)
    time.sleep(2)
    alloy.scrape()
    child.kill()
    env.uploaders_gone()
    web.start(env, env.program("serves.c"), port=port, out=env.dir + "/two")
    alloy.scrape()
    assert 0 < alloy.sums["memory"] <= total(port, "allocs")


def test_parca(env):
    """Exactly 200 and not empty, with its own types; cumulative ones never shrink."""
    _, port = web.start(env, env.program("serves.c"))
    before = {}
    for _ in range(2):
        for path in ("allocs", "block", "goroutine", "mutex", "profile?seconds=1"):
            answer = web.ask(port, path, headers={"User-Agent": "conprof/0.28"})
            assert answer.status == 200 and answer.body, path
            count = sum(s.values[-1] for s in answer.profile().samples)
            if path in ("block", "mutex"):
                assert count >= before.get(path, 0), path
            before[path] = count


def test_same_parameters_everywhere(env):
    """A scraper whose params are shared asks all types for N seconds: deltas, under their own file names."""
    _, port = web.start(env, env.program("serves.c"))
    for kind in ("allocs", "block", "goroutine", "mutex", "heap", "threadcreate", "wall", "off_cpu", "threads"):
        answer = web.ask(port, kind + "?seconds=1")
        assert re.fullmatch(rf'attachment; filename="{kind}-delta"', answer.headers["content-disposition"]), answer.headers
        near(answer.profile().duration_ns / 1e9, 1, 0.5, kind)
