# SPDX-License-Identifier: Apache-2.0
"""Functions by their names, whatever the binary carries."""
import os
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


def test_stripped_keeps_module_and_address(env):
    program, debug = split(env)
    os.remove(debug)
    env.run(program, "1", cpu_hz=1000).ok()
    profile = env.final("shares", "cpu")
    leaf = profile.flat("cpu").most_common(1)[0][0]
    assert leaf.startswith("shares+0x"), leaf
    mapping = next(f.mapping for s in profile.samples for f in s.frames if f.function == leaf)
    assert mapping.build_id and mapping.file.endswith("/shares"), mapping


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
