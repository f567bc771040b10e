# SPDX-License-Identifier: Apache-2.0
"""cprof doctor on set-ups that are broken on purpose: its exit status and the finding, and what profiling then gives."""
import contextlib
import ctypes
import http.server
import json
import os
import shutil
import subprocess
import threading
import time

from tests.lib.harness import TREE, Skip, free_port, limit, need, need_namespace, need_root, wait_for
from tests.lib.receiver import receiving

WELL, MISSING, STOPS = 0, 1, 2
LEVELS = {MISSING: "missing", STOPS: "stops"}


def ask(env, *args, variables=None, before=(), cwd=None):
    """(exit status, findings)."""
    environ = {**env.environ(profiled=False), "CPROF_OUT": env.out, **(variables or {})}
    done = env.run(*before, env.uploader, "doctor", f"--library={env.library}", "--json", *args, cwd=cwd,
                   env={name: value for name, value in environ.items() if value is not None})
    assert not done.stderr, done.stderr
    told = json.loads(done.stdout)
    assert told["status"] == done.status, told
    for finding in told["findings"]:
        assert finding["level"] in ("note", "well") or finding.get("remedy"), f"no remedy: {finding}"
    return done.status, told["findings"]


def finds(env, check, words, *args, status, **how):
    """One finding of this check has all the words, and no other check has anything that counts."""
    got, findings = ask(env, *args, **how)
    grave = [f for f in findings if f["level"] in ("stops", "missing")]
    assert got == status and grave, f"exit status {got}, not {status}: {grave}"
    assert {f["check"] for f in grave} == {check}, f"others than {check}: {grave}"
    text = grave[0]["text"] + " " + grave[0]["remedy"]
    assert grave[0]["level"] == LEVELS[status] and all(word in text for word in words), f"{words}: {grave[0]}"


def is_well(env, *args, **how):
    got, findings = ask(env, *args, **how)
    assert got == WELL, [f for f in findings if f["level"] in ("stops", "missing")]
    return findings


def plain(env, *flags, name="computes"):
    return env.program("computes.c", *(flags or ("-O1", "-g")), name=name)


def compiled(env, name, text):
    """A program of its own source."""
    path = os.path.join(env.dir, name)
    with open(path + ".c", "w", encoding="utf-8") as file:
        file.write(text)
    subprocess.run([need("gcc"), "-O1", "-g", path + ".c", "-o", path], check=True)
    return path


# --- programs


def test_healthy_machine_and_program(env):
    program = plain(env)
    assert {f["check"] for f in is_well(env)} >= {"kernel", "limits", "installation", "names", "out"}
    is_well(env, program)
    done = env.run(program).ok()
    env.uploaders_gone()
    assert done.stdout == "done\n" and env.final("computes", "cpu").total("cpu") > 0


def test_text_is_for_people(env):
    """The gravest first, each with its remedy, and what is well if it is asked for."""
    program = plain(env, "-O1", "-s")
    done = env.run(env.uploader, "doctor", f"--library={env.library}", program, env=env.environ(profiled=False))
    lines = done.stdout.splitlines()
    assert done.status == MISSING and lines[0] == f"{program}: can be profiled, but something will be missing", lines
    assert lines[1].startswith("missing  ") and "is stripped" in lines[1] and ". Do not strip it" in lines[1], lines
    assert not any(line.startswith("well") for line in lines) and "\033" not in done.stdout
    more = env.run(env.uploader, "doctor", f"--library={env.library}", "--verbose", program, env=env.environ(profiled=False))
    assert "\nwell     it is dynamically linked\n" in more.stdout, more.stdout


def test_wrong_arguments(env):
    for args, words in ((["--nonsense"], "unknown option"), (["a", "b"], "one program"), (["999999999"], "no process")):
        done = env.run(env.uploader, "doctor", *args, env=env.environ(profiled=False))
        assert done.status == 2 and words in done.stderr and done.stderr.startswith("cprof: "), (args, done.stderr)
        assert len(done.stderr.splitlines()) == 1, done.stderr


