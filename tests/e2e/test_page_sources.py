# SPDX-License-Identifier: Apache-2.0
"""cprof report --sources: source files in the page, if they are asked for and can be read."""
import json
import os
import re
import shutil
import subprocess

from tests.lib.harness import TREE, need


def sources(env, *options):
    """Texts of the source files of a page, by path; and what the command said."""
    page = os.path.join(env.dir, "page.html")
    done = subprocess.run([env.uploader, "report", "-o", page, *options, env.out], capture_output=True, text=True, check=True)
    with open(page, encoding="utf-8") as file:
        block = re.search(r'<script type="application/json" id="data">(.*?)</script>', file.read(), re.S).group(1)
    return json.loads(block).get("sources"), done.stdout


def test_sources_are_in_the_page_if_asked_for(env):
    source = os.path.join(env.dir, "shares.c")
    shutil.copy(os.path.join(TREE, "tests", "e2e", "shares.c"), source)
    with open(source, "a", encoding="utf-8") as file:
        file.write("// </script> \"quoted\"\n")
    program = os.path.join(env.dir, "shares")
    subprocess.run([need("gcc"), "-O1", "-g", "-D_GNU_SOURCE", source, "-o", program, "-pthread", "-ldl", "-lm"], check=True)
    env.cprof(program).ok()
    env.uploaders_gone()
    with open(source, encoding="utf-8") as file:
        text = file.read()
    assert sources(env)[0] is None
    found, said = sources(env, "--sources")
    assert found == {source: text} and "1 source file" in said, (list(found or {}), said)
    os.makedirs(os.path.join(env.dir, "moved", "src"))
    shutil.move(source, os.path.join(env.dir, "moved", "shares.c"))
    assert sources(env, "--sources")[0] is None
    assert sources(env, "--sources=" + os.path.join(env.dir, "moved"))[0] == {source: text}
    os.remove(os.path.join(env.dir, "moved", "shares.c"))
    os.symlink("/dev/zero", os.path.join(env.dir, "moved", "shares.c"))
    assert sources(env, "--sources=" + os.path.join(env.dir, "moved"))[0] is None
