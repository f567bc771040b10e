# SPDX-License-Identifier: Apache-2.0
"""Rates that change while the program runs: what is counted stays what it did."""
import math
import re
import subprocess

from tests.lib.harness import alone, limit, near

ALL, NONE = 0xff, 0
KINDS = {"cpu": 1, "memory": 2, "mutex": 4, "block": 8}
FINE = ("1000000", "16384", "1", "1000000")  # CPU ns, memory bytes, mutex fraction, block ns
COARSE = ("40000000", str(64 << 20), "5000", "40000000")


class Program:
    """tests/e2e/rates.c, which works when it is told to."""

    def __init__(self, env, **settings):
        self.env = env
        self.setter = env.program("set_rates.c", "-O1", f"-I{env.build}/..")
        self.child = subprocess.Popen([env.program("rates.c")], env=env.environ(max_overhead=0, **settings), cwd=env.dir, text=True,
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
        env._children.append(self.child)

    def tell(self, line):
        """What it did until now."""
        self.child.stdin.write(f"{line}\n")
        self.child.stdin.flush()
        return {name: int(number) for name, number in re.findall(r"(\w+) (\d+)", self.child.stdout.readline())}

    def rates(self, profiles, rates, *more):
        """Sets them once, or starts what sets these and others in turn."""
        words = [self.setter, str(self.env.uploaders()[0]), str(profiles), *rates, *map(str, more)]
        if more:
            return self.env.start(*words, env={})
        return subprocess.run(words, check=True)

    def end(self):
        self.child.stdin.close()
        assert self.child.wait(20) == 0


def check(env, did, mean_rate, mean_block, period):
    """Poisson samples of bytes have a variance of bytes times rate. A wait shorter than the block rate has one of its
    length times the rate at most; of a lock, points are 20 us or 50 ms apart. CPU time is within one period, and a
    third of that is taken for an error."""
    memory, cpu = env.final("rates", "memory"), env.profile("rates", "cpu")
    mutex, block = env.profile("rates", "mutex"), env.profile("rates", "block")

    def within(value, truth, variance, more, what):
        print(f"{what}: {value / truth:.4f} of the truth, {(value - truth) / (math.sqrt(variance) + more):.2f} errors")
        near(value, truth, 4 * (math.sqrt(variance) + more), what)

    within(memory.under("alloc_space", "allocate_it"), did["allocated"], did["allocated"] * mean_rate, 1e-4 * did["allocated"],
           "bytes allocated")
    within(memory.under("inuse_space", "allocate_it"), did["in_use"], did["in_use"] * mean_rate, 0, "bytes in use")
    within(cpu.under("cpu", "burn_it"), did["burnt"], 0, 0.001 * did["burnt"] + period / 3, "CPU time")
    within(block.under("delay", "wait_it"), did["waited"], did["waited"] * mean_block, 0.01 * did["waited"], "waited")
    within(mutex.under("delay", "hold_it"), did["lock_waited"], did["lock_waited"] * 2e7, 0.02 * did["lock_waited"],
           "waited for the lock")


@alone
@limit(120)
def test_extremes_in_turn_every_50_ms(env):
    """Long gaps and periods that are in flight at a change end among short ones."""
    program = Program(env)
    program.tell(100)
    switcher = program.rates(ALL, FINE, 50, ALL, *COARSE)
    did = program.tell(10000)
    switcher.kill()
    program.end()
    check(env, did, (16384 + (64 << 20)) / 2, 2e7, 4e7)


@alone
@limit(120)
def test_off_and_on_again(env):
    """All types but one that needs none are off at start. What is done while they are off is not counted; blocks that are
    freed then are no longer in use, and those that are allocated then are in use but not known."""
    program = Program(env, profiles="threads", cpu_hz=0, block_rate=0, mutex_fraction=0)
    off = program.tell(500)
    program.rates(ALL, FINE)
    first = program.tell(2000)
    program.rates(NONE, FINE)
    program.tell(1000)
    program.tell("free")
    program.rates(ALL, FINE)
    before = program.tell(1)
    last = program.tell(2000)
    program.end()
    did = {name: first[name] - off[name] + last[name] - before[name] for name in off}
    did["in_use"] = (first["in_use"] - off["in_use"]) // 2 + last["in_use"] - before["in_use"]
    check(env, did, 16384, 1e6, 3e7)
