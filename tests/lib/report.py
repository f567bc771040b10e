# SPDX-License-Identifier: Apache-2.0
"""The data of a report: the pprof files that the page holds, as a browser would read them."""
import base64
import json
import re

from . import pprof


def data(text):
    """The data block of the page whose HTML this is."""
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.S)[1])


def profiles(text):
    """[(what the page says of the file, the profile)]"""
    return [(file, pprof.Profile(base64.b64decode(file["data"]))) for file in data(text)["files"]]


def functions(text, kind):
    """Of that kind's profile of the whole session."""
    return {f.function for file, profile in profiles(text) if file["kind"] == kind and file["part"] == "whole"
            for s in profile.samples for f in s.frames}
