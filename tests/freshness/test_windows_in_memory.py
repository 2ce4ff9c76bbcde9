"""Entries with windows in the memory cache: what is said of them, who sees them, and when they leave."""

import asyncio
import gc
import sys
import threading
import tracemalloc

import pytest

from askonce import MISS, InMemoryCache, cached
from askonce._types import DEAD, Windows
from askonce.engine.crew import LIMIT
from askonce.testing import ManualClock, settle_blocking


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def cache(clock):
    return InMemoryCache(clock=clock)


class Source:
    """A function of a number whose runs are counted, and which can be told to fail."""

    def __init__(self, cache, **options):
        self.runs = 0
        self.fails = False

        @cached(cache=cache, ttl=10, **options)
        def ask(a):
            self.runs += 1
            if self.fails:
                raise ConnectionError
            return self.runs

        self.ask = ask


def seen(ask, argument=1):
    explained = ask.explain(argument)
    return explained.state, explained.age, explained.remaining


def test_explain_says_for_how_long_a_stale_answer_is_served(cache, clock):
    """Fresh up to its ttl, then up to the end of ``stale``; the age goes on."""
    ask = Source(cache, stale=20).ask
    ask(1)
    assert seen(ask) == ("fresh", 0, 10)
    clock.advance(10)
    assert seen(ask) == ("stale", 10, 20)
    assert "stale hit in memory" in str(ask.explain(1))
    clock.advance(20)
    assert ask.explain(1).reason == "expired 20.0 s ago"


def test_explain_says_what_stands_by(cache, clock):
    """A miss, since the function would run; while it rests after a failure a hit, with the next try."""
    source = Source(cache, stale_if_error=40)
    ask = source.ask
    ask(1)
    clock.advance(12)
    assert ask.explain(1).reason == (
        "expired 2.0 s ago; for 38.0 s more it stands in should the function fail"
    )
    source.fails = True
    ask(1)
    assert seen(ask) == ("stale", 12, 38)
    clock.advance(1)
    assert ask.explain(1).retry == 4
    assert str(ask.explain(1)).splitlines()[-2:] == [
        "  age        13.0 s, good for another 37.0 s",
        "  failed     next try in 4.0 s",
    ]
    clock.advance(35)
    ask(1)
    assert seen(ask) == ("stale", 48, 2)
    clock.advance(2)
    assert ask.explain(1).reason == "expired 40.0 s ago"


def test_explain_says_which_exception_is_kept(cache, clock):
    """A hit, since no function runs."""
    source = Source(cache, errors={OSError: 60})
    source.fails = True
    with pytest.raises(ConnectionError):
        source.ask(1)
    clock.advance(10)
    explained = source.ask.explain(1)
    assert (explained.hit, explained.state, explained.error) == (True, "failed", "ConnectionError")
    assert str(explained).startswith("raises ConnectionError from memory, for another 50.0 s\n")
    clock.advance(50)
    assert source.ask.explain(1).reason == "expired 0.0 s ago"


def test_a_fresh_answer_whose_early_refresh_failed_says_so(cache, clock):
    source = Source(cache, refresh_ahead=True)
    source.ask.store("early", 1)
    cache.rest(cache.held(source.ask.key(1)), clock() + 5)
    clock.advance(2)
    explained = source.ask.explain(1)
    assert (explained.state, explained.remaining, explained.retry) == ("fresh", 8, 3)
    clock.advance(3)
    assert source.ask.explain(1).retry is None


@pytest.mark.parametrize(
    ("options", "most"),
    [
        ({}, 300),
        ({"stale": 20}, 400),
        ({"tags": ["u{a}"]}, 500),
        ({"stale_if_error": 20, "tags": ["u{a}"]}, 530),
    ],
)
def test_windows_and_tags_of_an_entry_take_little(options, most):
    """Bytes beside its key and value; a tag of its own counts with its text."""
    cache, number = InMemoryCache(max_size=10_000), 10_000
    ask = cached(cache=cache, ttl=1000, **options)(lambda a: None)
    names = [f"name {n:05}" for n in range(number)]
    keys = sum(sys.getsizeof(ask.key(name)) for name in names)
    tracemalloc.start()
    try:
        for name in names + names:
            ask(name)
        gc.collect()
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (taken - keys) / number <= most


def test_an_early_refresh_that_is_due_leaves_an_answer_fresh(cache, clock):

    @cached(cache=cache, ttl=10, refresh_ahead=1000)
    def slow(a):
        clock.advance(5)
        return a

    assert slow(1) == 1
    assert seen(slow) == ("fresh", 0, 10)


def test_by_hand_nothing_stale_is_there(cache, clock):
    """Windows are for the function, which can be run again."""
    ask = Source(cache, stale=20, stale_if_error=40).ask
    ask(1)
    key, by_hand = ask.key(1), cache.sync
    assert (by_hand.get(key), by_hand.exists(key), by_hand.get_ttl(key)) == (1, True, 10)
    clock.advance(10)
    assert (by_hand.get(key), by_hand.exists(key), by_hand.get_ttl(key)) == (None, False, None)
    assert ask.peek(1) == 1
    clock.advance(20)
    assert ask.peek(1) is MISS


