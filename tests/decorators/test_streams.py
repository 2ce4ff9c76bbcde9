"""Cached generators of both kinds: recorded while they run, replayed afterwards."""

import asyncio
import copy
import functools
import gc
import inspect
import logging
import pickle
import threading
import typing

import pytest
import streamkit
from callkit import PlainCache
from streamkit import END, RUNS, Iteration, Service, Stream, StreamForm

from askonce import (
    FOREVER,
    MISS,
    CacheError,
    ConfigurationError,
    InMemoryCache,
    NotCachedError,
    bypass,
    cached,
    current_call,
    fresh,
    only_if_cached,
    refreshing,
    use_cache,
)


@pytest.fixture(params=["async generator", "generator"])
def form(request):
    """Both kinds of generator functions, one after the other."""
    form = StreamForm(request.param)
    yield form
    form.close()


@pytest.fixture(autouse=True)
def _nothing_left(cache):
    """Whatever a test does, no fill stays open."""
    yield
    assert len(cache.engine_store()._fences) == 0


class Tape:
    """A generator function that notes what happens to it."""

    def __init__(self, *items, result=None, error=None):
        self.items, self.result, self.error = list(items), result, error
        self.calls, self.events = [], []

    def plain(self):
        """It, as a function of two parameters, the second with a default."""

        def play(a, b=2):
            self.calls.append((a, b))
            try:
                for item in self.items:
                    try:
                        sent = yield item
                    except ValueError as thrown:
                        self.events.append(f"thrown {thrown}")
                        yield "caught"
                    else:
                        if sent is not None:
                            self.events.append(f"sent {sent}")
                if self.error is not None:
                    raise self.error
                return self.result
            finally:
                self.events.append("closed")

        return play


@pytest.fixture
def tape():
    return Tape(1, 2, 3)


@pytest.fixture
def play(form, cache, tape):
    return form.cached(tape.plain(), cache=cache)


# --- recording and replaying


def test_the_second_and_third_time_the_items_come_from_the_cache(play, tape):
    assert [play(1), play(1), play(a=1, b=2)] == [[1, 2, 3]] * 3
    assert tape.calls == [(1, 2)]
    assert play.figures() == (2, 1, 0, 0, 0, 1)


def test_calls_with_other_arguments_are_recorded_by_themselves(play, tape):
    for a in (1, 2, 1, 2):
        assert play(a) == [1, 2, 3]
    assert tape.calls == [(1, 2), (2, 2)]


def test_falsy_items_are_items(form, cache):
    items = [None, 0, "", [], False, MISS, None]
    play = form.cached(Tape(*items).plain(), cache=cache)
    for _ in range(3):
        assert play(1) == items


def test_a_generator_without_items_is_a_recording_as_well(form, cache):
    tape = Tape()
    play = form.cached(tape.plain(), cache=cache)
    assert [play(1), play(1), play(1)] == [[], [], []]
    assert len(tape.calls) == 1
    assert play.peek(1) == []


def test_what_a_generator_returns_is_replayed(cache):
    form = StreamForm("generator")
    play = form.cached(Tape(1, result={"n": 1}).plain(), cache=cache)
    for _ in range(3):
        iteration = play.iterate(1)
        assert iteration.rest() == [1]
        assert iteration.result == {"n": 1}
        iteration.result["n"] = 2


def test_the_first_caller_gets_each_item_as_it_comes(play, tape):
    """Nothing runs before it is asked for, and no further than that."""
    iteration = play.iterate(1)
    assert tape.calls == []
    assert iteration.next() == 1
    tape.items.append(4)
    assert iteration.rest() == [2, 3, 4]
    assert play(1) == [1, 2, 3, 4]


def test_a_recording_expires_as_any_answer_does(form, clock, cache, tape):
    play = form.cached(tape.plain(), cache=cache, ttl=10)
    play(1)
    clock.advance(9)
    play(1)
    clock.advance(1)
    play(1)
    assert len(tape.calls) == 2