def test_programs_that_cannot_be_loaded_into(env):
    finds(env, "static", ["statically linked"], plain(env, "-O1", "-static"), status=STOPS)
    finds(env, "found", ["no such program"], "no-such-program", status=STOPS)
    text = os.path.join(env.dir, "text")
    with open(text, "w", encoding="utf-8") as file:
        file.write("text")
    finds(env, "found", ["may not be executed"], text, status=STOPS)
    os.chmod(text, 0o755)
    finds(env, "found", ["neither an ELF program nor a script"], text, status=STOPS)
    with open(plain(env), "rb") as file:
        head = bytearray(file.read())
    head[4], head[18] = 1, 3  # 32 bit, x86
    with open(text, "wb") as file:
        file.write(head)
    finds(env, "machine", ["another architecture", "x86 (32 bit)"], text, status=STOPS)
    with open(text, "wb") as file:
        file.write(head[:100])
    assert ask(env, text)[0] == STOPS
    finds(env, "libc", ["names the loader /nowhere/ld.so", "cannot start"],
          plain(env, "-O1", "-g", "-Wl,--dynamic-linker=/nowhere/ld.so"), status=STOPS)
    finds(env, "sanitizer", ["AddressSanitizer", "LD_PRELOAD=libasan"], plain(env, "-O1", "-g", "-fsanitize=address"), status=STOPS)


def test_rights(env):
    need_root()
    path = os.path.join(env.dir, "suid")
    shutil.copy(plain(env), path)
    os.chown(path, 65534, 65534)
    os.chmod(path, 0o4755)
    finds(env, "secure", ["set-user-id", "copy of it without the bit"], path, status=STOPS)
    env.run(path).ok()
    env.uploaders_gone()
    assert not os.path.exists(env.path("suid", "threads")), "it was profiled"
    # Where the bit does not count, it is not held against the program.
    is_well(env, path, before=[need("setpriv:util-linux"), "--no-new-privs"])
    os.chmod(path, 0o755)
    is_well(env, path)
    # The bit makes nobody else of its own user, who is the one that asks.
    os.chown(path, 0, 0)
    os.chmod(path, 0o4755)
    finds(env, "secure", ["set-user-id", "if user 0 starts it", "not if others do"], path, status=MISSING)
    env.run(path).ok()
    env.uploaders_gone()
    assert os.path.exists(env.path("suid", "threads")), "it was not profiled"


def test_musl(env):
    program = env.program("computes.c", "-O1", "-g", name="musl", compiler=need("musl-gcc:musl-tools"))
    notes = [f for f in is_well(env, program) if f["check"] == "libc"]
    assert notes and notes[0]["level"] == "note" and "musl" in notes[0]["text"], notes


def test_what_is_inside(env):
    finds(env, "symbols", ["is stripped", "no names"], plain(env, "-O1", "-s"), status=MISSING)
    finds(env, "unwind", [".eh_frame"],
          plain(env, "-O1", "-g", "-fno-asynchronous-unwind-tables", "-fomit-frame-pointer"), status=MISSING)
    is_well(env, plain(env, "-O1", "-g", "-Wl,--no-eh-frame-hdr"))
    notes = is_well(env, plain(env, "-O1"))
    assert any("no debug information" in f["text"] for f in notes), notes
    debug = os.path.join(env.dir, "computes.debug")
    program = plain(env)
    subprocess.run(["objcopy", "--only-keep-debug", program, debug], check=True)
    subprocess.run(["strip", program], check=True)
    finds(env, "symbols", ["is stripped"], program, status=MISSING)
    subprocess.run(["objcopy", f"--add-gnu-debuglink={debug}", program], check=True)
    is_well(env, program)


