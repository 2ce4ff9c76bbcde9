"""What a process stores behind its memory, and what it takes back when others were faster."""

import asyncio

import pytest
from distant import BURIED, Fleet
from flighttools import PATIENCE, steps_until

from askonce import FOREVER, refreshing
from askonce._types import Windows


def there(fleet, f, x=1):
    """What the server has under the key of a call."""
    frame = fleet.server.counting(str(f.key(x)))
    return None if frame is None else frame.value


async def double(x):
    return 2 * x


def test_an_answer_goes_behind_memory_with_all_that_belongs_to_it(fleet):
    """Its tags, its windows, and its time to live; what it may be built as."""
    (a, _) = fleet.cached(lambda x: x, ttl=FOREVER, tags=["tag"])
    (b, _) = fleet.cached(lambda x: x, name="g", stale=5, stale_if_error=7)
    a(1), b(1)
    frame = fleet.server.counting(a.key(1))
    assert (frame.end, frame.windows) == (FOREVER, None)
    assert set(frame.tokens) >= {"tag"}
    frame = fleet.server.counting(b.key(1))
    assert (frame.end - frame.born, frame.windows) == (10, Windows(5, 7))


@pytest.mark.parametrize("point", ["read is back", "ask write"])
def test_a_fill_that_an_invalidation_elsewhere_overtook_is_kept_nowhere(fleet, point):
    """Those who wait get the value; the next caller computes anew."""
    a, b = fleet.cached(double)

    async def main():
        with fleet.tiers[0].held_at(point) as gate:
            caller = asyncio.create_task(a(1))
            await gate.reached()
            await b.invalidate(1)
            gate.open()
            assert await caller == 2
        assert fleet.caches[0].held(str(a.key(1))) is None
        assert there(fleet, a) is None
        assert await a(1) == 2

    asyncio.run(main())
    assert (a.cache_info().misses, a.cache_info().stored) == (2, 1)


def test_an_answer_is_taken_back_where_news_are_slower_than_the_word_of_the_tier(fleet):
    """The feed has said nothing yet: what the write answers is enough."""
    a, b = fleet.cached(double)

    async def main():
        fleet.server.tiers.remove(fleet.tiers[0])
        with fleet.tiers[0].held_at("ask write") as gate:
            caller = asyncio.create_task(a(1))
            await gate.reached()
            await b.invalidate(1)
            gate.open()
            assert await caller == 2

    asyncio.run(main())
    assert fleet.caches[0].held(str(a.key(1))) is None
    assert a.cache_info().stored == 0
    fleet.tiers[0].reachable = False
    fleet.clock.advance(1)
    assert "taken back 1.0 s ago since the key had changed elsewhere" in asyncio.run(_explained(a))


async def _explained(f):
    return (await f.explain(1)).reason


def test_what_is_taken_back_is_not_what_came_after_it():
    """Only the very entry leaves."""
    cache = Fleet(1).caches[0]
    fence = cache.open_fence("key")
    first = cache.fill(fence, 1, 10)
    second = cache.fill(fence, 2, 10)
    cache.take_back(first)
    assert cache.look("key") is second
    assert not fence.broken
    cache.take_back(second)
    assert cache.look("key") is None
    cache.close_fence(fence)


def test_a_tag_that_changes_during_the_run_undoes_the_fill_everywhere(fleet):
    """Invalidated in another process."""
    a, b = fleet.cached(double, tags=["tag"])

    async def main():
        with fleet.tiers[0].held_at("ask write") as gate:
            caller = asyncio.create_task(a(1))
            await gate.reached()
            await fleet.tiers[1].invalidate_tags(("tag",))
            gate.open()
            await caller

    asyncio.run(main())
    assert there(fleet, a) is None
    assert fleet.caches[0].look(str(a.key(1))) is None


@pytest.mark.parametrize("undo", ["tag", "key", "everything"])
def test_nobody_joins_a_run_that_a_change_elsewhere_has_overtaken(fleet, undo):
    """Who asks afterwards has it computed anew; who asked before gets the first answer."""
    gate, runs = asyncio.Event(), []

    async def f(x):
        runs.append(x)
        number = len(runs)
        if number == 1:
            await gate.wait()
        return number

    a, _ = fleet.cached(f, tags=["tag"])

    async def main():
        early = asyncio.create_task(a(1))
        await steps_until(lambda: runs)
        if undo == "tag":
            fleet.server.outdate(["tag"])
        elif undo == "key":
            fleet.server.bury(str(a.key(1)))
        else:
            fleet.caches[0].drop_all_copies()
        assert await asyncio.wait_for(a(1), PATIENCE) == 2
        gate.set()
        assert (await early, await a(1)) == (1, 2)

    asyncio.run(main())


