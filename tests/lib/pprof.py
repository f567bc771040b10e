# SPDX-License-Identifier: Apache-2.0
"""Reads pprof files (gzip around protobuf) without anybody's library: what the tests check profiles with."""
import collections
import gzip
import os

Frame = collections.namedtuple("Frame", "function file line mapping address")
Sample = collections.namedtuple("Sample", "frames values labels")  # frames leaf first, inlined ones included
Mapping = collections.namedtuple("Mapping", "file build_id has_functions")


def fields(data):
    """Yields (number, value): int for varint and fixed fields, bytes for the rest."""
    at = 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(data):
        key = varint()
        kind = key & 7
        if kind == 0:
            yield key >> 3, varint()
        elif kind == 2:
            size = varint()
            if at + size > len(data):
                raise ValueError("a field runs past the end of its message")
            yield key >> 3, data[at : at + size]
            at += size
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
            yield key >> 3, int.from_bytes(data[at : at + size], "little")
            at += size
        else:
            raise ValueError(f"wire type {kind}")


def signed(value):
    return value - (1 << 64) if value >> 63 else value


def repeated(value):
    """A repeated number, packed or not."""
    if isinstance(value, int):
        return [value]
    return [number for _, number in fields(b"".join(b"\x08" + chunk for chunk in split_varints(value)))]


def split_varints(data):
    start = 0
    for i, byte in enumerate(data):
        if byte < 0x80:
            yield data[start : i + 1]
            start = i + 1


def message(data):
    result = collections.defaultdict(list)
    for number, value in fields(data):
        result[number].append(value)
    return result


class Profile:
    def __init__(self, data):
        if data[:2] == b"\x1f\x8b":
            data = gzip.decompress(data)
        top = message(data)
        self.strings = [s.decode("utf-8", "replace") for s in top[6]]
        assert self.strings and self.strings[0] == "", "string 0 of a profile is empty"
        self.types = [self._value_type(t) for t in top[1]]
        self.mappings = {}
        self.functions = {}
        self.locations = {}
        for raw in top[3]:
            m = message(raw)
            self.mappings[m[1][0]] = Mapping(self._text(m, 5), self._text(m, 6), bool(m[7]))
        for raw in top[5]:
            f = message(raw)
            self.functions[f[1][0]] = (self._text(f, 2), self._text(f, 4))
        for raw in top[4]:
            self._location(message(raw))
        self.samples = [self._sample(message(raw)) for raw in top[2]]
        self.time_ns = top[9][0] if top[9] else 0
        self.duration_ns = top[10][0] if top[10] else 0
        self.period_type = self._value_type(top[11][0]) if top[11] else None
        self.period = top[12][0] if top[12] else 0
        self.comments = [self.strings[i] for value in top[13] for i in repeated(value)]
        self.default_type = self.strings[top[14][0]] if top[14] else ""

    def _text(self, m, number):
        return self.strings[m[number][0]] if m[number] else ""

    def _value_type(self, raw):
        m = message(raw)
        return (self._text(m, 1), self._text(m, 2))

    def _location(self, m):
        mapping = self.mappings.get(m[2][0]) if m[2] else None
        address = m[3][0] if m[3] else 0
        frames = []
        for raw in m[4]:
            line = message(raw)
            name, file = self.functions[line[1][0]]
            frames.append(Frame(name, file, signed(line[2][0]) if line[2] else 0, mapping, address))
        # What is left without a name is called by its place.
        place = f"{os.path.basename(mapping.file)}+{address:#x}" if mapping else hex(address)
        self.locations[m[1][0]] = frames or [Frame(place, "", 0, mapping, address)]

    def _sample(self, m):
        ids = [i for value in m[1] for i in repeated(value)]
        values = [signed(v) for value in m[2] for v in repeated(value)]
        assert len(values) == len(self.types), "one value for each sample type"
        labels = {}
        for raw in m[3]:
            label = message(raw)
            labels[self._text(label, 1)] = self._text(label, 2) if label[2] else signed(label[3][0])
        return Sample([frame for i in ids for frame in self.locations[i]], values, labels)

    def index(self, type_name):
        return [t for t, _ in self.types].index(type_name)

    def total(self, type_name):
        i = self.index(type_name)
        return sum(s.values[i] for s in self.samples)

    def flat(self, type_name):
        """Value by leaf function."""
        i = self.index(type_name)
        result = collections.Counter()
        for s in self.samples:
            result[s.frames[0].function] += s.values[i]
        return result

    def cumulative(self, type_name, where=lambda sample: True):
        """Value by function anywhere on the stack, once a sample."""
        i = self.index(type_name)
        result = collections.Counter()
        for s in filter(where, self.samples):
            for function in {f.function for f in s.frames}:
                result[function] += s.values[i]
        return result

    def under(self, type_name, *functions):
        """Value of the stacks that have all of these functions."""
        i = self.index(type_name)
        return sum(s.values[i] for s in self.samples if set(functions) <= {f.function for f in s.frames})

    def by_label(self, type_name, label):
        i = self.index(type_name)
        result = collections.Counter()
        for s in self.samples:
            result[s.labels.get(label)] += s.values[i]
        return result

    def stacks(self):
        """Each sample as root;...;leaf."""
        return [";".join(f.function for f in reversed(s.frames)) for s in self.samples]


def load(path):
    with open(path, "rb") as file:
        return Profile(file.read())
