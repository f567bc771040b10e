# SPDX-License-Identifier: Apache-2.0
"""Allocation and live-heap profiles against programs that count their own bytes, over several allocators."""
import math
import os
import re
import shutil

from tests.lib.harness import Skip, limit, near, need, real_processor, wait_for

PATHS = ("path_small", "path_large", "path_leak")


def truth(stdout):
    return {name: (int(size), int(count)) for name, size, count in re.findall(r"^(path_\w+) (\d+) (\d+)", stdout, re.M)}


def spread(size, rate, largest):
    """3.5 standard errors, relative: of a sum of Poisson samples, each worth the rate or the block, the larger."""
    return 3.5 * math.sqrt(max(rate, largest) / size)


def check(profile, expected, rate, leak=True):
    space, objects = profile.cumulative("alloc_space"), profile.cumulative("alloc_objects")
    for path in PATHS:
        size, count = expected[path]
        near(space[path], size, spread(size, rate, rate) * size, f"bytes of {path}")
        # Small blocks are rarely sampled and then stand for many: their count scatters more, so 14 standard errors of
        # the bytes are allowed.
        near(objects[path], count, 4 * spread(size, rate, rate) * count, f"objects of {path}")
    if leak:
        inuse = profile.cumulative("inuse_space")
        size = expected["path_leak"][0]
        near(inuse["path_leak"], size, spread(size, rate, rate) * size, "bytes in use of path_leak")
        assert inuse["path_small"] + inuse["path_large"] < 0.01 * size, "freed blocks are still in use"


@limit(180)
def test_bytes_by_path_of_10000_samples(env):
    """40,000 samples a path, so that 2 % are four standard errors; the leak alone overfills no table."""
    done = env.run(env.program("allocs.c"), "160", memory_rate="4KiB").ok()
    profile = env.final("allocs", "memory")
    expected = truth(done.stdout)
    space = profile.cumulative("alloc_space")
    for path in PATHS:
        near(space[path] / expected[path][0], 1, 0.02, f"bytes of {path}, relative")
    assert profile.types == [("alloc_objects", "count"), ("alloc_space", "bytes"), ("inuse_objects", "count"),
                             ("inuse_space", "bytes")], profile.types


def test_leak_in_use(env):
    done = env.run(env.program("allocs.c"), "64", memory_rate="16KiB").ok()
    check(env.final("allocs", "memory"), truth(done.stdout), 16384)


def test_default_rate(env):
    done = env.run(env.program("allocs.c"), "1000").ok()
    profile = env.final("allocs", "memory")
    assert profile.period == 524288
    # The program allocates faster than the budget of samples allows. Distances that differ add up to larger errors than
    # their mean tells.
    taken = int(re.search(r"(\d+) allocation samples taken", "\n".join(profile.comments))[1])
    mean = sum(size for size, _ in truth(done.stdout).values()) / taken
    assert mean < 17 * 524288, f"{taken} samples"
    check(profile, truth(done.stdout), 1.5 * max(mean, 524288))


def test_rate_that_is_set_is_kept(env):
    done = env.run(env.program("allocs.c"), "1000", memory_rate="512KiB").ok()
    check(env.final("allocs", "memory"), truth(done.stdout), 524288)


def under(env, library, package, linked):
    path = f"/usr/lib/x86_64-linux-gnu/{library}"
    try:
        open(path, "rb").close()
    except OSError as error:
        raise Skip(f"{library} is not there: apt-get install {package}") from error
    if linked:
        program = env.program("allocs.c", "-O1", "-g", "-Wl,--no-as-needed", path)
        environ = env.environ(memory_rate="16KiB")
    else:
        program = env.program("allocs.c")
        environ = env.environ(preload=[path], memory_rate="16KiB")
    done = env.run(program, "64", env=environ).ok()
    check(env.final("allocs", "memory"), truth(done.stdout), 16384)


