"""The memory cache by hand: what it refuses, what it reports, what it lets go of."""

import asyncio
import contextlib
import gc
import threading
import tracemalloc
import weakref

import pytest

from askonce import FOREVER, ConfigurationError, InMemoryCache
from askonce.backends.engine import Sight
from askonce.testing import ManualClock


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture(params=["lru", "s3fifo"])
def cache(request, clock):
    return InMemoryCache(default_ttl=64, max_size=1000, eviction=request.param, clock=clock)


class Thing:
    """No data: shared as it is, and watched by weak references."""


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"max_size": 0}, "max_size=0 would store nothing; give 1 or more"),
        ({"max_size": True}, "max_size=True is no whole number"),
        ({"max_size": 1.5}, "max_size=1.5 is no whole number"),
        ({"max_bytes": -1}, "max_bytes=-1 would store nothing"),
        ({"eviction": "fifo"}, "eviction='fifo' is unknown; give one of lru, s3fifo"),
        ({"default_ttl": 0}, "default_ttl=0"),
        ({"operation_ttls": {"qa": -1}}, r"operation_ttls\['qa'\]=-1"),
        ({"clock": 5}, "clock is not callable"),
    ],
)
def test_a_setting_that_cannot_work_is_refused_by_name_with_the_way_out(wrong, words):
    with pytest.raises(ConfigurationError, match=words):
        InMemoryCache(**wrong)


def test_settings_are_given_to_the_engine_as_seconds():
    store = InMemoryCache("15m", operation_ttls={"qa": "2h"}).engine_store()
    assert store.default_ttl == 900.0
    assert store.operation_ttls == {"qa": 7200.0}
    assert store.remote is None
    assert store.enabled


def test_an_entry_without_a_ttl_lives_for_default_ttl(cache):
    cache.sync.set("key", 1)
    assert cache.sync.get_ttl("key") == 64


def test_a_disabled_cache_stores_nothing(cache):
    cache.enabled = False
    assert cache.sync.set("key", 1) is False
    assert cache.sync.get("key") is None


def test_no_more_than_max_size_entries_are_held(cache):
    for number in range(3000):
        cache.sync.set(f"k{number}", number)
    stats = cache.get_stats()
    assert (stats["size"], stats["max_size"], stats["evictions"]) == (1000, 1000, 2000)
    assert cache.sync.get("k2999") == 2999


def test_figures_count_what_happened(cache, clock):
    s = cache.sync
    s.set_many({"a": 1, "b": 2, "c": {"name": "Ada"}}, ttl=8)
    s.get_many(["a", "b", "x"])
    s.get("c", as_type=int)
    s.delete("a")
    s.delete("a")
    s.invalidate_tags("t", "u")
    clock.advance(9)
    assert s.get("b") is None
    stats = cache.get_stats()
    assert stats["hit_ratio"] == 2 / 5
    expected = {
        "hits": 2,
        "misses": 3,
        "sets": 3,
        "deletes": 1,
        "invalidations": 2,
        "expirations": 2,
        "size": 0,
    }
    assert expected.items() <= stats.items()


def test_exists_and_get_ttl_are_no_lookups(cache):
    cache.sync.exists("key")
    cache.sync.get_ttl("key")
    assert cache.get_stats()["misses"] == 0


class Counts:
    """The figures of a decorated function."""

    def hits(self):
        return 3.0

    def misses(self):
        return 1


def test_figures_of_decorated_functions_are_taken_in_and_outlive_them(cache):
    counts = Counts()
    cache.count(counts)
    cache.count(counts)
    assert cache.get_stats()["hit_ratio"] == 0.75
    watch = weakref.ref(counts)
    del counts
    gc.collect()
    assert watch() is None
    cache.sync.get("nothing")
    stats = cache.get_stats()
    assert (stats["hits"], stats["misses"]) == (3, 2)


def test_functions_that_died_unread_are_forgotten(cache):
    for _ in range(1000):
        cache.count(Counts())
    assert len(cache._sources) <= 64


