"""Callers who come while something runs behind others, and failures that nothing may stand in for."""

import asyncio
import logging
import threading

import pytest

from askonce import InMemoryCache, cached, current_call, fresh
from askonce._types import Windows
from askonce.testing import ManualClock, settle, settle_blocking


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def cache(clock):
    return InMemoryCache(clock=clock)


class Gated:
    """A coroutine function whose runs after the first wait until they are let go."""

    def __init__(self, cache, **options):
        self.runs = 0
        self.gate = asyncio.Event()
        self.error = None

        @cached(cache=cache, ttl=10, **options)
        async def ask(a):
            self.runs += 1
            if self.runs > 1:
                await self.gate.wait()
            if self.error is not None:
                raise self.error
            return self.runs

        self.ask = ask

    async def begun(self, runs):
        while self.runs < runs:
            await asyncio.sleep(0)


async def have_aboard(cache, key, count):
    while cache.flights._flights[key].aboard < count:
        await asyncio.sleep(0)


def test_stale_reads_beside_a_refresh_begin_no_other_task(cache, clock):
    """However many come: one refresh is one task."""

    async def main():
        gated = Gated(cache, stale=20)
        await gated.ask(1)
        clock.advance(10)
        for _ in range(50):
            assert await gated.ask(1) == 1
        refreshes = [task for task in asyncio.all_tasks() if task.get_name().startswith("askonce refresh")]
        gated.gate.set()
        await settle()
        assert (len(refreshes), gated.runs) == (1, 2)

    asyncio.run(main())


def test_stale_reads_beside_a_refresh_begin_no_other_thread(cache, clock):
    gate, runs = threading.Event(), []

    @cached(cache=cache, ttl=10, stale=20)
    def ask(a):
        runs.append(a)
        assert len(runs) == 1 or gate.wait(30)
        return len(runs)

    ask(1)
    clock.advance(10)
    for _ in range(50):
        assert ask(1) == 1
    crew = [thread for thread in threading.enumerate() if thread.name == "askonce refresh"]
    gate.set()
    settle_blocking()
    assert (len(crew), len(runs)) == (1, 2)


def test_who_may_not_have_the_stale_answer_waits_for_the_refresh_under_way(cache, clock):
    """It is one flight for all; that caller computes nothing of its own."""

    async def main():
        gated = Gated(cache, stale=20)
        await gated.ask(1)
        clock.advance(10)
        assert await gated.ask(1) == 1
        await gated.begun(2)
        with fresh(5):
            waiting = asyncio.create_task(gated.ask(1))
            await have_aboard(cache, gated.ask.key(1), 1)
        gated.gate.set()
        assert await waiting == 2
        await settle()
        assert gated.runs == 2
        assert gated.ask.cache_info().joined == 1

    asyncio.run(main())


def test_who_leaves_a_refresh_does_not_end_it(cache, clock):
    """Nobody had to wait for it, so nobody's leaving matters."""

    async def main():
        gated = Gated(cache, stale=20)
        await gated.ask(1)
        clock.advance(10)
        await gated.ask(1)
        await gated.begun(2)
        with fresh(5):
            waiting = asyncio.create_task(gated.ask(1))
            await have_aboard(cache, gated.ask.key(1), 1)
        waiting.cancel()
        await asyncio.wait([waiting])
        assert gated.ask.key(1) in cache.flights
        gated.gate.set()
        await settle()
        assert (await gated.ask(1), gated.runs) == (2, 2)

    asyncio.run(main())