def test_the_ttl_counts_from_the_last_item(form, clock, cache, tape):
    play = form.cached(tape.plain(), cache=cache, ttl=10)
    iteration = play.iterate(1)
    iteration.next()
    clock.advance(60)
    iteration.rest()
    clock.advance(9)
    play(1)
    assert len(tape.calls) == 1


def test_a_disabled_cache_lets_everything_through(play, cache, tape):
    """Also arguments that have no key."""
    cache.enabled = False
    assert [play(object()), play(1), play(1), play.refresh(1)] == [[1, 2, 3]] * 4
    assert play.peek(1) is MISS
    assert play.store([1], 1) is False
    assert len(tape.calls) == 4


def test_a_backend_of_somebody_else_s_replays_as_well(form, tape):
    play = form.cached(tape.plain(), cache=PlainCache())
    assert [play(1), play(1), play.peek(1)] == [[1, 2, 3]] * 3
    assert len(tape.calls) == 1
    with refreshing():
        play(1), play(1)
    with fresh(max_age=60):  # nobody knows how old that one is
        play(1)
    assert len(tape.calls) == 3
    assert play.invalidate(1) is True
    assert play.peek(1) is MISS


# --- what is not stored


def test_an_iteration_that_is_left_early_is_not_stored(play, tape):
    iteration = play.iterate(1)
    assert iteration.next() == 1
    iteration.close()
    assert tape.events == ["closed"]
    assert iteration.next() is END
    assert play.peek(1) is MISS
    assert play(1) == [1, 2, 3]


def test_one_that_is_left_before_its_end_was_seen_is_not_stored(play):
    """All items, but nobody knows that it is all."""
    iteration = play.iterate(1)
    assert [iteration.next() for _ in range(3)] == [1, 2, 3]
    iteration.close()
    assert play.peek(1) is MISS


def test_one_that_nobody_holds_any_more_is_closed(form, play, tape):
    iteration = play.iterate(1)
    iteration.next()
    del iteration
    gc.collect()
    form.settle()
    assert tape.events == ["closed"]
    assert play.peek(1) is MISS


def test_one_that_never_began_runs_nothing(form, play, tape):
    play.iterate(1).close()
    iteration = play.iterate(1)
    del iteration
    gc.collect()
    form.settle()
    assert tape.calls == []
    assert play.figures() == (0, 0, 0, 0, 0, 0)


@pytest.mark.parametrize("position", [0, 1, 3])
def test_a_run_that_raises_is_not_stored(form, cache, position):
    error = ConnectionError("gone")
    tape = Tape(*range(position), error=error)
    play = form.cached(tape.plain(), cache=cache)
    for _ in range(3):
        iteration = play.iterate(1)
        assert [iteration.next() for _ in range(position)] == list(range(position))
        with pytest.raises(ConnectionError) as raised:
            iteration.next()
        assert raised.value is error
    assert play.figures() == (0, 3, 0, 0, 3, 0)
    assert tape.events == ["closed"] * 3


def test_what_is_thrown_reaches_the_function(play, tape):
    """It may catch it and go on; such a run is nobody else's."""
    iteration = play.iterate(1)
    iteration.next()
    assert iteration.throw(ValueError("v")) == "caught"
    assert iteration.rest() == [2, 3]
    assert tape.events == ["thrown v", "closed"]
    assert play.peek(1) is MISS


def test_what_the_function_does_not_catch_comes_back(play, tape):
    iteration, error = play.iterate(1), KeyError("k")
    iteration.next()
    with pytest.raises(KeyError) as raised:
        iteration.throw(error)
    assert raised.value is error
    assert iteration.next() is END
    assert tape.events == ["closed"]
    assert play.figures() == (0, 1, 0, 0, 0, 0)


@pytest.mark.parametrize("sent", ["s", 0, "", False])
def test_what_is_sent_reaches_the_function(play, tape, sent):
    iteration = play.iterate(1)
    iteration.next()
    assert iteration.send(sent) == 2
    assert iteration.rest() == [3]
    assert tape.events == [f"sent {sent}", "closed"]
    assert play.peek(1) is MISS


def test_sending_none_is_asking_for_the_next(play, tape):
    iteration = play.iterate(1)
    assert [iteration.send(None) for _ in range(4)] == [1, 2, 3, END]
    assert play.peek(1) == [1, 2, 3]


