"""``each=`` over a tier: what is missing is asked for at once, and what was computed is stored at once."""

import asyncio
from collections import Counter

import pytest
from flighttools import settle, steps_until

from askonce import MISS, NotCachedError, only_if_cached


class Source:
    def __init__(self):
        self.runs = []
        self.gate = None

    def __call__(self, xs):
        self.runs.append(list(xs))
        return [x * 10 + len(self.runs) for x in xs]


@pytest.fixture
def source():
    return Source()


def functions(fleet, source, **options):
    async def f(xs):
        answers = source(xs)
        if source.gate is not None:
            await source.gate.wait()
        return answers

    return fleet.cached(f, each="xs", **options)


@pytest.fixture
def asked(fleet):
    """How often each method of the second process's tier was used."""
    tier, counts = fleet.tiers[1], Counter()
    for name in ("read", "read_many", "write", "write_many"):
        method = getattr(tier, name)

        def count(*args, method=method, name=name):
            counts[name] += 1
            return method(*args)

        setattr(tier, name, count)
    return counts


def test_a_list_is_read_and_stored_with_one_question_each(fleet, source, asked):
    """However many of its items are missing."""
    a, b = functions(fleet, source)

    async def main():
        await a([1, 2])
        assert await b([1, 2, 3, 4, 3]) == [11, 21, 32, 42, 32]
        assert await a([1, 2, 3, 4]) == [11, 21, 32, 42]

    asyncio.run(main())
    assert source.runs == [[1, 2], [3, 4]]
    assert asked == {"read_many": 1, "write_many": 1}
    assert b.cache_info().stored == 2


def test_lists_in_threads(fleet, source):
    """The same with plain functions."""
    a, b = fleet.cached(lambda xs: source(xs), each="xs")
    a([1, 2])
    assert b([2, 3]) == [21, 32]
    assert b.peek([1, 2]) == [11, 21]
    assert b.peek([5]) is MISS


def test_an_item_that_was_overtaken_is_taken_back_and_no_other(fleet, source):
    """Each has the word of the tier for itself."""
    a, b = functions(fleet, source)

    async def main():
        with fleet.tiers[0].held_at("ask write") as gate:
            caller = asyncio.create_task(a([1, 2]))
            await gate.reached()
            await b.invalidate([2])
            gate.open()
            assert await caller == [11, 21]
        assert await a.peek([1]) == [11]
        assert await a.peek([2]) is MISS

    asyncio.run(main())
    assert a.cache_info().stored == 1


def test_stale_items_from_behind_are_served_and_refreshed_in_one_run(fleet, source):
    """Those that are missing are computed at once."""
    a, b = functions(fleet, source, stale=30)

    async def main():
        await a([1, 2])
        fleet.clock.advance(12)
        assert (await b([1, 2, 3]))[:2] == [11, 21]
        await steps_until(lambda: len(source.runs) == 3)
        await settle()
        assert (await b([1, 2]))[0] > 11

    asyncio.run(main())
    assert sorted(source.runs) == [[1, 2], [1, 2], [3]]


def test_items_from_behind_stand_in_for_a_run_that_fails(fleet, source):
    """Each for itself."""

    async def f(xs):
        if source.runs:
            raise ConnectionError
        return source(xs)

    a, b = fleet.cached(f, each="xs", stale_if_error=30)

    async def main():
        await a([1, 2])
        fleet.clock.advance(12)
        assert await b([1, 2]) == [11, 21]

    asyncio.run(main())


def test_a_refresh_behind_leaves_out_what_somebody_else_refreshed(fleet, source):
    """The tier has a younger answer to one of two items."""
    a, b = functions(fleet, source, stale=30)

    async def main():
        await a([1, 2])
        await b([1, 2])
        fleet.clock.advance(12)
        fleet.server.tiers.remove(fleet.tiers[1])
        await a.refresh([1])
        assert await b([1, 2]) == [11, 21]
        await settle()
        assert await b([1, 2]) == [12, 23]

    asyncio.run(main())
    assert source.runs == [[1, 2], [1], [2]]


def test_refresh_looks_at_all_items_before_the_run(fleet, source):
    """And replaces what it saw."""
    a, b = functions(fleet, source)

    async def main():
        await a([1, 2])
        assert await b.refresh([1, 2]) == [12, 22]
        assert await a([1, 2]) == [12, 22]
        fleet.tiers[1].reachable = False
        await b.refresh([1, 2])

    asyncio.run(main())
    assert fleet.tiers[1].passed["ask observe"] == 2
    assert len(fleet.tiers[1].owed) == 2


def test_a_list_without_a_reachable_tier_asks_nothing(fleet, source):
    """Memory alone serves."""
    a, _ = functions(fleet, source)
    fleet.tiers[0].reachable = False
    assert asyncio.run(a([1, 2])) == [11, 21]
    assert fleet.tiers[0].passed == {}


def test_a_tier_that_fails_for_a_list_is_a_miss_for_each(fleet, source):
    """And memory keeps all of them."""
    a, _ = functions(fleet, source)
    fleet.tiers[0].fails = True

    async def main():
        assert await a([1, 2]) == [11, 21]
        assert await a([1, 2]) == [11, 21]

    asyncio.run(main())
    assert a.cache_info().stored == 2


def test_looking_without_computing_asks_once_for_all_items(fleet, source, asked):
    """``peek`` and ``only_if_cached``: what memory has is not asked for."""
    a, b = functions(fleet, source)

    async def main():
        await a([1, 2, 3])
        await b([1])
        asked.clear()
        assert await b.peek([1, 2, 2]) == [11, 21, 21]
        with only_if_cached():
            assert await b([1, 3]) == [11, 31]
            assert await b([]) == await b.peek([]) == []
            with pytest.raises(NotCachedError):
                await b([1, 4])

    asyncio.run(main())
    assert asked == {"read_many": 3}
    assert len(source.runs) == 1
