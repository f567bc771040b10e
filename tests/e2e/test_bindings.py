# SPDX-License-Identifier: Apache-2.0
"""examples/labels: a C++ server, a Python module and a Rust crate. The samples have the labels of what they were taken in."""
import os
import shutil
import signal
import subprocess
import urllib.error
import urllib.request

from tests.lib.harness import TREE, Skip, free_port, limit, listening, need, wait_for

EXAMPLES = os.path.join(TREE, "examples", "labels")


def labelled(profile, value, function, label):
    """Share of the function's value that has this endpoint as label; whether it is found at all is checked."""
    index = profile.index(value)
    mine = [s for s in profile.samples if any(function in f.function for f in s.frames)]
    total = sum(s.values[index] for s in mine)
    assert total > 0, f"no {value} below {function}"
    return sum(s.values[index] for s in mine if s.labels.get("endpoint") == label) / total


def others(profile, value, label):
    """Functions that have the label, by their stacks."""
    return {f.function for s in profile.samples if s.labels.get("endpoint") == label and s.values[profile.index(value)]
            for f in s.frames}


@limit(200)
def test_cpp_server(env):
    need("g++")
    source, server = os.path.join(EXAMPLES, "cpp"), os.path.join(env.dir, "server")
    shutil.copy(os.path.join(source, "server.cc"), env.dir)
    subprocess.run([need("make"), "-f", os.path.join(source, "Makefile"), "-s", f"INCLUDE={TREE}/include"], cwd=env.dir, check=True)
    port = free_port()
    child = env.start(server, str(port), cpu_hz="500", memory_rate="64KiB", block_rate="1us")
    wait_for(lambda: listening(port), 10, "the server")
    for _ in range(40):
        for path in ("burn", "allocate", "wait"):
            assert urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=20).status == 200
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/other?x=1", timeout=20)
        raise AssertionError("an unknown path is found")
    except urllib.error.HTTPError as error:
        assert error.code == 404
    child.send_signal(signal.SIGTERM)
    child.wait()
    cpu, memory = env.final("server", "cpu"), env.profile("server", "memory")
    assert labelled(cpu, "cpu", "burn", "/burn") > 0.99
    # The helper's thread has taken its labels along.
    helper = [s for s in cpu.samples if any("burn" in f.function for f in s.frames)
              and not any("serve_burn()" in f.function and "lambda" not in f.function for f in s.frames)]
    assert helper and all(s.labels["endpoint"] == "/burn" for s in helper)
    assert labelled(memory, "alloc_space", "serve_allocate", "/allocate") > 0.99
    assert labelled(memory, "inuse_space", "serve_allocate", "/allocate") > 0.99
    for kind, value in (("off_cpu", "off_cpu"), ("wall", "wall")):
        profile = env.profile("server", kind)
        assert labelled(profile, value, "serve_wait", "/wait") > 0.95, kind
        assert not any("serve_wait" in f for f in others(profile, value, "/burn")), kind
        idle = [s for s in profile.samples if s.frames[0].function == "accept"]
        assert idle and all("endpoint" not in s.labels for s in idle), kind
    assert not any("?" in s.labels.get("endpoint", "") for s in cpu.samples)


def test_server_without_the_library(env):
    """The same program, not profiled, answers the same."""
    need("g++")
    server = os.path.join(env.dir, "server")
    subprocess.run(["g++", "-std=c++14", f"-I{TREE}/include", os.path.join(EXAMPLES, "cpp", "server.cc"), "-o", server, "-pthread"],
                   check=True)
    port = free_port()
    env.start(server, str(port), profiled=False)
    wait_for(lambda: listening(port), 10, "the server")
    for path, text in (("burn", b"burnt\n"), ("allocate", b"allocated\n"), ("wait", b"waited\n")):
        assert urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=20).read() == text


def test_python_tasks(env):
    """Tasks of one thread take turns: each sample has the label of the task that was running."""
    python = need("python3")
    env.run(python, os.path.join(EXAMPLES, "python", "demo.py"), "4",
            env={**env.environ(cpu_hz="500", memory_rate="64KiB"), "PYTHONDONTWRITEBYTECODE": "1"}).ok()
    cpu = env.final("python3", "cpu").by_label("cpu", "endpoint")
    shares = {endpoint: cpu[endpoint] / sum(cpu.values()) for endpoint in ("/burn", "/offload", None)}
    assert shares["/burn"] > 0.15 and shares["/offload"] > 0.15, shares
    assert shares[None] < 0.35, shares  # the interpreter's start and the event loop
    memory = env.profile("python3", "memory").by_label("alloc_space", "endpoint")
    # The interpreter's start has no label, and allocates 18 MB however slow the machine is.
    assert memory["/allocate"] > 0.8 * (sum(memory.values()) - memory[None]) > 0 and memory[None] < 25e6, memory


