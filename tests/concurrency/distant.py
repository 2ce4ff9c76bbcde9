"""A tier behind memory that several "processes" share: a dict with frames, tombstones and a feed.

Whatever travels can be held back at a named point: "ask read" is before the server has seen the question,
"answer read" after it, "read is back" after news of the key break the fence.
"""

import asyncio
import copy
import itertools
import threading
import time
from collections import Counter
from contextlib import contextmanager
from typing import Any, NamedTuple

from flighttools import PATIENCE

from askonce import InMemoryCache, cached
from askonce.backends.engine import Found, Sight, Written
from askonce.testing import ManualClock

BURIED = object()


class Frame(NamedTuple):
    nonce: int
    value: Any
    born: float = 0.0
    end: float = 0.0
    windows: Any = None
    tokens: dict[str, int] = {}


class Note(NamedTuple):
    """What a fence saw: which frame, and the tokens of that moment."""

    nonce: int | None
    tokens: dict[str, int]


class Gate:
    """Holds back whoever passes a point until it is opened."""

    def __init__(self):
        self.arrived = 0
        self._open = threading.Event()

    def open(self):
        self._open.set()

    async def passed(self):
        self.arrived += 1
        while not self._open.is_set():
            await asyncio.sleep(0)

    def passed_blocking(self):
        self.arrived += 1
        assert self._open.wait(PATIENCE), "nobody opened the gate"

    async def reached(self, count=1):
        """In a task: until so many stand before it."""
        for _ in range(100_000):
            if self.arrived >= count:
                return
            await asyncio.sleep(0)
        raise AssertionError("nobody came to the gate")

    def reached_blocking(self, count=1):
        deadline = time.monotonic() + PATIENCE
        while self.arrived < count:
            assert time.monotonic() < deadline, "nobody came to the gate"
            time.sleep(0.001)


class Server:
    """What all processes see. Whatever it does, it does at once."""

    def __init__(self, clock):
        self.clock = clock
        self.data = {}
        self.leases = {}
        self.tokens = {}
        self.tiers = []
        self.numbers = itertools.count(1)
        self.lock = threading.RLock()

    def token(self, tag):
        return self.tokens.setdefault(tag, next(self.numbers))

    def put(self, key, frame, by=None):
        self.data[key] = frame
        for tier in self.tiers:
            if tier is not by:
                tier.cache.drop_copies([key])

    def bury(self, key, by=None):
        there = self.counting(key) is not None
        self.put(key, Frame(next(self.numbers), BURIED), by)
        return there

    def outdate(self, tags, by=None):
        for tag in tags:
            self.tokens[tag] = next(self.numbers)
        for tier in self.tiers:
            if tier is not by:
                tier.cache.drop_tag_copies(tuple(tags))

    def counting(self, key):
        """The frame of a key that may be served, or stand in."""
        frame = self.data.get(key)
        if frame is None or frame.value is BURIED:
            return None
        if any(self.tokens.get(tag) != token for tag, token in frame.tokens.items()):
            return None
        windows = frame.windows
        over = 0 if windows is None else max(windows.stale, windows.grace)
        return frame if self.clock() < frame.end + over else None


