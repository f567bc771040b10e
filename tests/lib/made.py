# SPDX-License-Identifier: Apache-2.0
"""Makes pprof files of stacks that a test writes down."""
import gzip

CPU = (("samples", "count"), ("cpu", "nanoseconds"))
MEMORY = (("alloc_objects", "count"), ("alloc_space", "bytes"), ("inuse_objects", "count"), ("inuse_space", "bytes"))


def varint(value):
    value &= (1 << 64) - 1
    data = bytearray()
    while value > 127:
        data.append(value & 127 | 128)
        value >>= 7
    return bytes(data + bytes([value]))


def number(field, value):
    return varint(field << 3) + varint(value)


def message(field, data):
    return varint(field << 3 | 2) + varint(len(data)) + data


class Strings:
    def __init__(self):
        self.list = [""]

    def __call__(self, text):
        if text not in self.list:
            self.list.append(text)
        return self.list.index(text)


def plain(samples, types=CPU, period=10000000, start=1700000000, seconds=10, pid=0, program="/usr/bin/program",
          comments=(), kind=None):
    """samples: [("leaf;caller;main", (values))]. The bytes of a profile."""
    text, functions, body = Strings(), [], b""
    for stack, values in samples:
        ids = []
        for name in stack.split(";"):
            if name not in functions:
                functions.append(name)
            ids.append(functions.index(name) + 1)
        labels = message(3, number(1, text("pid")) + number(3, pid)) if pid else b""
        body += message(2, message(1, b"".join(map(varint, ids))) + message(2, b"".join(map(varint, values))) + labels)
    head = b"".join(message(1, number(1, text(t)) + number(2, text(u))) for t, u in types)
    period_type = kind or (("space", "bytes") if types is MEMORY else types[-1])
    tables = message(3, number(1, 1) + number(5, text(program)))
    for i, name in enumerate(functions, 1):
        tables += message(4, number(1, i) + number(2, 1) + message(4, number(1, i)))
        tables += message(5, number(1, i) + number(2, text(name)))
    tail = number(9, start * 1000000000) + number(10, int(seconds * 1e9)) + number(12, period)
    tail += message(11, number(1, text(period_type[0])) + number(2, text(period_type[1])))
    tail += b"".join(number(13, text(comment)) for comment in comments)
    return head + body + tables + b"".join(message(6, t.encode()) for t in text.list) + tail


def write(path, *args, **options):
    """Writes a gzipped one, and returns the path."""
    with open(path, "wb") as file:
        file.write(gzip.compress(plain(*args, **options)))
    return path


def looks(**counts):
    """CPU samples of 10 ms: looks(work=3) is three looks at work;main."""
    return [(f"{name};main", (count, count * 10000000)) for name, count in counts.items()]
