# SPDX-License-Identifier: Apache-2.0
"""The small programs of tests/targets: each observes one behaviour, and must observe the same with the library."""
import os

from . import harness

SKIPPED = 77


def source_lines(path):
    name = os.path.basename(path)
    for suffix in (".c", ".cc"):
        source = os.path.join(harness.TREE, "tests", "targets", name + suffix)
        if os.path.exists(source):
            with open(source, encoding="utf-8") as file:
                return file.read().splitlines()[:12]
    return []


def is_alone(path):
    """"// alone" among a program's first lines: it fills the machine."""
    return any(line.startswith("// alone") for line in source_lines(path))


def check(env, name, path=None):
    path = path or os.path.join(env.build, "tests", "targets", name)
    if harness.EMULATED and any(line.startswith("// real processor") for line in source_lines(path)):
        raise harness.Skip("needs a real processor")
    runs = []
    for profiled in (False, True):
        directory = os.path.join(env.dir, "profiled" if profiled else "bare")
        os.mkdir(directory)
        # A high rate: many signals make many chances to disturb.
        settings = {"cpu_hz": 1000, "memory_rate": "4KiB"} if profiled else {}
        # With the library it may take ten times as long as without, so a hang is noticed early.
        timeout = 20 + 10 * runs[0].seconds / harness.PATIENCE if profiled else 60
        runs.append(env.run(path, profiled=profiled, cwd=directory, timeout=timeout, **settings))
    bare, ours = runs
    if bare.status == SKIPPED:
        raise harness.Skip(bare.stdout.strip() or "the program skipped itself")
    assert bare.status == 0, f"fails without cprof as well: status {bare.status}\n{bare.stdout}{bare.stderr}"
    assert ours.status == bare.status, f"exit status {ours.status} with cprof\n{ours.stdout}{ours.stderr}"
    assert ours.stdout == bare.stdout, f"stdout differs:\n{bare.stdout}---\n{ours.stdout}"
    assert ours.stderr == bare.stderr, f"stderr differs:\n{bare.stderr}---\n{ours.stderr}"
