"""``single_flight="cluster"``: one computation at a time of a key, in whichever process."""

import asyncio
import threading

import pytest
from distant import Fleet
from flighttools import PATIENCE, settle, steps_until

from askonce import InMemoryCache, cached, current_call, fresh
from askonce.testing import settle_blocking


class Source:
    """A function that counts its runs and waits for its gate."""

    def __init__(self):
        self.runs = []
        self.gate = None
        self.error = None

    async def __call__(self, x):
        self.runs.append(x)
        if self.gate is not None:
            await self.gate.wait()
        if self.error is not None:
            error, self.error = self.error, None
            raise error
        return len(self.runs)


@pytest.fixture
def source():
    return Source()


def functions(fleet, source, **options):
    async def f(x):
        return await source(x)

    return fleet.cached(f, **{"single_flight": "cluster"} | options)


async def holding(fleet, source, f, x=1):
    """A caller of the first process that computes and holds the lease."""
    source.gate = asyncio.Event()
    caller = asyncio.create_task(f(x))
    await steps_until(lambda: source.runs and fleet.server.leases)
    return caller


async def waiting(fleet, f, x=1, place=1):
    """A caller of another process that waits for the lease."""
    caller = asyncio.create_task(f(x))
    before = fleet.tiers[place].passed["wait for lease"]
    await steps_until(lambda: fleet.tiers[place].passed["wait for lease"] > before)
    return caller


def test_one_process_computes_and_the_other_takes_its_answer(fleet, source):
    """Everybody who asks meanwhile waits, in both processes."""
    a, b = functions(fleet, source)

    async def main():
        first = await holding(fleet, source, a)
        others = [await waiting(fleet, b), asyncio.create_task(b(1)), asyncio.create_task(a(1))]
        source.gate.set()
        assert await asyncio.gather(first, *others) == [1, 1, 1, 1]
        assert await b(1) == 1

    asyncio.run(main())
    assert source.runs == [1]
    assert b.cache_info().misses == 0
    assert fleet.caches[1].look(str(b.key(1))) is not None, "the holder's own news broke the fence"


def test_four_processes_and_a_cold_key(source):
    """One of them computes."""
    fleet = Fleet(4)
    fs = functions(fleet, source)

    async def main():
        callers = [asyncio.create_task(f(1)) for f in fs for _ in range(5)]
        assert await asyncio.gather(*callers) == [1] * 20

    asyncio.run(main())
    assert source.runs == [1]
    fleet.assert_nothing_left()


def test_threads_wait_for_the_lease_too(fleet):
    """Plain functions: the waiting thread gets what the other process's thread stored."""
    runs, gate = [], threading.Event()

    def f(x):
        runs.append(x)
        assert gate.wait(PATIENCE)
        return len(runs)

    a, b = fleet.cached(f, single_flight="cluster")
    answers = {}
    threads = [threading.Thread(target=lambda g=g: answers.update({g: g(1)})) for g in (a, b)]
    with fleet.tiers[1].held_at("wait for lease") as waits:
        threads[0].start()
        while not runs:
            pass
        threads[1].start()
        waits.reached_blocking()
    gate.set()
    for thread in threads:
        thread.join(PATIENCE)
    assert (answers, runs) == ({a: 1, b: 1}, [1])


def test_without_a_tier_it_is_single_flight_in_the_process():
    """Memory alone has one process."""

    @cached(cache=InMemoryCache(), single_flight="cluster")
    async def f(x):
        return object()

    async def main():
        assert len(set(await asyncio.gather(*[f(1) for _ in range(5)]))) == 1

    asyncio.run(main())


def test_without_a_reachable_tier_each_process_computes(fleet, source):
    """Nobody is asked for a lease."""
    a, b = functions(fleet, source)
    for tier in fleet.tiers:
        tier.reachable = False
    assert [asyncio.run(f(1)) for f in (a, b)] == [1, 2]


def test_a_tier_that_fails_is_no_reason_to_wait(fleet, source):
    """The function runs without a lease."""
    a, _ = functions(fleet, source)
    fleet.tiers[0].fails = True
    assert asyncio.run(a(1)) == 1


