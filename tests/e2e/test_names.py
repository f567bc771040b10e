# SPDX-License-Identifier: Apache-2.0
"""Functions by their names, whatever the binary carries."""
import os
import re
import shutil
import struct
import subprocess

from tests.lib.harness import need


def functions(profile, value="cpu"):
    return profile.cumulative(value)


def test_cplusplus(env):
    need("g++")
    env.run(env.program("names.cc"), "1", cpu_hz=1000).ok()
    names = functions(env.final("names", "cpu"))
    assert any(n.startswith("shop::basket<int>::total") for n in names), names.most_common(8)
    assert any(n.startswith("shop::checkout") for n in names), names.most_common(8)


def test_rust(env):
    rustc = need("rustc")
    path = os.path.join(env.dir, "names_rs")
    source = os.path.join(os.path.dirname(__file__), "names.rs")
    subprocess.run([rustc, "-g", "-O", "-A", "warnings", source, "-o", path], check=True)
    env.run(path, cpu_hz=1000).ok()
    names = functions(env.final("names_rs", "cpu"))
    assert any(n.endswith("shop::Basket::total") for n in names), names.most_common(8)
    assert not any("::h" in n and len(n.rpartition("::h")[2]) == 16 for n in names), names.most_common(8)


def test_symbol_table_without_dwarf(env):
    env.run(env.program("shares.c", "-O1"), "1", cpu_hz=1000).ok()
    assert functions(env.final("shares", "cpu"))["work_70"] > 0


def split(env):
    """shares, its debug information taken out; returns (program, debug file)."""
    program = env.program("shares.c", "-O1", "-g", "-Wl,--build-id")
    need("objcopy:binutils")
    debug = program + ".debug"
    subprocess.run(["objcopy", "--only-keep-debug", program, debug], check=True)
    subprocess.run(["strip", "--strip-all", program], check=True)
    return program, debug


def check_lines(env):
    profile = env.final("shares", "cpu")
    frames = {f.function: f for s in profile.samples for f in s.frames}
    assert "work_70" in frames, sorted(frames)
    assert os.path.basename(frames["work_70"].file) == "shares.c" and frames["work_70"].line > 0, frames["work_70"]


def test_debug_file_by_debuglink(env):
    program, debug = split(env)
    subprocess.run(["objcopy", "--add-gnu-debuglink=" + debug, program], check=True)
    env.run(program, "1", cpu_hz=1000).ok()
    check_lines(env)


def test_debug_file_by_build_id(env):
    program, debug = split(env)
    notes = subprocess.run(["readelf", "-n", program], check=True, stdout=subprocess.PIPE, text=True).stdout
    build_id = notes.partition("Build ID: ")[2].split()[0]
    place = os.path.join(env.dir, "debug", ".build-id", build_id[:2])
    os.makedirs(place)
    os.rename(debug, os.path.join(place, build_id[2:] + ".debug"))
    env.run(program, "1", cpu_hz=1000, debug_path=os.path.join(env.dir, "debug")).ok()
    check_lines(env)


def test_stripped_is_left_to_be_named_later(env):
    """The profile has module, build id and ELF address, and go tool pprof names it by the file with the symbols."""
    go = need("go")
    program = env.program("shares.c", "-O1", "-g", "-Wl,--build-id")
    whole = shutil.copy(program, os.path.join(env.dir, "whole"))
    subprocess.run(["strip", "--strip-all", program], check=True)
    env.run(program, "1", cpu_hz=1000).ok()
    profile = env.final("shares", "cpu")
    leaf = profile.flat("cpu").most_common(1)[0][0]
    assert leaf.startswith("shares+0x"), leaf
    mapping = next(f.mapping for s in profile.samples for f in s.frames if f.function == leaf)
    assert mapping.build_id and mapping.file.endswith("/shares") and not mapping.has_functions, mapping
    named = [f.mapping for s in profile.samples for f in s.frames if "+0x" not in f.function and f.mapping]
    assert named and all(m.has_functions for m in named), named
    path = os.path.join(env.out, "shares", "cpu.pb.gz")
    top = subprocess.run([go, "tool", "pprof", "-top", whole, path], check=True, stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, text=True).stdout
    assert "work_70" in top and "main" in top, top


def test_program_deleted_while_it_runs(env):
    program = env.program("shares.c")
    child = env.start(program, "2", cpu_hz=1000)
    os.remove(program)
    child.wait(30)
    assert functions(env.final("shares", "cpu"))["work_70"] > 0


