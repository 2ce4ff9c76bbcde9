"""What a hostile reader found in refreshes behind: each of these was wrong once."""

import asyncio
import dataclasses
import logging
import sys
import threading

import pytest

from askonce import MISS, InMemoryCache, cached, current_call, use_cache
from askonce.engine import drivers
from askonce.engine.crew import Crew
from askonce.testing import ManualClock, settle, settle_blocking


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def cache(clock):
    return InMemoryCache(clock=clock)


def test_a_refresh_gets_the_arguments_as_they_were(cache, clock):
    """What the caller does to them afterwards is not what the key says."""

    @cached(cache=cache, ttl=10, stale=100)
    async def total(numbers):
        return sum(numbers)

    async def main():
        await total([1, 2])
        clock.advance(11)
        numbers = [1, 2]
        await total(numbers)
        numbers.append(100)
        await settle()
        return await total([1, 2])

    assert asyncio.run(main()) == 3


def test_so_does_one_for_the_items_of_a_list(cache, clock):
    @cached(cache=cache, ttl=10, stale=100, each="rows")
    async def totals(rows, more):
        return [sum(row) + sum(more) for row in rows]

    async def main():
        await totals([[1, 2]], [3])
        clock.advance(11)
        row, more = [1, 2], [3]
        await totals([row], more)
        row.append(100)
        more.append(1000)
        await settle()
        return await totals([[1, 2]], [3])

    assert asyncio.run(main()) == [6]


@pytest.mark.parametrize("each", [None, "numbers"])
def test_so_does_a_run_that_its_caller_left(cache, clock, each):
    async def main():
        go = asyncio.Event()
        go.set()

        @cached(cache=cache, ttl=10, stale_if_error=100, timeout=0.001, each=each)
        async def doubled(numbers):
            await go.wait()
            return [2 * number for number in numbers[0]] if each is None else [2 * n[0] for n in numbers]

        await doubled([[1]])
        clock.advance(11)
        go.clear()
        numbers = [1]
        answer = await doubled([numbers])
        numbers[0] = 100
        go.set()
        await settle()
        return answer, await doubled([[1]])

    assert asyncio.run(main()) == ([2], [2])


def test_a_plain_function_gets_them_as_they_were_too(cache, clock):
    @cached(cache=cache, ttl=10, stale=100)
    def total(numbers):
        return sum(numbers)

    total([1, 2])
    clock.advance(11)
    numbers = [1, 2]
    total(numbers)
    numbers.append(100)
    settle_blocking()
    assert total([1, 2]) == 3


def test_a_refresh_that_hangs_and_was_invalidated_does_not_hold_up_the_next(cache, clock):
    async def main():
        never, runs = asyncio.Event(), []

        @cached(cache=cache, ttl=10, stale=100)
        async def ask(a):
            runs.append(a)
            if len(runs) == 2:
                await never.wait()
            return len(runs)

        await ask(1)
        clock.advance(11)
        await ask(1)
        await asyncio.sleep(0)
        await ask.invalidate(1)
        assert await ask(1) == 3
        clock.advance(11)
        assert await ask(1) == 3
        for _ in range(5):
            await asyncio.sleep(0)
        assert await ask(1) == 4
        never.set()
        await settle()
        assert (await ask(1), len(runs)) == (4, 4)

    asyncio.run(main())


def decline():
    current_call().skip_store()


def cancel():
    raise asyncio.CancelledError


def generator_exit():
    raise GeneratorExit


@pytest.mark.parametrize(
    ("options", "deed"),
    [
        ({"store_if": lambda answer: answer < 2}, None),
        ({"ttl": lambda answer: 10 if answer < 2 else 0}, None),
        ({}, decline),
        ({}, cancel),
        ({}, generator_exit),
    ],
)
def test_a_refresh_whose_answer_is_not_stored_rests(cache, clock, options, deed):
    """Otherwise a hundred callers are a hundred runs, one after the other."""
    runs = []

    async def main():
        @cached(cache=cache, retry_after=60, **{"ttl": 10, "stale": 1000} | options)
        async def ask(a):
            runs.append(a)
            if len(runs) > 1 and deed is not None:
                deed()
            return len(runs)

        await ask(1)
        clock.advance(11)
        for _ in range(10):
            assert await ask(1) == 1
            await settle()
        clock.advance(60)
        await ask(1)
        await settle()

    asyncio.run(main())
    assert len(runs) == 3


