# SPDX-License-Identifier: Apache-2.0
"""Programs that the library cannot be in run as they do bare: the same output and status, and no word on stderr."""
import os
import shutil
import subprocess

from tests.lib.harness import Skip, need, need_root


def build(env, text, name, *flags, compiler="gcc"):
    """A program from this text; skips the test if it cannot be built."""
    path = os.path.join(env.dir, name)
    with open(path + ".c", "w", encoding="utf-8") as file:
        file.write(text)
    done = subprocess.run([need(compiler), *flags, path + ".c", "-o", path], capture_output=True, text=True)
    if done.returncode:
        raise Skip(f"{compiler} {' '.join(flags)} does not work here: {done.stderr.splitlines()[-1]}")
    return path


PROGRAM = r"""
#include <stdio.h>
#include <stdlib.h>
int main(int argc, char **argv)
{
    char *block = malloc(1000);
    printf("%d %s %s\n", argc, argv[1], block ? "memory" : "none");
    free(block);
    return 7;
}
"""


def unchanged(env, *command, **settings):
    """Directly, and as the child of a profiled shell."""
    shell = [need("sh"), "-c", '"$0" "$@"; echo $?', *command]
    for args in (command, shell):
        bare = env.run(*args, profiled=False)
        ours = env.run(*args, **settings)
        assert (ours.status, ours.stdout, ours.stderr) == (bare.status, bare.stdout, bare.stderr), (args, vars(ours), vars(bare))
        assert "memory" in bare.stdout, vars(bare)


def test_static_program(env):
    unchanged(env, build(env, PROGRAM, "static", "-static"), "a")


def test_static_pie_program(env):
    unchanged(env, build(env, PROGRAM, "static_pie", "-static-pie"), "a")


def test_set_user_id_program(env):
    """The loader takes a preloaded library with a slash in its name for none, without a word."""
    need_root()
    path = build(env, PROGRAM, "set_user_id")
    os.chmod(env.dir, 0o755)
    os.chown(path, 65534, -1)
    os.chmod(path, 0o4755)
    os.makedirs(env.out, exist_ok=True)
    unchanged(env, path, "a")
    assert "set_user_id" not in os.listdir(env.out), os.listdir(env.out)


def test_child_of_another_word_size(env):
    """A loader of the other word size complains of the library, so the child of a profiled program must not see it."""
    path = build(env, PROGRAM, "small", "-m32")
    shell = [need("sh"), "-c", '"$0" a; echo $?', path]
    bare, ours = env.run(*shell, profiled=False), env.run(*shell)
    assert (ours.status, ours.stdout, ours.stderr) == (bare.status, bare.stdout, bare.stderr), (vars(ours), vars(bare))


def test_child_of_another_libc(env):
    path = build(env, PROGRAM, "musl", compiler="musl-gcc:musl-tools")
    shell = [need("sh"), "-c", '"$0" a; echo $?', path]
    bare, ours = env.run(*shell, profiled=False), env.run(*shell)
    assert (ours.status, ours.stdout, ours.stderr) == (bare.status, bare.stdout, bare.stderr), (vars(ours), vars(bare))


def test_program_without_a_libc(env):
    """It has a loader and no C library: the library would be the first to need one."""
    text = 'void _start(void) { __asm__ volatile("mov $60, %eax; mov $5, %edi; syscall"); }\n'
    path = build(env, text, "bare", "-nostdlib", "-nostartfiles", "-pie", "-fPIE", "-Wl,-dynamic-linker," + loader())
    bare, ours = env.run(path, profiled=False), env.run(path)
    assert bare.status == 5 and (ours.status, ours.stdout, ours.stderr) == (5, "", ""), vars(ours)


def loader():
    text = subprocess.run([need("readelf:binutils"), "-lW", shutil.which("env")], capture_output=True, text=True, check=True).stdout
    return text.partition("interpreter: ")[2].partition("]")[0]
