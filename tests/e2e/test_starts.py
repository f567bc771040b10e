# SPDX-License-Identifier: Apache-2.0
"""What a program starts, and what is started for it: each finds the world that it would find without the library."""
import glob
import os
import shutil
import subprocess
import time

from tests.lib.harness import TREE, Skip, need, need_namespace, need_root, wait_for

WAYS = 13  # of tests/e2e/executes.c


def child(env, *flags, compiler="gcc", name="child"):
    path = os.path.join(env.dir, name)
    subprocess.run([need(compiler), *flags, os.path.join(TREE, "tests", "e2e", "says_preload.c"), "-o", path], check=True)
    return path


def started(env, path, preload, given=None):
    """Each way to start path must succeed, and the child see LD_PRELOAD as said."""
    program = env.program("executes.c")
    done = env.run(program, path, env={**env.environ(), "LD_PRELOAD": given or env.library})
    assert done.status == 0 and not done.stderr, f"{done.status}\n{done.stdout}{done.stderr}"
    lines = done.stdout.splitlines()
    assert len(lines) == WAYS and all(line.endswith(": LD_PRELOAD=" + preload) for line in lines), done.stdout


def test_children_of_the_same_libc_are_followed(env):
    started(env, child(env), env.library)


def test_children_of_musl_are_followed(env):
    started(env, child(env, compiler="musl-gcc:musl-tools"), env.library)


def test_children_by_another_loader_start_without_the_library(env):
    """Another C library, or another version of this one, has its loader at a path of its own."""
    loader = os.path.join(env.dir, "ld.so")
    shutil.copy(os.path.realpath("/lib64/ld-linux-x86-64.so.2"), loader)
    started(env, child(env, f"-Wl,--dynamic-linker={loader}"), "none")


def test_children_with_address_sanitizer_start_without_the_library(env):
    started(env, child(env, "-fsanitize=address"), "none")


def test_static_children_keep_the_environment(env):
    started(env, child(env, "-static"), env.library)


def test_scripts_are_followed_as_their_interpreters_are(env):
    for name, flags, preload in (("plain", [], env.library), ("sanitized", ["-fsanitize=address"], "none")):
        interpreter = child(env, *flags, name=name + "-child")
        for script, line in (("inner", interpreter), ("outer", os.path.join(env.dir, "inner"))):
            with open(os.path.join(env.dir, script), "w", encoding="utf-8") as file:
                file.write(f"#! {line} argument\n")
            os.chmod(file.name, 0o755)
            started(env, file.name, preload)


def test_other_preloads_go_along(env):
    other = os.path.join(env.dir, "other.so")
    subprocess.run([need("gcc"), "-shared", "-o", other, "-x", "c", "/dev/null"], check=True)
    path = child(env, "-static", name="static")
    loader = os.path.join(env.dir, "ld.so")
    shutil.copy(os.path.realpath("/lib64/ld-linux-x86-64.so.2"), loader)
    alone = child(env, f"-Wl,--dynamic-linker={loader}")
    for preload in (f"{other}:{env.library}", f"{env.library} {other}"):
        started(env, path, preload, preload)
        started(env, alone, other, preload)


EXECVE = r"""
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
int execve(const char *path, char *const argv[], char *const envp[])
{
    for (; *envp; envp++)
        if (!strncmp(*envp, "LD_PRELOAD=", 11))
            puts(*envp);
    fflush(stdout);
    _exit(0);
}
"""


def test_children_of_another_machine_start_without_the_library(env):
    """No kernel runs them here: another preload behind the library sees what they would be given."""
    seen = os.path.join(env.dir, "seen.so")
    subprocess.run([need("gcc"), "-shared", "-fPIC", "-o", seen, "-x", "c", "-"], input=EXECVE, text=True, check=True)
    for offset, byte, preload in ((4, 2, f"{env.library}:{seen}"), (4, 1, seen), (18, 183, seen)):  # as it is, 32 bits, arm64
        path = child(env)
        with open(path, "r+b") as file:
            file.seek(offset)
            file.write(bytes([byte]))
        done = env.run("/bin/sh", "-c", f"exec {path}", env={**env.environ(), "LD_PRELOAD": f"{env.library}:{seen}"}).ok()
        assert done.stdout == f"LD_PRELOAD={preload}\n", (offset, byte, done.stdout)


def test_children_that_do_not_find_the_library_start_without_it(env):
    """As after chroot(), or an upgrade: the loader would complain on stderr."""
    library = os.path.join(env.dir, "libcprof.so")
    shutil.copy(env.library, library)
    done = env.run("/bin/sh", "-c", f"rm {library}; {child(env)}; exec {child(env)}",
                   env={**env.environ(), "LD_PRELOAD": library, "CPROF_UPLOADER": env.uploader}).ok()
    assert done.stdout == 2 * "LD_PRELOAD=none\n" and not done.stderr, done.stdout + done.stderr


# The uploader: who sees it, what it takes along, and what becomes of it where it cannot work


