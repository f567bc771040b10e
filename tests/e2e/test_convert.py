# SPDX-License-Identifier: Apache-2.0
"""cprof convert: there and back without a loss, what other programs read and write, and wrong input."""
import glob
import gzip
import json
import os
import re

from tests.lib import made, pprof
from tests.lib.harness import need

STACKS = [("read;parse;main", (3, 30000000)), ("memcpy;parse;main", (2, 20000000)), ("main", (1, 10000000)),
          ("read;a b(c, d);main", (7, 70000001))]
FOLDED = "main 10000000\nmain;a b(c, d);read 70000001\nmain;parse;memcpy 20000000\nmain;parse;read 30000000\n"


def convert(env, *args, status=0, **options):
    done = env.run(env.uploader, "convert", *args, env=env.environ(profiled=False), **options)
    assert done.status == status, f"exit status {done.status}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def refused(env, *args, status=1):
    """Its one line on standard error."""
    done = env.run(env.uploader, "convert", *args, env=env.environ(profiled=False))
    assert done.status == status and not done.stdout, (done.status, done.stdout)
    assert re.fullmatch(r"cprof: convert: [^\n]+\n", done.stderr), done.stderr
    return done.stderr


def path(env, name, text=None):
    where = os.path.join(env.dir, name)
    if text is not None:
        with open(where, "w", encoding="utf-8") as file:
            file.write(text)
    return where


def load(where):
    with open(where, encoding="utf-8") as file:
        return json.load(file)


def folded_of(env, where, *args):
    return convert(env, "--to=folded", *args, where)


def test_each_format_into_each(env):
    first = made.write(path(env, "cpu.pb.gz"), STACKS)
    assert folded_of(env, first) == FOLDED
    assert folded_of(env, first, "--type=samples") == "main 1\nmain;a b(c, d);read 7\nmain;parse;memcpy 2\nmain;parse;read 3\n"
    files = {name: path(env, f"x{name}") for name in (".folded", ".speedscope.json", ".firefox.json.gz", ".pb.gz")}
    for where in files.values():
        convert(env, "-o", where, first)
    for name, where in files.items():
        for other in (".folded", ".speedscope.json", ".firefox.json", ".pb.gz"):
            again = path(env, f"{name}-in{other}")
            convert(env, where, "--output", again)
            assert folded_of(env, again) == FOLDED, (name, other)
    whole = pprof.load(files[".pb.gz"])
    assert [t for t, _ in whole.types] == ["samples", "cpu"], whole.types


def test_a_session_there_and_back(env):
    """Every type of every profile, with threads, of a program that locks, waits and allocates."""
    session(env)
    original = folds(env, env.out)
    assert len(original) > 6, original.keys()
    for name in ("all.speedscope.json", "all.firefox.json"):
        middle, back = path(env, name), path(env, name + ".d/")
        convert(env, env.out, "--threads", "-o", middle)
        convert(env, middle, "-o", back)
        again = folds(env, back)
        for key, text in original.items():
            if "speedscope" in name or key[1] is None:
                assert again[key] == text, (name, key)
    file = load(path(env, "all.speedscope.json"))
    for profile in file["profiles"]:
        assert len(profile["samples"]) == len(profile["weights"])
        assert profile["endValue"] == sum(profile["weights"])
        assert all(f < len(file["shared"]["frames"]) for stack in profile["samples"] for f in stack)


def session(env):
    assert env.run(env.program("explained.c"), interval="500ms").status == 0
    env.uploaders_gone()


def folds(env, directory):
    """{(kind, type or None): folded stacks by thread}; None: the default type."""
    result = {}
    for where in sorted(glob.glob(os.path.join(directory, "explained", "*.pb.gz"))):
        kind = os.path.basename(where)[:-len(".pb.gz")]
        result[kind, None] = folded_of(env, directory, f"--type={kind}", "--threads")
        for name, _ in pprof.load(where).types:
            text = folded_of(env, directory, f"--type={kind}:{name}", "--threads")
            if text:
                result[kind, name] = text
    return result