def test_an_item_that_can_be_used_once_is_refused(form, cache):
    tape = Tape(1, iter([2]))
    play = form.cached(tape.plain(), cache=cache)
    for _ in range(2):
        iteration = play.iterate(1)
        assert iteration.next() == 1
        with pytest.raises(TypeError, match="play yielded a list_iterator.*list"):
            iteration.next()
    assert tape.events == ["closed"] * 2
    assert play.figures() == (0, 2, 0, 0, 2, 0)


# --- replays


def test_a_replay_can_be_left_and_thrown_into(play):
    play(1)
    left, thrown = play.iterate(1), play.iterate(1)
    assert left.next() == thrown.next() == 1
    left.close()
    assert left.next() is END
    error = KeyError("k")
    with pytest.raises(KeyError) as raised:
        thrown.throw(error)
    assert raised.value is error
    assert thrown.next() is END
    assert play(1) == [1, 2, 3]


def test_a_replay_refuses_to_be_sent_anything(play):
    play(1)
    iteration = play.iterate(1)
    iteration.next()
    with pytest.raises(TypeError, match=r"no generator.*uncached"):
        iteration.send("s")


def test_many_replays_at_once_do_not_know_of_each_other(play):
    play(1)
    iterations = [play.iterate(1) for _ in range(3)]
    rows = [[iteration.next() for iteration in iterations] for _ in range(4)]
    assert rows == [[1] * 3, [2] * 3, [3] * 3, [END] * 3]


def test_a_replay_goes_on_when_its_recording_is_dropped(play):
    play(1)
    iteration = play.iterate(1)
    iteration.next()
    play.invalidate(1)
    assert iteration.rest() == [2, 3]


# --- isolation


def test_what_the_first_caller_does_to_an_item_is_not_recorded(form, cache):
    play = form.cached(Tape({"a": [1]}, {"a": [2]}).plain(), cache=cache)
    iteration = play.iterate(1)
    while (item := iteration.next()) is not END:
        item["a"].append("spoilt")
    for _ in range(3):
        assert play(1) == [{"a": [1]}, {"a": [2]}]


def test_what_a_replay_s_caller_does_is_its_own(form, cache):
    play = form.cached(Tape([1]).plain(), cache=cache)
    for _ in range(3):
        items = play(1)
        assert items == [[1]]
        items[0].append("spoilt")
        play.peek(1)[0].append("spoilt")


def test_one_object_that_is_yielded_again_and_again_is_recorded_as_it_was(form, cache):
    def grow():
        row = []
        for number in range(3):
            row.append(number)
            yield row

    play = form.cached(grow, cache=cache)
    play()
    assert play() == [[0], [0, 1], [0, 1, 2]]


def test_without_isolation_items_are_shared(form, cache):
    item = {"a": 1}
    play = form.cached(Tape(item).plain(), cache=cache, isolate=False)
    assert play(1)[0] is play(1)[0] is item


# --- two at once


def test_two_callers_of_a_cold_key_run_by_themselves(play, tape):
    """They are not joined; who comes to the end first is replayed."""
    one, two = play.iterate(1), play.iterate(1)
    assert (one.next(), two.next()) == (1, 1)
    tape.items.append(4)
    assert one.rest() == [2, 3, 4]
    assert play(1) == [1, 2, 3, 4]
    assert two.rest() == [2, 3, 4]
    assert play.figures() == (1, 2, 0, 0, 0, 2)


def test_threads_replay_and_record_side_by_side(cache):
    start = threading.Barrier(4)
    function = cached(cache=cache)(Tape(*range(50)).plain())
    rows = []

    def work():
        start.wait(30)
        rows.append([list(function(a)) for a in (1, 2, 1)])

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert rows == [[list(range(50))] * 3] * 4


def test_an_iterator_refuses_a_second_caller_while_it_runs(cache):
    @cached(cache=cache)
    async def play():
        await asyncio.sleep(0)
        yield 1

    async def main():
        iterator = play()
        return await asyncio.gather(anext(iterator), anext(iterator), return_exceptions=True)

    first, second = asyncio.run(main())
    assert first == 1
    assert isinstance(second, RuntimeError)


