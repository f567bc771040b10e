# SPDX-License-Identifier: Apache-2.0
"""What every end-to-end test works with: an Env of its own directory, and runs under the library or the launcher."""
import contextlib
import functools
import glob
import os
import re
import shutil
import signal
import socket
import subprocess
import time

from . import pprof

TREE = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
# In an emulated machine (tests/kernels) everything takes longer.
EMULATED = bool(os.environ.get("CPROF_TEST_EMULATED"))
PATIENCE = 4 if EMULATED else 1
LATE = max(3, PATIENCE)  # an event that comes late on a busy machine costs no more than that


class Skip(Exception):
    """Raised with what is missing and what to install."""


def alone(test):
    """Marks a test that measures time or fills the machine: it runs when no other does."""
    test.how = "alone"
    return test


def waits(test):
    """Marks a test that waits most of its time, and compares nothing that is late if others run: it runs beside all but those that run alone."""
    test.how = "waits"
    return test


def real_processor(test):
    """Marks a test that compares what happens within milliseconds: an emulated machine would fail it."""

    @functools.wraps(test)
    def unless_emulated(env):
        if EMULATED:
            raise Skip("needs a real processor")
        test(env)

    return unless_emulated


def limit(seconds):
    """Another time limit than the usual 120 s."""

    def mark(test):
        test.limit = seconds
        return test

    return mark


class Result:
    def __init__(self, status, stdout, stderr, seconds):
        self.status, self.stdout, self.stderr, self.seconds = status, stdout, stderr, seconds

    def ok(self):
        assert self.status == 0, f"exit status {self.status}\nstdout: {self.stdout[-2000:]}\nstderr: {self.stderr[-2000:]}"
        return self

    def figures(self):
        """What the program printed as lines of "NAME NUMBER"."""
        return {name: int(number) for name, number in re.findall(r"^(\w+) (\d+)$", self.stdout, re.M)}


def need(*commands):
    """Paths of commands, each "name" or "name:Debian package"."""
    paths = []
    for command in commands:
        name, _, package = command.partition(":")
        path = shutil.which(name, path="/usr/bin:/usr/sbin:/bin:/sbin") or shutil.which(name)
        if not path:
            raise Skip(f"{name} is not there: apt-get install {package or name}")
        paths.append(path)
    return paths[0] if len(paths) == 1 else paths


def need_root():
    if os.geteuid() != 0:
        raise Skip("needs root")