# --- the holder does not deliver


@pytest.mark.parametrize("fault", ["raises", "not stored", "not encoded", "invalidated"])
def test_where_the_holder_stores_nothing_the_next_one_computes(fleet, source, fault):
    """In turn: the lease goes from one to the next."""

    async def f(x):
        if fault == "not stored" and not source.runs:
            current_call().skip_store()
        return await source(x)

    a, b = fleet.cached(f, single_flight="cluster")

    async def main():
        first = await holding(fleet, source, a)
        second = await waiting(fleet, b)
        source.error = ConnectionError() if fault == "raises" else None
        fleet.tiers[0].encodes = fault != "not encoded"
        if fault == "invalidated":
            await b.invalidate(1)  # breaks the second one's fence as well
        source.gate.set()
        if fault == "raises":
            with pytest.raises(ConnectionError):
                await first
        else:
            assert await first == 1
        assert await second == 2

    asyncio.run(main())
    assert source.runs == [1, 1]


@pytest.mark.parametrize(
    "point", ["ask lease", "ask read", "answer read", "read is back", "run", "ask write", "answer write"]
)
def test_a_holder_that_is_cancelled_anywhere_leaves_no_lease(fleet, source, point):
    """Whatever it was waiting for; the other process then computes, or finds what was stored."""
    a, b = functions(fleet, source)

    async def main():
        if point == "run":
            first = await holding(fleet, source, a)
            second = await waiting(fleet, b)
            first.cancel()
        else:
            with fleet.tiers[0].held_at(point) as gate:
                first = asyncio.create_task(a(1))
                if point.endswith("read") or point == "read is back":
                    await gate.reached()
                    gate.open()
                    fleet.tiers[0].gates[point] = gate = type(gate)()  # the read that comes with the lease
                if point == "ask lease":
                    await settle()
                else:
                    await gate.reached()
                second = asyncio.create_task(b(1))
                await settle()
                first.cancel()
                gate.open()
        if source.gate is not None:
            source.gate.set()
        await asyncio.gather(first, return_exceptions=True)
        assert await second in (1, 2)

    asyncio.run(main())


def test_a_waiting_caller_that_leaves_takes_nobody_along(fleet, source):
    """The holder goes on, and so do those who wait with the one who left."""
    a, b = functions(fleet, source)

    async def main():
        first = await holding(fleet, source, a)
        leader = await waiting(fleet, b)
        other = asyncio.create_task(b(1))
        await settle()
        leader.cancel()
        await settle()
        source.gate.set()
        assert await asyncio.gather(first, other) == [1, 1]

    asyncio.run(main())
    assert source.runs == [1]


def test_a_wait_ends_when_the_last_caller_leaves(fleet, source):
    """Nothing of it is left."""
    a, b = functions(fleet, source)

    async def main():
        first = await holding(fleet, source, a)
        only = await waiting(fleet, b)
        only.cancel()
        await settle()
        assert fleet.caches[1].flights._flights == {}
        source.gate.set()
        await first

    asyncio.run(main())
    assert source.runs == [1]


# --- who does not wait


def test_a_tier_that_goes_away_leaves_a_refresh_behind_to_this_process(fleet, source):
    """No answer is not a "no": the entry is refreshed in memory, and does not rest."""
    _, b = functions(fleet, source, stale=30)
    tier = fleet.tiers[1]

    async def goes_away(fence, shape, *, wait):
        tier.reachable = False
        raise ConnectionError

    async def main():
        await b(1)
        fleet.clock.advance(12)
        tier.lease = goes_away
        assert await b(1) == 1
        await steps_until(lambda: len(source.runs) == 2)
        await settle()
        assert await b(1) == 2

    asyncio.run(main())


def test_a_run_that_is_over_holds_nobody_back(fleet, source):
    """Only as long as it held its lease did the task wait for no other."""
    a, b = functions(fleet, source)

    async def items(x):
        yield x

    stream = fleet.cached(items, name="items", single_flight="cluster")[1]

    async def main():
        assert [item async for item in stream(7)] == [7]
        first = await holding(fleet, source, a)
        second = await waiting(fleet, b)
        source.gate.set()
        assert await asyncio.gather(first, second) == [1, 1]

    asyncio.run(main())


