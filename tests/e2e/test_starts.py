# SPDX-License-Identifier: Apache-2.0
"""What a program starts, and what is started for it: each finds the world that it would find without the library."""
import os
import shutil
import subprocess

from tests.lib.harness import TREE, need

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


def test_children_of_musl_start_without_the_library(env):
    started(env, child(env, compiler="musl-gcc:musl-tools"), "none")


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
    for compiler, preload in (("gcc", env.library), ("musl-gcc:musl-tools", "none")):
        interpreter = child(env, compiler=compiler, name=compiler.partition(":")[0] + "-child")
        for script, line in (("inner", interpreter), ("outer", os.path.join(env.dir, "inner"))):
            with open(os.path.join(env.dir, script), "w", encoding="utf-8") as file:
                file.write(f"#! {line} argument\n")
            os.chmod(file.name, 0o755)
            started(env, file.name, preload)


def test_other_preloads_go_along(env):
    other = os.path.join(env.dir, "other.so")
    subprocess.run([need("gcc"), "-shared", "-o", other, "-x", "c", "/dev/null"], check=True)
    path = child(env, "-static", name="static")
    musl = child(env, compiler="musl-gcc:musl-tools")
    for preload in (f"{other}:{env.library}", f"{env.library} {other}"):
        started(env, path, preload, preload)
        started(env, musl, other, preload)


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
