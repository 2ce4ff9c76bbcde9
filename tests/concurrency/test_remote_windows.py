"""Entries behind memory that are not fresh any more: served, refreshed, or kept to stand in, as in memory."""

import asyncio

import pytest
from flighttools import PATIENCE, settle, steps_until

from askonce import only_if_cached
from askonce.testing import settle_blocking


class Source:
    """A function whose runs are counted, and which fails or waits on demand."""

    def __init__(self):
        self.runs = 0
        self.fails = False
        self.gate = None

    async def __call__(self, x):
        self.runs += 1
        answer = self.runs
        if self.gate is not None:
            await self.gate.wait()
        if self.fails:
            raise ConnectionError
        return answer


def functions(fleet, **options):
    source = Source()

    async def f(x):
        return await source(x)

    return source, *fleet.cached(f, **options)


def test_a_stale_entry_from_behind_is_served_and_refreshed_behind(fleet):
    """The process has not seen it before: it serves it at once all the same."""
    source, a, b = functions(fleet, stale=30)

    async def main():
        assert await a(1) == 1
        fleet.clock.advance(12)
        assert await b(1) == 1
        await steps_until(lambda: source.runs == 2)
        await settle()
        assert await b(1) == 2
        assert await a(1) == 2

    asyncio.run(main())
    assert (b.cache_info().stale, b.cache_info().refreshed, b.cache_info().misses) == (1, 1, 0)


def test_a_stale_entry_that_memory_may_not_keep_is_refreshed_too(fleet):
    """It is judged as it was read."""
    source, a, b = functions(fleet, stale=30)
    fleet.tiers[1].keeps = False

    async def main():
        await a(1)
        fleet.clock.advance(12)
        assert await b(1) == 1
        await steps_until(lambda: source.runs == 2)
        await settle()

    asyncio.run(main())
    assert fleet.server.counting(str(a.key(1))).value == 2


def test_a_stale_entry_in_threads(fleet):
    """Plain functions refresh in a thread behind."""
    runs = []

    def f(x):
        runs.append(x)
        return len(runs)

    a, b = fleet.cached(f, stale=30)
    a(1)
    fleet.clock.advance(12)
    assert b(1) == 1
    settle_blocking()
    assert (b(1), runs) == (2, [1, 1])


def test_an_entry_from_behind_stands_in_for_a_function_that_fails(fleet):
    """For the leader and for those who wait with it, since memory keeps it for that."""
    source, a, b = functions(fleet, stale_if_error=30)

    async def main():
        await a(1)
        fleet.clock.advance(12)
        source.fails = True
        assert await asyncio.gather(b(1), b(1)) == [1, 1]
        assert source.runs == 2
        assert await b(1) == 1, "it rests"
        assert source.runs == 2

    asyncio.run(main())


@pytest.mark.parametrize("single_flight", ["process", "cluster", None])
def test_a_spare_that_memory_may_not_keep_stands_in(fleet, single_flight):
    """As long as nobody invalidated it meanwhile."""
    source, a, b = functions(fleet, stale_if_error=30, single_flight=single_flight)
    fleet.tiers[1].keeps = False

    async def main():
        await a(1)
        fleet.clock.advance(12)
        source.fails = True
        assert await b(1) == 1
        source.gate = asyncio.Event()
        caller = asyncio.create_task(b(1))
        await steps_until(lambda: source.runs == 3)
        await a.invalidate(1)
        source.gate.set()
        with pytest.raises(ConnectionError):
            await caller

    asyncio.run(main())


def test_a_spare_goes_before_a_kept_error(fleet):
    """A stale value in its window wins over ``errors``, wherever it is."""
    source, a, b = functions(fleet, stale_if_error=30, errors={ConnectionError: 60})
    fleet.tiers[1].keeps = False

    async def main():
        await a(1)
        fleet.clock.advance(12)
        source.fails = True
        assert (await b(1), await b(1)) == (1, 1)

    asyncio.run(main())
    assert b.cache_info().stored == 0


def test_the_patience_of_a_caller_ends_with_what_came_from_behind(fleet):
    """``timeout``: before the tier answered there was nothing to fall back on, now there is."""
    source, a, b = functions(fleet, stale_if_error=30, timeout=0.001)

    async def main():
        await a(1)
        fleet.clock.advance(12)
        source.gate = asyncio.Event()
        assert await asyncio.wait_for(b(1), PATIENCE) == 1
        source.gate.set()
        await steps_until(lambda: not fleet.caches[1].flights._flights)
        assert await b(1) == 2

    asyncio.run(main())


