"""The backends keep the contract, and so does one that implements nothing but the abstract methods."""

import copy

from askonce import MISS, InMemoryCache
from askonce._types import DEAD, FOREVER
from askonce.backends.checks import checked_key, checked_tags, checked_ttl
from askonce.backends.interface import CacheInterface
from askonce.backends.rebuild import rebuilt
from askonce.testing import CacheContract


class TestLru(CacheContract):
    def make_cache(self, clock):
        return InMemoryCache(eviction="lru", clock=clock)


class TestS3Fifo(CacheContract):
    def make_cache(self, clock):
        return InMemoryCache(eviction="s3fifo", clock=clock)


class TestBoundedByBytes(CacheContract):
    def make_cache(self, clock):
        return InMemoryCache(max_bytes=200_000, default_ttl=FOREVER, clock=clock)


class DictCache(CacheInterface):
    """As little as a backend can be."""

    def __init__(self, clock):
        self.clock = clock
        self.entries = {}

    def find(self, key):
        entry = self.entries.get(checked_key(key), (None, DEAD, ()))
        return entry if entry[1] > self.clock() else None

    async def get(self, key, default=None, *, as_type=None):
        entry = self.find(key)
        if entry is None:
            return default
        value = copy.deepcopy(entry[0])
        value = value if as_type is None else rebuilt(value, as_type)
        return default if value is MISS else value

    async def set(self, key, value, ttl=None, *, tags=()):
        until = self.clock() + checked_ttl(ttl, 3600.0)
        self.entries[checked_key(key)] = (copy.deepcopy(value), until, checked_tags(tags))
        return True

    async def delete(self, key):
        fresh = self.find(key) is not None
        self.entries.pop(checked_key(key), None)
        return fresh

    async def get_ttl(self, key):
        entry = self.find(key)
        return None if entry is None else entry[1] - self.clock()

    async def clear(self):
        self.entries.clear()

    async def invalidate_tags(self, *tags):
        gone = set(checked_tags(tags))
        self.entries = {key: entry for key, entry in self.entries.items() if gone.isdisjoint(entry[2])}


class TestAbstractMethodsAlone(CacheContract):
    touch_keeps_tags = False

    def make_cache(self, clock):
        return DictCache(clock)