def need_namespace(*options):
    """unshare's path. In a chroot whose root is no mount point, and in most containers, mounts cannot be made private."""
    need_root()
    unshare = need("unshare:util-linux")
    done = subprocess.run([unshare, *options, "true"], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Skip(f"no namespace by {' '.join(options)} can be made here: {done.stderr.strip()}")
    return unshare


def wait_for(condition, seconds=10, what="the condition"):
    """Polls until condition() is true, and returns what it returned."""
    seconds *= LATE
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"{what} did not come true within {seconds} s"
        time.sleep(0.02)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def listening(port):
    with socket.socket() as s:
        s.settimeout(0.5)
        return s.connect_ex(("127.0.0.1", port)) == 0


class Env:
    def __init__(self, build, directory):
        self.build = os.path.realpath(build)
        self.dir = directory
        self.library = os.path.join(self.build, "libcprof.so")
        self.uploader = os.path.join(self.build, "cprof-uploader")
        self.out = os.path.join(directory, "out")
        self.compile_c = ["gcc"]  # command and options for C programs
        self._children = []

    def for_other_users(self):
        """What another user starts is in the test's directory, since nobody else may enter /root."""
        os.chmod(self.dir, 0o755)
        for name in ("libcprof.so", "cprof-uploader", "cprof-keeper"):
            shutil.copy(os.path.join(self.build, name), self.dir)
        self.library = os.path.join(self.dir, "libcprof.so")
        self.uploader = os.path.join(self.dir, "cprof-uploader")

    # Programs

    def program(self, source, *flags, name=None, compiler=None):
        """Compiles tests/e2e/SOURCE into the test's directory and returns the path."""
        compiler, *options = [compiler] if compiler else ["g++"] if source.endswith(".cc") else self.compile_c
        path = os.path.join(self.dir, name or os.path.splitext(os.path.basename(source))[0])
        source = os.path.join(TREE, "tests", "e2e", source)
        subprocess.run([need(compiler), *options, "-D_GNU_SOURCE", *(flags or ("-O1", "-g")), source, "-o", path, "-pthread", "-ldl", "-lm"], check=True)
        return path

    # Environment and command lines

    def environ(self, profiled=True, preload=(), **settings):
        """A clean environment; settings are CPROF_* without the prefix: cpu_hz="1000"."""
        env = {k: v for k, v in os.environ.items() if not k.startswith(("CPROF_", "PYROSCOPE_", "OTEL_", "LD_"))}
        libraries = ([self.library] if profiled else []) + list(preload)
        if libraries:
            env["LD_PRELOAD"] = ":".join(libraries)
        if profiled:
            env["CPROF_OUT"] = self.out
            env["CPROF_LOG"] = os.path.join(self.dir, "log")
            env["CPROF_LINGER"] = "500ms"
        if EMULATED:  # where a sample takes ten times as long, the budget would lower every rate
            env["CPROF_MAX_OVERHEAD"] = "0"
        for key, value in settings.items():
            env["CPROF_" + key.upper()] = str(value)
        return {k: v for k, v in env.items() if v != "None"}

    def preloaded(self, *command):
        """The end of a command line whose first programs run bare, as nothing of the session is to be there before."""
        return [need("env"), "LD_PRELOAD=" + self.library, *command]

    def environ_before(self, **settings):
        """What such a command line is started with."""
        return {k: v for k, v in self.environ(**settings).items() if k != "LD_PRELOAD"}

    def command(self, *args):
        """The launcher: scripts/cprof for the tree's own build directory, what it would call for another one."""
        if self.build == os.path.join(TREE, "build"):
            return [os.path.join(TREE, "scripts", "cprof"), *args]
        return [self.uploader, "run", f"--library={self.library}", *args]

    # Runs

    def run(self, *args, env=None, profiled=True, timeout=90, cwd=None, stdin=None, **settings):
        """Runs a program to its end, profiled by bare LD_PRELOAD or not at all."""
        env = env if env is not None else self.environ(profiled, **settings)
        start = time.monotonic()
        done = subprocess.run(args, env=env, cwd=cwd or self.dir, timeout=timeout * PATIENCE, stdin=stdin or subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace")
        return Result(done.returncode, done.stdout, done.stderr, time.monotonic() - start)

    def cprof(self, *args, timeout=90, cwd=None, **settings):
        """Runs the launcher."""
        env = self.environ(profiled=False, **{"out": self.out, "linger": "500ms", **settings})
        return self.run(*self.command(*args), env=env, timeout=timeout, cwd=cwd)

    def start(self, *args, env=None, profiled=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=None,
              stdin=subprocess.DEVNULL, preload=(), **settings):
        """Starts a program that is killed with the test, should it live that long."""
        env = env if env is not None else self.environ(profiled, preload, **settings)
        child = subprocess.Popen(args, env=env, cwd=cwd or self.dir, stdin=stdin, stdout=stdout,
                                 stderr=stderr, text=True, start_new_session=True)
        self._children.append(child)
        return child

    def close(self):
        for child in self._children:
            if child.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(child.pid, signal.SIGKILL)
            child.wait()
        # Where a service was killed above, its keeper has just started another one.
        end = time.monotonic() + 3
        while self.uploaders(("cprof-uploader", "cprof-keeper")) and time.monotonic() < end:
            for pid in self.uploaders():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM)
            time.sleep(0.05)

    # What came of it

    def uploaders(self, names=("cprof-uploader",)):
        """Uploaders of this test: those whose environment names its directory."""
        found = []
        for path in glob.glob("/proc/[0-9]*/environ"):
            with contextlib.suppress(OSError):
                pid = int(path.split("/")[2])
                if not os.path.basename(os.readlink(f"/proc/{pid}/exe")).startswith(names):
                    continue
                with open(path, "rb") as file:
                    if os.path.basename(self.dir).encode() in file.read():
                        found.append(pid)
        return found

    def uploaders_gone(self, seconds=15):
        wait_for(lambda: not self.uploaders(), seconds, "the end of the uploader")

    def path(self, program, kind, out=None):
        return os.path.join(out or self.out, program, kind + ".pb.gz")

    def profile(self, program, kind, seconds=5, out=None):
        """The merged profile, waited for; complete once its uploader is gone."""
        path = self.path(program, kind, out)
        wait_for(lambda: os.path.exists(path), seconds, path)
        return pprof.load(path)

    def final(self, program, kind, out=None):
        self.uploaders_gone()
        return self.profile(program, kind, 0.1, out)

    def log(self):
        for path in (os.path.join(self.dir, "log"), os.path.join(self.out, "cprof.log")):
            with contextlib.suppress(OSError), open(path, encoding="utf-8", errors="replace") as file:
                return file.read()
        return ""


def near(value, expected, tolerance, what):
    """In an emulated machine, where a thread is late by milliseconds, the tolerance is three times as wide."""
    tolerance *= 3 if EMULATED else 1
    assert abs(value - expected) <= tolerance, f"{what}: {value:.4g}, not {expected:.4g} +- {tolerance:.2g}"


def shares(counter, *names):
    total = sum(counter.values())
    assert total > 0, "the profile is empty"
    return [counter[name] / total for name in names]


def threads_and_files(pid):
    """Thread names, and what the descriptors point to."""
    threads = []
    for path in glob.glob(f"/proc/{pid}/task/*/comm"):
        with contextlib.suppress(OSError), open(path, encoding="utf-8") as file:
            threads.append(file.read().strip())
    files = []
    for path in glob.glob(f"/proc/{pid}/fd/*"):
        with contextlib.suppress(OSError):
            files.append(os.readlink(path))
    return sorted(threads), sorted(files)