def test_own_allocator(env):
    program = compiled(env, "own", """#include <stddef.h>
static char pool[1 << 20]; static size_t used;
void *malloc(size_t size) { size_t at = used; used += (size + 31) & ~(size_t)15; return pool + ((at + 15) & ~(size_t)15); }
void *calloc(size_t n, size_t size) { return malloc(n * size); }
void *realloc(void *old, size_t size) { (void)old; return malloc(size); }
void free(void *p) { (void)p; }
void *je_mallocx(size_t size) { return malloc(size); }
int main(void) { return !malloc(5); }
""")
    finds(env, "allocator", ["own malloc()", "jemalloc", "memory profile"], program, status=MISSING)


def script(env, text):
    path = os.path.join(env.dir, "start.sh")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(path, 0o755)
    return path


def test_scripts(env):
    program = plain(env)
    path = script(env, f"#!/bin/sh\n# env -i is not used\nexec env -i {program}\n")
    finds(env, "script", ["line 3", "env -i clears"], path, status=STOPS)
    env.run(path).ok()
    env.uploaders_gone()
    assert not os.path.exists(env.path("computes", "threads")), "it was profiled"
    finds(env, "script", ["line 2", "LD_PRELOAD is taken away"], script(env, f"#!/bin/sh\nunset LD_PRELOAD\n{program}\n"), status=STOPS)
    finds(env, "script", ["line 2", "env -i"], script(env, f"#!/bin/sh\nenv -i true\n{program}\n"), status=MISSING)
    finds(env, "script", ["sudo"], script(env, f"#!/bin/bash\nexec sudo -u x {program}\n"), status=STOPS)
    is_well(env, script(env, f"#!/bin/sh\necho unset LD_PRELOAD\nexport LD_PRELOAD=$LD_PRELOAD:x.so\nexec {program}\n"))
    static = plain(env, "-O1", "-static", name="static")
    finds(env, "static", [static], script(env, f"#!/bin/sh\nexec {static} --port 1\n"), status=STOPS)


def test_programs_of_the_distribution(env):
    """Nothing stops these, what is missing is names, and profiling agrees."""
    for name, package in (("redis-server", "redis-server"), ("nginx", "nginx"), ("python3", "python3")):
        path = f"/usr/bin/{name}" if os.path.exists(f"/usr/bin/{name}") else f"/usr/sbin/{name}"
        if not os.path.exists(path):
            raise Skip(f"{name} is not there: apt-get install {package}")
        status, findings = ask(env, path)
        grave = {f["check"] for f in findings if f["level"] in ("stops", "missing")}
        assert status == bool(grave) and grave <= {"symbols", "runtime"}, (name, findings)
        if "symbols" in grave:
            remedy = [f["remedy"] for f in findings if f["check"] == "symbols"][0]
            assert "dbgsym" in remedy, remedy


def test_first_lines_of_scripts(env):
    finds(env, "found", ["carriage return", "sed -i"], script(env, "#!/bin/sh\r\ntrue\n"), status=STOPS)
    finds(env, "found", ["/nowhere/sh", "not there"], script(env, "#!/nowhere/sh\n"), status=STOPS)
    finds(env, "found", ["sh -u", "Without -S"], script(env, "#!/usr/bin/env sh -u\n"), status=STOPS)
    static = plain(env, "-O1", "-static", name="static")
    finds(env, "static", [static], script(env, f"#!/usr/bin/env -S A=b {static} -u\n"), status=STOPS)


def test_cut_files(env):
    """A file that the kernel would load only in part; section headers alone are not missed."""
    with open(plain(env), "rb") as file:
        whole = file.read()
    path = os.path.join(env.dir, "cut")
    for size, check in ((len(whole) - 64, None), (5000, "found")):
        with open(path, "wb") as file:
            file.write(whole[:size])
        os.chmod(path, 0o755)
        if check:
            finds(env, check, ["no complete ELF file"], path, status=STOPS)
        else:
            is_well(env, path)
            env.run(path).ok()
            env.uploaders_gone()
            assert os.path.exists(env.path("cut", "threads")), "it was not profiled"