def test_another_build_at_the_same_path(env):
    """Without build ids: while the first one runs, and then by the same uploader."""
    plain = ("-g", "-Wl,--build-id=none")
    program = env.program("shares.c", "-O1", *plain)
    second = env.program("shares.c", "-O2", *plain, "-Dwork_70=second_70", name="second")
    child = env.start(program, "2", cpu_hz=1000, linger="5s")
    os.rename(second, program)
    assert child.wait(30) == 0
    env.run(program, "2", cpu_hz=1000, linger="5s").ok()
    cpu = env.final("shares", "cpu")
    first, second = cpu.under("cpu", "work_70"), cpu.under("cpu", "second_70")
    assert 0.8 * second < first < 1.25 * second, cpu.flat("cpu")


def remove_section_headers(path):
    """As sstrip does: what the loader does not need goes, the section headers first."""
    with open(path, "rb") as file:
        data = bytearray(file.read())
    headers, count = struct.unpack_from("<Q", data, 32)[0], struct.unpack_from("<H", data, 56)[0]
    segments = [struct.unpack_from("<QQQQ", data, headers + 56 * i + 8) for i in range(count)]
    struct.pack_into("<Q", data, 40, 0)
    struct.pack_into("<HHH", data, 58, 0, 0, 0)
    with open(path, "wb") as file:
        file.write(data[: max(offset + size for offset, _, _, size in segments)])


def test_no_section_headers(env):
    """Exports are named, and other functions by where they begin, in samples and from outside."""
    for style in ("gnu", "sysv"):
        program = env.program("shares.c", "-O1", "-rdynamic", "-Wl,--build-id,--hash-style=" + style, name=style)
        subprocess.run(["strip", "-s", program], check=True)
        remove_section_headers(program)
        env.run(program, "1", cpu_hz=1000, wall_hz=100, profiles="cpu,wall").ok()
        for kind in ("cpu", "wall"):
            profile = env.final(style, kind)
            assert functions(profile, kind)["work_70"] > 0, (style, functions(profile, kind).most_common(8))
            assert functions(profile, kind)["main"] >= functions(profile, kind)["work_70"], style
        mapping = next(f.mapping for s in env.final(style, "cpu").samples for f in s.frames if f.function == "work_70")
        assert mapping.build_id, mapping


def test_library_out_of_a_memfd(env):
    """Its descriptor is closed and its process lives for a second."""
    library = env.program("in_memory_library.c", "-O1", "-g", "-shared", "-fPIC", "-Wl,--build-id")
    env.run(env.program("in_memory.c"), library, cpu_hz=1000).ok()
    profile = env.final("in_memory", "cpu")
    names = functions(profile)
    assert names["compute_in_memory"] > 0.7 * profile.total("cpu"), names.most_common(8)
    assert os.geteuid() or names["hidden_part"] > 0, names.most_common(8)  # the kernel shows the file to root alone
    files = {f.mapping.file for s in profile.samples for f in s.frames if f.function == "compute_in_memory"}
    assert files == {"/memfd:volatile"}, files


def test_program_out_of_a_memfd(env):
    program = env.program("shares.c", "-O1", "-g", "-Wl,--build-id")
    env.run(env.program("in_memory.c"), program, "1", cpu_hz=1000).ok()
    names = functions(env.final("volatile", "cpu"))
    assert names["work_70"] > 0, names.most_common(8)


def test_text_that_was_moved_to_other_pages(env):
    """As programs do for huge pages: named, and walked through from outside, by the module that was there."""
    env.run(env.program("moved_text.c"), cpu_hz=1000).ok()
    cpu, wall = functions(env.final("moved_text", "cpu")), functions(env.final("moved_text", "wall"), "wall")
    assert cpu["compute_moved"] > 0 and cpu["main"] >= cpu["compute_moved"], cpu.most_common(8)
    assert wall["wait_moved"] > 0, wall.most_common(12)


def test_missing_symbols_are_said(env):
    """In the summary and in the profile's comments, with the share of the time."""
    program = env.program("shares.c", "-O1", "-g")
    subprocess.run(["strip", "--strip-all", program], check=True)
    done = env.cprof(program, "1", cpu_hz=1000)
    assert re.search(r"! no symbols for (9\d\.\d|100\.0) % of cpu:\n +shares (9\d\.\d|100\.0) %", done.stderr), done.stderr
    comments = env.final("shares", "cpu").comments
    assert any(c.startswith("no symbols, share of cpu: shares ") for c in comments), comments
