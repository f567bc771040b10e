# SPDX-License-Identifier: Apache-2.0
"""cprof report: a page of a session's directory, or of profiles of anybody."""
import gzip
import os
import shutil
import subprocess

from tests.lib import report
from tests.lib.harness import need


def run(env, *arguments, **more):
    return subprocess.run([env.uploader, "report", *arguments], cwd=env.dir, capture_output=True, check=False, **more)


def page(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def session(env):
    env.run(env.program("shares.c"), "0.5", interval="1s").ok()
    env.uploaders_gone()
    return env.out


def test_of_a_session(env):
    """The same profiles as in the session's own report, and the interval; it replaces that report."""
    out = session(env)
    own = report.profiles(page(out + "/report.html"))
    os.remove(out + "/report.html")
    done = run(env, out)
    assert done.returncode == 0 and not done.stderr, done
    assert done.stdout.decode().startswith(f"{out}/report.html: "), done.stdout
    made = report.profiles(page(out + "/report.html"))
    key = lambda item: (item[0]["program"], item[0]["kind"], item[0]["part"])  # noqa: E731
    assert sorted(map(key, made)) == sorted(map(key, own))
    assert {item[0]["part"] for item in made} == {"whole", "interval"}
    assert "work_70" in report.functions(page(out + "/report.html"), "cpu")


def test_of_files(env):
    """Compressed, plain and on standard input; of names that say nothing; beside an option and after --."""
    out = session(env)
    cpu = os.path.join(out, "shares", "cpu.pb.gz")
    with gzip.open(cpu) as file:
        plain = file.read()
    with open(env.dir + "/-plain", "wb") as file:
        file.write(plain)
    done = run(env, "-o", "a.html", cpu, "--", "-plain")
    assert done.returncode == 0, done
    made = report.profiles(page(env.dir + "/a.html"))
    assert [f["kind"] for f, _ in made] == ["cpu", "cpu"] and made[0][1].total("cpu") == made[1][1].total("cpu") > 0
    done = run(env, "-", "--output=-", input=plain)
    assert done.returncode == 0 and b"standard output" in done.stderr, done
    assert "work_70" in report.functions(done.stdout.decode(), "cpu")
    assert run(env, cpu).returncode == 0 and os.path.exists(env.dir + "/report.html")


def test_of_what_go_writes(env):
    """go tool pprof writes a profile anew, in its own order. The file's name says nothing."""
    go = need("go")
    out = session(env)
    subprocess.run([go, "tool", "pprof", "-proto", "-output", env.dir + "/saved", out + "/shares/cpu.pb.gz"], check=True,
                   capture_output=True)
    done = run(env, "saved")
    assert done.returncode == 0, done
    text = page(env.dir + "/report.html")
    assert [f["kind"] for f in report.data(text)["files"]] == ["cpu"]
    assert "work_70" in report.functions(text, "cpu")


def refused(env, *arguments):
    done = run(env, *arguments)
    lines = done.stderr.decode().splitlines()
    assert done.returncode == 2 and len(lines) == 1 and lines[0].startswith("cprof: report: "), (arguments, done)
    return lines[0]


def test_wrong_words_are_one_line(env):
    assert "cprof.out" in refused(env)
    assert "/nowhere" in refused(env, "/nowhere")
    assert "--nothing" in refused(env, "--nothing")
    assert "-o" in refused(env, "-o")
    os.mkdir(env.dir + "/empty")
    assert "empty" in refused(env, "empty")
    with open(env.dir + "/text", "w", encoding="utf-8") as file:
        file.write("no profile")
    assert "text" in refused(env, "text")
    assert not os.path.exists(env.dir + "/report.html"), "a page of nothing"
    out = session(env)
    assert "/nowhere/x" in refused(env, "-o", "/nowhere/x", out)
    with open(out + "/shares/cpu.pb.gz", "r+b") as file:
        file.truncate(40)
    shutil.rmtree(out + "/shares/intervals")
    done = run(env, out)
    assert done.returncode == 0 and b"1 files that are no profiles" in done.stdout, done
