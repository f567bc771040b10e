# SPDX-License-Identifier: Apache-2.0
"""Labels and traces: each profile type has the shares by label that the program knows, whether it calls cprof.h or its SDK
publishes them."""
import collections
import glob
import os
import re
import subprocess

from tests.e2e.test_pyroscope import pyroscope, query, stacktraces
from tests.lib import pprof
from tests.lib.harness import Result, alone, limit, near, wait_for, waits

MS, MIB = 1e6, 1 << 20
FACTORS = {"/small": 1, "/large": 3}
TRACES = {"/small": "a1" + 30 * "0", "/large": "a3" + 30 * "0"}
SPANS = {"/small": "ff00000000000001", "/large": "ff00000000000003"}


def by_label(profile, value, key="endpoint", leaf=None, function=None):
    """Sums of a value by label; of samples with this innermost frame, or with this function anywhere."""
    index = profile.index(value)
    sums = collections.Counter()
    for sample in profile.samples:
        names = [frame.function for frame in sample.frames]
        if (not leaf or names[0] == leaf) and (not function or function in names):
            sums[sample.labels.get(key)] += sample.values[index]
    return sums


def interval_profiles(env, program, kind):
    return [pprof.load(path) for path in glob.glob(os.path.join(env.out, program, "intervals", f"*-{kind}.pb.gz"))]


def expect(sums, tolerance, what, unit, least=0):
    """{endpoint: value} is in proportion to the factors: that many units for a factor of 1."""
    for endpoint, factor in FACTORS.items():
        near(sums[endpoint], unit * factor, max(tolerance * unit * factor, least), f"{what} of {endpoint}")


@alone
def test_every_profile_type_has_the_shares_by_label(env):
    program = env.program("labelled.c")
    env.run(program, "traced", cpu_hz=500, wall_hz=100, memory_rate="16KiB", mutex_fraction=1, block_rate="1ms",
            max_overhead="0", interval="1h").ok()
    cpu = env.final("labelled", "cpu")
    expect(by_label(cpu, "cpu", function="use_cpu"), 0.1, "CPU time", 400 * MS)
    near(by_label(cpu, "cpu", function="use_cpu")[None], 400 * MS, 40 * MS, "CPU time without a label")
    memory = env.final("labelled", "memory")
    expect(by_label(memory, "alloc_space", function="allocate"), 0.1, "memory", 20 * MIB)
    expect(by_label(memory, "inuse_space", function="allocate"), 0.12, "memory in use", 10 * MIB)
    expect(by_label(env.final("labelled", "mutex"), "delay"), 0.1, "delay of others", 100 * MS, 20 * MS)
    for kind, value in (("block", "delay"), ("off_cpu", "off_cpu"), ("wall", "wall")):
        expect(by_label(env.final("labelled", kind), value, leaf="usleep"), 0.15, kind, 200 * MS, 60 * MS)
    expect(by_label(env.final("labelled", "wall"), "wall", function="use_cpu"), 0.1, "wall time on the CPU", 400 * MS)
    assert by_label(env.final("labelled", "threads"), "threads", leaf="pause") == {"/small": 1, "/large": 3}
    created = by_label(env.final("labelled", "threadcreate"), "threadcreate")
    assert (created["/small"], created["/large"]) == (1, 3), created
    with open(os.path.join(env.out, "labelled", "threads-each.txt"), encoding="utf-8") as file:
        assert file.read().count("endpoint=/large") >= 3


@alone
def test_traces_are_in_the_profiles_of_intervals(env):
    env.run(env.program("labelled.c"), "traced", cpu_hz=500, wall_hz=100, memory_rate="16KiB", block_rate="1ms",
            max_overhead="0", interval="1s").ok()
    for key, ids in (("trace_id", TRACES), ("span_id", SPANS)):
        assert None in by_label(env.final("labelled", "cpu"), "cpu", key) and len(by_label(env.final("labelled", "cpu"), "cpu", key)) == 1
        for kind, value, unit, function in (("cpu", "cpu", 400 * MS, "use_cpu"), ("memory", "alloc_space", 20 * MIB, "allocate"),
                                            ("wall", "wall", 400 * MS, "use_cpu"), ("off_cpu", "off_cpu", 200 * MS, "usleep"),
                                            ("block", "delay", 200 * MS, "usleep")):
            sums = collections.Counter()
            for profile in interval_profiles(env, "labelled", kind):
                sums += by_label(profile, value, key, function=function)
            for endpoint, factor in FACTORS.items():
                near(sums[ids[endpoint]], unit * factor, max(0.15 * unit * factor, 0.3 * unit), f"{kind} by {key} of {endpoint}")


