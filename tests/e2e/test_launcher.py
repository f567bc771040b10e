# SPDX-License-Identifier: Apache-2.0
"""scripts/cprof: its summary, its options, what it refuses, and that a program ends under it as it would alone."""
import os
import re
import signal
import shutil
import subprocess
import time

from tests.lib import pprof
from tests.lib.harness import TREE, near, need_root


def test_summary(env):
    done = env.cprof(env.program("shares.c"), "1").ok()
    assert re.match(r"work_70 \d+\nwork_20 \d+\nwork_10 \d+\n$", done.stdout), "stdout is the program's"
    for word in ("cpu", "work_70", "go tool pprof", env.path("shares", "cpu")):
        assert word in done.stderr, done.stderr
    assert os.path.exists(env.path("shares", "cpu")), "the report is not complete when cprof returns"


def test_options_before_the_program(env):
    done = env.cprof("--cpu-hz=1000", "--profiles=cpu", f"--out={env.dir}/other", "--", env.program("shares.c"), "1").ok()
    assert os.path.exists(f"{env.dir}/other/shares/cpu.pb.gz"), done.stderr
    assert not os.path.exists(f"{env.dir}/other/shares/memory.pb.gz")


def test_options_of_the_program_are_its_own(env):
    done = env.cprof("/bin/echo", "--out=x", "--help").ok()
    assert done.stdout == "--out=x --help\n", done.stdout


def test_exit_status(env):
    assert env.cprof("/bin/sh", "-c", "exit 42").status == 42


def test_death_by_signal(env):
    assert env.cprof("/bin/sh", "-c", "kill -TERM $$").status == -signal.SIGTERM


def test_signal_is_passed_on(env):
    script = "trap 'echo got; exit 5' TERM; echo ready; while :; do sleep 0.1; done"
    child = env.start(*env.command("/bin/sh", "-c", script), stdout=subprocess.PIPE,
                      env=env.environ(profiled=False, out=env.out, linger="500ms"))
    assert child.stdout.readline() == "ready\n"
    child.terminate()
    assert child.communicate(timeout=20)[0] == "got\n"
    assert child.returncode == 5, child.returncode


def refused(env, *args, status, words):
    start = time.monotonic()
    done = env.cprof(*args)
    lines = [line for line in done.stderr.splitlines() if line]
    assert done.status == status, f"status {done.status}: {done.stderr}"
    assert len(lines) == 1 and lines[0].startswith("cprof: "), done.stderr
    for word in words:
        assert word in lines[0], done.stderr
    assert time.monotonic() - start < 10


def test_no_such_program(env):
    refused(env, "/nonexistent/program", status=127, words=["/nonexistent/program"])


def test_not_executable(env):
    path = os.path.join(env.dir, "file")
    with open(path, "w", encoding="utf-8") as file:
        file.write("text")
    refused(env, path, status=126, words=[path])


def runs_bare(env, *args, stdout, words):
    """The program runs as without cprof, and at its end one line says why it was not profiled."""
    done = env.cprof(*args)
    lines = [line for line in done.stderr.splitlines() if line]
    assert done.status == 0 and done.stdout == stdout, (done.status, done.stdout, done.stderr)
    assert len(lines) == 1 and lines[0].startswith("cprof: not profiled: "), done.stderr
    for word in words:
        assert word in lines[0], done.stderr
    quiet = env.cprof("--quiet", *args)
    assert quiet.status == 0 and quiet.stdout == stdout and not quiet.stderr, (quiet.stdout, quiet.stderr)
    check = env.cprof("--check", *args)
    assert check.status == 1 and check.stdout.startswith("not profiled: ") and not check.stderr, check.stdout
    assert words[0] in check.stdout, check.stdout


def test_static_program(env):
    runs_bare(env, env.program("computes.c", "-O1", "-static"), stdout="done\n", words=["static"])


def test_children_of_a_static_program_are_profiled(env):
    done = env.cprof(env.program("starts.c", "-O1", "-static"), env.program("computes.c", "-O1")).ok()
    assert "computes" in done.stderr and "not profiled" not in done.stderr, done.stderr


def test_program_with_address_sanitizer(env):
    runs_bare(env, env.program("computes.c", "-O1", "-fsanitize=address"), stdout="done\n",
              words=["AddressSanitizer", "LD_PRELOAD"])


def test_program_of_another_word_size(env):
    """It prints whether it has LD_PRELOAD: the loader of its size would complain of the library."""
    program = os.path.join(env.dir, "other_size")
    subprocess.run(["gcc", "-m32", "-nostdlib", "-static", "-fno-pie", "-no-pie", "-O1", "-fno-stack-protector", "-w",
                    os.path.join(TREE, "tests", "e2e", "other_size.c"), "-o", program], check=True)
    runs_bare(env, program, stdout="not preloaded\n", words=["another architecture"])
    parent = env.program("starts.c", "-O1")
    done = env.run(parent, program, profiled=True).ok()
    assert done.stdout == "not preloaded\n" and not done.stderr, (done.stdout, done.stderr)


def test_check(env):
    done = env.cprof("--check", "/bin/sh").ok()
    assert "/sh can be profiled\n  C library: glibc 2." in done.stdout and not done.stderr, (done.stdout, done.stderr)
    missing = env.cprof("--check", "no-such-program")
    assert missing.status == 127 and missing.stderr.startswith("cprof: no-such-program"), missing.stderr


