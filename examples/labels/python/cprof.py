# SPDX-License-Identifier: Apache-2.0
"""Labels and traces for cprof's samples. One file, to be copied into a program. Without libcprof.so in the process everything
does nothing.

    with cprof.label(endpoint="/burn"):         # this thread, or this asyncio task, until the end of the block
        ...

    @cprof.label(job="nightly")                 # also of a function, plain or async
    async def work(): ...

    executor.submit(cprof.carry(function), 1)   # another thread, with the labels of now
    loop.set_task_factory(cprof.task_factory)   # each asyncio task has its own labels, and begins with its creator's
"""
import asyncio
import contextvars
import ctypes
import functools
import inspect

__all__ = ["carry", "is_profiling", "label", "task_factory", "trace"]


class _Labels(ctypes.Structure):
    """struct cprof_labels: what a thread had at a moment. A plain value."""

    _fields_ = [("opaque", ctypes.c_ulong * 5)]


class _Absent:
    """What there is without the library."""

    @staticmethod
    def cprof_is_profiling():
        return 0

    @staticmethod
    def cprof_label_set(_key, _value):
        return -1

    @staticmethod
    def cprof_trace_set(_trace, _span):
        return -1

    @staticmethod
    def cprof_labels_capture():
        return _NONE

    @staticmethod
    def cprof_labels_apply(_labels):
        pass


def _find():
    # PyDLL keeps the lock of the interpreter: each call takes some nanoseconds.
    library = ctypes.PyDLL(None)
    try:
        library.cprof_labels_capture.restype = _Labels
        library.cprof_labels_apply.argtypes = [_Labels]
        library.cprof_labels_apply.restype = None
        library.cprof_label_set.argtypes = [ctypes.c_char_p, ctypes.c_char_p]
        library.cprof_trace_set.argtypes = [ctypes.c_char_p, ctypes.c_char_p]
        library.cprof_is_profiling.argtypes = []
    except AttributeError:
        return _Absent
    return library


_NONE = _Labels()
_library = _find()
# What this context has. A task has a context of its own, which begins as a copy of its creator's.
_now = contextvars.ContextVar("cprof_labels", default=_NONE)


def is_profiling():
    return bool(_library.cprof_is_profiling())


class _Scope:
    """A context manager, and a decorator. May be entered again, also while it is entered."""

    def __init__(self):
        self._entered = []

    def _set(self):
        raise NotImplementedError

    def __enter__(self):
        before = _library.cprof_labels_capture()
        self._set()
        self._entered.append((before, _now.set(_library.cprof_labels_capture())))
        return self

    def __exit__(self, *_error):
        before, token = self._entered.pop()
        _now.reset(token)
        _library.cprof_labels_apply(before)

    def _again(self):
        raise NotImplementedError

    def __call__(self, function):
        if inspect.iscoroutinefunction(function):
            @functools.wraps(function)
            async def within(*args, **kwargs):
                with self._again():
                    return await function(*args, **kwargs)
        else:
            @functools.wraps(function)
            def within(*args, **kwargs):
                with self._again():
                    return function(*args, **kwargs)
        return within


class label(_Scope):  # noqa: N801
    """label(key=value, ...): these labels beside those that are set, until the end of the block."""

    def __init__(self, **labels):
        super().__init__()
        self._labels = labels

    def _again(self):
        return label(**self._labels)

    def _set(self):
        for key, value in self._labels.items():
            _library.cprof_label_set(key.encode(), str(value).encode("utf-8", "replace"))


class trace(_Scope):  # noqa: N801
    """trace(trace_id, span_id): ids in hex as in W3C's traceparent, 32 and 16 digits."""

    def __init__(self, trace_id, span_id):
        super().__init__()
        self._ids = bytes.fromhex(trace_id), bytes.fromhex(span_id)
        if [len(i) for i in self._ids] != [16, 8]:
            raise ValueError("a trace id has 32 hex digits, a span id 16")

    def _again(self):
        return trace(*(i.hex() for i in self._ids))

    def _set(self):
        _library.cprof_trace_set(*self._ids)


class _applied:  # noqa: N801
    """The thread has these labels within the block, whatever it had before."""

    def __init__(self, labels):
        self._labels = labels

    def __enter__(self):
        self._before = _library.cprof_labels_capture()
        _library.cprof_labels_apply(self._labels)

    def __exit__(self, *_error):
        _library.cprof_labels_apply(self._before)


def carry(function):
    """The function with the labels of now, for another thread."""
    labels = _library.cprof_labels_capture()

    @functools.wraps(function)
    def carried(*args, **kwargs):
        token = _now.set(labels)
        try:
            with _applied(labels):
                return function(*args, **kwargs)
        finally:
            _now.reset(token)

    return carried


class _Steps:
    """A coroutine each of whose steps has the labels of its context: between two steps other tasks run in the thread."""

    def __init__(self, coroutine):
        self._coroutine = coroutine

    def __await__(self):
        return self

    def __iter__(self):
        return self

    def __next__(self):
        return self.send(None)

    def send(self, value):
        with _applied(_now.get()):
            return self._coroutine.send(value)

    def throw(self, *error):
        with _applied(_now.get()):
            return self._coroutine.throw(*error)

    def close(self):
        return self._coroutine.close()


def task_factory(loop, coroutine, **kwargs):
    """For loop.set_task_factory()."""
    async def steps():
        return await _Steps(coroutine)

    if not inspect.iscoroutine(coroutine):
        return asyncio.Task(coroutine, loop=loop, **kwargs)
    return asyncio.Task(steps(), loop=loop, **kwargs)
