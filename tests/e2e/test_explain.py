# SPDX-License-Identifier: Apache-2.0
"""cprof explain: what a session, a profile and a thread dump say, with the numbers of the profiles themselves."""
import os
import re

from tests.lib import made, pprof
from tests.lib.harness import need, wait_for


def printed(env, *args, status=0):
    done = env.run(env.uploader, "explain", *args, env=env.environ(profiled=False))
    assert done.status == status, f"exit status {done.status}\n{done.stdout}\n{done.stderr}"
    return done.stdout if status == 0 else done.stderr


def explain(env, *args, status=0):
    """Paragraphs without line breaks, by their first word."""
    return re.sub(r"\n  (?=\S)", " ", printed(env, *args, status=status))


def line(text, begin):
    found = [one for one in text.split("\n") if one.startswith(begin)]
    assert found, text
    return found[0]


def share(profile, kind, function, text):
    """The function's share as the text has it is that of the profile."""
    said = float(re.search(rf"{re.escape(function)} (\d+\.\d) %", text)[1])
    counts = profile.cumulative(kind)
    real = 100 * counts[function] / profile.total(kind)
    assert abs(said - real) < 0.051, (function, said, real)


def test_a_session(env):
    """A leak and a hot lock: who holds it, what grows, and what to do next; the same text each time."""
    assert env.run(env.program("explained.c"), interval="500ms", memory_rate="64KiB").status == 0
    env.uploaders_gone()
    text = explain(env, env.out)
    assert text == explain(env, env.out), "another text for the same files"
    locks, memory = line(text, "Locks: "), line(text, "Memory: ")
    assert "kept waiting by update_table 100.0 %" in locks, locks
    assert "waits were in the same function" in locks, locks
    mutex = pprof.load(env.path("explained", "mutex"))
    assert f"{mutex.total('delay') / 1e9:.3g}"[:3] in locks, (mutex.total("delay"), locks)
    assert "grew from" in memory and "an hour at this rate" in memory, memory
    assert re.search(r"allocated by remember (100\.0|9\d\.\d) %", memory), memory
    share(pprof.load(env.path("explained", "memory")), "inuse_space", "remember", memory)
    cpu = line(text, "CPU: ")
    assert re.search(r"program's own: (now|burn) \d+\.\d %", cpu), cpu
    nexts = text.split("Next:")[1]
    command = re.search(r"cprof diff --type inuse_space (\S+) (\S+)", text)
    assert command and os.path.exists(command[1]) and os.path.exists(command[2]), nexts
    assert len(printed(env, env.out).split("\nNext:")[0].split("\n")) <= 13, text
    everything = explain(env, "--all", env.out)
    assert "The process: resident" in everything, everything
    assert "The process: resident" not in text, text
    begins = [one.split(":")[0] for one in text.split("\n")]
    assert begins.index("Memory") < begins.index("CPU"), "what grows comes first\n" + text


def test_a_deadlock(env):
    """It is named with both threads and where they wait, out of the profile and out of each text."""
    child = env.start(env.program("deadlock.c"), interval="500ms")
    directory = os.path.join(env.out, "deadlock")
    wait_for(lambda: os.path.exists(os.path.join(directory, "threads-each.txt")) and
             "# deadlock" in open(os.path.join(directory, "threads-each.txt"), encoding="utf-8").read(), 15, "the deadlock")
    for name in ("threads-each.txt", "threads.txt", "threads.pb.gz", ""):
        said = line(explain(env, os.path.join(directory, name)), "DEADLOCK ")
        for thread, function, other in (("seller", "reserve_stock", "buyer"), ("buyer", "update_orders", "seller")):
            assert re.search(rf'"{thread}" \(\d+\) waits in {function} for a lock that "{other}" \(\d+\) holds', said), said
        assert f"process {child.pid}" in said, said


def test_held_lock_without_deadlock(env):
    dump = ("threads profile: total 4\n# 2 wait for a lock, the longest for 9.000 s\n"
            + "".join(f'thread {tid} "w{tid}" of process 7 [lock: pthread_mutex_lock, {tid}.000 s, held by 8 "main"]:\n'
                      "pthread_mutex_lock\nget\n\ta.c:3\n\n" for tid in (9, 5))
            + 'thread 8 "main" of process 7 [read: read, 3 minutes]:\nread\nslow_disk\n\ta.c:9\n\n')
    where = os.path.join(env.dir, "threads-each.txt")
    with open(where, "w", encoding="utf-8") as file:
        file.write(dump)
    text = explain(env, where)
    assert 'Locks now: 2 threads wait for a lock that "main" (8) holds, the longest for 9.00 s. ' \
           "The holder is in slow_disk (read: read)." in text, text
    assert "DEADLOCK" not in text


def test_doubts_and_others_profiles(env):
    """What a record says of its losses; and a profile that somebody else made, with pprof's numbers."""
    file = made.write(os.path.join(env.dir, "cpu.pb.gz"), made.looks(work=30, rest=10), seconds=1, comments=(
        "cprof 0", "program: 1 process so far, 0 running; 10.000 s", "7 samples lost: stack table full",
        "no symbols, share of cpu: libz.so.1 3.0 % (zlib1g-dbgsym)", "400 CPU samples taken",
        "overhead: 4.26 % of the CPU time (samples 0.176, uploader 4.09); the limit is 2 %"))
    assert "and 1 more" in line(explain(env, file), "Doubts: ")
    text = explain(env, "--all", file)
    doubts = line(text, "Doubts: ")
    assert "7 samples lost" in doubts and "libz.so.1 3.0 %" in doubts and "overhead: 4.26 %" in doubts, doubts
    assert "CPU samples taken" not in doubts
    assert "install zlib1g-dbgsym" in text and "work 75.0 %, rest 25.0 %" in text, text
    assert "Of only 40 samples: a share may be off by 16 points" in text, text
    quiet = explain(env, made.write(os.path.join(env.dir, "quiet.pb.gz"), made.looks(work=3000, rest=1000)))
    assert "Doubts" not in quiet and "only" not in quiet and "CPROF_CPU_HZ" not in quiet, quiet


def test_go(env):
    need("go")
    file = made.write(os.path.join(env.dir, "go.pprof"), made.looks(work=3, rest=1))
    top = env.run("go", "tool", "pprof", "-top", file).stdout
    for name, said in re.findall(r"([a-z]+) (\d+\.\d) %", line(explain(env, file), "CPU: ")):
        flat = re.search(rf" ([\d.]+)% +[\d.]+% .* {name}\n", top)
        assert flat and abs(float(flat[1]) - float(said)) < 0.051, (name, said, top)


def test_wrong_words(env):
    assert explain(env, status=2).startswith("cprof: explain: there is no directory cprof.out here")
    assert "one file or directory at a time" in explain(env, "a", "b", status=2)
    assert "unknown option --x" in explain(env, "--x", status=2)
    assert "No such file" in explain(env, os.path.join(env.dir, "none"), status=1)
    file = made.write(os.path.join(env.dir, "cpu.pb.gz"), made.looks(work=3))
    assert "it has no program nobody" in explain(env, "--program=nobody", file, status=1)
