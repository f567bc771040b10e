# SPDX-License-Identifier: Apache-2.0
"""Programs out of the distribution's packages, as they are: they end as they would, and their time is accounted for."""
import os
import resource
import signal
import subprocess
import time

from tests.lib.harness import alone, free_port, limit, listening, need, wait_for


def children_seconds():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def pid_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def check(profile, seconds, slack=0.08):
    """The CPU time is all there, and nearly every stack goes on to its first function."""
    total = profile.total("cpu")
    # A process that ends between two samples, and the start before the library is there, are not seen.
    assert abs(total / 1e9 - seconds) <= slack * seconds + 0.1, f"{total / 1e9:.2f} s profiled, {seconds:.2f} s used"
    cut = sum(s.values[1] for s in profile.samples if any("truncated" in f.function for f in s.frames))
    assert cut <= 0.01 * total, f"{100 * cut / total:.1f} % of the time is in stacks that were cut"


def main_share(profile):
    """Share of the CPU time below something that looks like the start of a program or thread."""
    roots = {"main", "_start", "__libc_start_main", "__libc_start_call_main", "start_thread", "clone", "clone3", "__clone3"}
    total = profile.total("cpu")
    rooted = sum(s.values[1] for s in profile.samples
                 if any(f.function.split("@")[0] in roots or "libc.so.6+0x" in f.function for f in s.frames[-4:]))
    return rooted / total


@alone
def test_redis_server(env):
    server, benchmark = need("redis-server", "redis-benchmark:redis-tools")
    port = free_port()
    child = env.start(server, "--port", str(port), "--save", "", "--appendonly", "no", cpu_hz=500, memory_rate="64KiB")
    wait_for(lambda: listening(port), 10, "redis-server")
    env.run(benchmark, "-p", str(port), "-n", "200000", "-P", "16", "-q", "-t", "set,get,lpush,lrange_100",
            profiled=False).ok()
    seconds = pid_seconds(child.pid)
    child.send_signal(signal.SIGTERM)
    assert child.wait(15) == 0
    profile = env.final("redis-server", "cpu")
    check(profile, seconds)
    cumulative = profile.cumulative("cpu")
    assert max(cumulative["aeMain"], cumulative["aeProcessEvents"]) > 0.7 * profile.total("cpu"), cumulative.most_common(10)
    assert cumulative["processCommand"] > 0 or cumulative["call"] > 0, cumulative.most_common(20)
    memory = env.profile("redis-server", "memory")
    assert memory.total("alloc_space") > 10 << 20, memory.total("alloc_space")


@alone
def test_nginx(env):
    nginx, wrk = need("nginx", "wrk")
    port = free_port()
    config = os.path.join(env.dir, "nginx.conf")
    with open(config, "w", encoding="utf-8") as file:
        file.write(f"""daemon off; worker_processes 2; pid {env.dir}/pid; error_log {env.dir}/error.log;
            {'user root;' if os.geteuid() == 0 else ''} events {{ worker_connections 512; }}
            http {{ access_log off; client_body_temp_path {env.dir}/b; proxy_temp_path {env.dir}/p;
            fastcgi_temp_path {env.dir}/f; uwsgi_temp_path {env.dir}/u; scgi_temp_path {env.dir}/s;
            server {{ listen 127.0.0.1:{port}; location / {{ return 200 "hello, world"; }} }} }}""")
    child = env.start(nginx, "-c", config, "-p", env.dir, cpu_hz=500)
    wait_for(lambda: listening(port), 10, "nginx")
    env.run(wrk, "-t1", "-c32", "-d3s", f"http://127.0.0.1:{port}/", profiled=False).ok()
    pids = subprocess.run(["ps", "-o", "pid=", "--ppid", str(child.pid)], stdout=subprocess.PIPE, text=True,
                          check=True).stdout.split()
    seconds = pid_seconds(child.pid) + sum(pid_seconds(pid) for pid in pids)
    child.send_signal(signal.SIGQUIT)
    assert child.wait(15) == 0
    profile = env.final("nginx", "cpu")
    check(profile, seconds)
    assert len(profile.by_label("cpu", "pid")) >= 2, profile.by_label("cpu", "pid")