PYTHON_RULES = """
import asyncio, sys, threading
sys.path.insert(0, sys.argv[1])
import cprof
here = lambda: bytes(cprof._library.cprof_labels_capture())
none = here()
with cprof.label(a="1"):
    one = here()
    assert one != none
    with cprof.label(a="2", b="3"):
        assert here() not in (none, one)
    assert here() == one
    carried = cprof.carry(here)
try:
    with cprof.label(a="1"):
        raise KeyError
except KeyError:
    pass
assert here() == none
got = []
thread = threading.Thread(target=lambda: got.extend([here(), carried(), here()]))
thread.start(); thread.join()
assert got == [none, one, none], got

@cprof.label(a="1")
async def child():
    await asyncio.sleep(0.001)
    assert here() == one
    return await asyncio.create_task(grandchild())

async def grandchild():
    await asyncio.sleep(0.001)
    return here()

async def other():
    for _ in range(10):
        assert here() == none
        await asyncio.sleep(0.0005)
    try:
        await asyncio.wait_for(child(), 0.0001)
    except asyncio.TimeoutError:
        pass
    assert here() == none

async def main():
    asyncio.get_running_loop().set_task_factory(cprof.task_factory)
    results = await asyncio.gather(*(asyncio.create_task(f()) for f in (child, other, child)))
    assert results == [one, None, one]
    with cprof.trace("0123456789abcdef" * 2, "0123456789abcdef"):
        traced = here()
        assert traced != none and await asyncio.create_task(grandchild()) == traced
asyncio.run(main())
assert here() == none
print("profiling" if cprof.is_profiling() else "not")
"""


def test_python_scopes(env):
    """Blocks, threads, tasks and exceptions leave what they found. Without the library all of it does nothing."""
    python = need("python3")
    clean = {"PYTHONDONTWRITEBYTECODE": "1"}
    done = env.run(python, "-c", PYTHON_RULES, os.path.join(EXAMPLES, "python"), env={**env.environ(), **clean}).ok()
    assert done.stdout == "profiling\n"
    rules = PYTHON_RULES.replace("!= none", "== none").replace("not in (none, one)", "in (none, one)")
    done = env.run(python, "-c", rules, os.path.join(EXAMPLES, "python"), env={**env.environ(profiled=False), **clean}).ok()
    assert done.stdout == "not\n"


def build_rust(env):
    """By cargo if there is one, else by rustc alone, which Debian's packages of the tests have."""
    source, target = os.path.join(EXAMPLES, "rust"), os.path.join(env.dir, "target")
    cargo = shutil.which("cargo")
    if cargo:
        tree = shutil.copytree(source, os.path.join(env.dir, "crate"), ignore=shutil.ignore_patterns("target"))
        subprocess.run([cargo, "build", "--quiet", "--offline", "--release", "--example", "demo"], cwd=tree, check=True,
                       env={**os.environ, "CARGO_TARGET_DIR": target})
        return os.path.join(target, "release", "examples", "demo")
    rustc = need("rustc")
    os.mkdir(target)
    library, demo = os.path.join(target, "libcprof.rlib"), os.path.join(target, "demo")
    options = [rustc, "-O", "-g", "--edition", "2021"]
    subprocess.run([*options, "--crate-type", "lib", "--crate-name", "cprof", source + "/src/lib.rs", "-o", library], check=True)
    subprocess.run([*options, "--extern", f"cprof={library}", source + "/examples/demo.rs", "-o", demo], check=True)
    return demo


@limit(200)
def test_rust_crate(env):
    if not shutil.which("cargo") and not shutil.which("rustc"):
        raise Skip("there is neither cargo nor rustc: apt-get install rustc")
    demo = build_rust(env)
    env.run(demo, "0.2", profiled=False).ok()
    env.run(demo, "3", cpu_hz="500", memory_rate="64KiB").ok()
    cpu, memory, off_cpu = (env.final("demo", kind) for kind in ("cpu", "memory", "off_cpu"))
    by_label = cpu.by_label("cpu", "endpoint")
    assert by_label["/burn"] > 0.2 * sum(by_label.values()) and by_label["/task"] > 0.2 * sum(by_label.values()), by_label
    assert labelled(cpu, "cpu", "Steps", "/task") > 0.99
    assert labelled(memory, "alloc_space", "allocate", "/allocate") > 0.99
    assert labelled(off_cpu, "off_cpu", "demo::wait", "/wait") > 0.95