@pytest.mark.parametrize("somebody_waits", [True, False])
def test_a_late_failure_is_logged_where_nobody_is_left_to_see_it(cache, clock, caplog, somebody_waits):
    """Who still waits gets the exception, and does with it what it likes."""

    async def main():
        gated = Gated(cache, stale_if_error=40, timeout=0.001)
        await gated.ask(1)
        clock.advance(10)
        gated.error = ValueError("late")
        assert await gated.ask(1) == 1
        if somebody_waits:
            with fresh(5):
                waiting = asyncio.create_task(gated.ask(1))
                await have_aboard(cache, gated.ask.key(1), 1)
        gated.gate.set()
        if somebody_waits:
            with pytest.raises(ValueError, match="late"):
                await waiting
        await settle()

    with caplog.at_level(logging.DEBUG, "askonce"):
        asyncio.run(main())
    assert [record.event for record in caplog.records] == ["refresh_failed"] * (not somebody_waits)


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, asyncio.CancelledError])
@pytest.mark.parametrize("single_flight", ["process", None])
def test_nothing_stands_in_for_what_ends_the_program_or_the_task(cache, clock, error, single_flight):
    """These are no failures of what is behind the function. And nobody rests for them."""
    raised = []

    @cached(cache=cache, ttl=10, stale_if_error=40, single_flight=single_flight)
    def ask(a):
        if raised:
            raise raised.pop()
        return "answer"

    ask(1)
    clock.advance(10)
    raised.append(error())
    with pytest.raises(error):
        ask(1)
    assert ask.cache_info().stale == 0
    ask(1)
    assert ask.cache_info().misses == 3


@pytest.mark.parametrize("age", [4, 12])
def test_an_answer_that_is_too_old_for_its_caller_does_not_stand_in_either(cache, clock, age):
    """``fresh`` is about what the caller gets, by whatever way."""
    fails = []

    @cached(cache=cache, ttl=10, stale_if_error=40)
    def ask(a):
        if fails:
            raise ConnectionError
        return "answer"

    ask(1)
    clock.advance(age)
    fails.append(True)
    with fresh(3), pytest.raises(ConnectionError):
        ask(1)
    assert ask(1) == "answer"


def test_a_tag_rule_that_fails_costs_the_entry_behind_as_in_front(cache, clock):
    """What no tag would reach is not stored: the old answer goes on, to the end of its window."""
    teams = ["first"]

    @cached(cache=cache, ttl=10, stale=20, tags=lambda a: [teams[0]])
    def ask(a):
        runs.append(a)
        return len(runs)

    runs = []
    ask(1)
    teams.clear()
    clock.advance(10)
    for expected in (2, 3):
        assert ask(1) == 1
        settle_blocking()
        assert len(runs) == expected
        clock.advance(5)
    assert ask.cache_info().stored == 1
    ask.uncached(1)
    assert ask(2) == 5
    assert ask(2) == 6


def test_a_kept_exception_bears_the_tags_that_the_function_added(cache):
    runs = []

    @cached(cache=cache, errors={ConnectionError: 60})
    def ask(a):
        runs.append(a)
        current_call().add_tags("team:3")
        raise ConnectionError

    for tag, count in (("team:4", 1), ("team:3", 2)):
        for _ in range(2):
            with pytest.raises(ConnectionError):
                ask(1)
        assert len(runs) == 1
        asyncio.run(cache.invalidate_tags(tag))
        with pytest.raises(ConnectionError):
            ask(1)
        assert len(runs) == count


def test_nothing_stands_in_for_a_generator_that_has_begun(cache, clock):
    """Its caller has items of the new run already; those of the old one would not go with them."""
    fails = []

    @cached(cache=cache, ttl=10, stale_if_error=40)
    def ask(a):
        yield "first"
        if fails:
            raise ConnectionError
        yield "second"

    assert list(ask(1)) == ["first", "second"]
    clock.advance(10)
    fails.append(True)
    items = ask(1)
    assert next(items) == "first"
    with pytest.raises(ConnectionError):
        next(items)
    assert list(ask(1)) == ["first", "second"]  # it rests


def test_readers_need_not_ask_while_an_early_refresh_rests(cache, clock):
    """The fast index may serve the answer up to the next try, or its end."""
    fence = cache.open_fence("key")
    entry = cache.fill(fence, "value", 100, windows=Windows(0, 0, 10))
    cache.close_fence(fence)
    assert entry.until == clock() + 20
    cache.rest(entry, clock() + 50)
    assert entry.until == clock() + 50
    cache.rest(entry, clock() + 150)
    assert entry.until == clock() + 100