def test_firefox_tables(env):
    """What the format demands: columns of equal length, numbers that refer to something, times that rise."""
    session(env)
    convert(env, env.out, "-o", path(env, "a.json"), "--to=firefox")
    file = load(path(env, "a.json"))
    assert file["meta"]["preprocessedProfileVersion"] == 60
    shared = file["shared"]
    for name in ("frameTable", "funcTable", "resourceTable", "nativeSymbols", "sources", "stackTable"):
        lengths = {len(column) for column in shared[name].values() if isinstance(column, list)}
        assert lengths == {shared[name]["length"]}, (name, lengths)
    stacks, frames, funcs = shared["stackTable"], shared["frameTable"], shared["funcTable"]
    assert all(p is None or p < i for i, p in enumerate(stacks["prefix"]))
    assert all(f < frames["length"] for f in stacks["frame"])
    assert all(f < funcs["length"] for f in frames["func"])
    assert all(n < len(shared["stringArray"]) for n in funcs["name"])
    for thread in file["threads"]:
        samples = thread["samples"]
        assert len(samples["stack"]) == len(samples["time"]) == len(samples["weight"]) == samples["length"]
        assert samples["time"] == sorted(samples["time"]), thread["name"]
    assert len({t["tid"] for t in file["threads"]}) == len(file["threads"])
    assert any(len(set(t["samples"]["time"])) > 2 for t in file["threads"]), "no time line"


def test_evented_speedscope(env):
    """Time lines of other programs, with the table of frames behind what refers to it."""
    events = [{"type": "O", "frame": 0, "at": 10}, {"type": "O", "frame": 1, "at": 10.5},
              {"type": "C", "frame": 1, "at": 13}, {"type": "C", "frame": 0, "at": 14.25}]
    text = json.dumps({"profiles": [{"type": "evented", "name": "t", "unit": "milliseconds", "startValue": 10,
                                     "endValue": 15, "events": events}],
                       "$schema": "https://www.speedscope.app/file-format-schema.json",
                       "shared": {"frames": [{"name": "main", "file": None}, {"name": "r\u00e9sum\u00e9 \ud83d\ude00"}]}})
    where = path(env, "e.json", text)
    assert folded_of(env, where) == "main 1750000\nmain;résumé 😀 2500000\n"
    convert(env, where, "-o", path(env, "e.pb.gz"))
    assert pprof.load(path(env, "e.pb.gz")).types == [("time", "nanoseconds")]


def test_older_firefox(env):
    """Tables of each thread, as up to version 59, and the newest with offsets and libraries of frames."""
    tables = {"frameTable": {"func": [0, 1], "line": [None, 3], "length": 2}, "funcTable": {"name": [0, 1], "resource": [0, 0], "length": 2},
              "resourceTable": {"lib": [0], "length": 1}}
    samples = {"stack": [1, None, 0, 1], "weight": None, "weightType": "samples", "length": 4}
    own = {"meta": {"preprocessedProfileVersion": 49}, "libs": [{"path": "/bin/a"}],
           "threads": [{"name": "t", "pid": "7", "processName": "a", "stringArray": ["main", "run"], **tables, "samples": samples,
                        "stackTable": {"frame": [0, 1], "prefix": [None, 0], "length": 2}}]}
    assert folded_of(env, path(env, "old.json", json.dumps(own))) == "main 1\nmain;run 2\n"
    tables["stackTable"] = {"frame": [0, 1], "prefixOffset": [0, 1], "length": 2}
    new = {"meta": {"preprocessedProfileVersion": 70}, "threads": [{"name": "t", "pid": 7, "samples": samples}],
           "shared": {"stringArray": ["main", "run"], **tables}}
    assert folded_of(env, path(env, "new.json", json.dumps(new))) == "main 1\nmain;run 2\n"


def test_perf_script(env):
    text = ("# a comment\nmy app 12/13 [000] 1.5:     250000 cpu-clock:u: \n\t    55aa leaf(int) const+0x1 (/bin/a)\n"
            "\t    55ab in the middle (inlined)\n\t    55ac main+0x2 (/bin/a)\n\nmy app 12/13 [000] 1.6: 250000 cpu-clock:u: \n"
            "\t    55aa leaf(int) const+0x9 (/bin/a)\n\n")
    where = path(env, "perf.txt", text)
    assert folded_of(env, where) == "leaf(int) const 250000\nmain;in the middle;leaf(int) const 250000\n"
    assert folded_of(env, where, "--threads", "--type=samples").startswith("my app;leaf(int) const 1\n")


