"""Which views fast indexes keep while entries come and go, and what taking them costs."""

import gc
import sys

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from askonce import InMemoryCache, cached
from askonce.backends import tags as ledger
from askonce.backends.memory_store import _size_of_view
from askonce.testing import ManualClock

KEYS = st.sampled_from([f"k{number}" for number in range(12)])
TAGS = st.sets(st.sampled_from(["all", "red", "blue", "u1", "u2", "u3"]), max_size=3)


class Views(RuleBasedStateMachine):
    """Two fast indexes; each holds what was admitted and has not left, neither more nor less."""

    most = 64

    def __init__(self):
        super().__init__()
        self.bound, ledger.MOST_VIEWS = ledger.MOST_VIEWS, self.most
        self.clock = ManualClock()
        self.cache = InMemoryCache(max_size=8, max_bytes=1_000_000, clock=self.clock)
        self.indexes = {}, {}
        self.views = {}  # by key: which index
        self.counts = {}  # by key: the tags of an entry that counts

    @rule(key=KEYS, tags=TAGS, ttl=st.sampled_from([5, 50, float("inf")]))
    def store(self, key, tags, ttl):
        self.cache.sync.set(key, key, ttl, tags=tags)
        self.views.pop(key, None)
        self.counts[key] = tags

    @rule(key=KEYS, which=st.integers(0, 1), place=st.sampled_from(["x", "x" * 50]))
    def admit(self, key, which, place):
        entry = self.cache._entries.get(key)
        if entry is not None:
            self.cache.admit(entry, self.indexes[which], (key, place))
        if key in self.counts:
            self.views[key] = which, (key, place)

    @rule(tags=TAGS)
    def invalidate(self, tags):
        self.cache.sync.invalidate_tags(*tags)
        for key in [key for key, borne in self.counts.items() if borne & tags]:
            del self.counts[key]
            self.views.pop(key, None)

    @rule(key=KEYS)
    def drop(self, key):
        self.cache.drop(key)

    @rule(which=st.integers(0, 1))
    def leave(self, which):
        """As a function does that changes its cache."""
        self.indexes[which].clear()
        self.views = {key: view for key, view in self.views.items() if view[0] != which}

    @rule(seconds=st.sampled_from([1, 10, 100]))
    def pass_time(self, seconds):
        self.clock.advance(seconds)

    @rule()
    def clear(self):
        self.cache.sync.clear()

    def forget_what_left(self):
        for key in set(self.counts) - set(self.cache._entries):
            del self.counts[key]
            self.views.pop(key, None)

    @invariant()
    def the_indexes_hold_what_they_should(self):
        self.forget_what_left()
        found = {}
        for which, index in enumerate(self.indexes):
            for place, entry in index.items():
                assert self.cache._entries[entry.key] is entry
                assert entry.key in self.counts
                found[entry.key] = which, place
        self.compare(found)

    def compare(self, found):
        assert found == self.views

    @invariant()
    def the_bytes_are_right(self):
        total = 0
        for key, entry in self.cache._entries.items():
            view = 0 if entry.index is None else _size_of_view(entry.index_key)
            assert entry.size == self.cache._size(key, key) + view
            total += entry.size
        assert self.cache._bytes == total

    @invariant()
    def tags_know_their_bearers(self):
        bearers = {}
        for entry in self.cache._entries.values():
            for tag in entry.meta.tags if entry.meta else ():
                bearers[tag] = bearers.get(tag, 0) + 1
        known = self.cache._tags._bearers
        assert {tag: getattr(known[tag], "count", 1) for tag in known} == bearers

    def teardown(self):
        ledger.MOST_VIEWS = self.bound
        self.cache.sync.clear()
        assert self.indexes == ({}, {})
        assert not self.cache._tags._bearers


class ViewsOfMany(Views):
    """Where more bear a tag than it knows one by one, others may lose their views, and get them again."""

    most = 1

    def compare(self, found):
        assert found.items() <= self.views.items()


Views.TestCase.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
ViewsOfMany.TestCase.settings = Views.TestCase.settings
TestViews = Views.TestCase
TestViewsOfMany = ViewsOfMany.TestCase


def steps(action):
    """How much Python does, in lines and in calls."""
    events = []

    def trace(frame, event, argument):
        events.append(event)
        return trace

    before = sys.gettrace()
    gc.collect()
    gc.disable()  # what a collection runs is no part of the action
    sys.settrace(trace)
    try:
        action()
    finally:
        sys.settrace(before)
        gc.enable()
    return len(events)


def users_of(number, per_user):
    cache = InMemoryCache(max_size=10_000)

    @cached(cache=cache, tags=["user:{user}"])
    def page(user, number):
        return user

    for _ in range(2):
        for user in range(number):
            for place in range(per_user):
                page(user, place)
    return cache, page.explain.__self__._function.path.index


@pytest.mark.parametrize("per_user", [1, 2, 64])
def test_the_invalidation_of_one_user_costs_the_others_nothing(per_user):
    """As few steps whether there are few others or many, and their views stay."""
    taken = []
    for number in (2, 50):
        cache, index = users_of(number, per_user)
        taken.append(steps(lambda: cache.drop_tags(("user:1",))))
        assert len(index) == (number - 1) * per_user
    assert taken[0] == taken[1]


def test_a_tag_of_very_many_entries_empties_their_index_in_one_go():
    cache, index = users_of(2, 200)
    few = steps(lambda: cache.drop_tags(("user:1",)))
    assert len(index) == 0
    cache, index = users_of(2, 400)
    assert steps(lambda: cache.drop_tags(("user:1",))) == few


def test_views_lost_through_another_tag_do_not_count():
    """A tag knows its views one by one up to its bound, however many there have been."""
    cache, index = InMemoryCache(), {}
    for number in range(300):
        cache.sync.set(f"k{number}", 1, tags=["shared", f"one{number}"])
        cache.admit(cache.look(f"k{number}"), index, (number,))
        if number:
            cache.drop_tags((f"one{number}",))
    cache.sync.set("other", 1)
    cache.admit(cache.look("other"), index, ("other",))
    cache.drop_tags(("shared",))
    assert list(index) == [("other",)]


def test_the_arguments_of_a_view_are_counted_once_however_often_it_comes_back():
    """Emptied indexes are filled again; the bytes stay what they are."""
    cache = InMemoryCache(max_bytes=100_000)

    @cached(cache=cache, tags=["user:{user}"])
    def page(user):
        return user

    def read():
        for user in range(100):
            page(user)
            page(user)
        return cache.get_stats()["bytes"]

    before = read()
    for _ in range(1000):
        page.explain.__self__._function.path.index.clear()
        page(1)
        page(1)
    cache.drop_tags(("user:7",))
    assert read() == before


def test_a_tag_that_many_bore_spares_the_others_again_once_few_do():
    cache, index = users_of(2, 100)
    page = next(iter(index.values())).index
    cache.drop_tags(("user:1",))
    fill_view(cache, page, "again", "user:1")
    fill_view(cache, page, "other", "user:2")
    cache.drop_tags(("user:1",))
    assert list(page) == [("other",)]


def fill_view(cache, index, key, tag):
    cache.sync.set(key, 1, tags=[tag])
    cache.admit(cache.look(key), index, (key,))


def test_a_view_that_comes_back_is_noted_once():
    cache, index = InMemoryCache(), {}
    for key in ("a", "b"):
        cache.sync.set(key, 1, tags=["tag"])
    for _ in range(10):
        cache.admit(cache.look("a"), index, ("a",))
        index.clear()
    assert len(cache._tags._bearers["tag"]) == 1
