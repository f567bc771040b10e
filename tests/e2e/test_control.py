# SPDX-License-Identifier: Apache-2.0
"""cprof ctl, and what else decides when something is recorded: delay, duration, schedule, fraction, kill switch."""
import http.server
import json
import os
import random
import re
import signal
import socket
import subprocess
import threading
import time

from tests.e2e.test_rates import Program, check
from tests.lib.harness import alone, free_port, limit, listening, near, need_root, wait_for


ASKS = ("import socket,sys; s=socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET); s.settimeout(5);"
        "s.connect(chr(0)+sys.argv[1][1:]); s.send(b'cprof-ctl 1\\ncommand off\\ntype all\\n'); print(len(s.recv(100)))")


def session_of(env):
    return wait_for(lambda: re.search(r"session (\S+): profiles go", env.log()), 10, "the session").group(1)


def ctl(env, *args, session=None, **more):
    """Runs it, and returns what came of it."""
    command = [env.uploader, "ctl", f"--session={session or session_of(env)}", *args]
    return subprocess.run(command, env=env.environ(profiled=False), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=60, check=False, **more)


def told(env, *args):
    done = ctl(env, *args)
    assert done.returncode == 0, f"{args}: {done.returncode} {done.stderr}"
    return done.stdout


def listed(env, program):
    """The processes of this program."""
    return [p for p in json.loads(told(env, "list", "--json"))["processes"] if p["program"] == program]


def joined(env, program, count=1):
    return wait_for(lambda: len(listed(env, program)) == count and listed(env, program), 10, f"{count} of {program}")


def burner(env, seconds, **settings):
    """A program that computes for so long and prints its CPU time, in ns, at its end."""
    path = os.path.join(env.dir, "burns")
    if not os.path.exists(path):
        env.program("burns.c")
    return env.start(path, str(seconds), stdout=subprocess.PIPE, **settings)


@alone
@limit(120)
def test_sums_of_what_was_done_while_types_were_on(env):
    """All types but one are off at start. Each is turned on and off by itself, and all at once."""
    program = Program(env, profiles="threads", cpu_hz=0, block_rate=0, mutex_fraction=0)
    off = program.tell(300)
    told(env, "rate", "cpu=1000", "memory=16KiB", "mutex=1", "block=1ms")
    told(env, "on", "cpu", "memory", "mutex,block")
    first = program.tell(2000)
    told(env, "off", "all")
    assert listed(env, "rates")[0]["profiles"] == []
    program.tell(1000)
    program.tell("free")
    told(env, "on", "all")
    before = program.tell(1)
    last = program.tell(2000)
    program.end()
    did = {name: first[name] - off[name] + last[name] - before[name] for name in off}
    did["in_use"] = (first["in_use"] - off["in_use"]) // 2 + last["in_use"] - before["in_use"]
    check(env, did, 16384, 1e6, 3e7)


@limit(120)
def test_each_type_by_itself(env):
    """What is off has no new samples, what is on goes on."""
    program = Program(env, block_rate="1ms", mutex_fraction=1)
    program.tell(200)
    for kind in ("cpu", "memory", "mutex", "block"):
        told(env, "off", kind)
        program.tell(150)  # a thread may be in a sample
        before = listed(env, "rates")[0]
        program.tell(600)
        after = listed(env, "rates")[0]
        assert kind not in after["profiles"]
        grown = {k: after["samples"][k] - before["samples"][k] for k in after["samples"]}
        assert grown[kind] == 0 and all(grown[k] > 3 for k in grown if k != kind), (kind, grown)
        told(env, "on", kind)
        program.tell(600)
        assert listed(env, "rates")[0]["samples"][kind] > after["samples"][kind] + 3, kind
    for kind in ("wall", "off_cpu"):
        told(env, "off", kind)
        told(env, "on", kind)
    told(env, "off", "wall,off_cpu")
    program.tell(100)
    unseen = json.loads(told(env, "list", "--json"))
    assert unseen["processes"][0]["profiles"] == ["cpu", "memory", "mutex", "block", "threads", "threadcreate"]
    told(env, "off", "threads")
    refused = ctl(env, "dump")
    assert refused.returncode == 1 and "cprof ctl on threads" in refused.stderr, refused.stderr
    told(env, "on", "threads")
    assert "pthread_barrier_wait" in told(env, "dump") or "futex" in told(env, "dump")
    program.end()


