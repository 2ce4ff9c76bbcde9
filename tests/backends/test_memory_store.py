"""The memory cache in the engine's hands: fences, tags, views in fast indexes."""

import pytest

from askonce import FOREVER, InMemoryCache, cached, register_cache
from askonce._types import stored
from askonce.testing import ManualClock


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def cache(clock):
    return InMemoryCache(clock=clock)


def fill(cache, key="key", value=1, ttl=60.0, tags=(), **more):
    fence = cache.open_fence(key)
    try:
        return cache.fill(fence, value, ttl, tags, **more)
    finally:
        cache.close_fence(fence)


def test_a_filled_entry_is_looked_up_and_got_by_hand(cache):
    entry = fill(cache, value="answer")
    assert cache.look("key") is entry
    assert entry.value == "answer"
    assert cache.sync.get("key") == "answer"


def test_a_ttl_of_nothing_stores_nothing(cache):
    for ttl in (0.0, -1.0, float("nan")):
        assert fill(cache, ttl=ttl) is None
    assert cache.look("key") is None


def test_a_fill_with_a_copier_gives_each_reader_a_copy(cache):
    mine = [1]
    entry = fill(cache, value=mine, copy=list)
    assert stored(entry) is mine
    assert entry.value == mine
    assert entry.value is not mine


BREAKERS = {
    "set": lambda cache: cache.sync.set("key", "newer"),
    "delete": lambda cache: cache.sync.delete("key"),
    "clear": lambda cache: cache.sync.clear(),
    "drop": lambda cache: cache.drop("key"),
    "break_fences": lambda cache: cache.break_fences("key"),
    "drop_tags": lambda cache: cache.drop_tags(("known",)),
    "invalidate_tags": lambda cache: cache.sync.invalidate_tags("known"),
}


@pytest.mark.parametrize("how", BREAKERS)
def test_what_happens_to_a_key_during_a_fill_keeps_the_old_answer_out(cache, how):
    fence = cache.open_fence("key", ("known",))
    BREAKERS[how](cache)
    assert fence.broken
    assert cache.fill(fence, "older", 60.0, ("known",)) is None
    cache.close_fence(fence)
    assert cache.sync.get("key") == ("newer" if how == "set" else None)
    assert fill(cache, tags=("known",)) is not None


def test_what_happens_to_other_keys_and_tags_does_not_hinder_a_fill(cache):
    fence = cache.open_fence("key", ("known",))
    cache.sync.set("other", 1)
    cache.sync.delete("other")
    cache.drop_tags(("unknown",))
    cache.sync.touch("key", 5)
    assert not fence.broken
    assert cache.fill(fence, 1, 60.0) is not None


def test_a_tag_that_the_call_added_counts_from_the_beginning_of_the_call(cache):
    fence = cache.open_fence("key")
    cache.drop_tags(("added",))
    assert not fence.broken
    assert cache.fill(fence, 1, 60.0, ("added",)) is None
    cache.close_fence(fence)


def test_a_tag_dropped_long_before_is_remembered_for_the_fence_that_is_older(cache):
    """The version of a tag that nothing bears is kept while a fence from before its invalidation is open."""
    old = cache.open_fence("old")
    cache.drop_tags(("added",))
    for number in range(10):
        fill(cache, f"k{number}", tags=("added",))
        cache.drop(f"k{number}")
    assert cache.fill(old, 1, 60.0, ("added",)) is None
    cache.close_fence(old)
    assert not cache._tags._versions


def test_closing_a_fence_leaves_nothing_behind(cache):
    first, second = cache.open_fence("key"), cache.open_fence("key")
    cache.close_fence(first)
    cache.break_fences("key")
    assert (first.broken, second.broken) == (False, True)
    cache.close_fence(second)
    cache.close_fence(second)
    assert len(cache._fences) == 0
    assert not cache._fences._by_key


