# SPDX-License-Identifier: Apache-2.0
"""The report's numbers are those of `go tool pprof`, and its comparison says what `cprof diff` says. node runs the page's modules."""
import json
import os
import re
import subprocess

from tests.lib.harness import TREE, need

NUMBERS = os.path.join(TREE, "tests", "page", "numbers.mjs")
UNITS = {"cpu": "ns", "wall": "ns", "alloc_space": "B"}
# Perl's functions are in one file: of functions of one name in two files, pprof makes one, and the page does not.
WORK = "sub fib {{ my $n = shift; $n < 2 ? $n : fib($n - 1) + fib($n - 2) }} fib({fib}); my %h; $h{{$_}} = join ',', sort map {{ $_ * 7 }} 1 .. 20 for 1 .. {rows};"


def numbers(*args):
    done = subprocess.run([need("node:nodejs"), NUMBERS, *args], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def pprof(what, kind, path):
    return subprocess.run([need("go:golang-go"), "tool", "pprof", what, "-sample_index=" + kind, "-unit=" + UNITS[kind], "-nodefraction=0",
                           "-edgefraction=0", "-nodecount=1000000", path], capture_output=True, text=True, check=True).stdout


def plain(name):
    return re.sub(r" \((partial-)?inline\)$", "", name.strip())


def amount(text):
    return float(re.match(r"-?[\d.]+(e\+\d+)?", text.strip()).group())


def top(kind, path):
    """Own and total value by function."""
    rows = re.findall(r"^\s*(\d\S*)\s+\S+%\s+\S+%\s+(\S+)\s+\S+%\s+(.*)$", pprof("-top", kind, path), re.M)
    return {plain(name): (amount(flat), amount(cum)) for flat, cum, name in rows}


def peek(kind, path):
    """Callers and callees by function: those above and below its own line."""
    found = {}
    for block in re.split(r"^-+\+-+$", pprof("-peek=.", kind, path), flags=re.M):
        rows = [line.partition("|")[::2] for line in block.splitlines() if "|" in line]
        own = [n for n, (left, _) in enumerate(rows) if re.match(r"\s*\S+\s+\S+%\s+\S+%\s+\S+\s+\S+%", left)]
        if own:
            edges = [{plain(name): amount(left) for left, name in part} for part in (rows[:own[0]], rows[own[0] + 1:])]
            found[plain(rows[own[0]][1])] = edges
    return found


def profile(env, fib, rows, out):
    env.cprof(need("perl"), "-e", WORK.format(fib=fib, rows=rows), out=out, cpu_hz="500", max_overhead="0").ok()
    env.uploaders_gone()
    return out


def same_as_pprof(kind, path):
    page, theirs, edges = numbers(kind, path), top(kind, path), peek(kind, path)
    assert len(theirs) > 10, theirs
    assert {name: (row["own"], row["total"]) for name, row in page.items()} == theirs
    assert {name: [row["callers"], row["callees"]] for name, row in page.items()} == edges


def test_numbers_are_those_of_pprof(env):
    out = profile(env, 22, 20000, env.out)
    for kind, name in (("cpu", "cpu"), ("alloc_space", "memory"), ("wall", "wall")):
        same_as_pprof(kind, env.path("perl", name, out))


def test_comparison_says_what_cprof_diff_says(env):
    sides = [profile(env, fib, 15000, os.path.join(env.dir, name)) for name, fib in (("before", 20), ("after", 23))]
    for kind, name in (("cpu", "cpu"), ("alloc_space", "memory")):
        before, after = (env.path("perl", name, side) for side in sides)
        done = subprocess.run([env.uploader, "diff", "--json", "--type=" + kind, before, after], capture_output=True, text=True, check=True)
        diff, page = json.loads(done.stdout), numbers(kind, after, before)
        assert abs(page["level"] - diff["level"]["listed"]) < 0.001
        theirs = {row["name"]: row for row in diff["functions"]}
        assert page["functions"].keys() == theirs.keys()
        for function, row in page["functions"].items():
            for part in ("own", "cumulative"):
                for key in ("change", "error"):
                    ours, other = row[part][key], theirs[function][part][key]
                    assert abs(ours - other) <= 1e-4 * max(1, abs(other)), (function, part, key, ours, other)
                assert row[part]["significant"] == theirs[function][part]["significant"], (function, part)