def test_a_program_runs_bare(env):
    """The header needs no library: neither in programs that are position independent nor in others, static ones included."""
    for number, flags in enumerate((["-O0"], ["-O2"], ["-O2", "-no-pie", "-fno-pie"], ["-O2", "-static"], ["-std=gnu89"])):
        env.run(env.program("labels_bare.c", *flags, name=f"bare{number}"), "-1", profiled=False).ok()
    for number, flags in enumerate((["-O0"], ["-O2", "-no-pie", "-fno-pie"])):
        env.run(env.program("labels_bare.c", *flags, name=f"with{number}"), "0").ok()
    env.run(env.program("labels_scopes.cc"), profiled=False).ok()
    env.run(env.program("labels_scopes.cc")).ok()
    assert by_label(env.final("labels_scopes", "cpu"), "cpu").keys() == {None, "/scoped"}


def test_labels_without_end_are_bounded(env):
    """A label whose values never end is counted under one value, and takes neither stacks nor other labels along."""
    env.run(env.program("labels_many.c"), cpu_hz=1000, max_overhead="0", memory_rate="4KiB").ok()
    memory = env.final("labels_many", "memory")
    sums = by_label(memory, "alloc_space", "request")
    # Of 1,536 sets 971 are sampled, and one standard error is 19; what is in use while the table is full makes more.
    assert 880 < len(sums) < 2000, len(sums)
    near(sum(sums.values()), 40 * MIB, 3 * MIB, "memory in all")
    assert sums["[other]"] > 20 * MIB, sums["[other]"]
    near(by_label(memory, "alloc_space", "endpoint")["/many"], 40 * MIB, 3 * MIB, "memory of the other label")
    assert any(re.search(r"sets of labels counted under \[other\]: too many", line) for line in memory.comments), memory.comments


def test_a_child_keeps_them(env):
    env.run(env.program("labels_forks.c"), cpu_hz=500, max_overhead="0").ok()
    sums = by_label(env.final("labels_forks", "cpu"), "cpu", "where")
    for where in ("parent", "child", "both"):
        near(sums[where], 300 * MS, 60 * MS, f"CPU time in {where}")
    assert not sums[None] or sums[None] < 60 * MS, sums


@waits
@limit(180)
def test_pyroscope_has_series_by_label_and_spans(env):
    with pyroscope(env) as url:
        env.run(env.program("labelled.c"), "traced", server=url, cpu_hz=500, wall_hz=100, memory_rate="16KiB", max_overhead="0",
                interval="1s", name="labelled").ok()
        env.uploaders_gone(25)
        profile = "process_cpu:cpu:nanoseconds:cpu:nanoseconds"
        assert set(query(url, "LabelValues", name="endpoint")["names"]) == set(FACTORS)
        for endpoint, factor in FACTORS.items():
            total, _ = stacktraces(url, profile, f'{{service_name="labelled",endpoint="{endpoint}"}}')
            near(total["use_cpu"], 400 * MS * factor, 60 * MS, f"CPU time of {endpoint}")
            found = query(url, "SelectMergeSpanProfile", profileTypeID=profile, labelSelector='{service_name="labelled"}',
                          spanSelector=[SPANS[endpoint]])["flamegraph"]
            near(int(found["total"]), 400 * MS * factor, 100 * MS, f"CPU time of the span of {endpoint}")


# OpenTelemetry's thread contexts: each model of thread-local storage, in a library that is opened or linked, or in the program.
MODELS = {"dynamic": ["-mtls-dialect=gnu"], "descriptor": ["-mtls-dialect=gnu2"], "initial": ["-ftls-model=initial-exec"],
          "hidden": ["-Wl,-Bsymbolic", "-mtls-dialect=gnu"]}