# --- fences


def invalidate(play, cache, form):
    play.invalidate(1)


def invalidate_all(play, cache, form):
    play.invalidate_all()


def invalidate_tag(play, cache, form):
    cache.sync.invalidate_tags("row:1")


def invalidate_later_tag(play, cache, form):
    cache.sync.invalidate_tags("late")


def clear(play, cache, form):
    cache.sync.clear()


@pytest.mark.parametrize(
    "break_fence", [invalidate, invalidate_all, invalidate_tag, invalidate_later_tag, clear]
)
@pytest.mark.parametrize("seen", [1, 3])
def test_a_run_that_an_invalidation_overtakes_is_not_stored(form, cache, tape, break_fence, seen):
    inner = tape.plain()

    def tagging(a):
        current_call().add_tags("late")
        yield from inner(a)

    play = form.cached(tagging, cache=cache, tags=["row:{a}"])
    iteration = play.iterate(1)
    items = [iteration.next() for _ in range(seen)]
    break_fence(play, cache, form)
    assert items + iteration.rest() == [1, 2, 3]
    assert play.peek(1) is MISS
    play(1)
    assert play.peek(1) == [1, 2, 3]


@pytest.mark.parametrize("way", ["refresh", "store", "refreshing"])
def test_a_run_that_another_answer_overtakes_is_not_stored_over_it(play, tape, way):
    iteration = play.iterate(1)
    iteration.next()
    tape.items[:] = ["new"]
    if way == "store":
        play.store(["new"], 1)
    elif way == "refresh":
        play.refresh(1)
    else:
        with refreshing():
            play(1)
    tape.items[:] = [1, "old"]
    iteration.rest()
    assert play(1) == ["new"]


# --- verbs


def test_peek_answers_a_list_and_runs_nothing(play, tape):
    assert play.peek(1) is MISS
    play(1)
    assert play.peek(1) == [1, 2, 3]
    assert tape.calls == [(1, 2)]
    assert play.figures() == (0, 1, 0, 0, 0, 1)


def test_store_takes_any_iterable_of_items(play, tape):
    for items in ([1, None], (1, None), iter([1, None])):
        assert play.store(items, 1) is True
        assert play(1) == play.peek(1) == [1, None]
    assert tape.calls == []


@pytest.mark.parametrize("value", ["text", b"bytes", 5, None])
def test_store_refuses_what_is_no_list_of_items(play, value):
    with pytest.raises(TypeError, match="list of its items"):
        play.store(value, 1)


def test_what_was_stored_by_hand_is_safe_from_who_stored_it(play):
    items = [[1]]
    play.store(items, 1)
    items[0].append("spoilt")
    assert play(1) == [[1]]


def test_refresh_runs_to_the_end_and_answers_the_items(play, tape):
    play(1)
    tape.items.append(4)
    answer = play.refresh(1)
    assert answer == [1, 2, 3, 4]
    answer.append("spoilt")
    assert play(1) == [1, 2, 3, 4]
    assert tape.events == ["closed"] * 2


def test_refresh_that_raises_keeps_what_was_there(play, tape):
    play(1)
    tape.error = ConnectionError("gone")
    with pytest.raises(ConnectionError):
        play.refresh(1)
    assert play(1) == [1, 2, 3]


def test_invalidate_drops_one_call_and_invalidate_all_all(play):
    play(1), play(2), play(3)
    assert (play.invalidate(1), play.invalidate(1)) == (True, False)
    assert (play.peek(1), play.peek(2)) == (MISS, [1, 2, 3])
    play.invalidate_all()
    assert play.peek(2) is play.peek(3) is MISS


def test_uncached_is_the_function_s_own_generator(form, play, tape):
    source = play.function.uncached(1)
    assert inspect.isasyncgen(source) if form.kind == "async generator" else inspect.isgenerator(source)
    assert play.uncached(1) == play.uncached(1) == [1, 2, 3]
    assert len(tape.calls) == 2
    assert play.figures() == (0, 0, 0, 0, 0, 0)