def test_a_refresh_by_hand_waits_for_nobody(fleet, source):
    """It wants an answer of its own, not what somebody else is computing."""
    a, b = functions(fleet, source)

    async def main():
        first = await holding(fleet, source, a)
        refresh = asyncio.create_task(b.refresh(1))
        await steps_until(lambda: len(source.runs) == 2)
        source.gate.set()
        await asyncio.gather(first, refresh)

    asyncio.run(main())
    assert fleet.tiers[1].passed["wait for lease"] == 0


def test_a_refresh_behind_leaves_it_to_whoever_is_at_it(fleet, source):
    """The stale entry is served, and rests; nothing waits behind."""
    a, b = functions(fleet, source, stale=30)

    async def main():
        await a(1)
        await b(1)
        fleet.clock.advance(12)
        source.gate = asyncio.Event()
        assert await a(1) == 1
        await steps_until(lambda: len(source.runs) == 2)
        assert await b(1) == 1
        await settle()
        assert fleet.caches[1].flights._flights == {}
        assert (await b.explain(1)).retry == 5.0
        source.gate.set()
        await steps_until(lambda: not fleet.caches[0].flights._flights)
        assert await b(1) == 2

    asyncio.run(main())
    assert source.runs == [1, 1]
    assert b.cache_info().refreshed == 0


def test_a_caller_that_joins_a_refresh_that_was_denied_leads_itself(fleet, source):
    """It wants a younger answer than the stale one, and waits for the lease."""
    a, b = functions(fleet, source, stale=30)

    async def main():
        await a(1)
        await b(1)
        fleet.clock.advance(12)
        source.gate = asyncio.Event()
        assert await a(1) == 1
        await steps_until(lambda: len(source.runs) == 2)
        with fleet.tiers[1].held_at("ask read") as gate:
            assert await b(1) == 1
            await gate.reached()
            with fresh(5):
                caller = asyncio.create_task(b(1))
                await settle()
        await steps_until(lambda: fleet.tiers[1].passed["wait for lease"])
        source.gate.set()
        assert await caller == 2

    asyncio.run(main())


def test_the_patience_of_a_caller_ends_while_it_waits_for_a_lease(fleet, source):
    """``timeout``: it is served the stale value, and the wait goes on behind it."""
    a, b = functions(fleet, source, stale_if_error=30, timeout=0.001)

    async def main():
        await a(1)
        await b(1)
        fleet.clock.advance(12)
        source.gate = asyncio.Event()
        assert await asyncio.gather(a(1), b(1)) == [1, 1]
        assert len(source.runs) == 2
        source.gate.set()
        await steps_until(lambda: not fleet.caches[1].flights._flights)
        assert await b(1) == 2

    asyncio.run(main())
    assert source.runs == [1, 1]


def test_an_answer_that_is_too_old_for_the_caller_is_computed_all_the_same(fleet, source):
    """``fresh(0)`` takes only what is computed for it."""
    a, b = functions(fleet, source)

    async def demanding():
        with fresh(0):
            return await b(1)

    async def main():
        first = await holding(fleet, source, a)
        second = asyncio.create_task(demanding())
        await steps_until(lambda: fleet.tiers[1].passed["wait for lease"])
        source.gate.set()
        assert await asyncio.gather(first, second) == [1, 2]

    asyncio.run(main())


def test_two_processes_that_need_each_others_answer_do_not_wait_without_end(fleet):
    """In one ``f(1)`` asks for ``f(2)``, in the other ``f(2)`` asks for ``f(1)``."""
    asked = []

    async def main():
        started = [asyncio.Event(), asyncio.Event()]
        fs = []

        async def f(x):
            place = current_process.pop(0) if current_process else None
            asked.append(x)
            if place is None:
                return x
            started[place].set()
            await started[1 - place].wait()
            return x + await fs[place](3 - x)

        current_process = [0, 1]
        fs += fleet.cached(f, single_flight="cluster")
        first = asyncio.create_task(fs[0](1))
        await started[0].wait()
        second = asyncio.create_task(fs[1](2))
        assert await asyncio.wait_for(asyncio.gather(first, second), PATIENCE) == [3, 3]

    asyncio.run(main())


