# SPDX-License-Identifier: Apache-2.0
"""Tests with programs of musl, which run on this machine by musl's own loader: musl/target/NAME and musl/e2e/FILE/NAME.
tests/run takes QUICK of them, and all of them if a part of a name says musl."""
import glob
import os
import subprocess
import sysconfig

from . import harness, targets

E2E = [
    "cpu/shares_of_10000_samples",
    "cpu/default_rate_counts_all_time",
    "cpu/threads_that_live_for_a_tick_of_the_kernel",
    "cpu/thread_names",
    "memory/bytes_by_path_of_10000_samples",
    "memory/leak_in_use",
    "memory/default_rate",
    "contention/three_paths_of_one_lock",
    "contention/default_rates",
    "contention/holder_never_waits",
    "contention/lock_that_is_free_before_its_waiters_wake",
    "contention/robust_mutex",
    "contention/readers_and_a_writer",
    "contention/lock_got_again_inside_a_condition",
    "contention/woken_while_nobody_had_the_lock",
    "contention/condition_that_times_out_while_the_lock_is_held",
    "contention/condition_that_is_signalled_without_the_lock_while_it_is_held",
    "contention/signal_before_the_wait",
    "contention/200_waiters",
    "contention/lock_that_is_seldom_waited_for",
    "contention/long_holdings_of_a_hot_lock",
    "waiting/short_waits_are_sampled",
    "waiting/wall_time_adds_up",
    "waiting/blocked_where_nobody_interposes",
    "waiting/200_asleep_in_ten_places",
    "waiting/waits_of_a_killed_program",
    "waiting/forked_children_that_only_wait",
    "waiting/threads_end_with_their_program",
    "waiting/brief_processes_slept",
    "processes/sigkill_loses_no_cpu_time",
    "processes/sigkill_loses_no_allocation",
    "processes/fork_vfork_spawn_system_exec",
    "processes/vfork_before_the_first_sample",
    "processes/threads_of_a_child_that_has_not_joined_yet",
    "processes/no_thread_and_no_descriptor_of_ours",
    "outside/plugin_that_is_loaded_later",
]
# They fail under musl without the library, too, or look at what glibc alone does.
GLIBC_ONLY = {"early_constructor", "mappings", "memory_locked", "no_traces", "raw_fork", "seccomp_no_return", "wrong_pointers"}
QUICK = {"musl/target/" + name for name in ("alternate_stacks", "cancel", "fork_no_exec", "longjmp_handler", "sigprof_own_handler",
                                            "spawn", "temporary_masks", "thread_churn", "tiny_stacks")}
QUICK |= {"musl/e2e/" + name for name in ("contention/three_paths_of_one_lock", "memory/leak_in_use", "outside/plugin_that_is_loaded_later")}


def names():
    for path in sorted(glob.glob(os.path.join(harness.TREE, "tests", "targets", "*.c"))):
        name = os.path.basename(path)[:-2]
        if name not in GLIBC_ONLY:
            yield "musl/target/" + name
    yield from ("musl/e2e/" + name for name in E2E)


def compiler(directory):
    """Command and options. The kernel's headers, which musl-gcc does not look for, are linked into the directory."""
    headers = os.path.join(directory, "kernel")
    os.makedirs(headers, exist_ok=True)
    for name in ("linux", "asm-generic", f"{sysconfig.get_config_var('MULTIARCH')}/asm"):
        if not os.path.lexists(os.path.join(headers, os.path.basename(name))):
            os.symlink("/usr/include/" + name, os.path.join(headers, os.path.basename(name)))
    return ["musl-gcc:musl-tools", "-isystem", headers]


def build(env, name):
    """Compiles tests/targets/NAME.c and returns its path. What calls functions of glibc alone is skipped."""
    source = os.path.join(harness.TREE, "tests", "targets", name + ".c")
    flags = [flag for line in targets.source_lines(name) if "build: " in line for flag in line.partition("build: ")[2].split()]
    path = os.path.join(env.dir, name)
    command, *options = compiler(env.dir)
    done = subprocess.run([harness.need(command), *options, "-std=gnu11", "-D_GNU_SOURCE", "-O1", "-g", "-I", harness.TREE, source,
                           "-o", path, *flags], capture_output=True, text=True, check=False)
    if done.returncode:
        raise harness.Skip("not for musl: " + next((l for l in done.stderr.splitlines() if "error" in l or "undefined" in l), "?"))
    return path