def test_warm_runs_each_call_to_its_end(form, play, tape):
    play(1)
    report = play.warm([(1,), (2,), (3, 4)], 2)
    assert (report.calls, report.computed, report.hits, report.failed) == (3, 2, 1, ())
    assert sorted(tape.calls) == [(1, 2), (2, 2), (3, 4)]
    assert play(3, 4) == [1, 2, 3]
    assert play.figures()[:2] == (2, 3)


def test_warm_reports_what_raised(form, cache):
    play = form.cached(Tape(1, error=ConnectionError("gone")).plain(), cache=cache)
    report = play.warm([(1,)])
    assert [(call, type(error)) for call, error in report.failed] == [((1,), ConnectionError)]


def test_explain_says_hit_and_why_not(play):
    assert play.explain(1).reason == "never stored here"
    play(1)
    assert play.explain(1).hit
    assert play.explain(1).key == play.key(1)


# --- rules


def test_store_if_and_ttl_get_the_list_of_items(form, clock, cache):
    seen = []

    def store_if(items):
        seen.append(items)
        return len(items) > 1

    tape = Tape(1)
    play = form.cached(tape.plain(), cache=cache, store_if=store_if, ttl=lambda items: 10 * len(items))
    play(1), play(1)
    assert seen == [[1], [1]]
    tape.items.append(2)
    play(1)
    clock.advance(19)
    assert play.peek(1) == [1, 2]
    clock.advance(1)
    assert play.peek(1) is MISS
    play.refresh(1)
    assert seen[-1] == [1, 2]
    assert play.store([1], 1) is False


def test_a_rule_that_fails_costs_the_entry_alone(form, cache, tape):
    play = form.cached(tape.plain(), cache=cache, store_if=lambda items: items[9])
    assert [play(1), play(1)] == [[1, 2, 3]] * 2
    assert play.figures() == (0, 2, 0, 0, 2, 0)


def test_a_function_can_speak_for_its_own_answer(form, clock, cache):
    """In every step that it runs, and in none of its caller's."""
    keys = []

    def play(a):
        yield 1
        current_call().set_ttl(5)
        keys.append(current_call().key)
        yield 2
        current_call().add_tags("row")
        keys.append(current_call().key)

    play = form.cached(play, cache=cache)
    iteration = play.iterate(1)
    iteration.next()
    with pytest.raises(RuntimeError):
        current_call()
    iteration.rest()
    assert keys == [play.key(1)] * 2
    assert play.explain(1).remaining == 5
    assert play.explain(1).tags == ("row",)


@pytest.mark.parametrize("way", ["to the end", "left", "bypass"])
def test_what_is_said_after_the_run_comes_too_late(form, cache, way):
    said = []

    def play(a):
        said.append(current_call())
        yield 1

    play = form.cached(play, cache=cache)
    if way == "bypass":
        with bypass():
            play(1)
    iteration = play.iterate(1)
    iteration.next()
    said[-1].set_ttl(5)
    iteration.rest() if way == "to the end" else iteration.close()
    for call in said:
        with pytest.raises(RuntimeError, match="before the function returns"):
            call.set_ttl(5)


def test_an_uncached_run_can_speak_of_its_call_as_well(form, cache):
    def play(a):
        current_call().set_ttl(5)
        yield current_call().operation
        yield current_call().keys

    play = form.cached(play, cache=cache, operation="op")
    assert play.uncached(1) == ["op", (str(play.key(1)),)]
    with bypass():
        assert play(1) == ["op", (str(play.key(1)),)]
    assert play.peek(1) is MISS


def test_an_uncached_run_hears_what_its_caller_does(form, play, tape):
    iteration = Iteration(play.function.uncached(1), form)
    assert [iteration.next(), iteration.send("s"), iteration.throw(ValueError("v"))] == [1, 2, "caught"]
    iteration.close()
    assert tape.events == ["sent s", "thrown v", "closed"]
    assert play.peek(1) is MISS


