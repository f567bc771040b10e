# SPDX-License-Identifier: Apache-2.0
"""build/bundle/cprof: complete, all of it listed, started from any place by its own loader, in roots that have nothing."""
import glob
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tarfile

from tests.lib import pprof
from tests.lib.harness import Skip, need, need_namespace, need_root, wait_for

MOST_BYTES = 15 << 20


def made(env):
    path = os.path.join(env.build, "bundle", "cprof")
    if not os.path.exists(path):
        raise Skip("it is not there: make bundle")
    return path


def bundle(env, place="any_where/cprof"):
    """A copy of the bundle at a place of the test's own."""
    to = os.path.join(env.dir, place)
    shutil.copytree(made(env), to, symlinks=True)
    return to


def libraries(program):
    """Paths of what the dynamic loader takes for this program, its own included."""
    text = subprocess.run([need("ldd"), program], capture_output=True, text=True, check=True).stdout
    return [word for word in text.split() if word.startswith("/")]


def in_root(env, root, *command, proc=True, **variables):
    """Runs a program in this root, in a mount namespace that goes with it, with no other environment."""
    os.makedirs(root + "/proc", exist_ok=True)
    enter = "import os, sys; os.chroot(sys.argv[1]); os.chdir('/'); os.execve(sys.argv[3], sys.argv[3:], eval(sys.argv[2]))"
    mount = 'mount -t proc proc "$0/proc" && ' if proc else ""
    return env.run(need_namespace("--mount"), "--mount", need("sh"), "-c", mount + 'exec "$@"', root, sys.executable,
                   "-I", "-c", enter, root, repr(variables), *command, env=env.environ(profiled=False))


def test_every_file_is_listed(env):
    top = made(env)
    with open(top + "/SBOM.tsv", encoding="utf-8") as file:
        rows = [dict(zip(("file", "package", "version", "source", "licence", "sha256"), line.rstrip("\n").split("\t")))
                for line in file][1:]
    for row in rows:
        with open(os.path.join(top, row["file"].split()[0]), "rb") as file:
            assert hashlib.sha256(file.read()).hexdigest() == row["sha256"], row
        assert row["version"] and row["source"] and row["licence"] and not row["licence"].startswith("see"), row
        assert row["package"] == "cprof" or os.path.getsize(f"{top}/licenses/{row['package']}"), row
    files = {os.path.relpath(path, top) for path in glob.glob(top + "/**", recursive=True) if os.path.isfile(path)}
    files = {path for path in files if not path.startswith("licenses/")} - {"cprof", "LICENSE", "SBOM.tsv"}
    assert files == {row["file"].split()[0] for row in rows}


def test_size(env):
    path = env.dir + "/bundle.tar.gz"
    with tarfile.open(path, "w:gz", compresslevel=6) as tar:
        tar.add(made(env), "cprof")
    assert os.path.getsize(path) < MOST_BYTES, os.path.getsize(path)


def test_nothing_of_the_image_is_loaded(env):
    """All that is mapped into the uploader and its successor comes out of the bundle, and both have their own names."""
    top = bundle(env)
    child = env.start(env.program("shares.c"), "1", "1", "pause", stdout=subprocess.PIPE,
                      env={**env.environ(), "LD_PRELOAD": top + "/libcprof.so", "DEBUGINFOD_URLS": "http://127.0.0.1:1"})
    wait_for(lambda: env.uploaders(("cprof-keeper",)), 10, "a keeper")
    pid = 0
    for _ in range(2):
        pid = wait_for(lambda: [p for p in env.uploaders() if p != pid], 10, "an uploader")[0]
        wait_for(lambda: open(f"/proc/{pid}/comm", encoding="utf-8").read() == "cprof-uploader\n", 5, "its name")
        wait_for(lambda: open(f"/proc/{pid}/maps", encoding="utf-8").read().count(".so") > 100, 5, "its libraries")
        assert os.readlink(f"/proc/{pid}/exe") == top + "/cprof-uploader"
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            assert file.read().startswith(b"cprof-uploader\0serve\0")
        with open(f"/proc/{pid}/maps", encoding="utf-8") as file:
            mapped = {line.split()[-1] for line in file if ".so" in line}
        assert len(mapped) > 20 and all(path.startswith(top + "/lib/") for path in mapped), mapped
        os.kill(pid, signal.SIGKILL)
    child.stdout.readline()  # its work is done
    child.kill()
    env.uploaders_gone()
    assert env.profile("shares", "cpu").total("cpu") > 0.5e9


