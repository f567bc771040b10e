# SPDX-License-Identifier: Apache-2.0
"""cprof top, at a terminal and without one; cprof report --live, and what pages that follow a session are sent."""
import base64
import contextlib
import fcntl
import http.client
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from urllib.parse import urlsplit

from tests.e2e.test_control import burner, joined, session_of
from tests.lib import pprof
from tests.lib.harness import wait_for


def top(env, *args, session=True, columns=120, **more):
    """Runs it without a terminal."""
    named = [f"--session={session_of(env)}"] if session is True else [f"--session={session}"] if session else []
    return subprocess.run([env.uploader, "top", *named, *args], env={**env.environ(profiled=False), "COLUMNS": str(columns)},
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60, check=False, **more)


def take_signals_again():
    """Tests that run in the background, or under nohup, pass on that these are ignored."""
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


class Terminal:
    """cprof top at a pseudo terminal. What it draws is kept as text: each frame begins at the top left."""

    def __init__(self, env, *args, width=130, height=30, language="C.UTF-8"):
        self.master, self.slave = pty.openpty()
        self.resize(width, height, tell=False)
        self.before = termios.tcgetattr(self.slave)
        self.text = ""
        self.child = subprocess.Popen([env.uploader, "top", f"--session={session_of(env)}", *args], stdin=self.slave, stdout=self.slave, stderr=self.slave,
                                      env={**env.environ(profiled=False), "TERM": "xterm", "LC_ALL": language}, start_new_session=True,
                                      preexec_fn=take_signals_again)
        env._children.append(self.child)

    def resize(self, width, height, tell=True):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
        if tell:  # it is not the session's controlling terminal, so the kernel tells nobody
            self.child.send_signal(signal.SIGWINCH)

    def read(self):
        while select.select([self.master], [], [], 0)[0]:
            with contextlib.suppress(OSError):
                self.text += os.read(self.master, 65536).decode("utf-8", "replace")
                continue
            break

    def frame(self):
        """The newest whole frame, as lines without escape sequences."""
        self.read()
        frames = self.text.split("\033[H")
        whole = [f for f in frames if "\033[J" in f]
        return re.sub(r"\033\[[0-9;?]*[a-zA-Z]", "", whole[-1]).replace("\r", "").split("\n") if whole else []

    def shows(self, pattern, seconds=15):
        """Waits for a frame with this, and returns it."""
        return wait_for(lambda: next((f for f in [self.frame()] if re.search(pattern, "\n".join(f))), None), seconds, f"{pattern!r} on the screen")

    def press(self, keys):
        os.write(self.master, keys.encode())

    def ended(self):
        def over():
            self.read()  # who draws waits for a reader
            return self.child.poll() is not None

        wait_for(over, 15, "the end of cprof top")
        return self.child.returncode

    def is_given_back(self):
        """Lines and echo as before, the first screen, and the cursor."""
        self.read()
        return termios.tcgetattr(self.slave) == self.before and self.text.rfind("\033[?1049l") > self.text.rfind("\033[?1049h") and \
            self.text.rfind("\033[?25h") > self.text.rfind("\033[?25l")