def test_what_is_over_is_computed(fleet):
    """Neither stale nor in grace: the tier may still have it, nobody wants it."""
    source, a, b = functions(fleet, stale=5, stale_if_error=7)

    async def main():
        await a(1)
        fleet.clock.advance(17)
        assert await b(1) == 2

    asyncio.run(main())


def test_a_function_without_windows_takes_no_stale_entry(fleet):
    """Its other half, in a process that was deployed before, has some."""
    source = Source()

    async def f(x):
        return await source(x)

    (a, _), (_, b) = fleet.cached(f, stale=30), fleet.cached(f)

    async def main():
        await a(1)
        fleet.clock.advance(12)
        assert await b(1) == 2

    asyncio.run(main())


def test_only_if_cached_is_served_a_stale_entry_from_behind(fleet):
    """And has nothing refreshed, since it lets nothing be computed."""
    source, a, b = functions(fleet, stale=30)

    async def main():
        await a(1)
        fleet.clock.advance(12)
        with only_if_cached():
            assert await b(1) == 1
        await settle()

    asyncio.run(main())
    assert source.runs == 1


def test_a_refresh_behind_takes_what_somebody_else_has_refreshed_already(fleet):
    """News of it are late: the entry in memory still looks stale, the tier has a younger one."""
    source, a, b = functions(fleet, stale=30)

    async def main():
        await a(1)
        await b(1)
        fleet.clock.advance(12)
        fleet.server.tiers.remove(fleet.tiers[1])  # the feed of the other process has stopped
        await a.refresh(1)
        assert await b(1) == 1
        await settle()
        assert await b(1) == 2

    asyncio.run(main())
    assert source.runs == 2
    assert (b.cache_info().refreshed, b.cache_info().misses) == (0, 0)


def test_an_early_refresh_does_not_take_the_entry_itself_for_a_younger_one(fleet):
    """With ``refresh_ahead`` it is fresh still, and its stamps differ a little with each way they took."""
    source, a, b = functions(fleet, refresh_ahead=1e9)

    async def main():
        await _slowly(fleet, source, a)
        fleet.clock.advance(7)
        fleet.caches[1].draw = lambda: 1 - 1e-12
        assert await b(1) == 1
        await steps_until(lambda: source.runs == 2)
        await settle()

    asyncio.run(main())
    assert b.cache_info().refreshed == 1


def test_an_early_refresh_takes_a_younger_entry(fleet):
    """Also where its own is fresh still."""
    source, a, b = functions(fleet, refresh_ahead=1e9)

    async def main():
        await _slowly(fleet, source, a)
        await b(1)
        fleet.clock.advance(7)
        fleet.server.tiers.remove(fleet.tiers[1])
        await a.refresh(1)
        fleet.caches[1].draw = lambda: 1 - 1e-12
        assert await b(1) == 1
        fleet.caches[1].draw = lambda: 0.0
        await settle()
        assert await b(1) == 2

    asyncio.run(main())
    assert source.runs == 2


async def _slowly(fleet, source, f):
    """A run that took some time, so that its entry has a lead."""
    source.gate = asyncio.Event()
    caller = asyncio.create_task(f(1))
    await steps_until(lambda: source.runs == 1)
    fleet.clock.advance(1)
    source.gate.set()
    await caller
    source.gate = None


def test_a_refresh_behind_is_fenced_by_what_it_saw(fleet):
    """Another process invalidates the key while the function runs: the answer is stored nowhere."""
    source, a, b = functions(fleet, stale=30)

    async def main():
        await a(1)
        fleet.clock.advance(12)
        source.gate = asyncio.Event()
        assert await b(1) == 1
        await steps_until(lambda: source.runs == 2)
        await a.invalidate(1)
        source.gate.set()
        await settle()

    asyncio.run(main())
    assert fleet.server.counting(str(a.key(1))) is None
    assert fleet.caches[1].look(str(b.key(1))) is None


def test_a_refresh_behind_goes_on_where_the_tier_cannot_be_reached(fleet):
    """Memory alone is refreshed."""
    source, a, b = functions(fleet, stale=30, single_flight="cluster")

    async def main():
        await a(1)
        await b(1)
        fleet.clock.advance(12)
        fleet.tiers[1].reachable = False
        assert await b(1) == 1
        await settle()
        assert await b(1) == 2

    asyncio.run(main())