@pytest.mark.parametrize(("age", "was_there"), [(9, True), (10, True), (49, True), (50, False)])
def test_invalidate_says_whether_anything_was_left(cache, clock, age, was_there):
    """Also what only stood by was something."""
    ask = Source(cache, stale=20, stale_if_error=40).ask
    ask(1)
    clock.advance(age)
    assert ask.invalidate(1) is was_there
    assert ask.invalidate(1) is False
    assert cache.get_stats()["deletes"] == was_there


def test_what_a_tag_has_invalidated_is_not_left(cache, clock):
    ask = Source(cache, stale=20, tags=["group"]).ask
    ask(1)
    asyncio.run(cache.invalidate_tags("group"))
    assert ask.explain(1).reason == "invalidated by tag 'group'"
    clock.advance(10)
    assert ask.peek(1) is MISS
    assert ask.invalidate(1) is False


def test_touch_makes_an_answer_fresh_and_takes_its_windows(cache, clock):
    """Who prolongs by hand says when it ends; the age stays what it is, the tags as well."""
    source = Source(cache, stale=20, stale_if_error=40, tags=["group"])
    ask = source.ask
    ask(1)
    clock.advance(9)
    assert cache.sync.touch(ask.key(1), 100)
    assert seen(ask) == ("fresh", 9, 100)
    clock.advance(99)
    assert [ask(1) for _ in range(3)] == [1, 1, 1]
    assert seen(ask) == ("fresh", 108, 1)
    assert ask.explain(1).tags == ("group",)
    clock.advance(1)
    assert ask.peek(1) is MISS
    source.fails = True
    with pytest.raises(ConnectionError):
        ask(1)


def test_an_answer_stays_in_memory_up_to_the_end_of_its_windows(cache, clock):
    """And not for longer: writes let go of it, as of any other that has expired."""
    ask = Source(cache, stale=20, stale_if_error=40).ask
    ask(1)
    other = Source(cache).ask
    for step in (10, 39):
        clock.advance(step)
        other(step)
        assert cache.get_stats()["size"] >= 2
        assert ask.key(1) in cache._entries
    clock.advance(30)
    other(0)
    assert ask.key(1) not in cache._entries


@pytest.mark.parametrize(("age", "counted"), [(49, "evictions"), (50, "expirations")])
def test_what_is_pushed_out_in_its_windows_was_evicted_and_after_them_had_expired(clock, age, counted):
    """The figures tell want of room from want of time."""
    cache = InMemoryCache(max_size=1, clock=clock)
    ask = Source(cache, stale=20, stale_if_error=40).ask
    ask(1)
    clock.advance(age)
    ask(2)
    stats = cache.get_stats()
    assert {name: stats[name] for name in ("evictions", "expirations")} == {
        "evictions": 0,
        "expirations": 0,
        counted: 1,
    }


def test_what_left_its_cache_is_not_brought_back_by_a_rest(cache, clock):
    """A failure that comes late must not touch what was dropped meanwhile."""
    fence = cache.open_fence("key")
    entry = cache.fill(fence, "value", 10, windows=Windows(20, 40, 0))
    cache.close_fence(fence)
    cache.drop("key")
    cache.rest(entry, clock() + 5)
    assert entry.until == DEAD


def test_a_rest_keeps_stale_readers_from_the_fast_index(cache, clock):
    """Past its ttl an answer is always looked at, also while it rests: it counts as stale."""
    source = Source(cache, stale=20)
    ask = source.ask
    for _ in range(3):
        ask(1)
    clock.advance(10)
    source.fails = True
    ask(1)
    settle_blocking()
    for _ in range(3):
        ask(1)
    assert ask.cache_info().stale == 4
    assert ask.cache_info().hits == 6


def test_a_stale_answer_is_used_like_any_other(clock):
    """Serving it keeps it from being the one that is pushed out."""
    cache = InMemoryCache(max_size=2, clock=clock)
    source = Source(cache, stale=20)
    ask, other = source.ask, Source(cache).ask
    ask(1)
    clock.advance(11)
    source.fails = True
    other(1)
    ask(1)
    settle_blocking()
    ask(1)
    other(2)
    assert ask.peek(1) == 1
    assert other.peek(1) is MISS


def test_a_refresh_that_finds_another_answer_runs_nothing(cache, clock):
    """Somebody stored one between the stale read and the refresh's turn."""
    gate, runs = threading.Event(), []

    @cached(cache=cache, ttl=10, stale=20)
    def ask(a):
        runs.append(a)
        assert gate.wait(30)
        return "computed"

    for number in range(LIMIT + 1):
        ask.store("at first", number)
    clock.advance(10)
    for number in range(LIMIT + 1):  # the last one's refresh waits until a thread is free
        assert ask(number) == "at first"
    ask.store("by hand", LIMIT)
    gate.set()
    settle_blocking()
    assert LIMIT not in runs
    assert ask(LIMIT) == "by hand"
