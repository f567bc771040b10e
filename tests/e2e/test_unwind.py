# SPDX-License-Identifier: Apache-2.0
"""Stack walks inside the target, judged by libunwind over real programs."""
import os
import subprocess

from tests.lib import harness


@harness.limit(400)
def test_compare_with_libunwind(env):
    script = os.path.join(harness.TREE, "tests", "unwind", "run-compare")
    done = subprocess.run([script, f"--build={env.build}"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
