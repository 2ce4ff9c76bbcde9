"""Failures on demand."""

import asyncio
import gc
import traceback
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest
from kinds import Kind, Numbers, Shelf

from askonce import MISS, InMemoryCache, cached
from askonce.testing import assert_computed, failing, fresh_cache

pytestmark = pytest.mark.usefixtures("cache")


class NeedsArguments(Exception):
    def __init__(self, request, response):
        super().__init__(request, response)


def fails(kind, function, *arguments, error=ConnectionError):
    with pytest.raises(error) as raised:
        kind.run(function, *arguments)
    return raised.value


def test_a_call_inside_raises_and_its_body_does_not_run(kind):
    """Nothing is stored, and afterwards the function runs again."""
    double, ran = kind.double()
    with failing(double, ConnectionError) as forced:
        fails(kind, double, 1)
        fails(kind, double, 1)
        assert forced.count == 2
        assert kind.run(double.peek, 1) is MISS
    assert ran == []
    assert kind.run(double, 1) == 2


def test_it_fails_as_often_as_said_and_then_runs(kind):
    double, ran = kind.double()
    with failing(double, ConnectionError, times=2) as forced:
        fails(kind, double, 1)
        fails(kind, double, 2)
        assert kind.run(double, 1) == 2
        assert kind.run(double, 2) == 4
    assert (forced.count, ran) == (2, [1, 2])


def test_what_is_stored_is_served_all_the_same(kind):
    """Failing is about the body, not about the cache."""
    double, _ = kind.double()
    kind.run(double, 1)
    with failing(double, ConnectionError) as forced:
        assert kind.run(double, 1) == 2
    assert forced.count == 0


def test_a_refresh_fails_and_keeps_what_was_stored(kind):
    double, _ = kind.double()
    kind.run(double, 1)
    with failing(double, ConnectionError):
        fails(kind, double.refresh, 1)
        assert kind.run(double.peek, 1) == 2


def test_an_uncached_call_and_one_past_a_disabled_cache(kind):
    """What goes through the cache fails, even one that stores nothing; ``uncached`` does not."""
    double, ran = kind.double()
    nothing = InMemoryCache()
    nothing.enabled = False
    with fresh_cache(nothing), failing(double, ConnectionError):
        fails(kind, double, 1)
        assert kind.run(double.uncached, 1) == 2
    assert ran == [1]


def test_an_instance_is_raised_itself_and_its_traceback_does_not_grow(kind):
    double, _ = kind.double()
    mine = ConnectionError("mine")
    depths = set()
    with failing(double, mine):
        for _ in range(3):
            assert fails(kind, double, 1) is mine
            depths.add(len(traceback.extract_tb(mine.__traceback__)))
    assert len(depths) == 1


def test_of_a_class_each_failure_is_a_new_one(kind):
    double, _ = kind.double()
    with failing(double, ConnectionError):
        assert fails(kind, double, 1) is not fails(kind, double, 1)


def test_blocks_may_be_nested_and_the_innermost_fails_first(kind):
    double, _ = kind.double()
    with failing(double, KeyError) as outer:
        with failing(double, ConnectionError, times=1) as inner:
            fails(kind, double, 1)
            fails(kind, double, 1, error=KeyError)
        fails(kind, double, 1, error=KeyError)
    assert (outer.count, inner.count) == (2, 1)
    assert kind.run(double, 1) == 2


def test_blocks_may_end_in_any_order(kind):
    double, _ = kind.double()
    first, second = failing(double, KeyError), failing(double, ConnectionError)
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    fails(kind, double, 1)
    second.__exit__(None, None, None)
    assert kind.run(double, 1) == 2


def test_a_block_that_raises_leaves_nothing_behind(kind):
    double, _ = kind.double()
    with pytest.raises(ZeroDivisionError), failing(double, ConnectionError):
        raise ZeroDivisionError
    assert kind.run(double, 1) == 2


