# SPDX-License-Identifier: Apache-2.0
"""Memory that a walk of a stack may come to is unloaded, unmapped, replaced or cut off at the same time."""
SECONDS = 2


def plugin(env, name, room):
    flags = ("-O1", "-g", "-fPIC", "-shared", "-Wl,--build-id", f"-DPLUGIN={name}", f"-DROOM={room}")
    return env.program("vanishing.c", *flags, name=name + ".so")


def survives(env, case, linked=False):
    """Bare, at default settings, and with a sample of each allocation and of each millisecond."""
    plugins = [plugin(env, "first", 64), plugin(env, "second", 20000)]
    program = env.program("vanishing.c", "-O1", "-g", *(["-Wl,--no-as-needed", plugins[0]] if linked else []))
    often = {"cpu_hz": 1000, "memory_rate": 1}
    for profiled, settings in ((False, {}), (True, {}), (True, often)):
        plugins = [plugin(env, "first", 64), plugin(env, "second", 20000)]  # one of them may have been cut off
        environment = env.environ(profiled, **settings)
        if linked:
            environment["LD_BIND_NOW"] = "1"  # or the loader itself reads what is gone, for libc
        done = env.run(program, case, str(SECONDS), *plugins, env=environment)
        assert (done.status, done.stdout) == (0, "fine\n"), f"{case}, {settings}: status {done.status}\n{done.stdout}{done.stderr}"


def test_plugin_is_unloaded(env):
    survives(env, "unload")


def test_plugins_are_unloaded_while_others_run_in_them(env):
    survives(env, "turns")


def test_library_is_truncated(env):
    survives(env, "truncated")
    survives(env, "truncated", linked=True)


def test_tables_are_unmapped_or_replaced(env):
    survives(env, "tables-unmapped")
    survives(env, "tables-replaced")


def test_code_is_unmapped(env):
    survives(env, "code-unmapped")
    survives(env, "generated")


def test_memory_that_is_never_provided(env):
    survives(env, "userfaultfd")


def test_stacks_shrink_and_have_holes(env):
    survives(env, "coroutine")
    survives(env, "hole-protected")
    survives(env, "hole-unmapped")


def test_without_reads_by_the_kernel(env):
    """A seccomp filter kills for them: what cannot be read is cut off."""
    program = env.program("vanishing.c")
    for case in ("unload", "turns", "truncated", "tables-unmapped", "code-unmapped", "coroutine", "hole-protected", "hole-unmapped"):
        plugins = [plugin(env, "first", 64), plugin(env, "second", 20000)]
        done = env.run(program, case + "+", "1", *plugins, cpu_hz=1000, memory_rate=1)
        assert (done.status, done.stdout) == (0, "fine\n"), f"{case}: status {done.status}\n{done.stdout}{done.stderr}"


def right_stacks(env, case, caller):
    """The share of the samples in the plug-ins that lead on to who called them, for each of the two."""
    plugins = [plugin(env, "first", 64), plugin(env, "second", 20000)]
    env.run(env.program("vanishing.c"), case, "4", *plugins, cpu_hz=1000).ok()
    profile = env.final("vanishing", "cpu")
    value = profile.index("cpu")
    for name in ("first", "second"):
        found = [(s.values[value], [f.function for f in s.frames]) for s in profile.samples]
        found = [(n, names) for n, names in found if name in names]
        whole = sum(n for n, names in found if names[names.index(name):][1:3] == ["plugin_work", caller])
        total = sum(n for n, _ in found)
        assert total > 20e6 and whole > 0.95 * total, f"{case}: {name}: {whole} of {total} ns"


def test_other_plugin_at_the_same_address(env):
    right_stacks(env, "turns", "use")


def test_other_plugin_after_an_unload_that_no_hook_sees(env):
    right_stacks(env, "unseen", "unload_unseen")