def test_variables_of_the_loader_reach_the_program_alone(env):
    """Libraries without any function in them, for the program, where the uploader needs others of the same name."""
    top, app = bundle(env), os.path.join(env.dir, "app")
    os.mkdir(app)
    for name in ("libz.so.1", "libcurl.so.4", "libelf.so.1", "libc.so"):
        subprocess.run([need("gcc"), "-shared", "-fPIC", "-nostdlib", "-Wl,-soname," + name, "-o", f"{app}/{name}", "-xc", "/dev/null"],
                       check=True)
    variables = {"LD_LIBRARY_PATH": app, "LD_PRELOAD": app + "/libc.so", "LD_BIND_NOW": "1"}
    done = env.run(top + "/cprof", "--quiet", "/usr/bin/env", env={**env.environ(profiled=False), "CPROF_OUT": env.out, **variables}).ok()
    variables["LD_PRELOAD"] = f"{top}/libcprof.so:{app}/libc.so"
    assert set(f"{k}={v}" for k, v in variables.items()) <= set(done.stdout.splitlines()) and not done.stderr, done
    assert os.path.exists(env.path("env", "threads")) or os.listdir(env.out)


def one_program(env, name, program, files, proc):
    """A root with this program as /shares, these files {place: file}, and the bundle: no /etc, /tmp, /dev or shell."""
    need_root()
    root = os.path.join(env.dir, f"root-{name}-{proc}")
    for place, file in {"/shares": program, **files}.items():
        os.makedirs(os.path.dirname(root + place), exist_ok=True)
        shutil.copy(file, root + place)
    bundle(env, f"root-{name}-{proc}/opt/x")
    return root


def check_root(env, root, proc=True):
    # Roots share the names of sessions, which are made of the settings.
    out = "/" + os.path.basename(env.dir) + os.path.basename(root)
    done = in_root(env, root, "/shares", "1", proc=proc, LD_PRELOAD="/opt/x/libcprof.so", CPROF_OUT=out,
                   CPROF_LINGER="200ms", CPROF_LOG="/log").ok()
    assert not done.stderr, done.stderr
    path = root + out + "/shares/cpu.pb.gz"
    wait_for(lambda: os.path.exists(path), 15, path)
    if proc:  # without it, nothing leads to the program's files
        profile = pprof.load(path)
        assert profile.under("cpu", "work_70", "main") > 0.5 * profile.total("cpu"), profile.stacks()
        with open(root + "/log", encoding="utf-8") as file:
            assert "no keeper" not in file.read()
    done = in_root(env, root, "/opt/x/cprof", "/shares", "0.2", proc=proc).ok()
    assert "CPU time" in done.stderr, done.stderr


def test_root_with_one_program(env):
    program = env.program("shares.c")
    for proc in (True, False):
        root = one_program(env, "glibc", program, {path: path for path in libraries(program)}, proc)
        check_root(env, root, proc)


def test_root_of_another_layout(env):
    """Libraries in /lib64, as Fedora and RHEL have them, found by the loader's cache."""
    program = env.program("shares.c")
    root = one_program(env, "lib64", program, {"/lib64/" + os.path.basename(path): path for path in libraries(program)}, True)
    os.mkdir(root + "/etc")
    with open(root + "/etc/ld.so.conf", "w", encoding="utf-8") as file:
        file.write("/lib64\n")
    subprocess.run([need("ldconfig"), "-r", root], check=True)
    check_root(env, root)


def test_root_of_musl(env):
    """One program and musl's loader, which is all that there is of it. The option is a default in Alpine's gcc."""
    program = env.program("shares.c", "-O1", "-g", "-Wl,--eh-frame-hdr", compiler="musl-gcc")
    musl = "/lib/ld-musl-x86_64.so.1"
    check_root(env, one_program(env, "musl", program, {musl: musl}, True))


def test_root_with_one_static_program(env):
    """A preloaded library is not for it, and nothing else is there."""
    program = env.program("shares.c", "-O1", "-static")
    root = one_program(env, "static", program, {}, True)
    done = in_root(env, root, "/shares", "0.1", LD_PRELOAD="/opt/x/libcprof.so", CPROF_LOG="/log").ok()
    assert not done.stderr and done.stdout.startswith("work_70 ") and not os.path.exists(root + "/log"), done.stderr
    done = in_root(env, root, "/opt/x/cprof", "/shares", "0.1").ok()
    assert "static" in done.stderr and done.stderr.count("\n") == 1, done.stderr


def test_without_its_libraries(env):
    top = bundle(env)
    shutil.rmtree(top + "/lib")
    done = env.run(top + "/cprof", "/bin/true", env=env.environ(profiled=False))
    assert done.status == 127 and done.stderr.startswith(f"cprof: {top}/lib/") and done.stderr.count("\n") == 1, done.stderr