def test_merging_and_pipes(env):
    one, two = path(env, "1.folded", "a;b 1\n"), path(env, "2.folded", "a;b 2\nc 5\n")
    assert folded_of(env, one, two) == "a;b 3\nc 5\n"
    done = env.run("sh", "-c", f"{env.uploader} convert --to=pprof - < {two} | {env.uploader} convert --to=folded -",
                   env=env.environ(profiled=False))
    assert done.stdout == "a;b 2\nc 5\n", (done.stdout, done.stderr)


def test_go_tool_pprof_reads_it(env):
    need("go")
    convert(env, path(env, "x.folded", FOLDED), "-o", path(env, "x.pb.gz"))
    done = env.run("go", "tool", "pprof", "-top", "-unit=count", path(env, "x.pb.gz"))
    assert "of 130000001 total" in done.stdout and re.search(r"100000001 .* read\n", done.stdout), done.stdout


def test_wrong_input(env):
    folded = path(env, "x.folded", FOLDED)
    deep = path(env, "deep.json", '{"profiles":[],"x":' + "[" * 100000)
    for words, name, text in (
            ("COUNT", "a.txt", "main;parse 3\nmain;read\n"), ("empty", "b", ""),
            ("range", "c.json", '{"$schema":"https://www.speedscope.app/file-format-schema.json","shared":{"frames":[]},'
             '"profiles":[{"type":"sampled","name":"","unit":"none","samples":[[99999999999]],"weights":[1]}]}'),
            ("number is expected", "d.json", '{"profiles":[{"weights":[NaN]}]}'),
            ("number is expected", "e.json", '{"profiles":[{"weights":[1e999]}]}'),
            ("as many weights", "f.json", '{"profiles":[{"unit":"none","samples":[[]],"weights":[]}]}'),
            ("not in the table", "g.json", '{"profiles":[{"unit":"none","samples":[[3]],"weights":[1]}]}'),
            ("refers to nothing", "h.json", '{"threads":[{"samples":{"stack":[5],"length":1}}],'
             '"meta":{"preprocessedProfileVersion":60}}'),
            ("Chrome", "i.json", '{"traceEvents":[]}'), ("Firefox Profiler", "j.json", '{"meta":{},"threads":[]}')):
        said = refused(env, "--to=folded", path(env, name, text))
        assert words in said and name in said, (words, said)
    assert "64 levels" in refused(env, "--to=folded", deep)
    with open(path(env, "cut.json.gz"), "wb") as file:
        file.write(gzip.compress(b'{"profiles":[],"x":"' + os.urandom(9000).hex().encode())[:4000])
    assert "ends early" in refused(env, "--to=folded", path(env, "cut.json.gz"))
    assert "which format" in refused(env, folded, status=2)
    assert "no format" in refused(env, "--to=svg", folded, status=2)
    assert "no profile of type gpu" in refused(env, "--to=folded", "--type=gpu", folded)
    assert "No such file" in refused(env, "--to=folded", path(env, "none"))
    assert "cannot be written" in refused(env, folded, "-o", path(env, "none/x.pb.gz"))
    made.write(path(env, "m1.pb.gz"), STACKS)
    made.write(path(env, "m2.pb.gz"), [("malloc;main", (1, 2, 3, 4))], types=made.MEMORY)
    said = refused(env, "--to=folded", path(env, "m1.pb.gz"), path(env, "m2.pb.gz"))
    assert "cpu, memory" in said and "--type" in said, said


def test_a_million_frames(env):
    """Of a large file, none is lost."""
    frames = ",".join('{"name":"f%d"}' % i for i in range(20000))
    samples = ",".join("[" + ",".join(str((i * 7 + d) % 20000) for d in range(50)) + "]" for i in range(20000))
    text = ('{"$schema":"https://www.speedscope.app/file-format-schema.json","shared":{"frames":[%s]},"profiles":[{"type":"sampled",'
            '"name":"x","unit":"bytes","startValue":0,"endValue":20000,"samples":[%s],"weights":[%s]}]}' % (
                frames, samples, ",".join("1" * 20000)))
    where = path(env, "large.json", text)
    convert(env, where, "-o", path(env, "large.pb.gz"))
    folded = folded_of(env, path(env, "large.pb.gz"))
    assert sum(int(one.rsplit(" ", 1)[1]) for one in folded.splitlines()) == 20000
