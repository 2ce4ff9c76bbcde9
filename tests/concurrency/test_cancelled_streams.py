"""Async generators that are cancelled, left alone, or outlive their loop; whoever comes next is well."""

import asyncio
import contextvars
import gc

import pytest
from flighttools import FarCache, Scene, settle, steps_until

from askonce import MISS, current_call


def slow(notes):
    """A generator function that awaits before each item, at its end, and while it cleans up."""

    async def rows(a):
        notes.append("begun")
        try:
            for number in range(2):
                await asyncio.sleep(0)
                yield number
            await asyncio.sleep(0)
        finally:
            try:
                await asyncio.sleep(0)
            finally:
                notes.append("cleaned")

    return rows


@pytest.mark.parametrize("make_cache", [lambda: None, FarCache], ids=["memory", "plain"])
def test_a_caller_that_is_cancelled_anywhere_leaves_nothing_behind(make_cache):
    """At every single await: what was begun is cleaned up, and what is stored is whole."""

    async def cancel_after(steps):
        scene, notes = Scene(make_cache()), []
        rows = scene.cached(slow(notes))

        async def consume():
            return [number async for number in rows(1)]

        task = asyncio.ensure_future(consume())
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        outcome = (await asyncio.gather(task, return_exceptions=True))[0]
        assert notes in ([], ["begun", "cleaned"])
        scene.assert_nothing_left()
        assert await rows.peek(1) in (MISS, [0, 1])
        assert await consume() == await consume() == [0, 1]
        scene.assert_nothing_left()
        return outcome

    outcomes = [asyncio.run(cancel_after(steps)) for steps in range(40)]
    cancelled = [isinstance(outcome, asyncio.CancelledError) for outcome in outcomes]
    assert cancelled == sorted(cancelled, reverse=True)
    assert cancelled.count(True) > 4
    assert outcomes[-1] == [0, 1]


def test_a_cancelled_run_is_not_stored(scene):
    notes = []
    rows = scene.cached(slow(notes))

    async def main():
        task = asyncio.ensure_future(anext(rows(1)))
        await settle()
        assert task.done()
        iterator = rows(1)
        assert await anext(iterator) == 0
        task = asyncio.ensure_future(anext(iterator))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await rows.peek(1) is MISS

    asyncio.run(main())


def test_a_function_that_shrugs_off_a_cancellation_goes_on(scene):
    async def rows():
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            yield "anyway"
        yield "more"

    rows = scene.cached(rows)

    async def main():
        iterator = rows()
        task = asyncio.ensure_future(anext(iterator))
        await asyncio.sleep(0)
        task.cancel()
        assert await task == "anyway"
        assert [item async for item in iterator] == ["more"]

    asyncio.run(main())


def test_closing_waits_until_the_function_has_cleaned_up(scene):
    notes = []
    rows = scene.cached(slow(notes))

    async def main():
        iterator = rows(1)
        await anext(iterator)
        await iterator.aclose()
        assert notes == ["begun", "cleaned"]

    asyncio.run(main())


def test_an_error_while_it_cleans_up_reaches_who_closes(scene):
    async def rows():
        try:
            yield 1
        finally:
            raise ConnectionError("while closing")

    rows = scene.cached(rows)

    async def main():
        iterator = rows()
        await anext(iterator)
        with pytest.raises(ConnectionError):
            await iterator.aclose()

    asyncio.run(main())


def test_a_loop_that_breaks_off_has_the_rest_closed_behind_it(scene):
    notes = []
    rows = scene.cached(slow(notes))

    async def main():
        async for _ in rows(1):
            break
        gc.collect()
        await settle()
        assert notes == ["begun", "cleaned"]

    asyncio.run(main())


def test_what_is_left_when_its_loop_ends_is_closed_once(scene):
    """The loop knows of the wrapper alone, so that nothing is closed while it is being closed."""
    notes, complaints, kept = [], [], []
    rows = scene.cached(slow(notes))

    async def main():
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda loop, context: complaints.append(context))
        for number in range(5):
            kept.append(rows(number))
            await anext(kept[-1])

    asyncio.run(main())
    assert notes.count("cleaned") == 5
    assert complaints == []


def test_the_function_runs_in_its_caller_s_task_and_context(scene):
    here = contextvars.ContextVar("here", default="outside")

    async def rows():
        for _ in range(2):
            yield here.get(), asyncio.current_task()

    rows = scene.cached(rows, isolate=False, store_if=lambda items: False)

    async def main():
        task = asyncio.current_task()
        iterator = rows()
        here.set("one")
        assert await anext(iterator) == ("one", task)
        with pytest.raises(RuntimeError):
            current_call()  # which is the function's, not its caller's
        here.set("two")
        assert await anext(iterator) == ("two", task)
        await iterator.aclose()

    asyncio.run(main())


def test_two_loops_may_take_turns_in_replaying(scene):
    rows = scene.cached(slow([]))

    async def consume():
        return [number async for number in rows(1)]

    assert [asyncio.run(consume()) for _ in range(3)] == [[0, 1]] * 3
    assert rows.cache_info().hits == 2


def test_callers_that_want_everything_at_once_share_one_run(scene):
    """The verbs: a refresh is a flight, as that of a function is."""
    notes = []
    rows = scene.cached(slow(notes))

    async def main():
        reports = await asyncio.gather(*(rows.warm([(1,)]) for _ in range(3)))
        assert [report.failed for report in reports] == [()] * 3
        assert notes == ["begun", "cleaned"]

    asyncio.run(main())


@pytest.mark.parametrize("verb", ["refresh", "warm"])
def test_a_verb_that_is_cancelled_closes_the_function(scene, verb):
    notes = []

    async def rows(a):
        try:
            yield 1
            notes.append("waits")
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            notes.append("cleaned")

    rows = scene.cached(rows)

    async def main():
        task = asyncio.ensure_future(rows.refresh(1) if verb == "refresh" else rows.warm([(1,)]))
        await steps_until(lambda: notes)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await settle()
        assert notes == ["waits", "cleaned"]
        assert await rows.peek(1) is MISS

    asyncio.run(main())


def test_a_recording_reaches_a_plain_backend_and_comes_back():
    scene, notes = Scene(FarCache()), []
    rows = scene.cached(slow(notes))

    async def consume():
        return [number async for number in rows(1)]

    async def main():
        assert [await consume() for _ in range(3)] == [[0, 1]] * 3
        assert await rows.peek(1) == [0, 1]
        assert await rows.invalidate(1) is True
        assert await rows.peek(1) is MISS

    asyncio.run(main())
    assert notes == ["begun", "cleaned"]
    assert (rows.cache_info().hits, rows.cache_info().misses) == (2, 1)
    scene.assert_nothing_left()
