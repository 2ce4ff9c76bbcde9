"""What happened to a function inside a block, asserted."""

import asyncio
import gc
import re
import weakref
from concurrent.futures import ThreadPoolExecutor
from unittest.mock import Mock

import pytest
from kinds import Kind, Numbers, Shelf

from askonce import InMemoryCache, bypass, cached
from askonce.testing import assert_computed, assert_hit, failing, fresh_cache, settle_blocking

pytestmark = pytest.mark.usefixtures("cache")


@pytest.fixture
def said():
    """Runs a block that must fail, and answers what it says."""

    def said(watch, *calls):
        with pytest.raises(AssertionError) as failed, watch:
            for call in calls:
                call()
        return str(failed.value)

    return said


def test_calls_that_are_all_hits_are_hits(kind):
    """By key, and by the fast index."""
    double, _ = kind.double()
    kind.run(double, 1)
    with assert_hit(double):
        for _ in range(3):
            kind.run(double, 1)


def test_one_run_among_hits_is_reported_with_its_reason(kind, clock, said):
    """What was known of the call before it ran says why it was no hit."""
    double, _ = kind.double(ttl=60)
    kind.run(double, 1)
    kind.run(double, 2)
    clock.advance("90s")
    kind.run(double, 2)
    text = said(assert_hit(double), lambda: kind.run(double, 2), lambda: kind.run(double, 1))
    assert text.startswith("double: not every call was a hit: 1 hit, 1 run\n")
    assert re.search(r"before +0 +3 .*\n  inside +1 +1 ", text)
    assert "miss: expired 30.0 s ago" in text
    assert str(double.key(1)) in text


def test_no_call_at_all_is_no_hit(kind, said):
    double, _ = kind.double()
    kind.run(double, 1)
    assert "it was not called" in said(assert_hit(double))


def test_waiting_for_another_run_is_no_hit(said):
    """The caller waited as long as if nothing had been cached."""

    async def main():
        begun, go = asyncio.Event(), asyncio.Event()

        @cached
        async def slow():
            begun.set()
            await go.wait()

        first = asyncio.create_task(slow())
        await begun.wait()
        with assert_hit(slow):
            second = asyncio.create_task(slow())
            await asyncio.sleep(0)
            go.set()
            await asyncio.gather(first, second)

    with pytest.raises(AssertionError, match="0 hits, 0 runs, 1 call waited for another"):
        asyncio.run(main())


@pytest.mark.parametrize("times", [0, 1, 2])
def test_runs_are_counted_exactly(kind, said, times):
    """One too few and one too many both fail."""
    double, _ = kind.double()
    calls = [lambda x=x: kind.run(double, x) for x in range(times)]
    with assert_computed(double, times):
        for call in calls * 2:
            call()
    kind.run(double.invalidate_all)
    for wrong in {times + 1, abs(times - 1)}:
        text = said(assert_computed(double, wrong), *calls)
        assert f"expected {wrong} run" in text
        assert f"0 hits, {times} run" in text
        kind.run(double.invalidate_all)


def test_one_run_is_what_is_expected_where_no_number_is_given(kind):
    double, _ = kind.double()
    with assert_computed(double):
        kind.run(double, 1)


def test_many_callers_at_once_are_one_run():
    """What single flight is for can be said in one line."""
    double, _ = Kind("async").double()

    async def main():
        with assert_computed(double, 1):
            await asyncio.gather(*[double(1) for _ in range(100)])

    asyncio.run(main())


def test_calls_in_threads_count():
    double, _ = Kind("sync").double()
    with assert_computed(double, 3), ThreadPoolExecutor(3) as pool:
        list(pool.map(double, [1, 2, 3]))
    with assert_hit(double), ThreadPoolExecutor(3) as pool:
        list(pool.map(double, [1, 2, 3]))


def test_a_refresh_is_a_run_though_an_answer_was_there(kind, said):
    double, _ = kind.double()
    kind.run(double, 1)
    with assert_computed(double, 1):
        kind.run(double.refresh, 1)
    text = said(assert_hit(double), lambda: kind.run(double.refresh, 1))
    assert "hit in memory" in text


def test_runs_that_raise_count_forced_ones_too(kind, said):
    double, _ = kind.double()
    with assert_computed(double, 2):
        for error in (KeyError, ValueError("no")):
            with pytest.raises((KeyError, ValueError)), failing(double, error):
                kind.run(double, 1)
    text = said(assert_computed(double, 0), lambda: _failed(kind, double))
    assert "0 hits, 1 run, 1 error" in text
    assert "miss: " in text


def _failed(kind, function):
    with pytest.raises(ValueError), failing(function, ValueError):
        kind.run(function, 1)


def test_a_stale_answer_is_a_hit_and_its_refresh_a_run_behind(clock, said):
    """No caller waited; the body ran all the same."""
    double, _ = Kind("sync").double(ttl=60, stale=600)
    double(1)
    clock.advance(61)
    with assert_computed(double, 1), assert_hit(double):
        double(1)
        settle_blocking()
    clock.advance(61)
    text = said(assert_computed(double, 0), lambda: double(1), settle_blocking)
    assert "1 hit, 1 run, 1 stale answer" in text