def test_one_forced_failure_reaches_all_who_wait():
    """Single flight is the real one: one run fails, and every caller hears of it."""
    double, _ = Kind("async").double()

    async def main():
        return await asyncio.gather(*[double(1) for _ in range(10)], return_exceptions=True)

    with failing(double, ConnectionError, times=1) as forced, assert_computed(double, 1):
        errors = asyncio.run(main())
    assert [type(error) for error in errors] == [ConnectionError] * 10
    assert forced.count == 1


def test_threads_share_the_number_of_failures():
    double, ran = Kind("sync").double()

    def call(x):
        try:
            double(x)
        except ConnectionError:
            return "failed"

    with failing(double, ConnectionError, times=5) as forced, ThreadPoolExecutor(8) as pool:
        assert list(pool.map(call, range(20))).count("failed") == 5
    assert (forced.count, len(ran)) == (5, 15)


def test_a_method_fails_on_every_instance():
    shelf = Shelf("a")
    with failing(shelf.find, ConnectionError), pytest.raises(ConnectionError):
        Shelf("b").find("new")
    assert shelf.find("new") == "a/new"


@pytest.mark.parametrize("awaited", [True, False])
def test_a_generator_fails_instead_of_its_first_item(awaited):
    """As often as said, and its verbs with it."""
    count = Numbers(awaited=awaited)
    with failing(count.cached, ConnectionError, times=3) as forced:
        for run in (count.all, count.all, count.refresh):
            with pytest.raises(ConnectionError):
                run(2)
        assert count.all(2) == [0, 1]
    assert forced.count == 3
    with failing(count.cached, ConnectionError):
        assert count.all(2) == [0, 1]


def test_a_stale_answer_stands_in_for_a_forced_failure(kind, cache, clock):
    """That is what failures are forced for; the next try comes after a while."""
    double, ran = kind.double(ttl=60, stale_if_error=600)
    kind.run(double, 1)
    clock.advance(61)
    with failing(double, ConnectionError) as forced:
        assert kind.run(double, 1) == kind.run(double, 1) == 2
        assert forced.count == 1
        clock.advance(600)
        fails(kind, double, 1)
    assert ran == [1]


def test_another_function_does_not_fail(kind):
    double, _ = kind.double()
    other, _ = kind.double()
    with failing(double, ConnectionError):
        assert kind.run(other, 1) == 2


def test_a_cancellation_can_be_forced():
    """A function that is cancelled from within passes that on like an exception."""
    double, _ = Kind("async").double()
    with failing(double, asyncio.CancelledError), pytest.raises(asyncio.CancelledError):
        asyncio.run(double(1))


@pytest.mark.parametrize("error", [None, "text", int, ValueError.mro])
def test_what_is_no_exception_is_refused(kind, error):
    double, _ = kind.double()
    with pytest.raises(TypeError, match="failing raises exceptions"):
        failing(double, error)


def test_a_class_that_needs_arguments_is_refused_before_anything_runs(kind):
    """Else the function would seem to raise a ``TypeError`` of its own."""
    double, _ = kind.double()
    with pytest.raises(TypeError, match="NeedsArguments cannot be made without arguments; give an instance"):
        failing(double, NeedsArguments)
    with failing(double, NeedsArguments(1, 2)):
        fails(kind, double, 1, error=NeedsArguments)


@pytest.mark.parametrize("times", [0, -1])
def test_less_than_one_failure_is_refused(kind, times):
    double, _ = kind.double()
    with pytest.raises(ValueError, match="give 1 or more"):
        failing(double, ConnectionError, times=times)


def test_what_is_not_cached_cannot_be_made_to_fail():
    with pytest.raises(TypeError, match="<lambda> is not cached"):
        failing(lambda: 1, ConnectionError)


@pytest.mark.parametrize("generates", [True, False])
def test_a_function_that_is_not_tested_any_more_is_freed(generates):
    """Nothing is kept of a function beyond its blocks."""

    def generator():
        yield 1

    function = cached(generator if generates else lambda: 1)
    with failing(function, KeyError):
        pass
    gone = weakref.ref(function)
    del function
    gc.collect()
    assert gone() is None