def test_unknown_libc(env):
    """With the library's mark of glibc's own modules changed, no module is taken for a C library that it knows."""
    library = os.path.join(env.dir, "libcprof.so")
    with open(env.library, "rb") as file:
        content = file.read()
    assert content.count(b"GLIBC_PRIVATE\0") == 1
    with open(library, "wb") as file:
        file.write(content.replace(b"GLIBC_PRIVATE\0", b"GLIBC_UNKNOWN\0"))
    variables = {**env.environ(profiled=False), "LD_PRELOAD": library, "CPROF_OUT": env.out}
    done = env.run("/bin/sh", "-c", "echo works; exit 3", env=variables)
    assert (done.status, done.stdout, done.stderr) == (3, "works\n", ""), (done.status, done.stdout, done.stderr)
    assert not os.path.exists(env.out), "it was profiled"


def test_set_user_id_program(env):
    need_root()
    path = os.path.join(env.dir, "suid")
    shutil.copy("/bin/true", path)
    os.chmod(path, 0o4755)
    assert env.cprof("--check", path).status == 0  # root gains nothing by the bit
    assert env.cprof(path).status == 0
    assert os.path.exists(env.out), "it was not profiled"
    os.chown(path, 65534, -1)
    os.chmod(path, 0o4755)
    check = env.cprof("--check", path)
    assert check.status == 1 and "set-user-id" in check.stdout, check.stdout
    assert env.cprof(path).status == 0


def test_library_at_a_path_with_separators(env):
    """LD_PRELOAD cannot hold it: said before the program starts, instead of by the loader and not at all."""
    for name in ("my tools", "my:tools", "my$LIB"):
        tree = os.path.join(env.dir, name)
        for part, source in (("bin/cprof", os.path.join(TREE, "scripts", "cprof")), ("lib/libcprof.so", env.library),
                             ("libexec/cprof/cprof-uploader", env.uploader)):
            os.makedirs(os.path.dirname(os.path.join(tree, part)), exist_ok=True)
            shutil.copy(source, os.path.join(tree, part))
        done = env.run(os.path.join(tree, "bin", "cprof"), "/bin/echo", "started", env=env.environ(profiled=False))
        assert done.status == 2 and not done.stdout and len(done.stderr.splitlines()) == 1, done.stdout + done.stderr
        assert tree in done.stderr and "spaces and colons" in done.stderr, done.stderr


def test_paths_of_any_bytes(env):
    """Spaces, colons and bytes that are no UTF-8 in the paths of the program, its directory and the output."""
    directory = os.path.join(env.dir.encode(), b"a b:c\xff'\"<&")
    os.mkdir(directory)
    program = os.path.join(directory, b"pro gram\xfe:1")
    shutil.copy(env.program("shares.c"), program)
    out = os.path.join(directory, b"o ut\xfd")
    for command, settings in ((env.command(program, "0.5"), {"profiled": False}), ([program, "0.5"], {})):
        env.run(*command, cwd=directory, env={**env.environ(**settings), "CPROF_OUT": out, "CPROF_LINGER": "500ms"}).ok()
        env.uploaders_gone()
        names = [name for name in os.listdir(out) if os.path.isdir(os.path.join(out, name)) and b"pro" in name]
        assert len(names) == 1, os.listdir(out)
        profile = pprof.load(os.path.join(out, names[0], b"cpu.pb.gz"))
        near(profile.total("cpu"), 5e8, 1e8, "CPU time")
        assert profile.cumulative("cpu")["work_70"] > 0
        shutil.rmtree(out)


def test_unknown_option(env):
    done = env.cprof("--no-such-option", "/bin/true")
    assert done.status not in (0, 127) and "--no-such-option" in done.stderr, done.stderr


def test_help_names_every_setting(env):
    done = env.cprof("--help").ok()
    for option in ("--server", "--out", "--name", "--profiles", "--cpu-hz", "--memory-rate", "--interval"):
        assert option in done.stdout, f"{option} is not in --help"


def test_version(env):
    assert "0.1.0" in env.cprof("--version").ok().stdout


def test_script_with_an_interpreter(env):
    path = os.path.join(env.dir, "script")
    program = env.program("shares.c")
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"#!/bin/sh\n{program} 0.5\n")
    os.chmod(path, 0o755)
    env.cprof(path).ok()
    assert os.path.exists(env.path("shares", "cpu"))


def test_installed_tree(env):
    prefix = os.path.join(env.dir, "usr")
    tree = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
    subprocess.run(["make", "-s", "-C", tree, "install", f"B={env.build}", f"PREFIX={prefix}"], check=True,
                   stdout=subprocess.DEVNULL)
    done = env.run(f"{prefix}/bin/cprof", env.program("shares.c"), "0.5",
                   env=env.environ(profiled=False, out=env.out, linger="500ms")).ok()
    assert "work_70" in done.stderr, done.stderr
    bare = env.run(env.program("shares.c"), "0.5", env={**env.environ(), "LD_PRELOAD": f"{prefix}/lib/libcprof.so",
                                                        "CPROF_OUT": f"{env.dir}/bare"}).ok()
    assert not bare.stderr, bare.stderr
    env.uploaders_gone()
    assert os.path.exists(f"{env.dir}/bare/shares/cpu.pb.gz"), "the installed library does not find the uploader"