# --- lists


def test_items_that_somebody_else_computes_are_left_out_of_the_run(fleet, source):
    """The rest is computed once the others have come."""
    runs = []

    async def f(xs):
        runs.append(list(xs))
        if source.gate is not None:
            await source.gate.wait()
        return [x * 10 + len(runs) for x in xs]

    a, b = fleet.cached(f, each="xs", single_flight="cluster")

    async def main():
        source.gate = asyncio.Event()
        first = asyncio.create_task(a([1, 2]))
        await steps_until(lambda: runs)
        second = asyncio.create_task(b([2, 3, 1]))
        await steps_until(lambda: fleet.tiers[1].passed["wait for lease"])
        source.gate.set()
        assert await first == [11, 21]
        assert await second == [21, 32, 11]

    asyncio.run(main())
    assert runs == [[1, 2], [3]]


@pytest.mark.parametrize("lists", [([1, 2, 3], [3, 2, 1]), ([2, 1], [1, 3]), ([1], [2, 1])])
def test_lists_of_two_processes_never_wait_in_a_circle(lists):
    """Whatever the order of their items: leases are taken in the order of the keys."""
    for turns in range(6):
        fleet, runs = Fleet(), []
        for tier in fleet.tiers:
            tier.turns = lambda turns=turns: turns

        async def f(xs, runs=runs):
            runs.extend(xs)
            await asyncio.sleep(0)
            return [x * 10 for x in xs]

        a, b = fleet.cached(f, each="xs", single_flight="cluster")

        async def main(a=a, b=b):
            both = asyncio.gather(a(lists[0]), b(lists[1]))
            return await asyncio.wait_for(both, PATIENCE)

        assert asyncio.run(main()) == [[x * 10 for x in each] for each in lists]
        assert sorted(runs) == sorted({*lists[0], *lists[1]}), "an item was computed twice"
        fleet.assert_nothing_left()


def test_a_list_whose_first_item_comes_from_elsewhere_still_knows_its_circles(fleet, source):
    """The run goes on as that of the items that are left: one that waits for its own answer is told so."""
    runs = []

    async def f(xs):
        runs.append(list(xs))
        if source.gate is not None and xs == [1]:
            await source.gate.wait()
        elif 2 in xs:
            return [x + sum(await fs[1]([2])) for x in xs]
        return xs

    fs = fleet.cached(f, each="xs", single_flight="cluster")

    async def main():
        source.gate = asyncio.Event()
        first = asyncio.create_task(fs[0]([1]))
        await steps_until(lambda: runs)
        second = asyncio.create_task(fs[1]([1, 2]))
        await steps_until(lambda: fleet.tiers[1].passed["wait for lease"])
        source.gate.set()
        await first
        with pytest.raises(RecursionError):
            await asyncio.wait_for(second, PATIENCE)

    asyncio.run(main())


def test_stale_items_that_somebody_else_refreshes_rest(fleet):
    """A refresh behind computes the others."""
    runs, gate = [], []

    async def f(xs):
        runs.append(list(xs))
        number = len(runs)
        if gate:
            await gate[0].wait()
        return [x * 10 + number for x in xs]

    a, b = fleet.cached(f, each="xs", single_flight="cluster", stale=30)

    async def main():
        await a([1, 2])
        await b([1, 2])
        fleet.clock.advance(12)
        gate.append(asyncio.Event())
        await a([1])
        await steps_until(lambda: len(runs) == 2)
        assert await b([1, 2]) == [11, 21]
        await steps_until(lambda: len(runs) == 3)
        gate.pop().set()
        await settle()
        assert await b([1, 2]) == [12, 23]

    asyncio.run(main())
    assert runs == [[1, 2], [1], [2]]
    settle_blocking()
