"""What runs behind its callers: with whose context, on which loop, and how its failure is seen."""

import asyncio
import contextvars
import gc
import logging
import threading
from contextvars import ContextVar

import pytest

from askonce import (
    MISS,
    InMemoryCache,
    bypass,
    cached,
    current_call,
    fresh,
    only_if_cached,
    refreshing,
    use_cache,
)
from askonce.engine import drivers
from askonce.testing import ManualClock

tenant = ContextVar("tenant", default="nobody")


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def cache(clock):
    return InMemoryCache(clock=clock)


@pytest.fixture(params=["async", "sync"])
def drive(request):
    """Runs a script of plain calls for both kinds: ``ask`` and what it set off are over before it goes on."""
    return _in_tasks if request.param == "async" else _in_threads


def _in_tasks(function, script, **options):
    @cached(**options)
    async def ask(a):
        return function(a)

    runner = asyncio.Runner()

    async def call(a):
        answer = await ask(a)
        while tasks := drivers._under_way.get(asyncio.get_running_loop()):
            await asyncio.wait(tasks)
            await asyncio.sleep(0)
        return answer

    with runner:
        script(lambda a: runner.run(call(a), context=contextvars.copy_context()), ask)


def _in_threads(function, script, **options):
    ask = cached(**options)(function)

    def call(a):
        answer = ask(a)
        for thread in threading.enumerate():
            if thread.name == "askonce refresh":
                thread.join(30)
        return answer

    script(call, ask)


def test_a_refresh_runs_with_a_copy_of_the_context_of_who_set_it_off(drive, cache, clock):
    """Not with that of the first caller, and what it sets stays its own."""
    seen = []

    def ask(a):
        seen.append(tenant.get())
        tenant.set("changed")
        return len(seen)

    def script(call, ask):
        tenant.set("first")
        call(1)
        clock.advance(10)
        tenant.set("second")
        call(1)
        assert (seen, tenant.get()) == (["first", "second"], "second")

    drive(ask, script, cache=cache, ttl=10, stale=20)


def test_a_refresh_is_outside_of_what_its_caller_wants_of_answers(drive, cache, clock):
    """What it calls is served as usual, however new the caller wants its own answer."""
    runs = []

    @cached(cache=cache, ttl=1000)
    def inner():
        runs.append("inner")

    def ask(a):
        runs.append("outer")
        inner()
        return a

    def script(call, ask):
        inner()
        clock.advance(6)
        call(1)
        clock.advance(10)
        with fresh(15):
            call(1)
        assert runs == ["inner", "outer", "outer"]

    drive(ask, script, cache=cache, ttl=10, stale=20)


def test_a_refresh_stays_in_the_cache_that_its_caller_chose(drive, cache, clock):
    """Another cache may be another tenant's: nothing may end up there, or come from there."""
    tenant = InMemoryCache(clock=clock)

    @cached(cache=cache, ttl=1000, name="inner")
    def inner(a):
        return a

    def ask(a):
        return inner(a)

    def script(call, ask):
        with use_cache(tenant):
            call(1)
            inner.invalidate(1)
            clock.advance(10)
            call(1)
            assert inner.peek(1) == 1
        assert inner.peek(1) is MISS

    drive(ask, script, cache=cache, ttl=10, stale=20)


@pytest.mark.parametrize("context", [bypass, refreshing, lambda: fresh(5)])
def test_contexts_that_want_a_new_answer_compute_it_in_front(drive, cache, clock, context):
    runs = []

    def ask(a):
        runs.append(a)
        return len(runs)

    def script(call, ask):
        call(1)
        clock.advance(10)
        with context():
            assert call(1) == 2

    drive(ask, script, cache=cache, ttl=10, stale=20, stale_if_error=40)


def test_looking_sets_nothing_off(drive, cache, clock):
    """``only_if_cached`` is served what is stale, ``peek`` and ``explain`` see it; nothing is refreshed."""
    runs = []

    def ask(a):
        runs.append(a)
        return len(runs)

    def script(call, ask):
        call(1)
        clock.advance(10)
        with only_if_cached():
            assert call(1) == 1
        ask.peek(1), ask.explain(1)
        assert runs == [1]
        assert ask.cache_info().stale == 1

    if drive is _in_threads:
        drive(ask, script, cache=cache, ttl=10, stale=20)
    else:
        _in_tasks(ask, lambda call, ask: script(call, _Looking(ask)), cache=cache, ttl=10, stale=20)


class _Looking:
    def __init__(self, ask):
        self.cache_info = ask.cache_info
        self.peek = lambda *args: asyncio.run(ask.peek(*args))
        self.explain = lambda *args: asyncio.run(ask.explain(*args))


def test_a_refresh_knows_its_call(drive, cache, clock):
    """Behind its callers, too, the function can set the time of its answer."""

    def ask(a):
        current_call().set_ttl(100)
        return current_call().key

    def script(call, ask):
        key = call(1)
        clock.advance(110)
        assert call(1) == key
        clock.advance(99)
        assert cache.sight(key).state == "fresh"

    drive(ask, script, cache=cache, ttl=10, stale=20)