def test_a_function_can_decline(form, cache):
    def play(a):
        yield 1
        current_call().skip_store()

    play = form.cached(play, cache=cache)
    assert play(1) == [1]
    assert play.peek(1) is MISS


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ({"timeout": 1, "stale_if_error": 9}, "timeout= .*stale="),
        ({"errors": {ConnectionError: 9}}, "errors= .*stale_if_error="),
        ({"each": "a"}, "each= .*list"),
    ],
)
def test_options_that_make_no_sense_are_refused_at_decoration(form, option, words):
    with pytest.raises(ConfigurationError, match=rf"play is a generator: {words}"):
        form.cached(Tape().plain(), **option)


# --- freshness


def test_within_stale_the_old_recording_is_replayed_while_a_new_one_is_made(form, clock, cache, tape):
    play = form.cached(tape.plain(), cache=cache, ttl=10, stale=10)
    play(1)
    clock.advance(15)
    tape.items.append(4)
    assert play(1) == [1, 2, 3]
    form.settle()
    assert play(1) == play(1) == [1, 2, 3, 4]
    assert tape.events == ["closed"] * 2
    assert play.figures() == (3, 1, 0, 1, 0, 2)


def test_a_function_that_fails_at_once_is_stood_in_for(form, clock, cache, tape):
    play = form.cached(tape.plain(), cache=cache, ttl=10, stale_if_error=100, retry_after=5)
    play(1)
    clock.advance(15)
    tape.items[:], tape.error = [], ConnectionError("gone")
    assert play(1) == [1, 2, 3]
    assert play(1) == [1, 2, 3]  # nobody tries so soon
    assert len(tape.calls) == 2
    clock.advance(6)
    assert play(1) == [1, 2, 3]
    assert len(tape.calls) == 3
    assert play.figures() == (1, 3, 0, 3, 2, 1)


def test_a_function_that_fails_later_is_not(form, clock, cache, tape):
    """Its caller has items already; the next one is spared the same."""
    play = form.cached(tape.plain(), cache=cache, ttl=10, stale_if_error=100)
    play(1)
    clock.advance(15)
    tape.items[:], tape.error = ["new"], ConnectionError("gone")
    iteration = play.iterate(1)
    assert iteration.next() == "new"
    with pytest.raises(ConnectionError):
        iteration.next()
    assert play(1) == [1, 2, 3]
    assert len(tape.calls) == 2


def test_past_all_windows_a_failure_is_a_failure(form, clock, cache, tape):
    play = form.cached(tape.plain(), cache=cache, ttl=10, stale_if_error=10)
    play(1)
    clock.advance(20)
    tape.items[:], tape.error = [], ConnectionError("gone")
    with pytest.raises(ConnectionError):
        play(1)


def test_a_new_recording_takes_the_place_of_one_that_would_stand_in(form, clock, cache, tape):
    play = form.cached(tape.plain(), cache=cache, ttl=10, stale_if_error=100)
    play(1)
    clock.advance(15)
    tape.items.append(4)
    assert play(1) == play(1) == [1, 2, 3, 4]


def test_refreshes_come_the_earlier_the_longer_the_function_took(form, clock, cache):
    """Its own time counts, not that which its caller takes between the items."""

    def slow():
        clock.advance(2)
        yield 1
        clock.advance(2)

    play = form.cached(slow, cache=cache, ttl=1000, refresh_ahead=True)
    iteration = play.iterate()
    iteration.next()
    clock.advance(500)
    iteration.rest()
    entry = cache.engine_store().held(play.key())
    assert entry.meta.lead == 4


# --- contexts


def test_bypass_lets_the_function_run_and_stores_nothing(play, tape):
    play(1)
    with bypass():
        assert play(1) == [1, 2, 3]
        with pytest.raises(RuntimeError):
            current_call()
    assert len(tape.calls) == 2
    assert play.figures() == (0, 2, 0, 0, 0, 1)


def test_only_if_cached_replays_or_says_so(play, tape):
    with only_if_cached():
        iteration = play.iterate(1)
        with pytest.raises(NotCachedError, match="never stored"):
            iteration.next()
    play(1)
    with only_if_cached():
        assert play(1) == [1, 2, 3]
    assert len(tape.calls) == 1