if os.uname().machine == "aarch64":
    MODELS = {"dynamic": ["-mtls-dialect=trad"], "descriptor": ["-mtls-dialect=desc"], "initial": ["-ftls-model=initial-exec"]}


def otel_program(env, model, linked=False):
    """Compiled for a model, and the words that it is started with."""
    if model == "local":
        own = os.path.join(os.path.dirname(os.path.abspath(__file__)), "otel_variable.c")
        return env.program("otel_threads.c", "-O1", "-g", "-DLINKED", own, "-rdynamic", name="otel_local"), ""
    library = env.program("otel_variable.c", "-O1", "-shared", "-fPIC", *MODELS[model], name=f"libotel_{model}.so")
    if not linked:
        return env.program("otel_threads.c", name=f"otel_{model}"), library
    return env.program("otel_threads.c", "-O1", "-g", "-DLINKED", f"-L{env.dir}", f"-Wl,-rpath,{env.dir}", f"-Wl,--no-as-needed,-l:libotel_{model}.so",
                       name=f"otel_linked_{model}"), ""


def expect_contexts(env, program, model, slept):
    name = os.path.basename(program)
    expect(by_label(env.final(name, "cpu"), "cpu", "http.route", function="use_cpu"), 0.15, f"{model}: CPU time", 400 * MS)
    for kind, value in (("off_cpu", "off_cpu"), ("block", "delay")):
        sums = by_label(env.final(name, kind), value, "http.route", function="sleep_ms")
        for endpoint, factor in FACTORS.items():
            ns = slept[f"slept_{factor}"]
            near(sums[endpoint], ns, max(0.15 * ns, 100 * MS), f"{model}: {kind} of {endpoint}")
    for key, digits in (("trace_id", ("10" * 16, "30" * 16)), ("span_id", ("11" * 8, "31" * 8)),
                        ("local_root_span_id", ("1" * 16, "3" * 16))):
        sums = sum((by_label(profile, "cpu", key, function="use_cpu") for profile in interval_profiles(env, name, "cpu")),
                   collections.Counter())
        for factor, id in zip((1, 3), digits):
            near(sums[id], 400 * MS * factor, 60 * MS * factor, f"{model}: CPU time by {key}")


def contexts_of(env, models, linked, *words):
    """Programs of all models at once. Each begins when the uploader has found its variable."""
    programs = {model: otel_program(env, model, linked) for model in models}
    children = {model: env.start(program, library, *words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cpu_hz=500, wall_hz=100,
                                 block_rate="1ms", max_overhead="0") for model, (program, library) in programs.items()}
    for model, (program, _) in programs.items():
        name = os.path.basename(program)
        wait_for(lambda: f"{name}[{children[model].pid}]: threads have an OpenTelemetry context" in env.log(), 20, f"the context of {name}")
    slept = {model: Result(0, child.communicate("\n", timeout=60)[0], "", 0).figures() for model, child in children.items()}
    for model, (program, _) in programs.items():
        expect_contexts(env, program, model, slept[model])


@limit(240)
def test_thread_contexts_of_each_model(env):
    contexts_of(env, [*MODELS, "local"], False)


@limit(240)
def test_thread_contexts_of_linked_libraries(env):
    contexts_of(env, MODELS, True, "shares", "tls_v1")


@waits
def test_thread_contexts_of_other_schemas_are_left_alone(env):
    program, library = otel_program(env, "descriptor")
    env.run(program, library, "shares", "nodejs_v1_dev", cpu_hz=500).ok()
    assert set(by_label(env.final("otel_descriptor", "cpu"), "cpu", "http.route")) == {None}


def test_hostile_thread_contexts_do_no_harm(env):
    for model in ("dynamic", "local"):
        program, library = otel_program(env, model)
        done = env.run(program, library, "hostile", cpu_hz=1000, memory_rate="4KiB", max_overhead="0", wall_hz=100).ok()
        assert done.stdout == "lives\n" and not done.stderr, done.stdout + done.stderr
        cpu = env.final(os.path.basename(program), "cpu")
        assert cpu.total("cpu") > 500 * MS
        assert not any("malformed" in line or "made no sense" in line for line in cpu.comments), cpu.comments
