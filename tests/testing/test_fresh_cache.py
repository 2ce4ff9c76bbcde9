"""One cache for all decorated functions, for the time of a block."""

import asyncio
import contextlib
from concurrent.futures import ThreadPoolExecutor

import pytest
from kinds import Shelf

from askonce import (
    ConfigurationError,
    InMemoryCache,
    cached,
    get_default_cache,
    register_cache,
    set_default_cache,
)
from askonce.engine.registry import registry
from askonce.testing import ManualClock, clock_of, fresh_cache

OWN = InMemoryCache()
NAMED = InMemoryCache()


@pytest.fixture(autouse=True)
def caches():
    register_cache("shelf", NAMED)
    set_default_cache(InMemoryCache())
    yield
    set_default_cache(None)
    registry.set("shelf", None)


CHOICES = [None, "shelf", OWN, lambda: OWN]


@pytest.mark.parametrize("choice", CHOICES, ids=["default", "name", "instance", "callable"])
def test_every_function_uses_it_whatever_cache_it_names(kind, choice):
    """What was stored before is not seen inside, what is stored inside is not seen afterwards."""
    double, ran = kind.double(cache=choice)
    for _ in range(3):  # the third is served by the fast index
        kind.run(double, 1)
    with fresh_cache() as cache:
        for _ in range(3):
            kind.run(double, 1)
        assert ran == [1, 1]
        assert cache.get_stats()["size"] == 1
        kind.run(double, 2)
    assert kind.run(double, 1) == 2
    assert ran == [1, 1, 2]
    kind.run(double, 2)
    assert ran == [1, 1, 2, 2]


def test_a_function_that_is_decorated_inside_uses_it_as_well(kind):
    with fresh_cache() as cache:
        double, ran = kind.double(cache="shelf")
        kind.run(double, 1)
        assert cache.get_stats()["size"] == 1
    kind.run(double, 1)
    assert ran == [1, 1]


def test_a_cache_that_nobody_registered_is_not_missed(kind):
    """A test need not set up what the program sets up at its start, and the rest of it still does."""
    double, _ = kind.double(cache="nobody registered this")
    with fresh_cache():
        assert kind.run(double, 1) == 2
    with pytest.raises(ConfigurationError, match="nobody registered this"):
        kind.run(double, 1)


def test_a_callable_that_chooses_a_cache_is_not_asked():
    asked = []
    ask = cached(cache=lambda: asked.append(1) or OWN)(lambda x: x)
    with fresh_cache():
        ask(1)
        assert asked == []
    ask(1)
    assert asked


def test_threads_and_tasks_use_it_also_those_that_were_there_before(kind):
    double, ran = kind.double()
    with ThreadPoolExecutor(1) as before:
        before.submit(kind.run, double, 1).result()
        with fresh_cache(), ThreadPoolExecutor(1) as inside:
            before.submit(kind.run, double, 1).result()
            inside.submit(kind.run, double, 1).result()
            kind.run(double, 1)
            assert ran == [1, 1]
        before.submit(kind.run, double, 1).result()
    assert ran == [1, 1]


def test_code_that_asks_for_a_cache_by_hand_gets_it_too():
    """Otherwise a test would fill the cache of the process behind its back."""
    default = get_default_cache()
    with fresh_cache() as cache:
        assert get_default_cache() is cache
    assert get_default_cache() is default


def test_the_default_cache_is_not_built_for_it():
    """Tests need none of the environment that the program needs."""
    set_default_cache(None)
    with fresh_cache():
        cached(lambda: 1)()
        assert registry.built(None) is None


def test_a_default_that_is_set_inside_counts_afterwards():
    """Code under test may set up its caches."""
    mine = InMemoryCache()
    with fresh_cache() as cache:
        set_default_cache(mine)
        assert get_default_cache() is cache
    assert get_default_cache() is mine


def test_methods_use_it_and_instances_stay_apart():
    shelf, other = Shelf("a"), Shelf("b")
    assert shelf.find("x") == "a/x"
    with fresh_cache() as cache:
        assert (shelf.find("x"), other.find("x")) == ("a/x", "b/x")
        assert cache.get_stats()["size"] == 2


def test_blocks_may_be_nested_and_end_in_any_order():
    first, second = contextlib.ExitStack(), contextlib.ExitStack()
    default = get_default_cache()
    outer = first.enter_context(fresh_cache())
    inner = second.enter_context(fresh_cache())
    assert get_default_cache() is inner
    first.close()
    assert get_default_cache() is inner
    second.close()
    assert get_default_cache() is default
    assert outer is not inner


def test_functions_use_the_innermost_cache(kind):
    """And the outer one again after its block."""
    double, ran = kind.double(cache=OWN)
    with fresh_cache() as outer:
        kind.run(double, 1)
        with fresh_cache() as inner:
            kind.run(double, 2)
            assert (outer.get_stats()["size"], inner.get_stats()["size"]) == (1, 1)
        kind.run(double, 1)
        kind.run(double, 2)
    assert ran == [1, 2, 2]


def test_one_cache_may_be_given_twice():
    """The inner block ends the inner block alone."""
    mine = InMemoryCache()
    with fresh_cache(mine):
        with fresh_cache(mine):
            pass
        assert get_default_cache() is mine


def test_all_is_as_before_also_when_the_block_raises():
    default = get_default_cache()
    with pytest.raises(KeyError), fresh_cache():
        raise KeyError
    assert get_default_cache() is default


def test_a_call_under_way_when_the_block_ends_leaves_nothing_behind():
    """A task that a test forgot must not store into the caches of the program."""
    ran = []

    async def main():
        begun, go = asyncio.Event(), asyncio.Event()

        @cached(cache=OWN)
        async def slow():
            ran.append(1)
            begun.set()
            await go.wait()

        with fresh_cache():
            task = asyncio.create_task(slow())
            await begun.wait()
        go.set()
        await task
        await slow()

    asyncio.run(main())
    assert ran == [1, 1]


def test_what_is_no_cache_is_refused():
    default = get_default_cache()
    with pytest.raises(ConfigurationError, match="is no cache"), fresh_cache({}):
        pass
    assert get_default_cache() is default


def test_a_given_cache_may_be_disabled(kind):
    """Decorated functions then pass straight through."""
    double, ran = kind.double()
    nothing = InMemoryCache()
    nothing.enabled = False
    with fresh_cache(nothing):
        kind.run(double, 1)
        kind.run(double, 1)
    assert ran == [1, 1]


def test_its_clock_stands_still_until_it_is_moved(kind):
    double, ran = kind.double(ttl="15m")
    with fresh_cache() as cache:
        kind.run(double, 1)
        clock_of(cache).advance(899)
        kind.run(double, 1)
        assert ran == [1]
        clock_of(cache).advance(1)
        kind.run(double, 1)
        assert ran == [1, 1]


def test_a_real_clock_cannot_be_moved():
    assert isinstance(clock_of(InMemoryCache(clock=ManualClock())), ManualClock)
    with pytest.raises(TypeError, match=r"InMemoryCache\(clock=ManualClock\(\)\)"):
        clock_of(InMemoryCache())
