"""The memory cache against a plain model, and under threads."""

import math
import random
import threading

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from askonce import FOREVER, MISS, InMemoryCache
from askonce.testing import ManualClock

KEYS = st.sampled_from(["a", "b", "c", "d", "long" * 80])
TAGS = st.sampled_from(["red", "blue", "green"])
TTLS = st.one_of(st.just(FOREVER), st.integers(1, 200), st.floats(0.01, 1e6))


class CacheModel(RuleBasedStateMachine):
    """The cache answers as a dictionary with an end for each key would."""

    eviction = "lru"

    def __init__(self):
        super().__init__()
        self.clock = ManualClock()
        self.cache = InMemoryCache(max_size=1000, eviction=self.eviction, clock=self.clock)
        self.model = {}
        self.index = {}
        self.fences = []

    def find(self, key):
        value, until, _ = self.model.get(key, (MISS, -math.inf, ()))
        return value if until > self.clock() else MISS

    @rule(key=KEYS, value=st.integers(), ttl=TTLS, tags=st.sets(TAGS))
    def set(self, key, value, ttl, tags):
        self.cache.sync.set(key, value, ttl, tags=tags)
        self.model[key] = (value, self.clock() + ttl, tags)
        self.break_fences(lambda fence: fence[0].key == key)

    @rule(key=st.sampled_from(["a", "b", "c", "d"]), tags=st.sets(TAGS))
    def begin(self, key, tags):
        self.fences.append((self.cache.open_fence(key, tuple(tags)), set(), True))

    def break_fences(self, which):
        self.fences = [(fence, late, ok and not which((fence, late))) for fence, late, ok in self.fences]

    @rule(value=st.integers(), ttl=TTLS, tags=st.sets(TAGS), place=st.integers(0, 3))
    def finish(self, value, ttl, tags, place):
        if place >= len(self.fences):
            return
        fence, late, holds = self.fences.pop(place)
        tags |= set(fence.tags)
        entry = self.cache.fill(fence, value, float(ttl), tuple(tags))
        self.cache.close_fence(fence)
        assert (entry is not None) == (holds and not late & tags)
        if entry is not None:
            self.model[fence.key] = (value, self.clock() + ttl, tags)

    @rule(key=KEYS)
    def get(self, key):
        assert self.cache.sync.get(key, MISS) == self.find(key)

    @rule(key=st.sampled_from(["a", "b", "c", "d"]))
    def admit(self, key):
        entry = self.cache.look(key)
        assert (entry is None) == (self.find(key) is MISS)
        if entry is not None:
            self.cache.admit(entry, self.index, (key,))
            entry.used = self.clock()

    @rule(key=KEYS)
    def delete(self, key):
        assert self.cache.sync.delete(key) == (self.find(key) is not MISS)
        self.model.pop(key, None)
        self.break_fences(lambda fence: fence[0].key == key)

    @rule(key=KEYS, ttl=TTLS)
    def touch(self, key, ttl):
        there = self.find(key) is not MISS
        assert self.cache.sync.touch(key, ttl) == there
        if there:
            value, _, tags = self.model[key]
            self.model[key] = (value, self.clock() + ttl, tags)

    @rule()
    def clear(self):
        self.cache.sync.clear()
        self.model.clear()
        self.break_fences(lambda fence: True)

    @rule(tags=st.sets(TAGS))
    def invalidate(self, tags):
        self.cache.sync.invalidate_tags(*tags)
        self.model = {key: kept for key, kept in self.model.items() if not tags & kept[2]}
        self.break_fences(lambda fence: bool(tags & set(fence[0].tags)))
        for _, late, _ in self.fences:
            late |= tags

    @rule(seconds=st.floats(0, 300))
    def pass_time(self, seconds):
        self.clock.advance(seconds)

    @invariant()
    def the_same_is_there(self):
        for key in ("a", "b", "c", "d", "long" * 80):
            left = self.cache.sync.get_ttl(key)
            assert (left is None) == (self.find(key) is MISS)
            assert left is None or left == self.model[key][1] - self.clock()

    @invariant()
    def views_that_can_be_served_are_true(self):
        for (key,), entry in self.index.items():
            if entry.until > self.clock():
                assert entry.value == self.find(key)

    @invariant()
    def the_books_agree(self):
        check_books(self.cache)

    def teardown(self):
        for fence, _, _ in self.fences:
            self.cache.close_fence(fence)
        self.cache.sync.clear()
        check_books(self.cache)
        assert not self.cache._tags._versions
        assert not self.index


