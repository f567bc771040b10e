# SPDX-License-Identifier: Apache-2.0
"""The report in a real Chromium: tests/page/browser/*.test.js, each by `node --test`, with packages of tests/page/package-lock.json."""
import fcntl
import glob
import os
import shutil
import subprocess
import time

from tests.e2e.test_control import session_of
from tests.lib.harness import TREE, Skip, need, wait_for

SOURCE = os.path.join(TREE, "tests", "page")
PAUSES = (5, 20, 60)  # s, between two tries to fetch packages
JUST_NOW = 120  # s: the next test does not try again
ENOUGH = 18  # node's major version: `node --test`


def fetch(npm, directory):
    """npm ci. A network that is away for a while is no fault of the page, so it is tried again, and then said apart from such a fault."""
    failed = os.path.join(directory, ".fetch-failed")
    said = ""
    if os.path.exists(failed) and time.time() - os.path.getmtime(failed) < JUST_NOW:
        with open(failed, encoding="utf-8") as file:
            raise AssertionError(file.read())
    for pause in (*PAUSES, None):
        done = subprocess.run([npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline"], cwd=directory, capture_output=True,
                              text=True, check=False)
        if not done.returncode:
            return
        said = next((line for line in done.stderr.splitlines() if line.strip()), "no reason given")
        time.sleep(pause or 0)
    text = (f"the page was not tested: npm ci in {directory} failed {len(PAUSES) + 1} times ({said}). It needs the registry of "
            f"tests/page/package-lock.json, or {directory}/node_modules of a machine that reaches it")
    with open(failed, "w", encoding="utf-8") as file:
        file.write(text)
    raise AssertionError(text)


def modules(env):
    """The directory with the packages: installed once per build directory and lock file."""
    directory = os.path.join(env.build, "tests", "page")
    os.makedirs(directory, exist_ok=True)
    with open(os.path.join(SOURCE, "package-lock.json"), encoding="utf-8") as file:
        lock = file.read()
    mark = os.path.join(directory, "node_modules", ".lock-of-cprof")
    with open(os.path.join(directory, ".one-at-a-time"), "w", encoding="utf-8") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        if os.path.exists(mark):
            with open(mark, encoding="utf-8") as file:
                if file.read() == lock:
                    return directory
        npm = need("npm")
        for name in ("package.json", "package-lock.json"):
            shutil.copy(os.path.join(SOURCE, name), directory)
        fetch(npm, directory)
        with open(mark, "w", encoding="utf-8") as file:
            file.write(lock)
    return directory


def in_browser(env, name, **variables):
    """Runs tests/page/browser/NAME.test.js; variables are what it finds in process.env."""
    node = need("node:nodejs")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if int(version.lstrip("v").partition(".")[0]) < ENOUGH:
        raise Skip(f"node is {version}, and `node --test` needs {ENOUGH}")
    need("chromium")
    known = {"PATH": os.environ["PATH"], "HOME": env.dir, "LANG": "C.UTF-8", "TZ": "UTC", "CPROF_BUILD": env.build,
             "CPROF_PAGE_MODULES": modules(env), "CPROF_PAGE_SCRATCH": env.dir}
    file = os.path.join(SOURCE, "browser", name + ".test.js")
    done = subprocess.run([node, "--test", "--test-reporter=tap", file], cwd=env.dir, env={**known, **variables}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout[-6000:]}{done.stderr[-2000:]}"


def test_every_file_has_its_test(_env):
    files = {os.path.basename(path).split(".")[0] for path in glob.glob(os.path.join(SOURCE, "browser", "*.test.js"))}
    assert files == {name[5:] for name in globals() if name.startswith("test_") and name != "test_every_file_has_its_test"}


def test_views(env):
    deadlock = env.start(env.program("deadlock.c"), interval="1s")
    wait_for(lambda: os.path.exists(env.path("deadlock", "threads")), 20, "a dump of the threads")
    deadlock.kill()
    env.uploaders_gone()
    in_browser(env, "views", REPORT=os.path.join(env.out, "report.html"))


def test_live(env):
    """A program that runs, two intervals before anybody looks. The page ends it."""
    child = env.start(env.program("burns.c"), "60", interval="1s")
    wait_for(lambda: len(glob.glob(env.path("burns", "cpu").replace("cpu.pb.gz", "intervals/*-cpu.pb.gz"))) > 1, 30, "two intervals")
    server = env.start(env.uploader, "report", "--live", f"--session={session_of(env)}", profiled=False, stdout=subprocess.PIPE)
    in_browser(env, "live", URL=server.stdout.readline().strip(), PROGRAM=str(child.pid))
    server.kill()


def test_use(env):
    in_browser(env, "use")


def test_hostile(env):
    in_browser(env, "hostile")


def test_numbers(env):
    """Of generated sessions, of a real one, and of what Go's runtime writes."""
    go = need("go:golang-go")
    env.cprof("python3", "-c", "x = [[i] * 40 for i in range(60000)]; sum(i * i for i in range(6000000))", memory_rate="64KiB", cpu_hz=500).ok()
    env.uploaders_gone()
    profiles = os.path.join(env.dir, "go-profiles")
    os.makedirs(profiles)
    program = os.path.join(env.dir, "profiled")
    settings = {"GO111MODULE": "off", "GOTOOLCHAIN": "local", "GOCACHE": subprocess.run(
        [go, "env", "GOCACHE"], capture_output=True, text=True, check=True).stdout.strip()}
    subprocess.run([go, "build", "-o", program, os.path.join(SOURCE, "profiled.go")], env={**os.environ, **settings}, check=True)
    subprocess.run([program, profiles], check=True)
    in_browser(env, "numbers", SESSION=env.out, GO=go, GO_PROFILES=profiles, GOCACHE=settings["GOCACHE"], GOTOOLCHAIN="local")