def test_a_run_from_before_an_invalidation_does_not_make_the_new_entry_rest(cache, clock):
    async def main():
        go, runs = asyncio.Event(), []

        @cached(cache=cache, ttl=10, stale=10_000, retry_after=3600)
        async def ask(a):
            runs.append(a)
            if len(runs) == 2:
                await go.wait()
                raise ValueError
            return len(runs)

        await ask(1)
        clock.advance(11)
        await ask(1)
        await asyncio.sleep(0)
        await ask.invalidate(1)
        assert await ask(1) == 3
        go.set()
        await settle()
        clock.advance(3000)
        assert await ask(1) == 3
        await settle()
        assert await ask(1) == 4

    asyncio.run(main())


def test_refreshes_that_end_with_their_loops_are_told_of(cache, clock, caplog):
    """One loop for each request, as in a worker of a task queue: they never end."""

    @cached(cache=cache, ttl=10, stale=1000)
    async def ask(a):
        await asyncio.sleep(0)
        return a

    asyncio.run(ask(1))
    clock.advance(11)
    with caplog.at_level(logging.WARNING, "askonce"):
        for _ in range(3):
            assert asyncio.run(ask(1)) == 1
    assert {record.event for record in caplog.records} == {"refresh_abandoned"}
    assert ask.cache_info().refreshed == 0


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("each", [None, "items"])
def test_what_ends_the_program_ends_it_from_behind_as_well(cache, clock, error, each):
    runs = []

    @cached(cache=cache, ttl=10, stale=1000, each=each)
    async def ask(items):
        runs.append(items)
        if len(runs) > 1:
            raise error
        return items

    async def main():
        await ask([1])
        clock.advance(11)
        await ask([1])
        await asyncio.sleep(10)

    with pytest.raises(error):
        asyncio.run(main())


def test_after_a_call_was_left_nobody_waits_for_it_again(cache, clock):
    """A function that hangs costs each caller its timeout once, not all of them in turn."""

    async def main():
        never, runs = asyncio.Event(), []

        @cached(cache=cache, ttl=10, stale_if_error=1000, timeout=0.01)
        async def ask(a):
            runs.append(a)
            if len(runs) > 1:
                await never.wait()
            return len(runs)

        await ask(1)
        clock.advance(11)
        assert await ask(1) == 1
        waits = []
        loop = asyncio.get_running_loop()
        loop.call_later = lambda *args, **kwargs: waits.append(args)
        loop.call_at = lambda *args, **kwargs: waits.append(args)
        assert [await ask(1) for _ in range(20)] == [1] * 20
        assert (waits, len(runs)) == ([], 2)
        never.set()
        del loop.call_later, loop.call_at
        await settle()

    asyncio.run(main())


class Desk:
    """Counts its runs, as an object that a method belongs to does."""

    def __init__(self):
        self.runs = 0

    def __cache_key__(self):
        return "desk"

    def __deepcopy__(self, memo):
        raise AssertionError("copied")


@dataclasses.dataclass
class Repository:
    opened: list = dataclasses.field(default_factory=list)


def test_what_is_not_in_the_key_is_the_functions_surroundings_and_is_not_copied(cache, clock):
    """A method's object, and arguments that are ignored."""

    @dataclasses.dataclass(frozen=True)
    class Service:
        runs: list = dataclasses.field(default_factory=list, compare=False)

        @cached(cache=cache, ttl=10, stale=100, ignore={"repository"}, name="ask")
        def ask(self, number, repository):
            self.runs.append(number)
            repository.opened.append(number)
            return len(self.runs)

    service, repository = Service(), Repository()
    for expected in (1, 1, 2):
        assert service.ask(7, repository) == expected
        settle_blocking()
        clock.advance(11)
    assert (service.runs, repository.opened) == ([7, 7, 7], [7, 7, 7])