def test_refreshing_records_anew_once(play, tape):
    play(1)
    tape.items.append(4)
    with refreshing():
        assert play(1) == play(1) == [1, 2, 3, 4]
    assert play(1) == [1, 2, 3, 4]
    assert len(tape.calls) == 2


def test_refreshing_does_not_fall_back(form, clock, cache, tape):
    play = form.cached(tape.plain(), cache=cache, ttl=10, stale_if_error=100)
    play(1)
    tape.items[:], tape.error = [], ConnectionError("gone")
    with refreshing(), pytest.raises(ConnectionError):
        play(1)


def test_fresh_takes_no_recording_that_is_too_old(play, clock, tape):
    play(1)
    clock.advance(5)
    with fresh(max_age=6):
        play(1)
    assert len(tape.calls) == 1
    with fresh(max_age=4):
        play(1)
    assert len(tape.calls) == 2


def test_use_cache_keeps_recordings_elsewhere(play, tape):
    with use_cache(InMemoryCache()):
        play(1), play(1)
        assert play.peek(1) == [1, 2, 3]
    assert play.peek(1) is MISS
    assert len(tape.calls) == 1


def test_the_context_that_counts_is_that_of_the_first_step(play, tape):
    with bypass():
        iteration = play.iterate(1)
    assert iteration.rest() == [1, 2, 3]
    assert play.peek(1) == [1, 2, 3]


# --- bounds


@pytest.fixture
def _three_items(monkeypatch):
    monkeypatch.setattr("askonce.engine.recording.MAX_ITEMS", 3)


@pytest.mark.usefixtures("_three_items")
def test_a_run_of_too_many_items_goes_on_unrecorded(form, cache, tape, caplog):
    play = form.cached(tape.plain(), cache=cache)
    play(1)
    tape.items.append(4)
    with caplog.at_level(logging.WARNING, "askonce"):
        assert [play(2), play(3)] == [[1, 2, 3, 4]] * 2
    assert (play.peek(1), play.peek(2)) == ([1, 2, 3], MISS)
    assert [record.event for record in caplog.records] == ["recording_too_large"]
    assert play.figures() == (0, 3, 0, 0, 0, 1)
    assert "2 runs of this generator were too long" in play.explain(2).reason
    assert play.explain(1).hit


@pytest.mark.parametrize("item", [["x" * 4_000], "x" * 4_000, bytes(4_000)], ids=["list", "text", "bytes"])
def test_a_run_of_too_many_bytes_goes_on_unrecorded(form, cache, monkeypatch, item):
    monkeypatch.setattr("askonce.engine.recording.MAX_BYTES", 10_000)
    tape = Tape(item, item)
    play = form.cached(tape.plain(), cache=cache)
    play(1)
    assert play.peek(1) == tape.items
    tape.items.append(item)
    assert play(2) == tape.items
    assert play.peek(2) is MISS


@pytest.mark.usefixtures("_three_items")
def test_who_wants_everything_at_once_is_told_that_it_is_too_much(form, cache):
    """It stops there: a generator may never end."""
    tape = Tape(1, 2, 3, 4, 5)
    play = form.cached(tape.plain(), cache=cache)
    with pytest.raises(CacheError, match="play yielded more than .* uncached"):
        play.refresh(1)
    (failed,) = play.warm([(1,)]).failed
    assert isinstance(failed[1], CacheError)
    assert play.store([1, 2, 3, 4], 1) is False
    assert tape.events == ["closed"] * 2


# --- looks


def test_the_kind_and_the_looks_are_those_of_the_original(form):
    def play(a: int, /, b: str = "x", *c: int, d, **e) -> list:
        """Play."""
        yield 1

    original = form.function(play)
    function = cached(original)
    assert inspect.isasyncgenfunction(function) is inspect.isasyncgenfunction(original)
    assert inspect.isgeneratorfunction(function) is inspect.isgeneratorfunction(original)
    assert not inspect.iscoroutinefunction(function)
    assert inspect.signature(function) == inspect.signature(play)
    assert (function.__name__, function.__doc__) == ("play", "Play.")
    assert typing.get_type_hints(function)["a"] is int
    assert function.__wrapped__ is original
    assert copy.deepcopy(function) is function