# --- this machine and its settings


def limited(text, *command):
    return [need("bash"), "-c", f'{text}; exec "$@"', "bash", *command]


def test_limits(env):
    program = plain(env)
    finds(env, "limits", ["ulimit -f"], status=STOPS, before=limited("ulimit -S -f 10"))
    env.run(*limited("ulimit -f 10", program), env=env.environ_before()).ok()
    finds(env, "limits", ["ulimit -v", "address space"], status=STOPS, before=limited("ulimit -v 80000"))
    finds(env, "limits", ["ulimit -i", "CPU timer"], status=MISSING, before=limited("ulimit -i 0"))
    environ = env.environ_before()
    env.run(*limited("ulimit -i 0", *env.preloaded(program)), env=environ).ok()
    env.uploaders_gone()
    assert os.path.exists(env.path("computes", "threads")) and not os.path.exists(env.path("computes", "cpu"))


def test_output_directory(env):
    full = os.path.join(env.dir, "full")
    os.mkdir(full)
    unshare = need_namespace("--mount")
    for options, words in (("size=64k", "No space left"), ("ro", "Read-only"), ("size=8m", "less than 32 MiB left")):
        before = [unshare, "--mount", "sh", "-c", f'mount -t tmpfs -o {options} none {full} && exec "$@"', "sh"]
        finds(env, "out", [words, "CPROF_OUT"], status=MISSING, before=before, variables={"CPROF_OUT": full + "/out"})
    finds(env, "out", ["/proc/x"], status=MISSING, variables={"CPROF_OUT": "/proc/x"})
    is_well(env, variables={"CPROF_OUT": os.path.join(env.dir, "new", "one")})
    assert sorted(os.listdir(env.dir)) == ["full"] and not os.listdir(full), "it left something"


def test_library_that_cannot_be_loaded(env):
    finds(env, "preload", ["/nowhere/libcprof.so", "not there"], "--preloaded=/nowhere/libcprof.so", status=STOPS)
    wrong = os.path.join(env.dir, "libcprof.so")
    with open(wrong, "w", encoding="utf-8") as file:
        file.write("text")
    finds(env, "preload", ["no library of this machine"], f"--preloaded={wrong}", status=STOPS)
    place = os.path.join(env.dir, "noexec")
    os.mkdir(place)
    before = [need_namespace("--mount"), "--mount", "sh", "-c",
              f'mount -t tmpfs -o noexec none {place} && cp {env.library} {env.uploader} {place} && exec "$@"', "sh"]
    finds(env, "preload", ["mounted noexec"], f"--preloaded={place}/libcprof.so", status=STOPS, before=before)
    finds(env, "installation", ["/nowhere/uploader", "CPROF_UPLOADER"], status=STOPS, variables={"CPROF_UPLOADER": "/nowhere/uploader"})
    alone = os.path.join(env.dir, "alone", "libcprof.so")
    os.mkdir(os.path.dirname(alone))
    shutil.copy(env.library, alone)
    finds(env, "preload", ["no cprof-uploader beside"], f"--preloaded={alone}", status=STOPS)
    for entry in (f"'{env.library}'", "~/libcprof.so", env.library + ".1"):
        finds(env, "preload", [entry, "not there"], f"--preloaded={entry}", status=STOPS)


