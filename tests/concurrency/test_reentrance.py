"""A cached function may use caches itself, by hand or through others, wherever it runs."""

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor

import pytest
from flighttools import Scene

from askonce.flight import current_flight


def test_a_coroutine_function_uses_its_own_cache_by_hand(scene):
    """Every operation of the cache works inside a function that the cache serves."""
    cache = scene.cache

    @scene.cached
    async def f(x):
        await cache.set("mine", x)
        await cache.delete("mine")
        await cache.get_or_set("other", lambda: x)
        await cache.invalidate_tags("none")
        cache.get_stats()
        return await cache.get("other")

    assert asyncio.run(f(1)) == 1
    assert asyncio.run(f.peek(1)) == 1


def test_a_plain_function_uses_its_own_cache_by_hand(scene):
    """The same, blocking, and its own verbs too."""
    cache = scene.cache.sync

    @scene.cached
    def f(x):
        cache.set("mine", x)
        f.peek(x)
        f.invalidate(x + 1)
        f.cache_info()
        f.explain(x)
        return cache.get_or_set("other", lambda: x)

    assert f(1) == 1


def test_a_function_that_clears_its_cache_is_not_stored(scene):
    """It overtook itself: the answer reaches the caller, and the next call computes."""

    @scene.cached
    async def f(x):
        await scene.cache.clear()
        return x

    assert asyncio.run(f(1)) == asyncio.run(f(1)) == 1
    assert f.cache_info().misses == 2


def test_functions_of_both_kinds_call_each_other(scene):
    """Async calls plain, plain runs async, over one cache."""

    @scene.cached
    def low(x):
        return x + 1

    @scene.cached
    async def middle(x):
        return low(x) + await asyncio.to_thread(low, x)

    @scene.cached
    def high(x):
        return asyncio.run(middle(x))

    assert high(1) == 4
    assert low.cache_info().misses == 1


def test_nested_calls_from_a_pool_that_is_too_small(scene):
    """Every thread of the pool leads or waits, and each leader needs other answers: it gets through."""

    @scene.cached
    def f(n):
        return n if n < 2 else f(n - 1) + f(n - 2)

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(f, [20, 19, 20, 18, 20, 17])) == [6765, 4181, 6765, 2584, 6765, 1597]
    assert f.cache_info().misses <= 21 + 2 * 20


def test_a_finalizer_may_call_a_cached_function(scene):
    """The collector runs it wherever it likes, in the middle of a boarding or of a write."""

    @scene.cached
    def f(x):
        return x

    class Loud:
        def __del__(self):
            seen.append(f("from a finalizer"))

    seen = []

    @scene.cached
    def g(x):
        return [x]

    def clock():
        if armed:
            armed.pop()
        return scene.clock()

    armed = [Loud()]
    cache, plain_clock = scene.cache, scene.cache.clock
    cache.clock = clock
    assert g(1) == [1]
    cache.clock = plain_clock
    assert seen == ["from a finalizer"]


def test_two_caches_do_not_share_flights(scene):
    """The same function name and arguments in two caches: two computations."""
    other = Scene()

    async def f(x):
        return os.getpid()

    async def main():
        return await asyncio.gather(scene.cached(f, name="f")(1), other.cached(f, name="f")(1))

    asyncio.run(main())
    assert (len(scene.cache._entries), len(other.cache._entries)) == (1, 1)


def test_a_call_leaves_no_trace_in_its_callers_context(scene):
    """After a call of a plain function nothing is being computed in the thread, also after a failure."""

    @scene.cached
    def f(x):
        assert current_flight.get() is not None
        return 1 // x

    assert f(1) == 1
    with pytest.raises(ZeroDivisionError):
        f(0)
    assert current_flight.get() is None
