# SPDX-License-Identifier: Apache-2.0
"""Stacks of waiting threads, as they are seen from outside, where what the program maps does not stay as it is."""
import os
import re
import time

from tests.lib.harness import wait_for


def plugin(env, name):
    return env.program("plugins.c", "-O1", "-g", "-fPIC", "-shared", f"-DPLUGIN={name}", "-Wl,--build-id", name=name + ".so")


def waits_in_plugins(env, *args):
    env.run(env.program("plugins.c"), *args).ok()
    off = env.final("plugins", "off_cpu")
    return [s for s in off.stacks() if "plugin" in s or "unknown" in s]


def test_plugin_that_is_loaded_later(env):
    stacks = waits_in_plugins(env, plugin(env, "wait_in_plugin"))
    assert len(stacks) == 1 and stacks[0].endswith("call_plugin;plugin_work;wait_in_plugin;usleep"), stacks


def test_plugin_whose_file_is_gone(env):
    """Its tables are read from the process: the callers are there, and the module by the name that it had."""
    stacks = waits_in_plugins(env, "gone", plugin(env, "gone"))
    assert len(stacks) == 1 and "truncated" not in stacks[0], stacks
    assert re.search(r"^[^;]+;.*;call_plugin;gone\.so\+0x\w+;gone\.so\+0x\w+;usleep$", stacks[0]), stacks


def test_plugin_whose_file_goes_later(env):
    """It is still open: what it has of names is there."""
    path = plugin(env, "goes_later")
    child = env.start(env.program("plugins.c"), path)
    with open(f"/proc/{child.pid}/maps", encoding="utf-8") as maps:
        wait_for(lambda: maps.seek(0) == 0 and path in maps.read(), what="the plugin's mapping")
    time.sleep(0.3)
    os.remove(path)
    assert child.wait(30) == 0
    stacks = env.final("plugins", "off_cpu").stacks()
    assert any(s.endswith("call_plugin;plugin_work;goes_later;usleep") for s in stacks), stacks


def test_another_plugin_at_the_same_address(env):
    stacks = waits_in_plugins(env, plugin(env, "first_of_two"), plugin(env, "other_of_two"))
    for name in ("first_of_two", "other_of_two"):
        assert any(s.endswith(f"call_plugin;plugin_work;{name};usleep") for s in stacks), stacks