@limit(60)
def test_wall_time_while_it_is_on(env):
    child = burner(env, 4)
    joined(env, "burns")
    start = time.monotonic()
    told(env, "off", "wall", "off_cpu")
    off_at = time.monotonic()
    time.sleep(1.5)
    told(env, "on", "wall", "off_cpu")
    gap = time.monotonic() - off_at
    child.communicate(timeout=30)
    life = time.monotonic() - start
    near(env.final("burns", "wall").total("wall") / 1e9, life - gap, 0.8, "seconds of wall time")


@limit(60)
def test_profiles_say_who_switched(env):
    child = burner(env, 3)
    joined(env, "burns")
    told(env, "off", "cpu")
    time.sleep(0.7)
    told(env, "on", "cpu")
    child.communicate(timeout=30)
    comments = env.final("burns", "cpu").comments
    assert any(re.search(rf"UTC: off cpu \(cprof ctl, user {os.geteuid()}, process \d+\)", c) for c in comments), comments
    assert any("UTC: on cpu (cprof ctl" in c for c in comments), comments
    assert "off cpu (cprof ctl" in env.log()


@limit(60)
def test_one_program_one_process_and_later_ones(env):
    first, second = burner(env, 6), burner(env, 6)
    joined(env, "burns", 2)
    told(env, "off", "memory", f"--pid={first.pid}")
    told(env, "rate", "cpu=50", "--program=burns")
    told(env, "off", "all", "--program=later")
    by_pid = {p["pid"]: p for p in listed(env, "burns")}
    assert "memory" not in by_pid[first.pid]["profiles"] and "memory" in by_pid[second.pid]["profiles"]
    assert all(p["rates"]["cpu"] == 50 for p in by_pid.values()), by_pid
    later = env.start(env.program("burns.c", name="later"), "4")
    assert joined(env, "later")[0]["profiles"] == []
    third = burner(env, 4)
    assert {p["pid"]: p for p in joined(env, "burns", 3)}[third.pid]["rates"]["cpu"] == 50
    nobody = ctl(env, "off", "cpu", "--pid=1")
    assert nobody.returncode == 3 and "has no process 1" in nobody.stderr, nobody.stderr
    told(env, "reset")
    assert all("memory" in p["profiles"] and p["rates"]["cpu"] == 100 for p in listed(env, "burns") + listed(env, "later"))
    for child in (first, second, third, later):
        child.wait(30)


@limit(60)
def test_changes_outlive_the_uploader(env):
    child = burner(env, 8)
    joined(env, "burns")
    told(env, "off", "cpu", "--program=burns")
    os.kill(env.uploaders()[0], signal.SIGKILL)
    wait_for(lambda: "this one goes on" in env.log(), 10, "a successor")
    assert "cpu" not in joined(env, "burns")[0]["profiles"]
    assert "off cpu" in told(env, "status")
    burner(env, 4)
    assert all("cpu" not in p["profiles"] for p in joined(env, "burns", 2))
    told(env, "on", "cpu")
    assert all("cpu" in p["profiles"] for p in listed(env, "burns"))
    child.wait(30)


@limit(60)
def test_files_now_and_threads_now(env):
    child = burner(env, 8, interval="1h")
    joined(env, "burns")
    wait_for(lambda: listed(env, "burns")[0]["samples"]["cpu"] > 30, 5, "30 samples")
    assert not os.path.exists(env.path("burns", "cpu"))
    assert os.path.join(env.out, "burns") in told(env, "write")
    assert env.profile("burns", "cpu", 0.1).total("cpu") > 2e8
    dump = told(env, "dump", f"--pid={child.pid}")
    assert f"of process {child.pid} [running" in dump and "burn_it" in dump, dump
    nothing = ctl(env, "flush")
    assert nothing.returncode == 2 and "no server" in nothing.stderr, nothing.stderr
    child.wait(30)


@limit(60)
def test_flush_says_what_is_not_sent(env):
    port = free_port()
    child = burner(env, 6, server=f"http://127.0.0.1:{port}", interval="1h")
    joined(env, "burns")
    time.sleep(0.5)
    start = time.monotonic()
    done = ctl(env, "flush", "--timeout=1s")
    assert done.returncode == 1 and "not sent yet" in done.stderr and time.monotonic() - start < 8, done.stderr
    assert not listening(port)
    child.kill()


class Server(http.server.BaseHTTPRequestHandler):
    """Takes pushes, or refuses them for good."""
    status = 200

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args):
        pass


@limit(60)
def test_flush_waits_until_all_is_sent(env):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    server.status = 200
    threading.Thread(target=server.serve_forever, daemon=True).start()
    child = burner(env, 8, server=f"http://127.0.0.1:{server.server_port}", interval="1h")
    joined(env, "burns")
    time.sleep(0.5)
    assert re.fullmatch(r"everything is sent: [1-9]\d* requests?\n", told(env, "flush"))
    server.status = 400
    time.sleep(0.5)
    done = ctl(env, "flush")
    assert done.returncode == 1 and "will not be sent" in done.stderr, (done.stdout, done.stderr)
    child.kill()
    server.shutdown()