def test_without_a_terminal(env):
    child = burner(env, 60, cpu_hz=1000)
    joined(env, "burns")
    done = top(env, "--once", "--interval=500ms", "-n", "3")
    assert done.returncode == 0 and not done.stderr, done.stderr
    assert "\033" not in done.stdout
    assert re.match(rf"burns, process {child.pid}, runs for 0:00:\d\d .*every 0.5 s", done.stdout), done.stdout
    assert re.search(r"^CPU +[0-9.]+ %", done.stdout, re.M), done.stdout
    assert re.search(r"CPU time: .* in the last [0-9.]+ s, .* since the start", done.stdout), done.stdout
    assert re.search(r"^ *\S+ \S+ +\S+ % .* (burns|libc\.so\.6|linux-vdso\.so\.1) +\S+", done.stdout, re.M), done.stdout
    rows = done.stdout.split("FUNCTION")[1].strip().split("\n")
    assert 1 <= len(rows) <= 3, rows
    threads = top(env, "--once", "--interval=200ms", "--type=threads").stdout
    assert re.search(rf"^ +{child.pid} burns +running ", threads, re.M), threads
    # Blocks of text, until nobody reads.
    reader = subprocess.Popen([env.uploader, "top", f"--session={session_of(env)}", "--interval=200ms", f"--pid={child.pid}"],
                              env=env.environ(profiled=False), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    seen = [reader.stdout.readline() for _ in range(60)]
    reader.stdout.close()
    assert reader.wait(20) in (0, -signal.SIGPIPE), reader.returncode
    assert sum(line.startswith("burns, process") for line in seen) >= 2, seen
    reader.stderr.close()


def test_wrong_options_and_sessions(env):
    burner(env, 60)
    joined(env, "burns")
    for args, status, says in ((["--type=frob"], 2, "there is no type frob: cpu, alloc"), (["--interval=1ms"], 2, "100ms to 60s"), (["-n0"], 2, "1 to 1000"),
                               (["--frob"], 2, "--frob is no option"), (["--pid=1", "--program=x"], 2, "one of both"), (["--pid"], 2, "needs a value"),
                               (["--once", "--pid=1"], 3, "has no process 1"), (["--once", "--program=frob"], 3, "has no program frob")):
        done = top(env, *args)
        assert done.returncode == status and says in done.stderr, f"{args}: {done.returncode} {done.stderr}"
        assert done.stderr.startswith("cprof: top: ") and done.stderr.count("\n") == 1, done.stderr
    nobody = top(env, "--once", session="@cprof-nobody")
    assert nobody.returncode == 1 and "no session answers" in nobody.stderr, nobody.stderr
    assert "usage: cprof top" in top(env, "--help", session=None).stdout


def test_keys_size_and_signals(env):
    burner(env, 100, cpu_hz=1000)
    joined(env, "burns")
    screen = Terminal(env, "--interval=300ms")
    frame = screen.shows(r"CPU time: .* in the last")
    assert len(frame) == 30 and all(len(line) <= 130 for line in frame), frame
    assert frame[-1].startswith("q quit"), frame
    screen.press("tt")
    screen.shows(r" \[blocks\] ")
    screen.press("T")
    screen.shows(r"\[alloc\]")
    screen.press("1/zzz")
    screen.shows(r"no function has this in its name")
    screen.press("\033")
    screen.shows(r"q quit")
    screen.press("h")
    screen.shows(r"cprof top: keys")
    screen.press("x ")
    screen.shows(r"PAUSED")
    screen.press(" ")
    screen.resize(60, 12)
    wait_for(lambda: len(screen.frame()) == 12, 10, "the smaller frame")
    assert all(len(line) <= 60 for line in screen.frame()), screen.frame()
    # It stops as other programs do, and gives the terminal back while it stands.
    screen.child.send_signal(signal.SIGTSTP)
    wait_for(lambda: open(f"/proc/{screen.child.pid}/stat", encoding="utf-8").read().rsplit(")", 1)[1].split()[0] == "T", 10, "the stop")
    wait_for(screen.is_given_back, 10, "the terminal")
    screen.text = ""
    screen.child.send_signal(signal.SIGCONT)
    screen.shows(r"CPU time")
    assert not screen.is_given_back()
    screen.press("q")
    assert screen.ended() == 0 and screen.is_given_back()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGSEGV):
        screen = Terminal(env, language="C")
        screen.shows(r"CPU time")
        screen.child.send_signal(number)
        assert screen.ended() == (0 if number == signal.SIGINT else -number), number
        assert screen.is_given_back(), number