def test_what_items_share_is_copied_once(cache, clock):
    """Not once for each of them, while a caller waits that should not have to."""
    copies = []

    class Counted(dict):
        pass

    shared = [Counted() for _ in range(3)]

    @cached(cache=cache, ttl=10, stale=100, each="items", key=lambda items, shared: items[0])
    def ask(items, shared):
        copies.append([each is not original for each, original in zip(shared, originals, strict=True)])
        return items

    originals = shared
    ask(list(range(50)), shared)
    clock.advance(11)
    steps = calls_of(lambda: ask(list(range(50)), shared))
    settle_blocking()
    clock.advance(11)
    more = [Counted() for _ in range(6)]
    originals = more
    assert calls_of(lambda: ask(list(range(50)), more)) - steps < 100
    settle_blocking()
    assert copies == [[False] * 3, [True] * 3, [True] * 6]


def calls_of(deed):
    """How many Python functions a deed calls in this thread."""
    count = 0

    def note(frame, event, argument):
        nonlocal count
        count += event == "call"

    sys.setprofile(note)
    try:
        deed()
    finally:
        sys.setprofile(None)
    return count


def test_a_refresh_that_had_to_wait_does_not_try_during_a_rest(cache, clock):
    """Somebody else has tried meanwhile, in vain."""
    go, runs = threading.Event(), []

    @cached(cache=cache, ttl=10, stale=1000, name="busy")
    def busy(number):
        runs.append(number)
        if len(runs) > 16:
            go.wait(30)
        return number

    @cached(cache=cache, ttl=10, stale=1000, retry_after=50, name="busy too", each=None)
    def ask(number):
        asked.append(number)
        if len(asked) > 1:
            raise ValueError
        return number

    asked = []
    for number in range(16):
        busy(number)
    ask(1)
    clock.advance(11)
    behind = Crew(limit=1)
    for_a_while = drivers.crew
    drivers.crew = behind
    try:
        busy(0)
        ask(1)
        with pytest.raises(ValueError):
            ask.refresh(1)
        go.set()
        settle_blocking()
    finally:
        drivers.crew = for_a_while
    assert asked == [1, 1]


def test_tasks_that_a_cached_function_begins_stay_in_the_cache_of_the_block(cache):
    """Until the block ends, not until the function has answered."""
    tenant = InMemoryCache()

    async def main():
        begun = []

        @cached(cache=cache)
        async def inner(number):
            return number

        @cached(cache=cache)
        async def outer(number):
            async def later():
                await go.wait()
                return await inner(number)

            begun.append(asyncio.create_task(later()))
            return number

        go = asyncio.Event()
        with use_cache(tenant):
            await outer(1)
            go.set()
            await begun[0]
            assert await inner.peek(1) == 1
        assert await inner.peek(1) is MISS

    asyncio.run(main())


def test_an_item_that_was_not_tried_does_not_rest(cache, clock):
    async def main():
        go, runs = asyncio.Event(), []
        go.set()

        @cached(cache=cache, ttl=10, stale=1000, retry_after=500, each="items")
        async def ask(items):
            runs.append(list(items))
            await go.wait()
            return items

        await ask([1, 2])
        clock.advance(11)
        go.clear()
        refreshing = asyncio.create_task(ask.refresh([2]))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await ask([1, 2])
        await asyncio.sleep(0)
        refreshing.cancel()
        for _ in range(10):
            await asyncio.sleep(0)
        go.set()
        await settle()
        assert runs[1:] == [[2], [1]]
        await ask([2])
        await settle()
        assert runs[3:] == [[2]]

    asyncio.run(main())


def test_an_exception_of_a_function_that_keeps_none_any_more_is_computed(cache):
    failing = [True]

    def ask(number):
        if failing:
            raise LookupError
        return number

    with pytest.raises(LookupError):
        cached(cache=cache, name="ask", errors={LookupError: 60})(ask)(1)
    failing.clear()
    assert [cached(cache=cache, name="ask")(ask)(1) for _ in range(2)] == [1, 1]


def test_a_failure_that_nothing_stands_in_for_is_its_callers_and_not_the_logs(cache, caplog):
    runs = []

    @cached(cache=cache, ttl=60)
    def ask(number):
        runs.append(number)
        if len(runs) > 1:
            raise ValueError
        return number

    ask(1)
    with caplog.at_level(logging.WARNING, "askonce"), pytest.raises(ValueError):
        ask.refresh(1)
    assert caplog.records == []