def kill_switch_is(env, path, there, program="burns"):
    """Waits until what is recorded is otherwise; the uploader looks once a second."""
    if there:
        with open(path, "w", encoding="utf-8"):
            pass
    else:
        os.remove(path)
    wait_for(lambda: (listed(env, program)[0]["profiles"] == []) == there, 5, "the switch")


@limit(60)
def test_kill_switch(env):
    path = os.path.join(env.dir, "stop")
    child = burner(env, 12, kill_switch=path)
    joined(env, "burns")
    kill_switch_is(env, path, True)
    time.sleep(0.3)
    before = listed(env, "burns")[0]["samples"]
    told(env, "on", "all")  # its word is the last one
    env.run(env.program("burns.c", name="meanwhile"), "0.5", kill_switch=path).ok()
    assert listed(env, "burns")[0]["samples"] == before
    assert "stopped by the kill switch" in told(env, "status")
    kill_switch_is(env, path, False)
    wait_for(lambda: listed(env, "burns")[0]["samples"]["cpu"] > before["cpu"] + 50, 6, "new samples")
    child.wait(30)
    env.uploaders_gone()
    assert not os.path.exists(os.path.join(env.out, "meanwhile")), "a process that started while it was there was recorded"
    assert f"{path} exists" in env.log() and f"{path} is gone" in env.log()


@limit(60)
def test_kill_switch_at_start_and_of_a_relative_path(env):
    with open(os.path.join(env.dir, "stop"), "w", encoding="utf-8"):
        pass
    done = env.run(env.program("burns.c"), "1", kill_switch="stop").ok()
    env.uploaders_gone()
    assert not os.path.exists(os.path.join(env.out, "burns")) and "cprof" not in done.stderr, done.stderr
    assert "stop exists: nothing is recorded" in env.log()


def cpu_seconds(env, program="burns"):
    return env.final(program, "cpu").total("cpu") / 1e9


@alone
@limit(60)
def test_start_delay_and_duration(env):
    child = burner(env, 4, start_delay="1s", duration="1500ms")
    joined(env, "burns")
    assert listed(env, "burns")[0]["profiles"] == []
    wait_for(lambda: listed(env, "burns")[0]["profiles"], 2, "the end of the delay")
    wait_for(lambda: not listed(env, "burns")[0]["profiles"], 3, "the end of the duration")
    burnt = int(child.communicate(timeout=30)[0]) / 1e9
    near(cpu_seconds(env), 1.5 * burnt / 4, 0.3, "seconds of CPU time")


@alone
@limit(60)
def test_delay_of_forked_and_executed_programs(env):
    """A forked child counts from its program's start, an executed program from its own."""
    family = env.program("delayed_family.c")
    done = env.run(family, start_delay="1500ms").figures()
    parents = env.final("delayed_family", "cpu")
    near(parents.under("cpu", "in_child") / 1e9, done["child_late"] / 1e9, 0.25, "seconds of the child, after the delay")
    assert parents.under("cpu", "in_executed") == 0 and done["executed"] > 1e8, "the executed program has a delay of its own"


@alone
@limit(60)
def test_schedule(env):
    child = burner(env, 6, schedule="1s/2s")
    burnt = int(child.communicate(timeout=30)[0]) / 1e9
    near(cpu_seconds(env), burnt / 2, 0.6, "seconds of CPU time")


@limit(120)
def test_fraction(env):
    """The same ones each time, about as many as it says; a child with its parent's name is chosen as its parent is."""
    names, burns = [f"service-{i}" for i in range(24)], env.program("burns.c")

    def recorded(fraction, round_number):
        out = os.path.join(env.dir, f"out-{fraction}-{round_number}")
        for name in names:
            env.run("/bin/sh", "-c", f"{burns} 0.05; true", name=name, fraction=fraction, out=out).ok()
        env.uploaders_gone()
        found = set()
        for directory, _, files in os.walk(out):
            for file in files:
                if file == ".cprof":
                    with open(os.path.join(directory, file), encoding="utf-8") as text:
                        found |= set(re.findall(r"^service (\S+)", text.read(), re.M))
        return found

    half = recorded("0.5", 1)
    assert half == recorded("0.5", 2) and 4 <= len(half) <= 20, half
    assert recorded("20%", 1) <= half
    assert not recorded("0", 1) and len(recorded("1", 1)) == len(names)


