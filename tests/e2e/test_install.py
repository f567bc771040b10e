# SPDX-License-Identifier: Apache-2.0
"""cprof-uploader install and ready: what containers do in an image without a shell."""
import os
import shutil
import subprocess

from tests.lib.harness import TREE, wait_for


def packaged(env):
    """A directory with the library, the programs and a folder and a link, as a bundle has them."""
    place = os.path.join(env.dir, "bundle")
    os.makedirs(os.path.join(place, "lib"))
    for name in ("libcprof.so", "cprof-uploader", "cprof-keeper"):
        shutil.copy(os.path.join(env.build, name), place)
    shutil.copy(os.path.join(TREE, "LICENSE"), os.path.join(place, "lib", "text"))
    os.symlink("cprof-uploader", os.path.join(place, "cprof"))
    return place


def install(env, place, to, umask=-1):
    return subprocess.run([os.path.join(place, "cprof-uploader"), "install", to], env=env.environ(profiled=False), umask=umask,
                          check=False, capture_output=True, text=True, timeout=30)


def contents(top):
    found = {}
    for directory, _, names in os.walk(top):
        for name in names:
            path = os.path.join(directory, name)
            with open(path, "rb") as file:
                found[os.path.relpath(path, top)] = (os.lstat(path).st_mode, os.path.islink(path) and os.readlink(path), file.read())
    return found


def test_copy_is_whole_and_for_every_user(env):
    place, to = packaged(env), os.path.join(env.dir, "copy")
    done = install(env, place, to, umask=0o077)
    assert done.returncode == 0 and done.stdout == f"cprof: 5 files are in {to}\n" and not done.stderr, done.stdout + done.stderr
    assert contents(to) == contents(place)
    for directory in (to, os.path.join(to, "lib")):
        assert os.stat(directory).st_mode & 0o777 == 0o755, directory


def test_copy_profiles(env):
    to = os.path.join(env.dir, "copy")
    install(env, packaged(env), to)
    environment = {**env.environ(), "LD_PRELOAD": os.path.join(to, "libcprof.so"), "CPROF_LINGER": "300ms"}
    environment.pop("CPROF_UPLOADER", None)
    env.run(env.program("shares.c"), "0.5", env=environment).ok()
    assert env.final("shares", "cpu").total("cpu") > 0


def test_mapped_library_stays_whole(env):
    """The place is emptied and written again: a program that has the old library mapped does not notice."""
    place, to = packaged(env), os.path.join(env.dir, "copy")
    install(env, place, to)
    before = os.stat(os.path.join(to, "libcprof.so")).st_ino
    child = env.start(env.program("shares.c"), "2", env={**env.environ(), "LD_PRELOAD": os.path.join(to, "libcprof.so")})
    assert install(env, place, to).returncode == 0
    assert os.stat(os.path.join(to, "libcprof.so")).st_ino != before, "written in place"
    assert child.wait(timeout=60) == 0
    assert contents(to) == contents(place), "something was left beside"


def test_install_refuses(env):
    place = packaged(env)
    for to, status, words in ((os.path.join(place, "deeper"), 2, "is inside of"), ("/proc/nowhere", 1, "No such file"),
                              ("--help=no", 2, "usage")):
        done = install(env, place, to)
        assert done.returncode == status and words in done.stderr, (to, done)
    os.unlink(os.path.join(place, "libcprof.so"))
    done = install(env, place, os.path.join(env.dir, "copy"))
    assert done.returncode == 1 and "libcprof.so is not there" in done.stderr and not os.path.exists(env.dir + "/copy"), done


def test_ready(env):
    """1 and one line until the service listens, then 0; the question leaves no trace."""
    path = os.path.join(env.dir, "socket")
    log = os.path.join(env.dir, "log")

    def ready():
        return subprocess.run([env.uploader, "ready", "--socket=" + path], env=env.environ(profiled=False), check=False,
                              capture_output=True, text=True, timeout=30)

    before = ready()
    assert before.returncode == 1 and before.stderr == f"cprof: {path}: No such file or directory\n", before
    server = env.start(env.uploader, "serve", "--socket=" + path, env=env.environ(profiled=False, out=env.out, log=log))
    wait_for(lambda: ready().returncode == 0, 10, "the service")
    server.terminate()
    assert server.wait(10) == 0 and "could not be read" not in env.log(), env.log()
    assert ready().returncode == 1
