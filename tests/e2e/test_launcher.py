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
    assert time.monotonic() - start < 2


def test_no_such_program(env):
    refused(env, "/nonexistent/program", status=127, words=["/nonexistent/program"])


def test_not_executable(env):
    path = os.path.join(env.dir, "file")
    with open(path, "w", encoding="utf-8") as file:
        file.write("text")
    refused(env, path, status=126, words=[path])


def test_static_program(env):
    refused(env, env.program("churn.c", "-O1", "-static"), status=126, words=["static"])


def test_program_with_address_sanitizer(env):
    refused(env, env.program("churn.c", "-O1", "-fsanitize=address"), status=126, words=["AddressSanitizer", "LD_PRELOAD"])


def test_set_user_id_program(env):
    need_root()
    path = os.path.join(env.dir, "suid")
    shutil.copy("/bin/true", path)
    os.chmod(path, 0o4755)
    refused(env, path, status=126, words=["set-user-id"])


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