def parents(env):
    """Processes of the test that stand between a program that adopts orphans and its uploader."""
    found = []
    for path in glob.glob("/proc/[0-9]*/comm"):
        try:
            with open(path, encoding="utf-8") as file:
                if file.read() == "cprof-parent\n" and os.readlink(path[:-4] + "exe").startswith(env.dir):
                    found.append(path)
        except OSError:
            pass
    return found


def test_wait_meets_children_of_the_program_alone(env):
    """Of a program that adopts orphans and starts the uploader: the first of a pid namespace, and a subreaper."""
    need_root()
    program = env.program("reaper.c")
    settings = env.environ_before()
    for how in ("wait", "wait4", "waitid", "nohang", "number"):
        for first in (True, False):
            outputs = []
            for preload in ("NOTHING=1", "LD_PRELOAD=" + env.library):
                namespace = [need("unshare:util-linux"), "--pid", "--fork", "--kill-child", need("env"), preload, program, how]
                done = env.run(*(namespace if first else [program, how, preload]), env=settings).ok()
                assert done.seconds < 9, f"{how}: {done.seconds:.1f} s"
                outputs.append(done.stdout)
                env.uploaders_gone()
            assert outputs == 2 * ["reaped 3 and an orphan of 1, 5 signals, No child processes\n"], (how, outputs)
    env.uploaders_gone()
    wait_for(lambda: not parents(env), 5, "the end of the uploaders' parents")
    assert os.path.exists(env.path("reaper", "memory"))


def test_first_child_in_another_pid_namespace_is_the_programs(env):
    need_root()
    script = "/bin/true; echo $?"
    env_of_children = {**env.environ(), "CPROF_FOLLOW": "0"}
    for command in ([need("unshare:util-linux"), "--pid"], [need("unshare:util-linux"), "--pid", "--mount", "--propagation", "unchanged"]):
        done = env.run(*command, "/bin/sh", "-c", script, profiled=False).ok()
        assert done.stdout == "0\n", done
        done = env.run(*command, "/usr/bin/env", f"LD_PRELOAD={env.library}", "/bin/sh", "-c", script,
                       env={k: v for k, v in env_of_children.items() if k != "LD_PRELOAD"}).ok()
        assert done.stdout == "0\n" and not done.stderr, done.stdout + done.stderr
    assert "another pid namespace" in env.log(), env.log()


def test_uploader_takes_nothing_of_the_programs_world(env):
    """Neither where and when it runs, nor its libraries, locale and limits."""
    taskset, nice, ionice, prlimit, setarch = need("taskset:util-linux", "nice", "ionice:util-linux", "prlimit:util-linux",
                                                   "setarch:util-linux")
    child = env.start(taskset, "-c", "0", nice, "-n", "5", ionice, "-c", "3", prlimit, "--stack=65536:", "--nofile=64:",
                      setarch, "--addr-no-randomize", "/bin/sh", "-c", f"umask 0; LD_PRELOAD={env.library} exec sleep 30",
                      env={**env.environ_before(), "LC_ALL": "de_DE.UTF-8", "LANG": "C", "LD_LIBRARY_PATH": env.dir,
                           "MALLOC_ARENA_MAX": "1"})
    uploader = wait_for(env.uploaders, 5, "an uploader")[0]
    time.sleep(0.3)

    def status(pid, name):
        with open(f"/proc/{pid}/status", encoding="utf-8") as file:
            return next(line.split(":")[1].strip() for line in file if line.startswith(name + ":"))

    def one(*command):
        return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout

    assert status(child.pid, "Cpus_allowed_list") == "0"
    assert status(uploader, "Cpus_allowed_list") == status(os.getpid(), "Cpus_allowed_list")
    assert int(status(uploader, "Umask"), 8) & 0o022 == 0o022, status(uploader, "Umask")
    assert "idle" not in one(ionice, "-p", str(uploader))
    with open(f"/proc/{uploader}/personality", encoding="utf-8") as file:
        assert int(file.read(), 16) == 0
    with open(f"/proc/{uploader}/stat", encoding="utf-8") as file:
        assert os.geteuid() != 0 or file.read().rpartition(")")[2].split()[16] == "0", "nice"
    assert int(one(prlimit, "--pid", str(uploader), "--stack", "--noheadings", "-o", "SOFT").strip()) >= 8 << 20
    with open(f"/proc/{uploader}/environ", "rb") as file:
        names = {variable.partition(b"=")[0] for variable in file.read().split(b"\0")}
    assert not names & {b"LC_ALL", b"LANG", b"LD_LIBRARY_PATH", b"LD_PRELOAD", b"MALLOC_ARENA_MAX"}, names


