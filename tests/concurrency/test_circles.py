"""A function that waits for its own answer is told so; whoever only seems to is not."""

import asyncio
import threading

import pytest
from flighttools import PATIENCE, Scene, in_threads, join_all, steps_until


def test_a_coroutine_function_that_calls_itself_with_the_same_arguments(scene):
    """It is a ``RecursionError`` that names the way out, not a deadlock."""

    @scene.cached
    async def f(x):
        return await f(x)

    with pytest.raises(RecursionError, match="uncached"):
        asyncio.run(f(1))


def test_a_plain_function_that_calls_itself_with_the_same_arguments(scene):
    """The same without an event loop."""

    @scene.cached
    def f(x):
        return f(x)

    with pytest.raises(RecursionError, match="uncached"):
        f(1)


def test_a_circle_of_two(scene):
    """f(1) calls f(2), which calls f(1)."""

    @scene.cached
    async def f(x):
        return await f(3 - x)

    @scene.cached
    def g(x):
        return g(3 - x)

    with pytest.raises(RecursionError):
        asyncio.run(f(1))
    with pytest.raises(RecursionError):
        g(1)


def test_a_circle_through_gather(scene):
    """The call that closes the circle is one of several in a ``gather``."""

    @scene.cached
    async def f(x):
        if x == 3:
            return "leaf"
        return await asyncio.gather(f(3), f(3 - x))

    with pytest.raises(RecursionError):
        asyncio.run(f(1))


def test_a_circle_through_to_thread(scene):
    """``asyncio.to_thread`` takes the context along, and with it whose answer is being computed."""

    @scene.cached
    async def f(x):
        return await asyncio.to_thread(g, x)

    @scene.cached
    def g(x):
        return asyncio.run(f(x))

    with pytest.raises(RecursionError):
        asyncio.run(f(1))


def test_a_circle_across_two_caches(scene):
    """The two functions keep their answers in different caches."""
    other = Scene()

    @scene.cached
    def f(x):
        return g(x)

    @other.cached
    def g(x):
        return f(x)

    with pytest.raises(RecursionError):
        f(1)
    other.assert_nothing_left()


def test_a_circle_through_get_or_set(scene):
    """A factory that asks for its own key."""
    cache = scene.cache

    async def make():
        return await cache.get_or_set("k", make)

    with pytest.raises(RecursionError):
        asyncio.run(cache.get_or_set("k", make))


def test_a_circle_that_two_tasks_close(scene):
    """f(1) waits for f(2) beside f(2) that waits for f(1): both callers hear of it, neither hangs."""
    started = []

    @scene.cached
    async def f(x):
        started.append(x)
        await steps_until(lambda: len(started) == 2)
        return await f(3 - x)

    async def main():
        return await asyncio.gather(f(1), f(2), return_exceptions=True)

    assert [type(answer) for answer in asyncio.run(main())] == [RecursionError, RecursionError]
    assert sorted(started) == [1, 2]


def test_a_circle_that_two_threads_close(scene):
    """The same in threads."""
    both = threading.Barrier(2, timeout=PATIENCE)

    @scene.cached
    def f(x):
        both.wait()
        return f(3 - x)

    threads, answers = in_threads(2, lambda place: f(place + 1))
    join_all(threads)
    assert [type(answer) for answer in answers] == [RecursionError, RecursionError]


def test_a_circle_of_many(scene):
    """f(0) waits for f(1), that for f(2), and the last one for f(0), each led by a task of its own."""
    started = []

    @scene.cached
    async def f(x):
        started.append(x)
        await steps_until(lambda: len(started) == 50)
        return await f((x + 1) % 50)

    async def main():
        return await asyncio.gather(*map(f, range(50)), return_exceptions=True)

    assert {type(answer) for answer in asyncio.run(main())} == {RecursionError}


def test_after_a_circle_the_function_may_be_called_again(scene):
    """A circle is a failure like others: nothing of it is kept."""
    runs = []

    @scene.cached
    def f(x):
        runs.append(x)
        return f(x) if len(runs) == 1 else "answer"

    with pytest.raises(RecursionError):
        f(1)
    assert f(1) == "answer"


# --- no false alarm


def test_recursion_with_other_arguments(scene):
    """The classic: every step asks for smaller ones."""

    @scene.cached
    def fib(n):
        return n if n < 2 else fib(n - 1) + fib(n - 2)

    @scene.cached
    async def afib(n):
        return n if n < 2 else sum(await asyncio.gather(afib(n - 1), afib(n - 2)))

    assert fib(60) == 1548008755920
    assert asyncio.run(afib(30)) == 832040


def test_a_diamond(scene):
    """Two branches of one call wait for the same third."""
    started = []

    @scene.cached
    async def f(x):
        started.append(x)
        if x == "leaf":
            await scene.have_aboard(f.key("leaf"), 2)
            return 1
        if x == "top":
            return sum(await asyncio.gather(f("left"), f("right")))
        return await f("leaf")

    assert asyncio.run(f("top")) == 2
    assert sorted(started) == ["leaf", "left", "right", "top"]


def test_a_call_that_waits_for_another_and_is_waited_for(scene):
    """A chain is no circle, whichever end was begun first."""

    @scene.cached
    async def f(x):
        if x == 0:
            await scene.have_aboard(f.key(0), 2)
            return 0
        return await f(x - 1) + 1

    async def main():
        return await asyncio.gather(f(0), f(1), f(2))

    assert asyncio.run(main()) == [0, 1, 2]


def test_a_background_task_of_an_earlier_call(scene):
    """A task that outlives the call that started it asks like anybody else."""

    async def main():
        background = []
        landed = asyncio.Event()

        async def later():
            await landed.wait()
            await f.invalidate(1)
            return await f(1)

        @scene.cached
        async def f(x):
            if not background:
                background.append(asyncio.create_task(later()))
            return "answer"

        assert await f(1) == "answer"
        landed.set()
        assert await background[0] == "answer"

    asyncio.run(main())


def test_uncached_is_the_way_out(scene):
    """What the message recommends works."""

    @scene.cached
    def f(x, depth=0):
        return depth if depth == 3 else f.uncached(x, depth + 1)

    assert f(1) == 3