def test_the_session_ends_meanwhile(env):
    child = burner(env, 100)
    joined(env, "burns")
    screen = Terminal(env, "--interval=200ms")
    screen.shows(r"in the last")
    plain = env.start(env.uploader, "top", f"--session={session_of(env)}", "--interval=200ms", profiled=False, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    plain.stdout.readline()
    child.kill()
    screen.shows(r"The session has ended", 30)
    output, errors = plain.communicate(timeout=30)
    assert plain.returncode == 0 and "has ended" in errors, errors
    assert "burns" in output
    screen.press("q")
    assert screen.ended() == 0 and screen.is_given_back()


def test_hostile_names(env):
    """Names of programs and threads are anybody's, and a terminal would obey them."""
    name = "evil\033]0;title\a\u202e\u009b2J"
    env.program("burns.c", name="burns")
    path = os.path.join(env.dir, name)
    os.rename(os.path.join(env.dir, "burns"), path)
    env.start(path, "60")
    wait_for(lambda: "joined" in env.log() or len(env.uploaders()) == 1, 10, "the uploader")
    wait_for(lambda: "evil" in top(env, "--once", "--interval=100ms").stdout, 15, "the program")
    done = top(env, "--once", "--interval=100ms")
    for bad in ("\033", "\a", "\u202e", "\u009b"):
        assert bad not in done.stdout, ascii(done.stdout)
    assert "evil?]0;title?" in done.stdout, ascii(done.stdout)
    screen = Terminal(env, "--interval=200ms")
    screen.shows(r"in the last")
    assert not re.search("\033\\]|\a|\u202e|\u009b", screen.text), ascii(screen.text)
    screen.press("q")
    assert screen.ended() == 0


class Live:
    """cprof report --live, and a page of it."""

    def __init__(self, env):
        self.server = env.start(env.uploader, "report", "--live", f"--session={session_of(env)}", profiled=False, stdout=subprocess.PIPE)
        self.url = urlsplit(self.server.stdout.readline().strip())

    def ask(self, path, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.url.port, timeout=30)
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        body = response.read()
        connection.close()
        return response, body

    def follow(self, tab):
        """The whole of a frame: the last answer, and all files."""
        files = []
        while True:
            response, body = self.ask(self.url.path + "live?tab=" + tab)
            assert response.status == 200, body
            answer = json.loads(body)
            files += answer["files"]
            if not answer["more"]:
                return answer, files


def cpu_of(files, part):
    """Nanoseconds in the CPU profiles of these files."""
    total = 0
    for file in files:
        if file["kind"] == "cpu" and file["part"] == part:
            total += pprof.Profile(base64.b64decode(file["data"])).total("cpu")
    return total


def test_report_live(env):
    child = burner(env, 100, cpu_hz=1000)
    joined(env, "burns")
    live = Live(env)
    assert live.url.scheme == "http" and live.url.hostname == "127.0.0.1" and re.fullmatch(r"/[0-9a-f]{32}/", live.url.path), live.url
    response, body = live.ask(live.url.path)
    assert response.status == 200 and b'"live":"./"' in body
    policy = response.getheader("Content-Security-Policy")
    assert "default-src 'none'" in policy and "connect-src 'self'" in policy and "frame-ancestors 'none'" in policy, policy
    assert response.getheader("Referrer-Policy") == "no-referrer"
    for path, headers, status in (("/", {}, 404), ("/" + "0" * 32 + "/", {}, 404), (live.url.path + "other", {}, 404), (live.url.path + "live", {}, 400),
                                  (live.url.path + "live?tab=a-b", {}, 400), (live.url.path, {"Host": "evil.example"}, 403),
                                  (live.url.path, {"Origin": "http://evil.example"}, 403)):
        assert live.ask(path, **headers)[0].status == status, path
    first, files = live.follow("one")
    assert not first["ended"] and first["session"] == session_of(env)
    assert any(f["kind"] == "cpu" and f["part"] == "whole" and f["program"] == "burns" for f in files), [f["kind"] for f in files]
    time.sleep(0.3)
    second, new = live.follow("one")
    assert second["now"] > first["now"]
    assert new and all(f["part"] == "interval" and first["now"] <= f["start"] < f["end"] <= second["now"] for f in new), new
    assert cpu_of(new, "interval") > 0
    _, other = live.follow("two")  # each page has what is new for itself
    assert any(f["part"] == "whole" for f in other)
    for n in range(6):
        live.follow(f"more{n}")
    response, body = live.ask(live.url.path + "live?tab=toomany")
    assert response.status == 503, body
    child.kill()
    wait_for(lambda: live.follow("one")[0]["ended"], 30, "the end of the session")
    live.server.send_signal(signal.SIGINT)
    assert live.server.wait(10) == 0