def test_libraries_of_the_program_are_not_the_uploaders(env):
    """An LD_LIBRARY_PATH that leads to something else of the same name."""
    libraries = os.path.join(env.dir, "libraries")
    os.mkdir(libraries)
    for name in ("libz.so.1", "libcurl.so.4", "libelf.so.1", "libjemalloc.so.2"):
        subprocess.run([need("gcc"), "-shared", f"-Wl,-soname,{name}", "-o", os.path.join(libraries, name), "-x", "c", "/dev/null"],
                       check=True)
    done = env.run(env.program("shares.c"), "0.3", env={**env.environ(), "LD_LIBRARY_PATH": libraries}).ok()
    assert not done.stderr, done.stderr
    assert env.final("shares", "cpu").total("cpu") > 0


def test_library_in_every_program(env):
    """By /etc/ld.so.preload: programs are profiled, ours are not."""
    etc = os.path.join(env.dir, "etc")
    shutil.copytree("/etc", etc, symlinks=True, ignore_dangling_symlinks=True)
    program = env.program("shares.c")
    script = f"mount --bind {etc} /etc && echo {env.library} >/etc/ld.so.preload && {program} 0.3 && {env.uploader} --version"
    environ = {k: v for k, v in env.environ().items() if k != "LD_PRELOAD"}
    env.run(need_namespace("--mount"), "-m", "/bin/sh", "-c", script, env={**environ, "CPROF_UPLOADER": env.uploader}).ok()
    env.uploaders_gone()
    assert "shares" in os.listdir(env.out) and "cprof-uploader" not in os.listdir(env.out), os.listdir(env.out)


def test_uploader_that_hangs(env):
    """It costs the programs after the first nothing, there is one of it, and it ends by itself."""
    hang = os.path.join(env.dir, "hang")
    with open(hang, "w", encoding="utf-8") as file:
        file.write(f"#!/bin/sh\necho $$ >>{env.dir}/started\nexec sleep 60\n")
    os.chmod(hang, 0o755)
    start = time.monotonic()
    env.run("/bin/sh", "-c", "for i in 1 2 3 4 5 6 7 8; do /bin/true; done 2>/dev/null", uploader=hang).ok()
    with open(os.path.join(env.dir, "started"), encoding="utf-8") as file:
        pids = file.read().split()
    assert len(pids) == 1, f"{len(pids)} were started in {time.monotonic() - start:.1f} s"
    wait_for(lambda: not os.path.exists(f"/proc/{pids[0]}"), 10, "the end of the one that hangs")


def test_first_process_does_not_wait_for_an_uploader_that_failed(env):
    """It waits at its end for the last profiles, if there is somebody to write them."""
    need_root()
    namespace = (need("unshare:util-linux"), "--pid", "--fork", "--kill-child", *env.preloaded("/bin/true"))
    done = env.run(*namespace, env=env.environ_before(uploader="/bin/false")).ok()
    assert done.seconds < 8, f"{done.seconds:.1f} s"
    env.run(*namespace, env=env.environ_before()).ok()
    assert os.path.exists(env.path("true", "wall")), "it did not wait for one that has just been started"


def test_uploader_that_cannot_be_executed_is_said_once(env):
    for uploader, reason in ((os.path.join(env.dir, "nowhere"), "No such file"), ("/etc/passwd", "denied")):
        done = env.run("/bin/sh", "-c", "/bin/true; /bin/true; echo end", uploader=uploader)
        lines = done.stderr.splitlines()
        assert done.status == 0 and done.stdout == "end\n", done.stdout
        assert len(lines) == 1 and lines[0].startswith("cprof: ") and uploader in lines[0] and reason in lines[0], lines


def test_uploader_without_a_library_of_its_own_is_said(env):
    """What its loader says reaches the program's stderr, as one line."""
    broken = os.path.join(env.dir, "cprof-uploader")
    subprocess.run([need("gcc"), "-shared", "-Wl,-soname,libmissing.so.7", "-o", f"{env.dir}/libmissing.so.7", "-x", "c", "/dev/null"],
                   check=True)
    subprocess.run([need("gcc"), "-o", broken, "-x", "c", "-", "-x", "none", "-Wl,--no-as-needed", f"{env.dir}/libmissing.so.7"],
                   input="int main(void) { return 0; }", text=True, check=True)
    os.remove(f"{env.dir}/libmissing.so.7")
    done = env.run("/bin/true", uploader=broken).ok()
    assert len(done.stderr.splitlines()) == 1 and "libmissing.so.7" in done.stderr, done.stderr


def test_root_as_working_directory(env):
    """A daemon's: what is said about the output is what is done."""
    need_root()
    if os.path.exists("/cprof.out"):
        raise Skip("/cprof.out is there")
    environ = {k: v for k, v in env.environ(linger="100ms").items() if k != "CPROF_OUT"}
    try:
        done = env.run(env.program("shares.c"), "0.3", cwd="/", env=environ).ok()
        wait_for(lambda: os.path.exists("/cprof.out/shares"), 5, "/cprof.out/shares")
        assert not done.stderr, done.stderr
        env.uploaders_gone()
    finally:
        shutil.rmtree("/cprof.out", ignore_errors=True)
