"""Forces schedules: who is aboard a flight is asked, never waited for by the clock."""

import asyncio
import threading

from askonce import MISS, CacheInterface, InMemoryCache, cached
from askonce.backends.adapter import engine_store_of
from askonce.engine import drivers
from askonce.engine.crew import crew
from askonce.testing import ManualClock, settle_blocking

PATIENCE = 30.0
"""Seconds after which a test that would hang fails instead."""


class Scene:
    """A cache and the means to see when callers have boarded its flights."""

    def __init__(self, cache=None):
        self.clock = ManualClock()
        self.cache = cache or InMemoryCache(max_size=10_000, clock=self.clock)
        self.store = engine_store_of(self.cache)
        self._boarded = threading.Condition()
        flights = self.store.flights
        board = flights.board

        def watched(*args, **kwargs):
            answer = board(*args, **kwargs)
            with self._boarded:
                self._boarded.notify_all()
            return answer

        flights.board = watched

    def cached(self, function=None, **options):
        return cached(function, cache=self.cache, **options)

    def flight(self, key):
        return self.store.flights._flights.get(str(key))

    def aboard(self, key):
        flight = self.flight(key)
        return 0 if flight is None else flight.aboard

    def await_aboard(self, key, count):
        """In a thread: until so many callers are aboard the flight of a key."""
        with self._boarded:
            assert self._boarded.wait_for(lambda: self.aboard(key) >= count, PATIENCE), "they never boarded"

    async def have_aboard(self, key, count):
        """In a task: until so many callers are aboard the flight of a key."""
        await steps_until(lambda: self.aboard(key) >= count)

    def assert_nothing_left(self):
        settle_blocking()
        assert (crew._busy, crew._waiting, crew._places) == ({}, {}, set())
        assert not any(drivers._behind.values())
        assert self.store.flights._flights == {}
        assert len(self.store._fences) == 0
        assert self.store._fences._by_key == {}
        assert drivers._under_way == {}
        if self.store.remote is not None:
            assert self.store.remote._writes == {}


class FarCache(CacheInterface):
    """A plain backend that takes a few turns of the loop for everything, before and after it does it."""

    def __init__(self):
        self.values = {}
        self.turns = 2
        self.turns_of_set = None

    async def _travel(self, turns=None):
        for _ in range(self.turns if turns is None else turns):
            await asyncio.sleep(0)

    async def get(self, key, default=None, *, as_type=None):
        await self._travel()
        value = self.values.get(key, default)
        await self._travel()
        return value

    async def set(self, key, value, ttl=None, *, tags=()):
        await self._travel(self.turns_of_set)
        self.values[key] = value
        await self._travel(self.turns_of_set)
        return True

    async def delete(self, key):
        await self._travel()
        was_there = self.values.pop(key, None) is not None
        await self._travel()
        return was_there

    async def get_ttl(self, key):
        await self._travel()
        return 60.0 if key in self.values else None

    async def clear(self):
        self.values.clear()

    async def invalidate_tags(self, *tags):
        await self._travel()
        self.values.clear()
        await self._travel()


async def steps_until(condition, limit=100_000):
    """Let other tasks run until something is so."""
    for _ in range(limit):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never came to be")


async def settle():
    """Let everything run that can run."""
    for _ in range(20):
        await asyncio.sleep(0)


def in_threads(count, work):
    """The answers, or exceptions, of a function run in so many threads at once."""
    answers = [None] * count

    def run(place):
        try:
            answers[place] = work(place)
        except BaseException as error:
            answers[place] = error

    threads = [threading.Thread(target=run, args=(place,), daemon=True) for place in range(count)]
    for thread in threads:
        thread.start()
    return threads, answers


def join_all(threads):
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive(), "a thread hangs"


async def peeked(f, items):
    """What each item of a function with ``each`` would be served, or ``MISS``."""
    found = [await f.peek([item]) for item in items]
    return [one if one is MISS else one[0] for one in found]