def test_under_jemalloc_preloaded(env):
    under(env, "libjemalloc.so.2", "libjemalloc2", False)


def test_under_jemalloc_linked(env):
    under(env, "libjemalloc.so.2", "libjemalloc2", True)


def test_under_tcmalloc_preloaded(env):
    under(env, "libtcmalloc_minimal.so.4", "libtcmalloc-minimal4", False)


def test_under_tcmalloc_linked(env):
    under(env, "libtcmalloc_minimal.so.4", "libtcmalloc-minimal4", True)


def test_under_mimalloc_preloaded(env):
    under(env, "libmimalloc.so.2.0", "libmimalloc2.0", False)


def test_under_mimalloc_linked(env):
    under(env, "libmimalloc.so.2.0", "libmimalloc2.0", True)


def new_and_delete(env, *flags):
    need("g++")
    env.run(env.program("names.cc", *flags), "2", memory_rate="16KiB").ok()
    profile = env.final("names", "memory")
    assert profile.cumulative("alloc_space")["shop::checkout"] > 0, profile.cumulative("alloc_space").most_common(8)
    live = profile.total("inuse_space")
    assert live < 0.02 * profile.total("alloc_space"), f"{live} bytes in use of a program that frees everything"
    strings = [s for s in profile.samples if any("make_unique" in f.function for f in s.frames)]
    assert strings, "no sample below make_unique"


def test_operator_new_of_libstdcpp(env):
    new_and_delete(env, "-O1", "-g")


def test_operator_new_of_jemalloc(env):
    new_and_delete(env, "-O1", "-g", "-Wl,--no-as-needed", "/usr/lib/x86_64-linux-gnu/libjemalloc.so.2")


def test_operator_new_of_tcmalloc(env):
    new_and_delete(env, "-O1", "-g", "-Wl,--no-as-needed", "/usr/lib/x86_64-linux-gnu/libtcmalloc_minimal.so.4")


@limit(180)
@real_processor
def test_rotation_keeps_every_byte(env):
    """More stacks than the segment's tables and the profile's ceiling hold: some get one name, and no byte is lost.

    A block of the rate's size is sampled with 1 - 1/e: of 120,000, one standard error is 0.22 %."""
    done = env.run(env.program("new_stacks.c"), "120000", "10000", memory_rate="4KiB", timeout=150).ok()
    profile = env.final("new_stacks", "memory")
    comments = " ".join(profile.comments)
    near(profile.total("alloc_space") / int(done.stdout), 1, 0.01, f"bytes in all, relative (comments: {comments})")
    assert "lost" not in comments, comments
    assert len(profile.samples) > 25000, f"{len(profile.samples)} stacks, which fit into the tables"
    assert profile.cumulative("alloc_space")["[stacks beyond the ceiling]"] > 0, comments
    assert profile.total("inuse_space") < 0.01 * int(done.stdout)


def test_small_profile_of_20000_threads(env):
    env.run(env.program("churn.c"), "20000", memory_rate="64KiB").ok()
    profile = env.final("churn", "memory")
    # 2e9 bytes are 30,500 samples: 0.025 is over four standard errors.
    near(profile.total("alloc_space"), 2e9, 0.025 * 2e9, "bytes in all")
    assert len(profile.samples) < 100, f"{len(profile.samples)} samples for one stack"
    wait_for(lambda: "not profiled" not in " ".join(profile.comments), 0.1, "no lost thread")


def check_mappings(env, rate, **settings):
    done = env.run(env.program("mappings.c"), memory_rate=str(rate), **settings).ok()
    profile = env.final("mappings", "memory")
    parent = max({s.labels.get("pid") for s in profile.samples if any(f.function == "path_moved" for f in s.frames)})

    def sums(of):
        return profile.cumulative(of, lambda s: s.labels.get("pid") == parent)

    space, inuse = sums("alloc_space"), sums("inuse_space")
    for name, allocated, used in re.findall(r"^(path_\w+) (\d+) (\d+)", done.stdout, re.M):
        # Four standard errors; those of large mappings are smaller.
        for what, expected, found in (("mapped", int(allocated), space[name]), ("in use", int(used), inuse[name])):
            near(found, expected, 4 * math.sqrt(rate * expected), f"bytes {what} by {name}, of {expected}")
    return profile


