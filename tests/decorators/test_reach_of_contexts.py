"""Who is inside of a context and who is not, as users meet it: pools, frameworks, verbs."""

import asyncio
import contextlib
import contextvars
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from askonce import MISS, InMemoryCache, NotCachedError, bypass, cached, fresh, only_if_cached


@pytest.fixture
def ask(cache):
    """A plain function that counts its runs, and has run once."""
    runs = []

    @cached(cache=cache)
    def ask():
        runs.append(1)
        return len(runs)

    assert ask() == 1
    return ask


# --- threads


def in_a_pool(function):
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(function).result()


def in_a_thread(function):
    answers = []
    thread = threading.Thread(target=lambda: answers.append(function()))
    thread.start()
    thread.join()
    return answers[0]


def in_an_executor_of_the_loop(function):
    async def main():
        return await asyncio.get_running_loop().run_in_executor(None, function)

    return asyncio.run(main())


def by_to_thread(function):
    return asyncio.run(asyncio.to_thread(function))


@pytest.mark.parametrize("somewhere", [in_a_pool, in_an_executor_of_the_loop])
def test_a_pool_knows_nothing_of_the_block(ask, somewhere):
    with bypass():
        assert somewhere(ask) == 1


@pytest.mark.parametrize("somewhere", [in_a_pool, in_a_thread, in_an_executor_of_the_loop])
def test_any_thread_is_meant_that_runs_a_copy_of_the_context(ask, somewhere):
    with bypass():
        context = contextvars.copy_context()
        assert somewhere(lambda: context.run(ask)) == 2


def test_asyncio_to_thread_is_meant(ask):
    with bypass():
        assert by_to_thread(ask) == 2


# --- frameworks


def dependency():
    with bypass():
        yield


async def awaited_dependency():
    with bypass():
        yield


async def answered(dependency, ask):
    """What an endpoint answers, with its dependency run as FastAPI runs it."""
    async with contextlib.AsyncExitStack() as stack:
        if dependency is awaited_dependency:
            await stack.enter_async_context(contextlib.asynccontextmanager(dependency)())
        else:  # in a thread, with a copy of the context
            manager = contextlib.contextmanager(dependency)()
            await asyncio.to_thread(manager.__enter__)
            stack.push_async_callback(asyncio.to_thread, manager.__exit__, None, None, None)
        return ask()


def test_an_async_dependency_is_meant_for_its_request(ask):
    assert asyncio.run(answered(awaited_dependency, ask)) == 2
    assert ask() == 1


def test_a_plain_dependency_has_no_effect(ask):
    """It leaves none behind either."""
    assert asyncio.run(answered(dependency, ask)) == 1
    assert ask() == 1


# --- streams


def test_a_stream_that_is_sent_after_the_block_is_not_meant_but_uncached_is(cache):
    runs = []

    @cached(cache=cache)
    async def tokens():
        runs.append(1)
        yield len(runs)

    async def sent(stream):
        return [item async for item in stream]

    async def main():
        await sent(tokens())
        with bypass():
            stream = tokens()
        return await sent(stream), await sent(tokens.uncached())

    assert asyncio.run(main()) == ([1], [2])


# --- verbs


def test_refresh_and_uncached_run_the_function_where_nothing_is_computed(ask):
    with only_if_cached():
        assert ask.uncached() == 2
        ask.invalidate()
        with pytest.raises(NotCachedError):
            ask()
        assert (ask.refresh(), ask()) == (3, 3)


def test_peek_and_explain_see_what_is_too_old_for_a_call(ask, clock):
    clock.advance(10)
    with fresh(5):
        assert ask.peek() == 1
        assert ask.explain().hit
        assert ask() == 2


def test_a_cache_by_hand_stores_whatever_is_open(clock):
    cache = InMemoryCache(clock=clock)
    with bypass():
        cache.sync.set("a", 1)
        assert cache.sync.get("a") == 1
        assert cache.sync.get("b", MISS) is MISS