def test_parts_that_do_not_fit(env):
    """Library, uploader and keeper side by side, one of them at fault."""
    for number, (part, change, words, status) in enumerate((
            ("libcprof.so", lambda data: data.replace(b"cprof segment ", b"cprof segment 9"), ["different versions"], STOPS),
            ("libcprof.so", lambda data: data[:100000], ["no library of this machine, or is damaged"], STOPS),
            ("cprof-uploader", lambda data: data[:18] + b"\xb7" + data[19:], ["no program of this machine"], STOPS),
            ("cprof-uploader", None, ["cannot be executed", "chmod"], STOPS),
            ("cprof-keeper", None, ["cprof-keeper cannot be started", "Permission denied"], MISSING))):
        place = os.path.join(env.dir, f"parts{number}")
        os.mkdir(place)
        for path in (env.library, env.uploader, os.path.join(os.path.dirname(env.uploader), "cprof-keeper")):
            shutil.copy(path, place)
        path = os.path.join(place, part)
        if change:
            with open(path, "rb") as file:
                data = change(file.read())
            with open(path, "wb") as file:
                file.write(data)
        else:
            os.chmod(path, 0o644)
        finds(env, "preload", words, f"--preloaded={place}/libcprof.so", status=status)


def test_settings(env):
    for variables, check, words, status in (
            ({"CPROF_SEVER": "http://x"}, "names", ["CPROF_SEVER", "CPROF_SERVER was meant"], MISSING),
            ({"LD_PRELAOD": "/x/libcprof.so"}, "names", ["LD_PRELOAD was meant"], MISSING),
            ({"cprof_out": "/x"}, "names", ["CPROF_OUT was meant"], MISSING),
            ({"CPROF_CPU_HZ": "fast"}, "settings", ["CPROF_CPU_HZ=fast", "whole number"], MISSING),
            ({"CPROF_BASIC_AUTH_USER": "x", "CPROF_SERVER": "http://x"}, "settings", ["CPROF_BASIC_AUTH_PASSWORD"], MISSING),
            ({"CPROF_LABELS": "zone=a,b"}, "settings", ["CPROF_LABELS=zone=a,b", "name=value"], MISSING),
            ({"CPROF_ENABLED": "0"}, "switches", ["switches the library off"], STOPS),
            ({"CPROF_FRACTION": "0"}, "switches", ["CPROF_FRACTION=0"], STOPS),
            ({"CPROF_KILL_SWITCH": "/etc/passwd"}, "switches", ["kill switch /etc/passwd"], STOPS),
            ({"CPROF_SCHEDULE": "1ms/100000h"}, "switches", ["nothing is recorded now"], MISSING),
            ({"CPROF_PROFILES": "cpu"}, "switches", ["only the profiles cpu"], MISSING),
            ({"CPROF_MEMORY_RATE": "0"}, "switches", ["the memory profile off"], MISSING),
            ({"CPROF_SOCKET": "/nowhere/socket"}, "socket", ["no uploader answers"], STOPS),
            ({"CPROF_SPOOL": "/proc/x", "CPROF_SERVER": "http://x"}, "spool", ["CPROF_SPOOL"], MISSING),
            ({"CPROF_LISTEN": "somewhere"}, "listen", ["no address:port"], MISSING),
            ({"CPROF_LISTEN": ":0"}, "listen", ["CPROF_LISTEN_TOKEN"], MISSING)):
        finds(env, check, words, "--no-push", status=status, variables=variables)
    others = {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://x", "LD_LIBRARY_PATH": "/x",
              "OTEL_EXPORTER_OTLP_TRACES_HEADERS": "a=b"}
    is_well(env, "--no-push", variables=others)


class Filter(ctypes.Structure):
    _fields_ = [("code", ctypes.c_ushort), ("true", ctypes.c_ubyte), ("false", ctypes.c_ubyte), ("value", ctypes.c_uint)]


class Program(ctypes.Structure):
    _fields_ = [("size", ctypes.c_ushort), ("filter", ctypes.POINTER(Filter))]


def install_filter(*forbidden):
    """A seccomp filter that allows everything but calls of these numbers, which nobody can see from outside."""
    libc = ctypes.CDLL(None)
    rows = [Filter(0x20, 0, 0, 0)]
    for number in forbidden:
        rows += [Filter(0x15, 0, 1, number), Filter(6, 0, 0, 0x50001)]  # EPERM
    rows.append(Filter(6, 0, 0, 0x7FFF0000))
    libc.prctl(38, 1, 0, 0, 0)
    libc.prctl(22, 2, ctypes.byref(Program(len(rows), (Filter * len(rows))(*rows))), 0, 0)