def test_mappings_are_memory(env):
    profile = check_mappings(env, 8192)
    leaves = {s.frames[0].function for s in profile.samples}
    assert {"mmap", "mremap", "sbrk"} <= leaves, leaves
    assert all(f.function != "path_nothing" for s in profile.samples for f in s.frames)
    assert "not tracked" not in " ".join(profile.comments), profile.comments


def test_all_mappings_are_sampled(env):
    check_mappings(env, 1)


def test_what_an_allocator_maps_is_not_counted_twice(env):
    for library in ("libjemalloc.so.2", "libtcmalloc_minimal.so.4", "libmimalloc.so.2.0"):
        environ = env.environ(preload=[f"/usr/lib/x86_64-linux-gnu/{library}"], memory_rate="16KiB")
        env.run(env.program("allocs.c"), "64", env=environ).ok()
        profile = env.final("allocs", "memory")
        leaves = {s.frames[0].function for s in profile.samples}
        assert not leaves & {"mmap", "mremap", "brk", "sbrk"}, (library, leaves)


def test_in_use_beside_resident_memory(env):
    """Where resident memory is: in blocks, in mappings, or free in the allocator."""
    done = env.cprof(env.program("resident.c"), memory_rate="16KiB").ok()
    line = next(c for c in env.final("resident", "memory").comments if c.startswith("resident "))
    assert line in done.stderr, f"the summary has no line {line}: {done.stderr}"
    number = {name: float(mib) for name, mib in re.findall(r"(\w+) ([\d.]+)", line.replace("blocks in use", "blocks"))}
    rss = int(re.search(r"VmRSS:\s*(\d+)", done.stdout)[1]) / 1024
    near(number["resident"], rss, 0.05 * rss, "resident MiB")
    for part, mib in (("blocks", 64), ("mapped", 32)):  # four standard errors at 16 KiB
        near(number[part], mib, 4 * math.sqrt(mib / 64), f"MiB of {part}")
    near(number["other"], 24, 6, "MiB free in the allocator")
    near(sum(number[part] for part in ("blocks", "mapped", "files", "cprof", "other")), number["resident"], 0.3, "the parts")


def direct(env, library, package, define):
    path = f"/usr/lib/x86_64-linux-gnu/{library}"
    if not os.path.exists(path):
        raise Skip(f"{library} is not there: apt-get install {package}")
    for flags in (), ("-no-pie", "-fno-pie", "-Wl,-z,lazy"), ("-fno-plt", "-Wl,-z,now,-z,relro"):
        program = env.program("direct.c", "-O1", "-g", f"-D{define}", *flags, "-Wl,--no-as-needed", path)
        bare = env.run(program, "4", profiled=False).ok()
        assert env.run(program, "4", memory_rate="16KiB").ok().stdout == bare.stdout
        done = env.run(program, "64", memory_rate="16KiB", out=env.dir + "/out64").ok()
        check(env.final("direct", "memory", out=env.dir + "/out64"), truth(done.stdout), 16384)
        shutil.rmtree(env.dir + "/out64")


def test_own_functions_of_jemalloc(env):
    direct(env, "libjemalloc.so.2", "libjemalloc2", "JEMALLOC")


def test_own_functions_of_mimalloc(env):
    direct(env, "libmimalloc.so.2.0", "libmimalloc2.0", "MIMALLOC")


def test_own_functions_of_tcmalloc(env):
    direct(env, "libtcmalloc_minimal.so.4", "libtcmalloc-minimal4", "TCMALLOC")