class FarTier:
    """One process's way to the server."""

    def __init__(self, server, cache):
        self.server, self.cache = server, cache
        self.reachable = True
        self.gates = {}
        self.passed = Counter()
        self.owed = []
        self.shapes = []
        self.keeps = True
        self.encodes = True
        self.fails = False
        self.turns = lambda: 0
        server.tiers.append(self)

    # --- what the engine asks, as generators of the points that are passed

    def _read(self, fence, shape):
        self.shapes.append(shape)
        for _ in range(3):
            frame, clean = yield from self._look(fence, "read")
            if frame is None or clean:
                break
        yield "read is back"
        if frame is None:
            return None
        now = self.server.clock()
        return Found(
            copy.deepcopy(frame.value), frame.end - now, now - frame.born, tuple(frame.tokens), frame.windows,
            self.keeps and clean,
        )  # fmt: skip

    def _look(self, fence, verb):
        fence.looking, fence.dirty = True, False
        try:
            yield f"ask {verb}"
            if self.fails:
                raise ConnectionError
            with self.server.lock:
                frame = self.server.counting(fence.key)
                self._note(fence)
                fence.dirty = False
            yield f"answer {verb}"
        finally:
            clean = self.cache.looked(fence)
        return frame, clean

    def _note(self, fence):
        there = self.server.data.get(fence.key)
        for tag in fence.tags:
            self.server.token(tag)
        fence.note = Note(None if there is None else there.nonce, dict(self.server.tokens))

    def _read_many(self, fences, shape):
        answers = []
        for fence in fences:
            answers.append((yield from self._read(fence, shape)))
        return answers

    def _observe(self, fences):
        for fence in fences:
            yield from self._look(fence, "observe")

    def _write(self, fence, answer):
        yield "ask write"
        if self.fails:
            raise ConnectionError
        with self.server.lock:
            written = self._stored(fence, answer)
        yield "answer write"
        return written

    def _stored(self, fence, answer):
        if fence.broken:
            return Written.OVERTAKEN
        if not self.encodes:
            return Written.FAILED
        tokens = self.server.tokens
        if not answer.replaces:
            there = self.server.data.get(fence.key)
            seen = fence.note
            if (None if there is None else there.nonce) != seen.nonce:
                return Written.OVERTAKEN
            if any(seen.tokens.get(tag) != tokens.get(tag) for tag in answer.tags):
                return Written.OVERTAKEN
        now = self.server.clock()
        frame = Frame(
            next(self.server.numbers), copy.deepcopy(answer.value), now, now + answer.ttl, answer.windows,
            {tag: self.server.token(tag) for tag in answer.tags},
        )  # fmt: skip
        self.server.put(fence.key, frame, self)
        return Written.STORED

    def _write_many(self, answers):
        written = []
        for fence, answer in answers:
            written.append((yield from self._write(fence, answer)))
        return written

    def _remove(self, key):
        yield "ask remove"
        with self.server.lock:
            there = self.server.bury(key, self)
        yield "answer remove"
        return there

    def _invalidate_tags(self, tags):
        yield "ask tags"
        with self.server.lock:
            self.server.outdate(tags, self)
        yield "answer tags"

    def _sight(self, key):
        yield "ask sight"
        frame = self.server.counting(key)
        if frame is None:
            return Sight(None, None, None, (), "not far away either")
        now = self.server.clock()
        return Sight("far", now - frame.born, frame.end - now, tuple(frame.tokens), None, "fresh")

    def _lease(self, fence, shape, *, wait):
        before = fence.note
        while True:
            lease = Lease(self.server, fence.key)
            taken = lease.take()
            try:
                if not taken and not wait:
                    return None
                found = yield from self._read(fence, shape)
            except BaseException:
                lease.release()
                raise
            if found is not None and found.ttl > 0 and fence.note.nonce != before.nonce:
                lease.release()
                return found
            if taken:
                return lease
            fence.looking = True  # no function has begun
            yield "wait for lease"

    def owe(self, key):
        self.owed.append(key)

    # --- carried out

    async def _carried_out(self, points):
        try:
            while True:
                point = next(points)
                self.passed[point] += 1
                try:
                    if point in self.gates:
                        await self.gates[point].passed()
                    for _ in range(max(self.turns(), point.startswith("wait"))):
                        await asyncio.sleep(0)
                except BaseException as error:
                    points.throw(error)
        except StopIteration as end:
            return end.value

    def _carried_out_blocking(self, points):
        try:
            while True:
                point = next(points)
                self.passed[point] += 1
                if point in self.gates:
                    self.gates[point].passed_blocking()
                if point.startswith("wait"):
                    time.sleep(0.001)
        except StopIteration as end:
            return end.value

    @contextmanager
    def held_at(self, point):
        """Hold back what passes a point, up to the end of the block at the latest."""
        gate = self.gates[point] = Gate()
        try:
            yield gate
        finally:
            self.gates.pop(point, None)
            gate.open()


def _methods(name):
    async def ask(self, *args, **kwargs):
        return await self._carried_out(getattr(self, f"_{name}")(*args, **kwargs))

    def ask_blocking(self, *args, **kwargs):
        return self._carried_out_blocking(getattr(self, f"_{name}")(*args, **kwargs))

    setattr(FarTier, name, ask)
    setattr(FarTier, f"{name}_blocking", ask_blocking)


for _name in (
    "read", "read_many", "observe", "write", "write_many", "remove", "invalidate_tags", "sight", "lease",
):  # fmt: skip
    _methods(_name)


class Lease:
    def __init__(self, server, key):
        self._server, self._key = server, key

    def take(self):
        return self._server.leases.setdefault(self._key, self) is self

    def release(self):
        with self._server.lock:
            if self._server.leases.get(self._key) is self:
                del self._server.leases[self._key]


class Fleet:
    """Some processes that share a server."""

    def __init__(self, size=2):
        self.clock = ManualClock()
        self.server = Server(self.clock)
        self.caches = [InMemoryCache(max_size=10_000, clock=self.clock) for _ in range(size)]
        for cache in self.caches:
            cache.draw = lambda: 0.0
            cache.remote = FarTier(self.server, cache)

    @property
    def tiers(self):
        return [cache.remote for cache in self.caches]

    def cached(self, function=None, **options):
        """The same function in each process."""
        options = {"name": "f", "ttl": 10} | options
        if function is None:
            return lambda given: self.cached(given, **options)
        return [cached(cache=cache, **options)(function) for cache in self.caches]

    def asked(self, point="ask read"):
        """How often a point was passed, in all processes."""
        return sum(tier.passed[point] for tier in self.tiers)

    def assert_nothing_left(self):
        assert self.server.leases == {}
        for cache in self.caches:
            assert cache.flights._flights == {}
            assert len(cache._fences) == 0