def test_a_fraction_that_leaves_the_program_out_is_said(env):
    done = env.cprof("/bin/true", fraction=0)
    assert done.status == 0 and "CPROF_FRACTION=0" in done.stderr and "LD_PRELOAD" not in done.stderr, done.stderr


@limit(60)
def test_another_user_is_refused(env):
    need_root()
    env.for_other_users()
    child = burner(env, 4)
    name = session_of(env)
    done = ctl(env, "list", session=name, user=65534, cwd="/")
    assert done.returncode == 1 and f"{name} is of user 0" in done.stderr and not done.stdout, (done.stdout, done.stderr)
    done = subprocess.run(["python3", "-c", ASKS, name], user=65534, cwd="/", capture_output=True, text=True, check=False)
    assert done.stdout in ("0\n", "") and listed(env, "burns")[0]["profiles"], (done.stdout, done.stderr)
    child.wait(30)


@limit(60)
def test_who_may_join_a_service_may_not_ask_it(env):
    """A service of root's whose socket any user may write to."""
    need_root()
    env.for_other_users()
    path = os.path.join(env.dir, "socket")
    env.start(env.uploader, "serve", f"--socket={path}", env=env.environ(profiled=False, out=env.out))
    wait_for(lambda: os.path.exists(path), 10, path)
    os.chmod(path, 0o666)
    child = burner(env, 4, socket=path)
    wait_for(lambda: json.loads(ctl(env, "list", "--json", session=path).stdout)["processes"], 10, "the join")
    done = subprocess.run(["python3", "-c", ASKS.replace("chr(0)+sys.argv[1][1:]", "sys.argv[1]"), path], user=65534, cwd="/",
                          capture_output=True, text=True, check=False)
    assert done.stdout in ("0\n", ""), (done.stdout, done.stderr)
    assert json.loads(ctl(env, "list", "--json", session=path).stdout)["processes"][0]["profiles"]
    child.wait(30)


@limit(60)
def test_garbage_and_silence_at_the_socket(env):
    """Whatever comes, others are answered at once, and nothing is lost."""
    child = burner(env, 6)
    joined(env, "burns")
    name, kept = session_of(env), []
    chance = random.Random(1)

    def connect():
        s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        s.settimeout(2)
        s.connect("\0" + name[1:])
        return s

    requests = [b"", b"\0", b"cprof-ctl ", b"cprof-ctl 1\n", b"cprof-ctl 2\ncommand list\n", b"cprof-ctl 1\ncommand list",
                b"cprof-ctl 1\ncommand list\n" + b"x" * 1900 + b"\n", b"cprof-ctl 1\ncommand dump\npid -1\n", b"x" * 200000,
                b"cprof-ctl 1\ncommand on\ntype %s%n%n\n", b"cprof-ctl 1\n" + b"command list\n" * 100]
    requests += [chance.randbytes(chance.randrange(1, 5000)) for _ in range(200)]
    requests += [b"cprof-ctl 1\n" + chance.randbytes(chance.randrange(1, 500)) for _ in range(200)]
    for request in requests:
        with connect() as s:
            try:
                s.send(request)
                s.recv(70000)
            except OSError:
                pass
    for _ in range(60):  # who asks and does not read, and who does not ask
        kept += [connect(), connect()]
        kept[-1].send(b"cprof-ctl 1\ncommand list\n")
    start = time.monotonic()
    assert listed(env, "burns") and time.monotonic() - start < 4
    for s in kept:
        s.close()
    assert listed(env, "burns")[0]["profiles"]
    burnt = int(child.communicate(timeout=30)[0]) / 1e9
    near(cpu_seconds(env), burnt, 0.05 * burnt, "seconds of CPU time")


@limit(60)
def test_what_makes_no_sense_is_said(env):
    child = burner(env, 4)
    joined(env, "burns")
    for words, status, text in ((["frob"], 2, "there is no command frob"), (["on", "frob"], 2, "no profile type frob"),
                                (["on"], 2, "needs a profile type"), (["rate", "cpu=fast"], 2, "CPROF_CPU_HZ"),
                                (["rate", "off_cpu=3"], 2, "that of wall is meant"), (["rate", "cpu=0"], 2, "say off cpu"),
                                (["list", "--pid=x"], 2, "not a process id"), (["list", "--frob"], 2, "unknown option"),
                                ([], 2, "which command"), (["list", "cpu"], 2, "takes no profile type")):
        done = ctl(env, *words)
        assert done.returncode == status and text in done.stderr and done.stderr.count("\n") == 1, (words, done.stderr)
    done = ctl(env, "list", session="@cprof-nobody")
    assert done.returncode == 1 and "no session answers at @cprof-nobody" in done.stderr, done.stderr
    child.wait(30)