# --- servers


@contextlib.contextmanager
def answering(status, text=b"", ahead_s=0):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def date_time_string(self, timestamp=None):
            return super().date_time_string((timestamp or time.time()) + ahead_s)

        def log_message(self, *args):
            pass

    made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=made.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{made.server_port}"
    finally:
        made.shutdown()
        made.server_close()
        thread.join()


def test_server_that_takes_profiles(env):
    with receiving() as receiver:
        findings = is_well(env, variables={"CPROF_SERVER": f"http://127.0.0.1:{receiver.server_port}", "CPROF_LABELS": "zone=a",
                                           "CPROF_AUTH_TOKEN": "sesame"})
        push, = receiver.pushes
    assert push.labels["service_name"] == "cprof-doctor" and push.labels["zone"] == "a", push.labels
    assert push.headers["Authorization"] == "Bearer sesame" and push.profile.total("cpu") == 10000000
    assert any(f["check"] == "server" and "has taken a test push" in f["text"] for f in findings), findings


def test_servers_that_do_not(env):
    for status, text, words in ((401, b"no token", ["denies access (401: no token)", "CPROF_AUTH_TOKEN"]),
                                (403, b"", ["denies access (403"]), (404, b"", ["no Pyroscope server", "404"]),
                                (413, b"", ["too large", "client_max_body_size"]), (429, b"", ["takes nothing at present"]),
                                (400, b"bad label", ["refuses", "bad label"]), (200, b"<html>", ["a page for people"])):
        with answering(status, text) as url:
            finds(env, "server", words, status=MISSING, variables={"CPROF_SERVER": url})
    with answering(200, b"{}", 7200) as url:
        finds(env, "server", ["clock is 7", "behind"], status=MISSING, variables={"CPROF_SERVER": url})
    with answering(200, b"{}") as url:
        finds(env, "server", ["speaks no TLS"], status=MISSING, variables={"CPROF_SERVER": url.replace("http:", "https:")})
        finds(env, "server", ["the proxy"], status=MISSING,
              variables={"CPROF_SERVER": url, "CPROF_PROXY": f"http://127.0.0.1:{free_port()}"})
    finds(env, "server", ["cannot be reached", "Nothing listens"], status=MISSING,
          variables={"CPROF_SERVER": f"http://127.0.0.1:{free_port()}"})
    finds(env, "server", ["no http:// or https:// URL"], status=MISSING, variables={"CPROF_SERVER": "ftp://x"})


def test_receivers_of_otlp(env):
    with answering(200) as url:
        is_well(env, variables={"OTEL_EXPORTER_OTLP_ENDPOINT": url})
    with answering(404) as url:
        finds(env, "otlp", ["no receiver of OTLP", "/v1development/profiles"], status=MISSING,
              variables={"OTEL_EXPORTER_OTLP_ENDPOINT": url})
    finds(env, "otlp", ["4317", "gRPC"], status=MISSING, variables={"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4317"})


# --- processes


@contextlib.contextmanager
def running(env, *command, preexec_fn=None, seconds=10, **settings):
    """A process, once it has executed its program."""
    name = os.path.basename(command[-1])
    child = subprocess.Popen(command, env=env.environ_before(**settings), cwd=env.dir, stdin=subprocess.DEVNULL,
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=preexec_fn)
    try:
        wait_for(lambda: os.path.basename(os.readlink(f"/proc/{child.pid}/exe")) == name, seconds, name)
        yield child.pid
    finally:
        child.kill()
        child.wait()
        env.uploaders_gone()


def joined(env, pid):
    wait_for(lambda: ask(env, "--no-push", str(pid))[0] == WELL, 15, "the process is well")