def to_the_end(env, program, *command, slack=0.08, **settings):
    before = children_seconds()
    env.run(*command, cpu_hz=500, **settings).ok()
    seconds = children_seconds() - before
    profile = env.final(program, "cpu")
    check(profile, seconds, slack)
    assert main_share(profile) > 0.97, f"{100 * main_share(profile):.1f} % of the time leads back to a start"
    return profile


def test_python3(env):
    python = os.path.realpath("/usr/bin/python3")
    code = "import json\nfor i in range(3000): json.loads(json.dumps({str(k): [k] * 20 for k in range(100)}))"
    profile = to_the_end(env, os.path.basename(python), python, "-c", code)
    assert profile.cumulative("cpu")["Py_RunMain"] > 0.5 * profile.total("cpu")
    memory = env.profile(os.path.basename(python), "memory")
    assert memory.total("alloc_space") > 0


def test_perl(env):
    script = "my %h; for my $i (1 .. 400000) { $h{$i % 1000} .= chr(65 + $i % 26); } print length(join('', values %h)), qq(\\n);"
    profile = to_the_end(env, "perl", need("perl"), "-e", script)
    assert profile.cumulative("cpu")["perl_run"] > 0.5 * profile.total("cpu"), profile.cumulative("cpu").most_common(9)


def test_sqlite3(env):
    sqlite = need("sqlite3")
    query = ("CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT); WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c "
             "WHERE x < 300000) INSERT INTO t SELECT x, hex(randomblob(16)) FROM c; CREATE INDEX i ON t(b); "
             "SELECT count(*) FROM t WHERE b > 'A';")
    to_the_end(env, "sqlite3", sqlite, ":memory:", query)


def test_xz_all_threads(env):
    xz = need("xz:xz-utils")
    path = os.path.join(env.dir, "data")
    with open(path, "wb") as file, open("/proc/self/exe", "rb") as binary:
        file.write(binary.read()[: 6 << 20] * 2)
    to_the_end(env, "xz", xz, "-T0", "-6", "--block-size=2MiB", "-k", path)
    assert os.path.getsize(path + ".xz") > 0


@limit(180)
def test_gcc(env):
    gcc = need("gcc")
    path = os.path.join(env.dir, "big.c")
    with open(path, "w", encoding="utf-8") as file:
        for i in range(1500):
            file.write(f"int f{i}(int a, int b) {{ int x = {i}; for (int i = 0; i < a; i++) x += (b ^ i) * {i + 1}; "
                       f"switch (x % 7) {{ case 1: return a; case 2: return b; default: return x; }} }}\n")
    bare = env.run(gcc, "-O2", "-c", path, "-o", "bare.o", profiled=False).ok()
    done = env.run(gcc, "-O2", "-c", path, "-o", "ours.o", cpu_hz=500).ok()
    assert (bare.stdout, bare.stderr) == (done.stdout, done.stderr), done.stderr
    with open(f"{env.dir}/bare.o", "rb") as one, open(f"{env.dir}/ours.o", "rb") as two:
        assert one.read() == two.read(), "the compiler made something else"
    profile = env.final("cc1", "cpu")
    assert profile.total("cpu") > 1e9
    assert main_share(profile) > 0.97, main_share(profile)


def test_thread_sanitizer(env):
    """Its start allocates before its interposed functions, dl_iterate_phdr() among them, can be called."""
    program = env.program("shares.c", "-O1", "-g", "-fsanitize=thread")
    done = env.run(program, "1", cpu_hz=500).ok()
    assert not done.stderr, done.stderr
    assert any("burn;work_70" in stack for stack in env.final("shares", "cpu").stacks())


def test_script_of_many_programs(env):
    """A shell and its pipelines: forks, execs, pipes; what a peer that recurses in free() hangs on."""
    script = "for i in 1 2 3 4 5 6 7 8; do seq 1 2000 | sort -rn | /usr/bin/python3 -c " \
             "'import sys; print(sum(int(x) for x in sys.stdin))' | tail -n 1; done"
    start = time.monotonic()
    bare = env.run("/bin/bash", "-c", script, profiled=False).ok()
    middle = time.monotonic()
    done = env.run("/bin/bash", "-c", script).ok()
    assert (bare.stdout, bare.stderr) == (done.stdout, done.stderr)
    assert time.monotonic() - middle < 4 * (middle - start) + 5
