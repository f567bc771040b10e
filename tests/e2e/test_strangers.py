# SPDX-License-Identifier: Apache-2.0
"""Two users on one machine, and secrets: what another user can do to a session, and what he can read."""
import array
import contextlib
import os
import re
import signal
import socket
import struct
import subprocess
import time

from tests.lib.harness import need_root, wait_for

NOBODY = 65534
HELLO_MAGIC, FORWARDED = 0x6F6C6C68, 1


def layout_version():
    from tests.lib.harness import TREE
    with open(os.path.join(TREE, "sampler", "segment", "layout.h")) as file:
        return int(re.search(r"LAYOUT_VERSION (\d+)u", file.read()).group(1))


@contextlib.contextmanager
def stranger(run):
    """run() in a process of another user, which is killed at the end. It tells that it is ready by returning."""
    ready, tell = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            kept = run()
            os.write(tell, b"1")
            time.sleep(60)
            del kept
        finally:
            os._exit(1)
    os.close(tell)
    try:
        assert os.read(ready, 1) == b"1", "the other user's part failed"
        yield
    finally:
        os.close(ready)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def service(env):
    name = "@test-" + os.path.basename(env.dir)
    server = env.start(env.uploader, "serve", "--socket=" + name,
                       env=env.environ(profiled=False, out=env.out, log=os.path.join(env.dir, "log")))
    wait_for(lambda: name in open("/proc/net/unix").read(), 5, "the service")
    return name, server


def connect(name):
    peer = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    peer.connect("\0" + name[1:])
    return peer


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def descriptors_at_rest(env, name, server):
    """After a program has come and gone: with the first one the service opens what it keeps."""
    assert env.run("/bin/echo", socket=name, out="None", log="None", linger="None").status == 0
    wait_for(lambda: re.search(r"echo\[\d+\] ended", env.log()), 5, "the end of the first program")
    counts = [0]

    def is_stable():
        counts.append(descriptors(server.pid))
        time.sleep(0.3)
        return counts[-1] == counts[-2]

    wait_for(is_stable, 10, "as many descriptors twice")
    return counts[-1]


def test_stranger_cannot_speak_for_a_target(env):
    need_root()
    name, server = service(env)
    target = env.start("/bin/sleep", "20", socket=name, out="None", log="None", linger="None")
    wait_for(lambda: "joined" in env.log(), 5, "the join")
    version = layout_version()  # here, as nobody else may enter /root

    def inject():
        memfd, pidfd = os.memfd_create("x", os.MFD_ALLOW_SEALING), os.pidfd_open(target.pid)
        hello = struct.pack("<IIIiQQ", HELLO_MAGIC, version, FORWARDED, target.pid, 1 << 20, 0)
        peer = connect(name)
        with contextlib.suppress(OSError):  # refused before it has been said
            peer.sendmsg([hello], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [memfd, pidfd]))])
        return peer

    with stranger(inject):
        wait_for(lambda: "belongs to another user" in env.log(), 5, "the refusal")
    assert "ended" not in env.log()
    server.terminate()


def test_strangers_leave_nothing_and_hold_nobody_up(env):
    need_root()
    name, server = service(env)
    before = descriptors_at_rest(env, name, server)

    def flood():
        null = os.open("/dev/null", os.O_RDONLY)
        for _ in range(50):
            with connect(name) as peer, contextlib.suppress(OSError):
                peer.sendmsg([b""], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [null, null]))])
        return [connect(name) for _ in range(200)]

    with stranger(flood):
        start = time.monotonic()
        assert env.run("/bin/true", socket=name, out="None", log="None", linger="None").status == 0
        wait_for(lambda: "true[" in env.log(), 3, "the join behind 200 silent peers")
        assert time.monotonic() - start < 3
        wait_for(lambda: descriptors(server.pid) <= before + 2, 5, "as many descriptors as before")
    server.terminate()


def test_mode_of_a_path_says_who_joins(env):
    """A shared uploader of root's: its socket is closed to other users, until an administrator opens it."""
    need_root()
    env.for_other_users()
    path, program = os.path.join(env.dir, "socket"), env.program("shares.c")
    server = env.start(env.uploader, "serve", "--socket=" + path,
                       env=env.environ(profiled=False, out=env.out, log=os.path.join(env.dir, "log")))
    wait_for(lambda: os.path.exists(path), 5, "the socket")
    command = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "env", "LD_PRELOAD=" + env.library, program, "1"]
    environment = env.environ_before(socket=path, out="None", log="None", linger="None")
    assert env.run(*command, env=environment).status == 0
    assert "shares[" not in env.log(), env.log()
    os.chmod(path, 0o666)
    assert env.run(*command, env=environment).status == 0
    wait_for(lambda: re.search(r"shares\[\d+\] ended", env.log()), 5, "the end of the program")
    server.terminate()
    assert server.wait(10) == 0
    assert env.profile("shares", "cpu").cumulative("cpu")["work_70"] > 0.5e9