def test_memory_keeps_what_the_tier_cannot(fleet):
    """A value without an encoding, or a tier that fails."""
    (a, _) = fleet.cached(lambda x: x)
    fleet.tiers[0].encodes = False
    a(1), a(1)
    fleet.tiers[0].fails = True
    a(2), a(2)
    assert (a.cache_info().hits, a.cache_info().stored) == (2, 2)
    assert fleet.tiers[0].owed == []


@pytest.mark.parametrize("fault", ["unreachable", "not encoded", "failing"])
def test_a_replacement_that_does_not_arrive_is_owed(fleet, fault):
    """What it replaces is still there: ``refresh``, ``refreshing`` and ``store`` leave word."""
    (a, _) = fleet.cached(double)
    tier = fleet.tiers[0]
    tier.reachable = fault != "unreachable"
    tier.encodes = fault != "not encoded"
    tier.fails = fault == "failing"

    async def main():
        await a(1)
        assert tier.owed == []
        await a.refresh(1)
        assert await a.store(5, 2) is True
        with refreshing():
            await a(3)
        assert await a(2) == 5

    asyncio.run(main())
    assert tier.owed == [str(a.key(x)) for x in (1, 2, 3)]


def test_a_replacement_that_arrives_is_not_owed(fleet):
    """And is what everybody gets."""
    a, b = fleet.cached(double)

    async def main():
        assert await b.refresh(1) == 2
        assert await a.store(5, 1) is True
        assert (await a(1), await b(1)) == (5, 5)

    asyncio.run(main())
    assert fleet.tiers[0].owed == fleet.tiers[1].owed == []


def test_refresh_replaces_what_it_saw_and_nothing_newer(fleet):
    """It looks before the function runs; an invalidation elsewhere during the run wins."""
    a, b = fleet.cached(double)

    async def main():
        await a(1)
        assert await a.refresh(1) == 2
        with fleet.tiers[0].held_at("ask write") as gate:
            caller = asyncio.create_task(a.refresh(1))
            await gate.reached()
            await b.invalidate(1)
            gate.open()
            assert await caller == 2

    asyncio.run(main())
    assert a.cache_info().stored == 2
    assert fleet.server.data[str(a.key(1))].value is BURIED
    assert fleet.caches[0].held(str(a.key(1))) is None


def test_store_takes_the_place_of_whatever_is_there(fleet):
    """A tombstone too; but not if another verb comes in between, and it says so."""
    a, b = fleet.cached(double)

    async def main():
        await b.invalidate(1)
        assert await a.store(7, 1) is True
        assert await b(1) == 7
        with fleet.tiers[0].held_at("ask write") as gate:
            storing = asyncio.create_task(a.store(8, 1))
            await gate.reached()
            await b.invalidate(1)
            gate.open()
            assert await storing is False

    asyncio.run(main())
    assert there(fleet, a) is None


def test_exceptions_stay_in_the_process(fleet):
    """``errors`` are kept in memory; another process asks for itself."""

    def f(x):
        raise ConnectionError

    a, b = fleet.cached(f, errors={ConnectionError: 60})
    for g in (a, a, b):
        with pytest.raises(ConnectionError):
            g(1)
    assert (a.cache_info().misses, b.cache_info().misses) == (1, 1)
    assert fleet.server.data == {}


def test_invalidations_reach_the_copies_of_others(fleet):
    """By key, by tag, and of all; each is acknowledged only then."""
    a, b = fleet.cached(double, tags=["tag"])

    async def main():
        for undo in (a.invalidate(1), a.invalidate_all(), fleet.tiers[0].invalidate_tags(("tag",))):
            await b(1)
            await b(1)
            await undo
            assert fleet.caches[1].look(str(b.key(1))) is None

    asyncio.run(main())
    assert b.cache_info().misses == 3


def test_invalidate_says_whether_there_was_something_far_away(fleet):
    """Also where memory has nothing."""
    a, b = fleet.cached(lambda x: x)
    a(1)
    assert b.invalidate(1) is True
    assert b.invalidate(1) is False


def test_a_caller_that_is_cancelled_while_its_answer_travels_harms_nobody(fleet):
    """Those who wait with it get the answer."""
    a, _ = fleet.cached(double)

    async def main():
        with fleet.tiers[0].held_at("ask write") as gate:
            leader, other = asyncio.create_task(a(1)), asyncio.create_task(a(1))
            await gate.reached()
            leader.cancel()
            gate.open()
            assert await other == 2

    asyncio.run(main())
    assert there(fleet, a) == 2
