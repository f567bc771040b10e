# SPDX-License-Identifier: Apache-2.0
"""What differs with musl: its libc has no tables for unwinding. tests/lib/musl.py has the tests that are common to both."""
from tests.lib import musl


def test_stacks_through_its_libc_are_whole(env):
    env.compile_c = musl.compiler(env.dir)
    env.run(env.program("inside_libc.c"), "500", cpu_hz=1000).ok()
    cpu = env.final("inside_libc", "cpu")
    used = {name: cpu.under("cpu", name) for name in ("copies", "measures", "prints", "allocates")}
    assert all(cpu.under("cpu", "main", name) > 0.98 * ns > 2e7 for name, ns in used.items()), used
    # What runs before main() is the loader's, and a stack may be left in the instructions that end a function.
    assert sum(used.values()) > 0.97 * cpu.total("cpu"), (used, cpu.stacks())
    assert cpu.under("cpu", "copies", "memcpy") > 0.8 * used["copies"] and cpu.under("cpu", "measures", "strlen") > 0.8 * used["measures"]
    wall = env.profile("inside_libc", "wall")
    assert wall.under("wall", "main", "[blocked: read]") > 5e8, wall.stacks()