def test_own_silent_peers_hold_nobody_up(env):
    name, server = service(env)
    before = descriptors_at_rest(env, name, server)
    silent = [connect(name) for _ in range(200)]
    assert env.run("/bin/true", socket=name, out="None", log="None", linger="None").status == 0
    wait_for(lambda: "true[" in env.log(), 3, "the join behind 200 silent peers")
    wait_for(lambda: descriptors(server.pid) <= before + 2, 8, "as many descriptors as before")
    for peer in silent:
        peer.close()
    server.terminate()


def session_name(env):
    env.run("/bin/true")
    env.uploaders_gone()
    name = re.search(r"session (@\S+):", env.log()).group(1)
    wait_for(lambda: name not in open("/proc/net/unix").read(), 5, "the end of the session")
    return name


def squat(env, listens):
    name = session_name(env)

    def take():
        taken = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        taken.bind("\0" + name[1:])
        if listens:
            taken.listen(8)
        return taken

    with stranger(take):
        first = env.run("/bin/echo", "hello").ok()
        second = env.run("/bin/ls", "/").ok()
        env.uploaders_gone()
    assert first.stdout == "hello\n" and not second.stderr, second.stderr
    lines = first.stderr.splitlines()
    assert len(lines) == 1 and lines[0].startswith("cprof: ") and lines[0].endswith(f"This session is {name}.1"), lines
    assert "echo[" in env.log() and "ls[" in env.log() and env.log().count(f"session {name}.1:") == 1, env.log()


def test_all_names_squatted_is_said(env):
    need_root()
    name = session_name(env)

    def take():
        names = []
        for end in ["", *(f".{n}" for n in range(1, 10))]:
            names.append(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET))
            names[-1].bind("\0" + name[1:] + end)
            names[-1].listen(8)
        return names

    with stranger(take):
        done = env.run("/bin/echo", "hello").ok()
    assert done.stdout == "hello\n" and done.stderr == f"cprof: another user answers at {name}.9. This program runs unprofiled\n"


def test_squatted_name_that_answers_is_said(env):
    need_root()
    squat(env, True)


def test_squatted_name_that_does_not_answer_is_said(env):
    need_root()
    squat(env, False)


def test_secrets_on_a_command_line_are_hidden(env):
    child = env.start(env.uploader, "serve", "--auth-token=sesame-token", "--server", "http://me:sesame-word@127.0.0.1:1",
                      "--socket=@test-" + os.path.basename(env.dir), env=env.environ(profiled=False))
    wait_for(lambda: "@test-" + os.path.basename(env.dir) in open("/proc/net/unix").read(), 5, "the service")
    with open(f"/proc/{child.pid}/cmdline", "rb") as file:
        line = file.read()
    assert b"sesame" not in line and b"serve" in line, line
    with open(f"/proc/{child.pid}/limits") as file:
        assert re.search(r"Max core file size +1 ", file.read()), "a core would hold the token"
    child.terminate()
    assert child.wait(10) == 0


def test_secrets_are_in_no_name(env):
    token = subprocess.run(["od", "-An", "-N8", "-tx1", "/dev/urandom"], capture_output=True, text=True, check=True).stdout.replace(" ", "").strip()
    names = set()
    for auth in (token, token + "x"):
        env.run("/bin/true", server="http://127.0.0.1:1", auth_token=auth)
        env.uploaders_gone()
        names |= set(re.findall(r"session (@\S+):", env.log()))
    assert len(names) == 1, names
    assert token not in env.log()


def test_other_credentials_are_another_session(env):
    """At one time, from one directory: each program's profiles are pushed with its own token."""
    from tests.e2e.test_uploader import server
    with server(lambda n: 200) as (url, requests):
        children = [env.start(env.program("shares.c"), "1.5", server=url, auth_token="token-" + name, name="shop-" + name, out="None",
                              interval="1s", cpu_hz="1000") for name in ("one", "two")]
        for child in children:
            child.wait(timeout=60)
        env.uploaders_gone()
    pushed = {(headers.get("Authorization"), name) for _, headers, body in requests for name in ("shop-one", "shop-two") if name.encode() in body}
    assert pushed == {("Bearer token-one", "shop-one"), ("Bearer token-two", "shop-two")}, pushed
