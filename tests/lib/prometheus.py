# SPDX-License-Identifier: Apache-2.0
"""Reads Prometheus' text format, and runs a real Prometheus that scrapes the uploaders of a test."""
import contextlib
import json
import os
import re
import signal
import subprocess
import urllib.parse
import urllib.request

from tests.lib.harness import free_port, need, wait_for

SAMPLE = re.compile(r'^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$')
LABEL = re.compile(r'([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"')


class Figures:
    """One scrape. By series, which is a name and its labels: (name, frozenset of (label, value))."""

    def __init__(self, text):
        self.text, self.types, self.value = text, {}, {}
        for line in text.splitlines():
            if line.startswith("# TYPE "):
                _, _, name, kind = line.split()
                assert name not in self.types, f"two TYPE lines of {name}"
                self.types[name] = kind
            elif not line.startswith("#"):
                name, labels, value = SAMPLE.match(line).groups()
                series = (name, frozenset(LABEL.findall(labels or "")))
                assert series not in self.value, f"twice: {line}"
                self.value[series] = float(value)

    def get(self, name, **labels):
        """The sum of all series with these labels; None: there is none."""
        found = [value for (n, l), value in self.value.items() if n == name and set(labels.items()) <= l]
        return sum(found) if found else None

    def counters(self):
        """What may never go back."""
        def family(name):
            return re.sub(r"_(bucket|sum|count)$", "", name) if name not in self.types else name
        return {series: v for series, v in self.value.items() if self.types[family(series[0])] in ("counter", "histogram")}


def get(url, timeout=10):
    with urllib.request.urlopen(url, timeout=timeout) as answer:
        return answer.read().decode()


def scrape(port):
    return Figures(get(f"http://127.0.0.1:{port}/metrics"))


class Server:
    """A Prometheus, by its HTTP API (prometheus.io/docs/prometheus/latest/querying/api)."""

    def __init__(self, port):
        self.url = f"http://127.0.0.1:{port}"

    def api(self, path, **arguments):
        answer = json.loads(get(f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(arguments)}"))
        assert answer["status"] == "success", answer
        return answer["data"]

    def query(self, expression):
        """[(labels, value)]"""
        return [(r["metric"], float(r["value"][1])) for r in self.api("query", query=expression)["result"]]

    def targets(self):
        return self.api("targets")["activeTargets"]


@contextlib.contextmanager
def prometheus(env, ports, rules=()):
    """Scrapes each of these once a second, as the job "cprof"."""
    server, port = need("prometheus"), free_port()
    config = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": list(rules),
        "scrape_configs": [{"job_name": "cprof", "static_configs": [{"targets": [f"127.0.0.1:{p}" for p in ports]}]}],
    }
    path = os.path.join(env.dir, "prometheus.yml")
    with open(path, "w", encoding="utf-8") as file:
        json.dump(config, file)  # which is YAML, too
    with open(os.path.join(env.dir, "prometheus.log"), "w", encoding="utf-8") as log:
        child = subprocess.Popen([server, f"--config.file={path}", f"--storage.tsdb.path={env.dir}/prometheus",
                                  f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log, start_new_session=True)
    try:
        def ready():
            with contextlib.suppress(OSError):
                return "Ready" in get(f"http://127.0.0.1:{port}/-/ready")
            assert child.poll() is None, f"Prometheus has ended: {open(log.name, encoding='utf-8').read()[-1000:]}"
            return False
        wait_for(ready, 30, "Prometheus")
        yield Server(port)
    finally:
        os.killpg(child.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(10)
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