class TestViews:
    """Views in fast indexes."""

    def admit(self, cache, index, place=(1,), **more):
        entry = fill(cache, **more)
        cache.admit(entry, index, place)
        return entry

    def test_a_living_entry_gets_a_view(self, cache):
        index = {}
        entry = self.admit(cache, index)
        assert index == {(1,): entry}

    @pytest.mark.parametrize("how", ["drop", "set", "clear", "fill"])
    def test_the_view_leaves_with_its_entry_which_is_dead_but_has_its_value(self, cache, clock, how):
        index = {}
        entry = self.admit(cache, index, value="answer")
        if how == "fill":
            fill(cache)
        else:
            BREAKERS[how](cache)
        assert index == {}
        assert not entry.until > clock()
        assert entry.value == "answer"

    def test_eviction_and_expiry_take_the_view_too(self, clock):
        cache = InMemoryCache(max_size=1, clock=clock)
        index = {}
        self.admit(cache, index, ttl=5.0)
        cache.sync.set("other", 1)
        assert index == {}
        self.admit(cache, index, ttl=5.0)
        clock.advance(6)
        cache.sync.set("key2", 1)
        assert index == {}

    def test_a_dead_entry_gets_no_view(self, cache):
        index = {}
        entry = fill(cache)
        cache.drop("key")
        cache.admit(entry, index, (1,))
        fill(cache)
        cache.admit(entry, index, (1,))
        assert index == {}

    def test_an_entry_whose_tag_was_dropped_gets_no_view(self, cache):
        index = {}
        entry = fill(cache, tags=("tag",))
        cache.drop_tags(("tag",))
        cache.admit(entry, index, (1,))
        assert index == {}

    def test_a_second_view_replaces_the_first(self, cache):
        first, second = {}, {}
        entry = self.admit(cache, first)
        cache.admit(entry, second, (2,))
        assert (first, second) == ({}, {(2,): entry})

    def test_an_entry_that_leaves_spares_the_view_of_another_in_its_place(self, cache):
        index = {}
        self.admit(cache, index, key="old")
        entry = self.admit(cache, index, key="new")
        cache.drop("old")
        assert index == {(1,): entry}

    def test_dropping_a_tag_takes_the_views_of_all_that_bears_it(self, cache):
        one, two, other = {}, {}, {}
        self.admit(cache, one, (1,), key="a", tags=("red", "blue"))
        self.admit(cache, one, (2,), key="b", tags=("red",))
        self.admit(cache, two, (3,), key="c", tags=("blue",))
        entry = self.admit(cache, other, (4,), key="d", tags=("green",))
        cache.drop_tags(("red",))
        assert (one, len(two), other) == ({}, 1, {(4,): entry})
        cache.drop_tags(("blue",))
        assert (two, other) == ({}, {(4,): entry})

    def test_views_admitted_after_a_drop_are_found_by_the_next_one(self, cache):
        """Also when entries of the time before, with pointers to the emptied index, leave in between."""
        index = {}
        self.admit(cache, index, (1,), key="old", tags=("tag",))
        cache.drop_tags(("tag",))
        self.admit(cache, index, (2,), key="new", tags=("tag",))
        cache.drop("old")
        cache.drop_tags(("tag",))
        assert index == {}
        assert cache.look("new") is None

    def test_indexes_of_dead_functions_are_forgotten_although_their_tag_lives_on(self, cache):
        fill(cache, "keeper", ttl=FOREVER, tags=("tag",))
        for number in range(100):
            self.admit(cache, {}, key=f"k{number}", tags=("tag",))
            cache.drop(f"k{number}")
        assert len(cache._tags._bearers["tag"]) == 0
        one = {}
        for number in range(65):  # so many that whole indexes are noted
            self.admit(cache, one, (number,), key=f"s{number}", ttl=FOREVER, tags=("tag",))
        for number in range(100):
            self.admit(cache, {}, key=f"k{number}", tags=("tag",))
            cache.drop(f"k{number}")
        assert len(cache._tags._bearers["tag"]) <= 8


class TestBookkeeping:
    """What is noted about tags does not grow for ever."""

    def test_versions_of_tags_that_nothing_bears_are_forgotten(self, cache):
        for number in range(500):
            cache.sync.set("key", number, tags=[f"tag{number}"])
            cache.sync.invalidate_tags(f"tag{number}", f"unknown{number}")
        assert cache.sync.get("key") is None
        assert len(cache._tags._versions) == 1
        cache.sync.clear()
        assert not cache._tags._versions
        assert not cache._tags._bearers
        assert not cache._tags._orphans

    def test_versions_are_forgotten_although_some_fence_is_always_open(self, cache):
        fence = cache.open_fence("k")
        for number in range(500):
            following = cache.open_fence(f"k{number}")
            cache.close_fence(fence)
            fence = following
            cache.drop_tags((f"tag{number}",))
        assert len(cache._tags._versions) <= 3
        cache.close_fence(fence)
        assert not cache._tags._versions

    def test_many_versions_that_a_hung_fill_kept_are_forgotten_a_few_at_a_time(self, cache):
        """Nobody waits for all of them."""
        hung = cache.open_fence("hung")
        cache.drop_tags([f"tag{number}" for number in range(1000)])
        cache.close_fence(hung)
        left = [len(cache._tags._versions)]
        for number in range(20):
            cache.close_fence(cache.open_fence(f"k{number}"))
            left.append(len(cache._tags._versions))
        assert left[:3] == [1000 - 64, 1000 - 128, 1000 - 192]
        assert left[-1] == 0

    def test_one_invalidation_of_many_tags_leaves_nothing_behind(self, cache):
        for turn in range(3):
            cache.drop_tags([f"tag{turn}.{number}" for number in range(1000)])
            assert not cache._tags._versions

    def test_entries_with_equal_tags_share_what_is_noted_about_them(self, cache):
        metas = {id(fill(cache, f"k{number}", tags=("a", "b")).meta) for number in range(100)}
        assert len(metas) == 1
        for number in range(1000):
            cache.sync.set("key", 1, tags=[f"tag{number}"])
        assert len(cache._tags._metas) <= 256

    def test_an_entry_stored_after_an_invalidation_counts_although_it_shares_nothing_old(self, cache):
        cache.sync.set("old", 1, tags=["tag"])
        cache.sync.invalidate_tags("tag")
        cache.sync.set("new", 2, tags=["tag"])
        assert cache.sync.get_many(["old", "new"]) == {"new": 2}


def test_what_the_index_keeps_counts_into_the_bytes():
    """Arguments that a fast index holds are memory too; without room for them there is no view."""
    cache = InMemoryCache(max_size=10_000, max_bytes=200_000)

    @cached(cache=cache)
    def ask(text):
        return 1

    texts = [f"{number:04} " + "x" * 900 for number in range(300)]
    for _ in range(3):
        assert [ask(text) for text in texts] == [1] * 300
    assert cache.get_stats()["bytes"] <= 200_000
    assert 0 < len(ask.explain.__self__._function.path.index) < 150


def test_a_cache_under_another_name_leaves_the_index_alone():
    """A registration elsewhere costs the functions of this cache nothing."""
    register_cache("mine", InMemoryCache())

    @cached(cache="mine", name="index of mine")
    def ask(number):
        return number

    for _ in range(3):
        ask(1)
    index = ask.explain.__self__._function.path.index
    register_cache("unrelated", InMemoryCache())
    assert len(index) == 1
    register_cache("mine", InMemoryCache())
    assert len(index) == 0