@limit(180)
def test_processes(env):
    loop = compiled(env, "loop", "#include <unistd.h>\nint main(void) { for (;;) { for (volatile int i = 0; i < 100000; i++); "
                    "usleep(20000); } }\n")
    with running(env, *env.preloaded(loop)) as pid:
        joined(env, pid)
    with running(env, loop) as pid:
        finds(env, "loaded", ["started without LD_PRELOAD"], str(pid), status=STOPS)
    with running(env, need("env"), "LD_PRELOAD=/nowhere/libcprof.so", loop) as pid:
        finds(env, "preload", ["/nowhere/libcprof.so", "not there"], str(pid), status=STOPS)
    with running(env, *env.preloaded(loop), preexec_fn=install_filter) as pid:
        finds(env, "joined", ["seccomp filter", "CPROF_SECCOMP=1"], str(pid), status=STOPS)
    with running(env, *env.preloaded(loop), preexec_fn=install_filter, seccomp=1) as pid:
        joined(env, pid)
    with running(env, *env.preloaded(loop), kill_switch="/etc/passwd") as pid:
        wait_for(lambda: ask(env, str(pid))[1][0]["check"] == "joined", 15, "the session")
        finds(env, "joined", ["kill switch /etc/passwd"], str(pid), status=STOPS)
    with running(env, *env.preloaded(loop), socket="/nowhere/socket") as pid:
        finds(env, "joined", ["CPROF_SOCKET=/nowhere/socket"], str(pid), status=STOPS)
    with running(env, *limited("ulimit -f 10", *env.preloaded(loop))) as pid:
        finds(env, "joined", ["ulimit -f"], str(pid), status=STOPS)
    finds_lost(env, loop)


def finds_lost(env, loop):
    """The shell has the library, and what it starts by env -i has not."""
    shell = subprocess.Popen([*env.preloaded(need("sh")), "-c", f"env -i {loop}; true"], env=env.environ_before(), cwd=env.dir)
    pid = 0
    try:
        def child():
            for number in filter(str.isdigit, os.listdir("/proc")):
                with contextlib.suppress(OSError):
                    if os.readlink(f"/proc/{number}/exe") == loop:
                        return int(number)
            return 0

        pid = wait_for(child, 10, "the child")
        finds(env, "loaded", ["LD_PRELOAD was taken away", "its parent", "(sh) has it"], str(pid), status=STOPS)
    finally:
        if pid:
            os.kill(pid, 9)
        shell.wait()
        env.uploaders_gone()


def test_filter_of_this_shell(env):
    done = subprocess.run([env.uploader, "doctor", f"--library={env.library}", "--no-push"], capture_output=True, text=True,
                          env={**env.environ(profiled=False), "CPROF_OUT": env.out}, preexec_fn=install_filter, check=False)
    assert done.returncode == STOPS and "seccomp filter" in done.stdout and "CPROF_SECCOMP=1" in done.stdout, done.stdout


def test_calls_that_a_filter_forbids(env):
    """What the doctor tries itself, where the filter is known to return errors."""
    if os.uname().machine != "x86_64":
        raise Skip("the numbers are of x86-64")
    for number, level, words in ((41, "stops", "socket"), (46, "stops", "sendmsg"), (319, "stops", "memfd_create"),
                                 (222, "missing", "timer_create"), (310, "missing", "process_vm_readv")):
        done = subprocess.run([env.uploader, "doctor", f"--library={env.library}", "--no-push"], capture_output=True, text=True,
                              env={**env.environ(profiled=False), "CPROF_OUT": env.out, "CPROF_SECCOMP": "1"},
                              preexec_fn=lambda number=number: install_filter(number), check=False)
        grave = [line for line in done.stdout.splitlines()[1:] if line.startswith(("stops", "missing"))]
        assert len(grave) == 1 and grave[0].startswith(level) and words in grave[0], (number, done.stdout)


# --- roots


