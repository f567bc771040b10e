# SPDX-License-Identifier: Apache-2.0
"""Receives and reads OTLP profiles without anybody's library: what the tests check requests with."""
import collections
import contextlib
import gzip
import http.server
import threading

from tests.lib.pprof import message, repeated, signed

Sample = collections.namedtuple("Sample", "frames value attributes trace span")  # names, leaf first
Profile = collections.namedtuple("Profile", "type unit period_type period time duration samples resource")
# By their field numbers, those of ProfilesDictionary.
TABLES = {"mapping": 1, "location": 2, "function": 3, "link": 4, "string": 5, "attribute": 6, "stack": 7}


def number(fields, at, default=0):
    return fields[at][0] if fields[at] else default


def numbers(fields, at):
    return [n for chunk in fields[at] for n in repeated(chunk)]


def any_value(raw):
    value = message(raw)
    if value[1]:
        return value[1][0].decode()
    return signed(value[3][0]) if value[3] else None


def key_values(raws):
    pairs = [message(raw) for raw in raws]
    return {p[1][0].decode(): any_value(p[2][0]) for p in pairs}


class Request:
    """One body. `.profiles` are its Profiles with everything looked up."""
    def __init__(self, body):
        top = message(body)
        assert len(top[2]) == 1, "one dictionary a request"
        dictionary = message(top[2][0])
        self.table = {name: dictionary[field] for name, field in TABLES.items()}
        self.strings = [s.decode() for s in self.table["string"]]
        self.check()
        self.profiles = []
        for raw in top[1]:
            resource_profiles = message(raw)
            resource = key_values(message(resource_profiles[1][0])[1])
            for scope in resource_profiles[2]:
                self.profiles += [self._profile(message(p), resource) for p in message(scope)[2]]

    def check(self):
        """Entry 0 is the zero value, and nothing is there twice."""
        for name, entries in self.table.items():
            assert entries, f"the {name} table is empty"
            assert len(set(entries)) == len(entries), f"the {name} table has an entry twice"
            assert entries[0] == b"", f"entry 0 of the {name} table is not the zero value"

    def attributes(self, indices):
        pairs = [message(self.table["attribute"][i]) for i in indices]
        return {self.strings[number(p, 1)]: any_value(p[2][0]) for p in pairs}

    def frames(self, stack):
        for index in numbers(message(self.table["stack"][stack]), 1):
            location = message(self.table["location"][index])
            lines = [message(line) for line in location[3]]
            for line in lines:
                yield self.strings[number(message(self.table["function"][number(line, 1)]), 1)]
            if not lines:
                yield hex(number(location, 2))

    def _sample(self, raw):
        sample = message(raw)
        values, link = numbers(sample, 4), number(sample, 3)
        assert len(values) == 1, "one value a sample"
        ids = message(self.table["link"][link])
        return Sample(list(self.frames(number(sample, 1))), signed(values[0]), self.attributes(numbers(sample, 2)),
                      ids[1][0].hex() if link else None, ids[2][0].hex() if link else None)

    def _profile(self, p, resource):
        kind, period = message(p[1][0]), message(p[5][0])
        return Profile(self.strings[number(kind, 1)], self.strings[number(kind, 2)], self.strings[number(period, 1)],
                       number(p, 6), number(p, 3), number(p, 4), [self._sample(s) for s in p[2]], resource)

    def mappings(self):
        """Attributes by path."""
        found = [message(m) for m in self.table["mapping"][1:]]
        return {self.strings[number(m, 4)]: self.attributes(numbers(m, 5)) for m in found}

    def frame_types(self):
        types = collections.Counter()
        for raw in self.table["location"][1:]:
            types[self.attributes(numbers(message(raw), 4)).get("profile.frame.type")] += 1
        return types


class Receiver:
    """What came to a server of the test's own."""
    def __init__(self):
        self.bodies, self.paths, self.headers = [], [], []
        self.answers = []  # (status, headers, body) of the next requests; then 200
        self.url = ""

    def requests(self):
        return [Request(body) for body in self.bodies]

    def profiles(self):
        return [profile for request in self.requests() for profile in request.profiles]

    def total(self, kind, period_type):
        return sum(s.value for p in self.profiles() if (p.type, p.period_type) == (kind, period_type) for s in p.samples)


@contextlib.contextmanager
def receiver():
    seen = Receiver()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status, headers, answer = seen.answers.pop(0) if seen.answers else (200, {}, b"")
            seen.paths.append(self.path)
            seen.headers.append(dict(self.headers))
            if status == 200:
                seen.bodies.append(gzip.decompress(body) if self.headers["Content-Encoding"] == "gzip" else body)
            self.send_response(status)
            for name, value in {"Content-Type": "application/x-protobuf", "Content-Length": str(len(answer)),
                                **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    seen.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield seen
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