class S3FifoModel(CacheModel):
    eviction = "s3fifo"


def rings_of(cache):
    policy = cache._policy
    return [policy._small, policy._main] if cache.eviction == "s3fifo" else [policy._ring]


def check_books(cache):
    """All structures hold the same entries."""
    entries = list(cache._entries.values())
    rings = rings_of(cache)
    assert sorted(map(id, (entry for ring in rings for entry in ring))) == sorted(map(id, entries))
    assert sum(ring.size for ring in rings) == len(entries)
    noted = []
    for head in cache._calendar._buckets.values():
        entry = head.after
        while entry is not head:
            assert entry.after.before is entry
            noted.append(id(entry))
            entry = entry.after
    assert sorted(noted) == sorted(id(entry) for entry in entries if entry.until != math.inf)
    bearers = {}
    for entry in entries:
        for tag in entry.meta.tags if entry.meta else ():
            bearers[tag] = bearers.get(tag, 0) + 1
    assert {tag: getattr(known, "count", 1) for tag, known in cache._tags._bearers.items()} == bearers
    assert set(cache._tags._versions) <= set(bearers) | set(cache._tags._orphans)
    assert cache._bytes == sum(entry.size for entry in entries)


CacheModel.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
S3FifoModel.TestCase.settings = CacheModel.TestCase.settings
TestLruModel = CacheModel.TestCase
TestS3FifoModel = S3FifoModel.TestCase


@pytest.mark.parametrize("eviction", ["lru", "s3fifo"])
def test_threads_leave_the_cache_in_order(eviction):
    """Whatever they do at once: no error, no foreign value, and books that agree."""
    cache = InMemoryCache(max_size=50, max_bytes=60_000, eviction=eviction)
    problems, index = [], {}

    def work(seed):
        dice = random.Random(seed)
        try:
            for _ in range(1500):
                one_step(dice)
        except Exception as error:
            problems.append(error)

    def one_step(dice):
        key = str(dice.randrange(100))
        verb = dice.choice(["get", "get", "set", "fill", "view", "delete", "tag", "touch", "stats", "clear"])
        if verb == "get":
            assert cache.sync.get(key, key) == key
        elif verb == "set":
            cache.sync.set(key, key, dice.choice([0.001, 1, FOREVER]), tags=[f"t{key[-1]}"])
        elif verb == "fill":
            fence = cache.open_fence(key)
            cache.fill(fence, key, 0.01, (f"t{key[-1]}",))
            cache.close_fence(fence)
        elif verb == "view":
            entry = cache.look(key)
            if entry is not None:
                cache.admit(entry, index, (key,))
                assert index.get((key,), entry).value == key
        elif verb == "delete":
            cache.sync.delete(key)
        elif verb == "tag":
            cache.sync.invalidate_tags(f"t{key[-1]}")
        elif verb == "touch":
            cache.sync.touch(key, 5)
        elif verb == "stats":
            assert cache.get_stats()["size"] <= 50
        elif dice.random() < 0.05:
            cache.sync.clear()

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    check_books(cache)
    assert len(cache._fences) == 0
    assert all(cache._entries[key] is entry for (key,), entry in index.items())


def test_a_value_that_is_overwritten_all_the_time_is_never_missed():
    """A reader finds the old value or the new one."""
    cache = InMemoryCache()
    cache.sync.set("key", 0)
    done = threading.Event()

    def write():
        for number in range(3000):
            cache.sync.set("key", number)
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    missed = 0
    while not done.is_set():
        missed += cache.sync.get("key") is None
    writer.join()
    assert missed == 0