def test_a_wrong_call_fails_at_the_call(play):
    with pytest.raises(TypeError, match=r"play\(\) missing 1 required positional argument: 'a'"):
        play.function()


def test_every_parameter_reaches_the_function(form, cache):
    def play(a, /, b=2, *c, d, e=5, **f):
        yield a, b, c, d, e, f

    play = form.cached(play, cache=cache)
    for _ in range(3):
        assert play(1, d=4) == [(1, 2, (), 4, 5, {})]
        assert play(1, 3, 4, 5, d=4, g=6) == [(1, 3, (4, 5), 4, 5, {"g": 6})]


def test_parameters_may_bear_any_name(form, cache):
    def play(_run, begin, _begin, __error, type):
        yield _run, begin, _begin, __error, type

    play = form.cached(play, cache=cache)
    assert play(1, 2, 3, 4, 5) == play(1, 2, 3, 4, 5) == [(1, 2, 3, 4, 5)]


# --- binding


def test_partials_and_callable_objects_are_generators_too(form, cache, tape):
    partial = functools.partial(form.function(tape.plain()), b=7)
    play = form.cached(tape.plain(), cache=cache)
    decorated = type(play)(cached(cache=cache)(partial), form)

    class Player:
        __call__ = form.function(lambda self, a: (yield a))

        def __cache_key__(self):
            return 1

    called = type(play)(cached(cache=cache)(Player()), form)
    for _ in range(3):
        assert decorated(1) == [1, 2, 3]
        assert called(8) == [8]
    assert tape.calls == [(1, 7)]
    assert called.peek(8) == [8]


@pytest.fixture
def of(form):
    """The generator of this kind that stands in a holder under a name."""
    streamkit.CACHE.sync.clear()
    RUNS.clear()
    ending = "_later" if form.kind == "async generator" else ""
    return lambda holder, name: Stream(getattr(holder, name + ending), form)


def test_methods_know_their_instance(form, of):
    one, two = Service("one"), Service("two")
    for _ in range(3):
        assert of(one, "rows")(1) == [one, 1]
        assert of(two, "rows")(1) == [two, 1]
        assert of(Service, "rows")(one, 1) == [one, 1]
    assert [(one, 1), (two, 1)] == RUNS
    assert of(one, "rows").peek(1) == [one, 1]
    assert of(one, "rows").warm([(1,), (2,)]).computed == 1
    assert of(one, "rows").invalidate(1) is True
    assert of(two, "rows").peek(1) == [two, 1]
    assert of(two, "rows").uncached(1) == [two, 1]


def test_bound_methods_show_their_kind(form, of):
    for name in ("rows", "of_class", "of_class_within", "half"):
        bound = of(Service("one"), name).function
        assert inspect.isasyncgenfunction(bound) is (form.kind == "async generator")
        assert inspect.isgeneratorfunction(bound) is (form.kind == "generator")


def test_class_and_static_methods(of):
    for holder in (Service, Service("one"), Service):
        assert of(holder, "of_class")(1) == [Service, 1]
        assert of(holder, "of_class_within")(1) == [Service, 1]
        assert of(holder, "half")(1) == [0.5]
    assert [(Service, 1), (Service, 1), 1] == RUNS
    assert of(Service, "of_class").peek(1) == [Service, 1]


def test_functions_pickle_by_reference(of):
    function = of(streamkit, "numbers").function
    assert pickle.loads(pickle.dumps(function)) is function


# --- identity


def test_a_function_that_becomes_a_generator_has_other_keys(form):
    """Its entries are of another make, and a shared cache may hold the old ones."""
    options = {"name": "rows", "key": lambda: 1}
    before = cached(cache=InMemoryCache(), **options)(lambda: [1])

    def rows():
        yield 1

    after = form.cached(rows, cache=InMemoryCache(), **options)
    assert after.key() != before.key()


def test_forever_is_possible(form, clock, cache, tape):
    play = form.cached(tape.plain(), cache=cache, ttl=FOREVER)
    play(1)
    clock.advance(1e9)
    play(1)
    assert len(tape.calls) == 1