def test_a_stale_answer_in_place_of_an_error_is_no_hit(kind, clock, said):
    """The function was tried, and the caller waited for that."""
    double, _ = kind.double(ttl=60, stale_if_error=600)
    kind.run(double, 1)
    clock.advance(61)
    with failing(double, ConnectionError):
        text = said(assert_hit(double), lambda: kind.run(double, 1))
    assert "0 hits, 1 run, 1 stale answer, 1 error" in text


class Unkeyed:
    """Two of it differ, and no key can say how."""

    def __rmul__(self, number):
        return number


def test_calls_past_the_cache_are_runs(kind, said):
    """Also those that could have no key."""
    double, _ = kind.double()
    with bypass(), assert_computed(double, 2):
        kind.run(double, 1)
        kind.run(double, 1)
    with bypass():
        assert "0 hits, 1 run" in said(assert_hit(double), lambda: kind.run(double, Unkeyed()))


@pytest.mark.parametrize("awaited", [True, False])
def test_generators_are_watched_like_others(awaited):
    """A replay is a hit, a recording a run."""
    count = Numbers(awaited=awaited)
    with assert_computed(count.cached, 2):
        assert count.all(2) == count.all(2) == [0, 1]
        assert count.all(3) == [0, 1, 2]
    with assert_hit(count.cached):
        count.all(2)
    with pytest.raises(AssertionError, match="0 hits, 1 run"), assert_hit(count.cached):
        count.all(4)


def test_a_batch_is_one_run_and_its_items_are_hits_or_not(said):
    """The function is called once for all that is missing."""

    @cached(each="numbers")
    def doubles(numbers):
        return [2 * number for number in numbers]

    with assert_computed(doubles, 1):
        doubles([1, 2, 3])
    with assert_hit(doubles):
        doubles([3, 1])
    assert "2 hits, 1 run\n" in said(assert_hit(doubles), lambda: doubles([1, 4, 2, 5]))


def test_uncached_calls_go_past_the_count(kind):
    double, ran = kind.double()
    with assert_computed(double, 0):
        kind.run(double.uncached, 1)
    assert ran == [1]


def test_a_method_is_watched_on_all_instances(said):
    shelf, other = Shelf("a"), Shelf("b")
    with assert_computed(shelf.find, 2), assert_computed(Shelf.find, 2):
        shelf.find("x")
        other.find("x")
    with assert_hit(shelf.find):
        Shelf("b").find("x")
    assert "Shelf.find: expected 0 runs" in said(assert_computed(shelf.find, 0), lambda: other.find("y"))


def test_every_form_of_method_and_callable_is_known():
    class Doubler:
        def __cache_key__(self):
            return 2

        def __call__(self, x):
            return 2 * x

    doubler = cached(Doubler())
    shelf = Shelf("c")
    for call in (shelf.find, Shelf.made, shelf.made, Shelf.title, shelf.title, doubler):
        call("x")
        with assert_hit(call):
            call("x")
    asyncio.run(_fetched_twice(shelf))


async def _fetched_twice(shelf):
    with assert_computed(shelf.fetch, 1):
        await shelf.fetch("x")
        await shelf.fetch("x")


def test_blocks_of_one_function_may_be_nested(kind):
    double, _ = kind.double()
    with assert_computed(double, 2):
        kind.run(double, 1)
        with assert_computed(double, 1):
            kind.run(double, 2)
        with assert_hit(double):
            kind.run(double, 1)


def test_nothing_of_a_watch_stays_on_the_function(kind):
    """Also where its block raises."""
    double, _ = kind.double()
    watch = assert_computed(double, 0)
    with pytest.raises(KeyError), watch:
        raise KeyError
    gone = weakref.ref(watch)
    del watch
    gc.collect()
    assert gone() is None


def test_what_a_block_raises_itself_is_not_covered_up(kind):
    """The test failed for another reason, and that is what its reader needs."""
    double, _ = kind.double()
    for watch in (assert_hit(double), assert_computed(double, 5)):
        with pytest.raises(KeyError, match="mine"), watch:
            raise KeyError("mine")


def test_a_report_shows_no_argument(kind, said):
    """Reports end up in the logs of a build server."""
    double, _ = kind.double()
    assert "secret" not in said(assert_hit(double), lambda: kind.run(double, "secret"))


def test_a_disabled_cache_is_named_as_the_reason(kind, said):
    double, _ = kind.double()
    nothing = InMemoryCache()
    nothing.enabled = False
    with fresh_cache(nothing):
        text = said(assert_hit(double), lambda: kind.run(double, 1), lambda: kind.run(double, 1))
    assert "0 hits, 2 runs" in text
    assert "disabled" in text


class Explains:
    """It has a method of the name of a verb."""

    def explain(self):
        return "why"


@pytest.mark.parametrize("what", [len, lambda: 1, None, Shelf, "text", Mock(), Explains()])
def test_what_is_not_cached_cannot_be_watched(what):
    with pytest.raises(TypeError, match="is not cached; give a function"):
        assert_hit(what)


def test_less_than_no_run_cannot_be_expected(kind):
    double, _ = kind.double()
    with pytest.raises(ValueError, match="less than 0"):
        assert_computed(double, -1)
