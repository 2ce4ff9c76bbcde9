"""Generators over a tier: a recording that another process made is replayed."""

import asyncio
import contextvars

import pytest
from flighttools import PATIENCE, settle_blocking, steps_until

from askonce import refreshing


async def collected(stream):
    return [item async for item in stream]


@pytest.fixture
def runs():
    return []


@pytest.fixture
def functions(fleet, runs):
    def make(**options):
        async def f(x):
            runs.append(x)
            if len(runs) == options_of["fails"]:
                raise ConnectionError
            yield len(runs)
            yield x

        options_of = {"fails": options.pop("fails", None)}
        return fleet.cached(f, **options)

    return make


def test_a_recording_from_behind_is_replayed(functions, runs):
    """With the chunks that it had."""
    a, b = functions()

    async def main():
        assert await collected(a(7)) == [1, 7]
        assert await collected(b(7)) == [1, 7]

    asyncio.run(main())
    assert runs == [7]


def test_a_recording_in_threads(fleet, runs):
    """The same with plain generators, what they return included."""

    def f(x):
        runs.append(x)
        yield x
        return "end"

    def drain(stream):
        items = []
        while True:
            try:
                items.append(next(stream))
            except StopIteration as end:
                return items, end.value

    a, b = fleet.cached(f)
    assert drain(a(1)) == drain(b(1)) == ([1], "end")
    assert runs == [1]


def test_a_stale_recording_is_replayed_and_renewed_behind(fleet, functions, runs):
    """As in memory."""
    a, b = functions(stale=30)

    async def main():
        await collected(a(7))
        fleet.clock.advance(12)
        assert await collected(b(7)) == [1, 7]
        await steps_until(lambda: len(runs) == 2)
        await steps_until(lambda: not fleet.caches[1].flights._flights)
        assert await collected(b(7)) == [2, 7]

    asyncio.run(main())


def test_an_old_recording_stands_in_where_there_was_no_item_yet(fleet, functions):
    """The function failed before its first item."""
    a, b = functions(stale_if_error=30, fails=2)

    async def main():
        await collected(a(7))
        fleet.clock.advance(12)
        assert await collected(b(7)) == [1, 7]

    asyncio.run(main())


def test_refreshing_a_generator_replaces_what_is_behind_memory(fleet, functions):
    """It looks before the run, and stores in its place."""
    a, b = functions()

    async def main():
        await collected(a(7))
        with refreshing():
            assert await collected(b(7)) == [2, 7]
        assert await collected(a(7)) == [2, 7]
        assert await b.refresh(7) == [3, 7]
        assert await collected(a(7)) == [3, 7]

    asyncio.run(main())
    assert fleet.tiers[1].passed["ask observe"] == 2


def test_a_recording_that_was_overtaken_is_kept_nowhere(fleet, functions, runs):
    """Invalidated elsewhere between two items."""
    a, b = functions()

    async def main():
        stream = a(7)
        await anext(stream)
        await b.invalidate(7)
        assert await collected(stream) == [7]
        assert await collected(a(7)) == [2, 7]

    asyncio.run(main())
    settle_blocking()


@pytest.mark.parametrize("end", ["exhausted", "closed"])
def test_a_lease_is_held_as_long_as_the_run(fleet, functions, runs, end):
    """``single_flight="cluster"``: the other process waits for the recording, or runs when there is none."""
    a, b = functions(single_flight="cluster")

    async def main():
        stream = a(7)
        await anext(stream)
        other = asyncio.create_task(collected(b(7)), context=contextvars.Context())
        await steps_until(lambda: fleet.tiers[1].passed["wait for lease"])
        if end == "closed":
            await stream.aclose()
        else:
            await collected(stream)
        assert await other == [len(runs), 7]

    asyncio.run(main())
    assert len(runs) == (2 if end == "closed" else 1)


def test_two_generators_of_one_key_in_turn_do_not_wait_for_each_other(functions, runs):
    """Whoever holds a lease waits for none: ``zip(f(7), f(7))`` would never end."""
    a, _ = functions(single_flight="cluster")

    async def main():
        first, second = a(7), a(7)
        pairs = [(await anext(first), await anext(second)) for _ in range(2)]
        assert pairs == [(1, 2), (7, 7)]
        await first.aclose()
        await second.aclose()

    asyncio.run(asyncio.wait_for(main(), PATIENCE))