def root(env, name, *programs):
    """A directory with programs in /bin and what they need to start."""
    top = os.path.join(env.dir, name)
    os.makedirs(os.path.join(top, "bin"))
    for program in programs:
        shutil.copy(program, os.path.join(top, "bin"))
    return top


def add_libc(top):
    for path in ("/lib64/ld-linux-x86-64.so.2", "/lib/x86_64-linux-gnu/libc.so.6"):
        if not os.path.exists(path):
            raise Skip(f"{path} is not there")
        os.makedirs(os.path.dirname(top + path), exist_ok=True)
        shutil.copy(path, top + path)


def test_roots(env):
    program, static = plain(env), plain(env, "-O1", "-static", name="static")
    good = root(env, "good", program)
    add_libc(good)
    notes = is_well(env, good)
    assert any("cprof is not in this root" in f["text"] for f in notes), notes
    finds(env, "image", ["no program"], root(env, "empty"), status=STOPS)
    finds(env, "image", ["its one program is statically linked", "/bin/static"], root(env, "fixed", static), status=STOPS)
    finds(env, "image", ["loader that is not in this root"], root(env, "bare", program), status=STOPS)
    os.makedirs(good + "/app")
    shutil.copy(static, good + "/app/server")
    finds(env, "image", ["/app/server"], good, status=MISSING)
    os.mkdir(good + "/cprof")
    for path in (env.library, env.uploader):
        shutil.copy(path, good + "/cprof")
    status, findings = ask(env, good)
    text = " ".join(f["text"] for f in findings if f["check"] == "preload")
    assert status == STOPS and "libcurl.so.4" in text and "cannot start here" in text, findings


def test_oci_bundle(env):
    program, static = plain(env), plain(env, "-O1", "-static", name="static")
    bundle = os.path.join(env.dir, "bundle")
    os.mkdir(bundle)
    add_libc(root(env, "bundle/rootfs", program, static))
    for args, variables, check, words in ((["static"], [], "static", ["statically linked"]),
                                          (["/bin/computes"], ["LD_PRELOAD=/cprof/libcprof.so"], "preload", ["/cprof/libcprof.so"]),
                                          (["/bin/computes"], ["CPROF_ENABLED=0"], "switches", ["CPROF_ENABLED=0"])):
        with open(bundle + "/config.json", "w", encoding="utf-8") as file:
            json.dump({"process": {"args": args, "env": ["PATH=/bin", *variables]}}, file)
        finds(env, check, words, bundle, status=STOPS)


def test_chroot_without_the_library(env):
    need_root()
    top = root(env, "root", compiled(env, "loop", "#include <unistd.h>\nint main(void) { for (;;) pause(); }\n"))
    add_libc(top)
    with running(env, *env.preloaded(need("chroot"), top, "/bin/loop")) as pid:
        finds(env, "loaded", ["another root directory", top], str(pid), status=STOPS)


# --- an uploader that cannot start


def test_uploader_without_a_library(env):
    """The launcher itself says it, as the doctor is in the uploader."""
    tree = os.path.join(env.dir, "tree")
    for part, source in (("bin/cprof", os.path.join(TREE, "scripts", "cprof")), ("lib/libcprof.so", env.library),
                         ("libexec/cprof/cprof-uploader", env.uploader)):
        os.makedirs(os.path.dirname(os.path.join(tree, part)), exist_ok=True)
        shutil.copy(source, os.path.join(tree, part))
    path = os.path.join(tree, "libexec/cprof/cprof-uploader")
    with open(path, "rb") as file:
        content = file.read()
    with open(path, "wb") as file:
        file.write(content.replace(b"libcurl.so.4\0", b"libcurl.so.9\0"))
    done = env.run(os.path.join(tree, "bin/cprof"), "doctor", env=env.environ(profiled=False))
    assert done.status == STOPS and "cannot start" in done.stdout and "libcurl.so.9" in done.stdout, (done.stdout, done.stderr)