@pytest.mark.parametrize("leave", ["delete", "clear", "replace", "evict", "expire"])
def test_a_value_that_left_is_freed(cache, clock, leave):
    thing = Thing()
    cache.sync.set("key", thing, tags=["tag"])
    watch = weakref.ref(thing)
    del thing
    assert cache.sync.get("key") is watch()
    if leave == "delete":
        cache.sync.delete("key")
    elif leave == "clear":
        cache.sync.clear()
    elif leave == "replace":
        cache.sync.set("key", 1)
    elif leave == "expire":
        clock.advance(66)
        cache.sync.set("other", 1)
    else:
        cache.sync.set_many({f"k{number}": number for number in range(2000)})
    assert watch() is None


def test_a_finalizer_may_use_the_cache_that_lets_go_of_its_object(cache):
    class Talkative:
        def __del__(self):
            cache.sync.set("last words", 1)
            cache.sync.delete("other")

    cache.sync.set("other", 1)
    cache.sync.set("key", Talkative())
    cache.sync.set("key", 2)
    assert cache.sync.get_many(["key", "last words", "other"]) == {"key": 2, "last words": 1}


class Bell:
    """An object whose finalizer waits for another thread."""

    def __init__(self, leaves, done):
        self.leaves, self.done = leaves, done

    def __del__(self):
        self.leaves.set()
        assert self.done.wait(10)


@contextlib.contextmanager
def somebody_waits_for(cache):
    """Keeps a bell under "key"; once it leaves, another thread writes, for which the bell waits."""
    leaves, done = threading.Event(), threading.Event()

    def write():
        assert leaves.wait(10)
        cache.sync.set("from the other thread", 1)
        done.set()

    fence = cache.open_fence("key")
    cache.fill(fence, Bell(leaves, done), 60)
    cache.close_fence(fence)
    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    yield
    writer.join(10)
    assert done.is_set()


LEAVING = {
    "set": lambda cache, clock: cache.sync.set("key", 2),
    "fill": lambda cache, clock: cache.fill(cache.open_fence("key"), 2, 10),
    "too large": lambda cache, clock: cache.sync.set("key", "x" * 200_000),
    "eviction": lambda cache, clock: [cache.sync.set(f"k{number}", 2) for number in range(2)],
    "drop": lambda cache, clock: cache.drop("key"),
    "clear": lambda cache, clock: cache.sync.clear(),
    "expiry, set": lambda cache, clock: (clock.advance(9000), cache.sync.set("other", 2)),
    "expiry, drop": lambda cache, clock: (clock.advance(9000), cache.drop("other")),
    "expiry, statistics": lambda cache, clock: (clock.advance(9000), cache.get_stats()),
}


@pytest.mark.parametrize("leave", LEAVING.values(), ids=LEAVING)
def test_what_leaves_may_wait_for_a_thread_that_waits_for_the_cache(leave):
    """A finalizer takes locks of the program, whose holders may be writing."""
    clock = ManualClock()
    cache = InMemoryCache(max_size=2, max_bytes=100_000, clock=clock)
    cache.sync.set("first", 1)
    with somebody_waits_for(cache):
        leave(cache, clock)


@pytest.mark.parametrize("then", ["clear", "write", "reads"])
def test_what_only_the_log_of_uses_keeps_may_wait_too(then):
    """A reader may have noted a use of what was just dropped."""
    cache = InMemoryCache()
    cache.sync.set("other", 1, FOREVER)
    with somebody_waits_for(cache):
        entry = cache.look("key")
        cache.drop("key")
        cache._uses.append(entry)
        del entry
        if then == "clear":
            cache.sync.clear()
        elif then == "write":
            cache.sync.set("more", 1)
        else:
            for _ in range(2000):
                cache.look("other")


def test_an_entry_takes_at_most_250_bytes_beside_key_and_value():
    """With all that a full cache keeps beside its entries, such as the memory of evicted keys."""
    cache = InMemoryCache(max_size=100_000, eviction="s3fifo")
    keys = [f"key:{number}" for number in range(101_000)]

    async def fill():
        for key in keys:
            await cache.set(key, None, 60)

    tracemalloc.start()
    try:
        asyncio.run(fill())
        gc.collect()
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken / 100_000 <= 250


def test_expired_entries_leave_without_being_asked_for(cache, clock):
    cache.sync.set_many({f"k{number}": number for number in range(500)}, ttl=8)
    clock.advance(9)
    for number in range(8):
        cache.sync.set(f"other{number}", 1)
    assert len(cache._entries) == 8


