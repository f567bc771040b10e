# SPDX-License-Identifier: Apache-2.0
"""What the uploader keeps, in files and in memory: whose a file is, how much there is of it, and what it says."""
import glob
import os
import re
import subprocess
import threading
import time

from tests.lib import pprof
from tests.lib.harness import limit, need_root, wait_for, waits


def cpu(env, directory):
    return pprof.load(os.path.join(env.out, directory, "cpu.pb.gz")).total("cpu")


def test_services_of_one_program_have_directories_of_their_own(env):
    program = env.program("shares.c")
    script = f"""{program} 1 & CPROF_NAME=a {program} 0.5 & CPROF_NAME=b {program} 0.5 &
                 CPROF_NAME=a CPROF_LABELS=x=1 {program} 0.5 & CPROF_NAME=a CPROF_LABELS=x=2 {program} 0.5 & wait"""
    env.run("/bin/sh", "-c", script, cpu_hz=1000).ok()
    env.uploaders_gone()
    directories = sorted(os.path.basename(os.path.dirname(p)) for p in glob.glob(env.out + "/shares*/cpu.pb.gz"))
    assert len(directories) == 5 and "shares" in directories, directories
    assert len({open(p, encoding="utf-8").read() for p in glob.glob(env.out + "/shares*/.cprof")}) == 5
    total = sum(cpu(env, directory) for directory in directories)
    assert 2.4e9 < total < 3.9e9, f"{total / 1e9} s in {directories}"


def test_a_later_session_does_not_write_to_another_service_s_files(env):
    program = env.program("shares.c")
    env.run(program, "0.5", name="first", cpu_hz=1000).ok()
    env.uploaders_gone()
    with open(env.path("shares", "cpu"), "rb") as file:
        before = file.read()
    env.run(program, "0.5", name="second", cpu_hz=1000).ok()
    env.uploaders_gone()
    with open(env.path("shares", "cpu"), "rb") as file:
        assert file.read() == before, "the second service wrote to the first one's file"
    assert cpu(env, "shares@second") > 0.4e9
    assert "shares@second" in env.log(), env.log()


def test_names_that_are_no_file_names(env):
    program = env.program("shares.c")
    names = [b".hidden", b"report.html", b"a\nb", b"a\xffb", b"a\xfeb", b"a?b", b"x" * 250]
    for name in names:
        path = os.path.join(env.dir.encode(), name)
        os.link(program, path)
        subprocess.run([path, b"0.2"], env=env.environ(cpu_hz=1000), check=True, stdout=subprocess.DEVNULL)
    env.uploaders_gone()
    assert os.path.isfile(env.out + "/report.html")
    found = [d for d in os.listdir(env.out.encode()) if os.path.exists(os.path.join(env.out.encode(), d, b"cpu.pb.gz"))]
    assert len(found) == len(names), found
    for name in found:
        name.decode()
        assert not re.search(rb"[\0-\x1f]", name) and not name.startswith(b"."), name


def test_root_follows_no_link_of_another_user(env):
    need_root()
    program = env.program("shares.c")
    real, link = os.path.join(env.dir, "real"), os.path.join(env.dir, "link")
    os.mkdir(real)
    os.symlink(real, link)
    os.lchown(link, 12345, 12345)
    env.run(program, "0.3", env={**env.environ(cpu_hz=1000), "CPROF_OUT": link + "/out"}).ok()
    env.uploaders_gone()
    assert not os.listdir(real), os.listdir(real)
    assert len(re.findall("link", env.log().replace(link, ""))) >= 1, env.log()
    # Below CPROF_OUT nobody's link is followed.
    os.mkdir(env.out)
    os.symlink(real, os.path.join(env.out, "shares"))
    env.run(program, "0.3", cpu_hz=1000).ok()
    env.uploaders_gone()
    assert not os.listdir(real), os.listdir(real)
    assert "is not followed" in env.log(), env.log()


def test_intervals_up_to_a_size(env):
    env.run(env.program("shares.c"), "3", "2", cpu_hz=1000, interval="100ms", keep="1h,128KiB").ok()
    env.uploaders_gone()
    files = glob.glob(env.out + "/shares/intervals/*")
    size = sum(max(os.stat(path).st_blocks * 512, os.stat(path).st_size) for path in files)
    assert 64 << 10 < size <= 144 << 10, f"{size} bytes in {len(files)} files"
    newest = max(os.path.getmtime(path) for path in files)
    assert newest > os.path.getmtime(env.path("shares", "cpu")) - 2, "the newest are not there"
    # A later session counts them and goes on.
    env.run(env.program("shares.c"), "1.5", "2", cpu_hz=1000, interval="100ms", keep="1s,1GiB").ok()
    env.uploaders_gone()
    assert not set(files) & set(glob.glob(env.out + "/shares/intervals/*")), "older than a second, and still there"


def test_a_wrong_keep_is_one_line(env):
    done = env.run("/bin/true", keep="5").ok()
    assert done.stderr == "cprof: CPROF_KEEP=5 is not a time, a size or both, such as 24h,256MiB; 24h,256MiB is used\n", done.stderr


def status(pid, field):
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        return int(re.search(field + r":\s+(\d+)", file.read())[1])


@waits
@limit(150)
def test_programs_started_again_and_again(env):
    """Their uploader's memory does not grow with the number of processes."""
    threads, end = [], time.monotonic() + 60
    environ = env.environ(interval="500ms")

    def again(*args):
        while time.monotonic() < end:
            subprocess.run(args, env=environ, stdout=subprocess.DEVNULL, check=True)
            time.sleep(0.1)

    for args in (["/bin/true"], ["/bin/ls", "/usr/bin"], [env.program("new_stacks.c"), "20"]):
        threads.append(threading.Thread(target=again, args=args))
        threads[-1].start()
    uploader = wait_for(env.uploaders, 10, "an uploader")
    time.sleep(25)
    middle = max(status(pid, "RssAnon") for pid in uploader)
    time.sleep(25)
    last, most = (max(status(pid, field) for pid in uploader) for field in ("RssAnon", "VmHWM"))
    for thread in threads:
        thread.join()
    assert most < 32 * 1024, f"{most} KiB at its highest"
    assert last < middle + 3 * 1024, f"{middle} KiB after 25 s, {last} after 50"


def seconds(text):
    return float(text.split()[0]) * {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1, "min": 60}[text.split()[1]]


def test_summary_lines_agree(env):
    """Of one thread, what is off the CPU is no longer than it lived; of times, the table's sum is the title's."""
    for args in (["/bin/true"], ["/bin/sleep", "0.2"], [env.program("shares.c"), "0.01", "1"]):
        text = env.cprof(*args).ok().stderr
        life = seconds(re.search(r"^cprof: \S+  (\S+ \S+),", text, re.M)[1])
        parts = [seconds(n) for n in re.findall(r"^(?:CPU time|Off the CPU, all threads|Waited): (\S+ \S+?),? ", text, re.M)]
        off = re.search(r"^Off the CPU, all threads: (\S+ \S+?),", text, re.M)
        assert not off or seconds(off[1]) <= life * 1.01, text
        for title in re.findall(r"^Off the CPU, all threads: (\S+ \S+?),.*\n.*function\n((?:.+\n)+)", text, re.M):
            flat = sum(seconds(n) for n in re.findall(r"^ *([\d.]+ \w+) +[\d.]+%", title[1], re.M))
            assert abs(flat - seconds(title[0])) <= 0.02 * seconds(title[0]), (parts, text)