def test_a_failure_behind_is_counted_and_logged_without_what_it_says(drive, cache, clock, caplog):
    runs = []

    def ask(a):
        runs.append(a)
        if len(runs) > 1:
            raise ValueError("a secret")
        return len(runs)

    def script(call, ask):
        call(1)
        clock.advance(10)
        assert call(1) == 1
        (record,) = caplog.records
        assert (record.event, record.error, ask.cache_info().errors) == ("refresh_failed", "ValueError", 1)
        assert "secret" not in caplog.text

    with caplog.at_level(logging.DEBUG, "askonce"):
        drive(ask, script, cache=cache, ttl=10, stale=20)


def endless(cache, runs):
    @cached(cache=cache, ttl=10, stale=20)
    async def ask(a):
        runs.append(a)
        if len(runs) == 2:
            await asyncio.Event().wait()
        return len(runs)

    return ask


async def settled(coroutine):
    answer = await coroutine
    while tasks := drivers._under_way.get(asyncio.get_running_loop()):
        await asyncio.wait(tasks)
    return answer


async def begun(ask, runs):
    answer = await ask(1)
    while len(runs) < 2:
        await asyncio.sleep(0)
    return answer


def test_a_refresh_ends_with_its_loop_and_the_next_call_sets_off_another(cache, clock, caplog):
    """``asyncio.run`` cancels what is left: no failure, and nobody rests for it, but the log hears of it."""
    runs = []
    ask = endless(cache, runs)
    with caplog.at_level(logging.DEBUG, "askonce"):
        asyncio.run(ask(1))
        clock.advance(10)
        assert asyncio.run(begun(ask, runs)) == 1
        assert asyncio.run(settled(ask(1))) == 1
    assert asyncio.run(ask(1)) == 3
    assert [record.event for record in caplog.records] == ["refresh_abandoned"]
    assert (ask.cache_info().errors, ask.cache_info().refreshed) == (0, 1)
    assert len(cache.flights) == len(cache._fences) == 0


def test_a_refresh_on_a_loop_that_is_just_closed_does_not_block_the_next(cache, clock, caplog):
    """A loop that is closed with tasks on it never runs them again, and cancels nothing either."""
    runs = []
    ask = endless(cache, runs)
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda loop, context: None)  # says that a task was destroyed
    loop.run_until_complete(ask(1))
    clock.advance(10)
    assert loop.run_until_complete(begun(ask, runs)) == 1
    loop.close()
    with caplog.at_level(logging.DEBUG, "askonce"):
        assert [asyncio.run(settled(ask(1))) for _ in range(2)] == [1, 3]
        gc.collect()
    assert caplog.records == []
    assert len(cache.flights) == len(cache._fences) == 0


def test_many_keys_are_refreshed_by_few_threads(cache, clock):
    """A plain function's refreshes wait for their turn; each is done, once."""
    gate, lock, seen = threading.Event(), threading.Lock(), []
    gate.set()

    @cached(cache=cache, ttl=10, stale=20)
    def ask(a):
        with lock:
            seen.append((a, threading.active_count()))
        assert gate.wait(30)
        return a

    before = threading.active_count()
    for number in range(100):
        ask(number)
    clock.advance(10)
    gate.clear()
    for number in [*range(100), *range(100)]:
        assert ask(number) == number
    crew = [thread for thread in threading.enumerate() if thread.name == "askonce refresh"]
    gate.set()
    for thread in crew:
        thread.join(30)
    assert sorted(a for a, _ in seen[100:]) == list(range(100))
    assert 1 <= len(crew) <= 32
    assert all(thread.daemon for thread in crew)
    assert max(count for _, count in seen) <= before + 32


def test_of_a_list_what_is_due_is_refreshed_behind_and_the_rest_computed(drive, cache, clock):
    """Each item by its own state: fresh, stale, standing by, gone. One run behind, one in front."""
    runs = []

    def ask(a):
        runs.append(sorted(a))
        if "bad" in a and len(runs) > 4:
            raise ConnectionError
        return [f"{item} {len(runs)}" for item in a]

    def script(call, ask):
        for items, seconds in ((["gone"], 25), (["bad"], 20), (["old", "older"], 15), (["new"], 5)):
            call(items)
            clock.advance(seconds)
        assert call(["new", "bad", "old", "older", "new"]) == ["new 4", "bad 2", "old 3", "older 3", "new 4"]
        assert sorted(runs[4:]) == [["bad"], ["old", "older"]]
        clock.advance(5)
        assert call(["gone", "old"])[0] == f"gone {len(runs)}"
        assert runs[-1] == ["gone"]

    drive(ask, script, cache=cache, ttl=10, stale=15, stale_if_error=40, each="a")