def test_one_write_lets_go_of_64_expired_entries_at_most(cache, clock):
    cache.sync.set_many({f"k{number}": number for number in range(500)}, ttl=8)
    clock.advance(9)
    cache.sync.set("other", 1)
    assert len(cache._entries) == 500 - 64 + 1


def test_a_digest_cannot_be_used_as_a_key_to_what_it_stands_for(cache):
    cache.sync.set("k" * 500, "secret")
    (place,) = cache._entries
    assert len(place) < 60
    assert cache.sync.get(place) is None
    assert not cache.sync.exists(place)
    cache.sync.set(place, "mine")
    assert cache.sync.get("k" * 500) == "secret"
    assert cache.sync.get(place) == "mine"


def test_an_unbuildable_value_is_logged_without_the_value(cache, caplog):
    cache.sync.set("key", "my secret")
    assert cache.sync.get("key", as_type=int) is None
    assert [record.event for record in caplog.records] == ["cache_value_not_rebuilt"]
    assert "secret" not in str(caplog.records[0].__dict__)


class TestSight:
    """What ``explain`` tells about a key."""

    def test_an_entry_with_its_age_remaining_life_and_tags(self, cache, clock):
        cache.sync.set("key", 1, ttl=10, tags=["a", "b"])
        clock.advance(4)
        assert cache.sight("key") == Sight("memory", 4.0, 6.0, ("a", "b"), None, "fresh")

    @pytest.mark.parametrize("ttl", [10, FOREVER])
    def test_touch_changes_the_remaining_life_and_not_the_age(self, cache, clock, ttl):
        cache.sync.set("key", 1, ttl=ttl)
        clock.advance(4)
        cache.sync.touch("key", 100)
        assert cache.sight("key")[:3] == ("memory", 4.0, 100.0)
        cache.sync.touch("key", FOREVER)
        clock.advance(1)
        assert cache.sight("key")[:3] == ("memory", 5.0, FOREVER)

    def test_never_stored(self, cache):
        assert cache.sight("key") == Sight(None, None, None, (), "never stored here")

    def test_deleted(self, cache, clock):
        cache.sync.set("key", 1)
        cache.sync.delete("key")
        clock.advance(2)
        assert cache.sight("key").reason == "deleted 2.0 s ago"

    def test_cleared(self, cache, clock):
        cache.sync.set("key", 1)
        cache.sync.clear()
        clock.advance(200)
        assert cache.sight("key").reason == "cleared 3.3 min ago"

    def test_expired_whether_or_not_it_was_let_go_of(self, cache, clock):
        cache.sync.set("key", 1, ttl=10)
        clock.advance(13.2)
        assert cache.sight("key").reason == "expired 3.2 s ago"
        cache.sync.set("other", 1)
        assert "key" not in cache._entries
        assert cache.sight("key").reason == "expired 3.2 s ago"

    def test_evicted(self, cache, clock):
        cache.sync.set_many({f"k{number}": 1 for number in range(1001)})
        clock.advance(10)
        assert cache.sight("k0").reason == "evicted 10.0 s ago to keep max_size=1000"

    def test_invalidated_by_a_tag(self, cache):
        cache.sync.set("key", 1, tags=["a", "{b}"])
        cache.sync.invalidate_tags("{b}")
        assert cache.sight("key").reason == "invalidated by tag '{b}'"

    def test_the_record_of_what_left_is_bounded(self, cache):
        for number in range(3000):
            cache.sync.set("key", 1)
            cache.sync.set(f"k{number}", 1)
            cache.sync.delete(f"k{number}")
        assert len(cache._drops) == 1024
        assert cache.sight("k0").reason == "not among the last 1024 keys that left"


def test_the_last_of_many_reads_count_for_the_order_of_eviction():
    """Thousands of reads between two writes cost no memory, and what was read last stays."""
    cache = InMemoryCache(max_size=3)
    for key in ("old", "read", "new"):
        cache.sync.set(key, key)
    for _ in range(5000):
        cache.sync.get("new")
    cache.sync.get("old")
    cache.sync.get("read")
    assert len(cache._uses) <= 1024
    cache.sync.set("another", 1)
    assert cache.sync.get_many(["old", "read", "new", "another"]).keys() == {"old", "read", "another"}
    assert cache.get_stats()["hits"] == 5002 + 3
