"""Batches that overlap in time and in their items: every item is computed once, and waits for no stranger."""

import asyncio
import contextlib
import gc
import threading
import time
import weakref

import pytest
from flighttools import PATIENCE, FarCache, Scene, in_threads, join_all, peeked, settle, steps_until

from askonce import MISS, fresh, refreshing
from askonce.flight import Landing
from askonce.testing import settle_blocking


class Work:
    """A cached coroutine function of a list whose runs last until they are let go."""

    def __init__(self, scene, **options):
        self.scene = scene
        self.runs = []
        self.ended = []
        self.gates = {}
        self.broken = {}

        @scene.cached(each="items", **options)
        async def f(items):
            run = len(self.runs)
            self.runs.append(items)
            try:
                await self.gate(run).wait()
                return [self.broken.get(item) or f"{item} of run {run}" for item in items]
            finally:
                self.ended.append(items)

        self.f = f

    def gate(self, run):
        return self.gates.setdefault(run, asyncio.Event())

    def open(self, *runs):
        for run in runs:
            self.gate(run).set()

    def aboard(self, item):
        return self.scene.aboard(self.f.key([item]))

    async def have_aboard(self, item, count):
        await self.scene.have_aboard(self.f.key([item]), count)

    def call(self, *items):
        return asyncio.create_task(self.f([*items]))

    async def called(self, *items):
        """A call whose own run has begun."""
        runs = len(self.runs)
        task = self.call(*items)
        await steps_until(lambda: len(self.runs) > runs)
        return task


# --- items in flight are shared


def test_overlapping_batches_of_tasks(scene):
    """The second asks only for what the first is not asking for already."""

    async def main():
        work = Work(scene)
        first = await work.called(1, 2)
        second = await work.called(3, 2, 4)
        third = work.call(4, 1, 4)
        await work.have_aboard(4, 2)
        assert work.runs == [[1, 2], [3, 4]]
        work.open(0, 1)
        assert await first == ["1 of run 0", "2 of run 0"]
        assert await second == ["3 of run 1", "2 of run 0", "4 of run 1"]
        assert await third == ["4 of run 1", "1 of run 0", "4 of run 1"]
        info = work.f.cache_info()
        assert (info.misses, info.joined, info.hits, info.stored) == (4, 3, 0, 4)

    asyncio.run(main())


def test_overlapping_batches_of_threads(scene):
    """The same in threads."""
    go, runs = threading.Event(), []

    @scene.cached(each="items")
    def f(items):
        runs.append(items)
        assert go.wait(PATIENCE)
        return [f"<{item}>" for item in items]

    wanted = [[1, 2], [2, 3], [3, 1], [4, 3, 2, 1]]
    threads, answers = in_threads(4, lambda place: f(wanted[place]))
    for item in (1, 2, 3):
        scene.await_aboard(f.key([item]), 3)
    go.set()
    join_all(threads)
    assert answers == [[f"<{item}>" for item in items] for items in wanted]
    assert sorted(item for run in runs for item in run) == [1, 2, 3, 4]


def test_batches_of_two_loops_and_of_calls_for_one_item(scene):
    """Loops in two threads: the items that one computes the other waits for."""
    both, runs = threading.Barrier(2, timeout=PATIENCE), []

    @scene.cached(each="items")
    async def f(items):
        runs.append(items)
        await asyncio.to_thread(both.wait)
        return [f"<{item}>" for item in items]

    async def main(own):
        return await asyncio.gather(f([own, 3]), f([own]), f([3, own]))

    threads, answers = in_threads(2, lambda place: asyncio.run(main(place)))
    join_all(threads)
    assert answers == [[[f"<{x}>", "<3>"], [f"<{x}>"], ["<3>", f"<{x}>"]] for x in (0, 1)]
    assert sorted(map(sorted, runs)) in ([[0], [1, 3]], [[0, 3], [1]])


def test_batches_that_lead_and_join_each_other(scene):
    """Each leads what the other waits for, in tasks and in threads: neither hangs."""
    both = threading.Barrier(2, timeout=PATIENCE)

    @scene.cached(each="items")
    def f(items):
        both.wait()
        return items

    @scene.cached(each="items")
    async def g(items):
        await settle()
        return items

    board = scene.store.flights.board
    boarded = threading.Barrier(2, timeout=PATIENCE)
    first = threading.local()

    def slowly(*args, **kwargs):
        answer = board(*args, **kwargs)
        if not hasattr(first, "done"):
            first.done = True
            boarded.wait()
        return answer

    scene.store.flights.board = slowly
    threads, answers = in_threads(2, lambda place: f([1, 2] if place else [2, 1]))
    join_all(threads)
    assert answers == [[2, 1], [1, 2]]
    first.done = scene.store.flights.board = board

    async def main():
        return await asyncio.gather(g([1, 2]), g([2, 3, 1]), g([3, 2]))

    assert asyncio.run(main()) == [[1, 2], [2, 3, 1], [3, 2]]


def test_copies_are_made_for_those_who_join(scene):
    """The leader, those who join, and each of their places: nobody sees what another changed."""

    async def main():
        @scene.cached(each="items")
        async def f(items):
            await settle()
            return [[item] for item in items]

        answers = await asyncio.gather(f([1, 2]), f([2, 1, 1]), f([1]))
        assert answers == [[[1], [2]], [[2], [1], [1]], [[1]]]
        rows = [row for answer in answers for row in answer]
        assert len({id(row) for row in rows}) == len(rows)

    asyncio.run(main())


def test_what_another_flight_answered_since_the_look_is_not_asked_again():
    """A slow backend: the item arrives from there, or from a flight that landed meanwhile."""
    scene = Scene(FarCache())
    runs = []

    @scene.cached(each="items")
    async def f(items):
        runs.append(items)
        return [f"<{item}>" for item in items]

    async def main():
        scene.cache.values[f.key([2])] = "stored"
        answers = await asyncio.gather(f([1, 2]), f([2, 3]), f([3, 1]))
        assert answers == [["<1>", "stored"], ["stored", "<3>"], ["<3>", "<1>"]]
        assert sorted(runs) == [[1], [3]]

    asyncio.run(main())
    scene.assert_nothing_left()


# --- leaving


def test_work_goes_on_for_those_who_want_any_item(scene):
    """The leader goes: one item of its run is wanted still, and the whole run goes on, for newcomers too."""

    async def main():
        work = Work(scene)
        leader = await work.called(1, 2, 3)
        other = work.call(2)
        await work.have_aboard(2, 2)
        leader.cancel()
        await asyncio.wait({leader})
        late = work.call(3)
        await work.have_aboard(3, 1)
        await settle()
        assert (work.runs, work.ended) == ([[1, 2, 3]], [])
        work.open(0)
        assert await other == ["2 of run 0"]
        assert await late == ["3 of run 0"]
        assert await work.f([1]) == ["1 of run 0"]

    asyncio.run(main())


def test_work_ends_when_nobody_wants_any_item(scene):
    """All leave, in any order: the run is cancelled once, nothing is stored, a newcomer starts anew."""

    async def main():
        work = Work(scene)
        callers = [await work.called(1, 2, 3), work.call(2), work.call(3, 1)]
        await work.have_aboard(1, 2)
        for caller in callers:
            assert work.ended == []
            caller.cancel()
            await asyncio.wait({caller})
            await settle()
        assert work.ended == [[1, 2, 3]]
        work.open(1)
        assert await work.f([3, 2]) == ["3 of run 1", "2 of run 1"]

    asyncio.run(main())


def test_a_newcomer_keeps_work_that_is_nearly_deserted(scene):
    """Whoever boards an item whose own callers have all gone is counted."""

    async def main():
        work = Work(scene)
        leader, other = await work.called(1, 2), work.call(2)
        await work.have_aboard(2, 2)
        leader.cancel()
        await asyncio.wait({leader})
        late = work.call(1)
        await work.have_aboard(1, 1)
        other.cancel()
        await asyncio.wait({other})
        await settle()
        work.open(0)
        assert await late == ["1 of run 0"]
        assert work.runs == [[1, 2]]

    asyncio.run(main())


def test_who_waits_for_two_runs_leaves_both(scene):
    """A caller that leads one run and waits for another: the other goes on without it."""

    async def main():
        work = Work(scene)
        first = await work.called(1)
        second = await work.called(2, 1)
        second.cancel()
        await asyncio.wait({second})
        await settle()
        assert work.ended == [[2]]
        assert work.aboard(1) == 1
        work.open(0)
        assert await first == ["1 of run 0"]

    asyncio.run(main())


def test_a_caller_that_is_cancelled_before_its_work_began(scene):
    """The task of the work has not entered the function: those who wait lead anew."""

    async def main():
        work = Work(scene)
        work.open(0, 1)
        leader, other = work.call(1, 2), work.call(2)
        await asyncio.sleep(0)
        leader.cancel()
        assert await other == [f"2 of run {len(work.runs) - 1}"]
        assert leader.cancelled()

    asyncio.run(main())


def test_the_task_of_the_work_is_cancelled(scene):
    """Somebody cancels every task but the callers: once is forgiven, and all get an answer."""

    async def main():
        work = Work(scene)
        callers = [await work.called(1, 2), work.call(2, 1)]
        await work.have_aboard(1, 2)
        for task in asyncio.all_tasks() - {*callers, asyncio.current_task()}:
            task.cancel()
        work.open(1, 2)
        await asyncio.wait(callers)
        assert [sorted(caller.result()) for caller in callers] == [["1 of run 1", "2 of run 1"]] * 2

    asyncio.run(main())


def test_work_that_is_cancelled_again_and_again(scene):
    """Twice is its own doing: the caller that leads hears of it."""

    async def main():
        work = Work(scene)
        caller = await work.called(1, 2)
        for runs in (1, 2):
            await steps_until(lambda runs=runs: len(work.runs) == runs)
            for task in asyncio.all_tasks() - {caller, asyncio.current_task()}:
                task.cancel()
            await settle()
        assert caller.cancelled()
        assert len(work.runs) == 2

    asyncio.run(main())


def test_who_has_led_is_not_counted_as_one_that_joined(scene):
    """Its run is cancelled, and before it begins another somebody else computes one of its items."""

    async def main():
        work = Work(scene)
        caller = await work.called(1, 2)
        flights, key, others = scene.store.flights, work.f.key([2]), []
        land = flights.land

        def overtaken(flight, landing):
            land(flight, landing)
            if flight.key == key and not others:
                others.append(flights.board(key, lambda: scene.store.open_fence(key))[0])

        flights.land = overtaken
        next(task for task in asyncio.all_tasks() if task.get_name().startswith("askonce")).cancel()
        await steps_until(lambda: len(work.runs) == 2)
        work.open(1)
        await settle()
        land(others[0], Landing("elsewhere"))
        scene.store.close_fence(others[0].fence)
        flights.disembark(others[0])
        assert await caller == ["1 of run 1", "elsewhere"]
        assert work.runs == [[1, 2], [1]]
        assert (work.f.cache_info().misses, work.f.cache_info().joined) == (3, 0)

    asyncio.run(main())


def test_a_call_of_the_same_refreshing_joins(scene):
    """What is stored is on its way out: the second call in the block waits for the new one."""

    async def main():
        work = Work(scene)
        work.open(0)
        await work.f([1, 2, 3])
        with refreshing():
            first = await work.called(1, 2)
            second = await work.called(2, 3)
            third = work.call(2)
            await settle()
            assert work.runs[1:] == [[1, 2], [3]]
            work.open(1, 2)
            assert await first == ["1 of run 1", "2 of run 1"]
            assert await second == ["2 of run 1", "3 of run 2"]
            assert await third == ["2 of run 1"]

    asyncio.run(main())


# --- fences


async def by_invalidate(work):
    assert await work.f.invalidate([2]) is False


async def by_store(work):
    assert await work.f.store(["stored"], [2]) is True


async def by_refresh(work):
    work.open(1)
    assert await work.f.refresh([2]) == ["2 of run 1"]


async def by_tag(work):
    await work.scene.cache.invalidate_tags("item:2")


async def by_delete(work):
    await work.scene.cache.delete(work.f.key([2]))


@pytest.mark.parametrize("overtake", [by_invalidate, by_store, by_refresh, by_tag, by_delete])
def test_one_item_is_overtaken_during_the_run(scene, overtake):
    """Those who waited get its value; that one is not stored, the others are; later callers start anew."""

    async def main():
        work = Work(scene, tags=["item:{items[0]}"])
        first, second = await work.called(1, 2, 3), work.call(2)
        await work.have_aboard(2, 2)
        await overtake(work)
        later = {by_store: "stored", by_refresh: "2 of run 1"}.get(overtake)
        if later is None:
            after = await work.called(3, 2)
            work.open(1)
            later = "2 of run 1"
        work.open(0)
        assert await first == ["1 of run 0", "2 of run 0", "3 of run 0"]
        assert await second == ["2 of run 0"]
        if len(work.runs) == 2 and overtake is not by_refresh:
            assert await after == ["3 of run 0", "2 of run 1"]
        assert await peeked(work.f, [1, 2, 3]) == ["1 of run 0", later, "3 of run 0"]
        assert work.runs in ([[1, 2, 3]], [[1, 2, 3], [2]])

    asyncio.run(main())


def test_all_answers_of_a_function_are_invalidated_during_the_run(scene):
    """None of its items is stored."""

    async def main():
        work = Work(scene)
        caller = await work.called(1, 2)
        await work.f.invalidate_all()
        work.open(0)
        assert await caller == ["1 of run 0", "2 of run 0"]
        assert await peeked(work.f, [1, 2]) == [MISS, MISS]

    asyncio.run(main())


# --- circles


def test_a_function_that_asks_for_an_item_of_its_own_run(scene):
    """Any of them, not only the first: it is told, and does not hang."""
    for item in (1, 2, 3):

        @scene.cached(each="items", name=f"f{item}")
        async def f(items, item=item):
            return await f([9, item]) if 1 in items else items

        @scene.cached(each="items", name=f"g{item}")
        def g(items, item=item):
            return g([9, item]) if 1 in items else items

        with pytest.raises(RecursionError, match="uncached"):
            asyncio.run(f([1, 2, 3], item))
        with pytest.raises(RecursionError, match="uncached"):
            g([1, 2, 3], item)


def test_a_function_that_asks_for_other_items(scene):
    """A tree whose nodes ask for all their children at once."""

    @scene.cached(each="nodes")
    async def f(nodes):
        return [1 if n > 63 else sum(await f([2 * n, 2 * n + 1])) for n in nodes]

    @scene.cached(each="nodes")
    def g(nodes):
        return [1 if n > 63 else sum(g([2 * n, 2 * n + 1])) for n in nodes]

    assert asyncio.run(f([2, 3])) == g([2, 3]) == [32, 32]
    assert f.cache_info().joined == g.cache_info().joined == 0


def test_a_circle_through_another_run(scene):
    """The run of 1 and 2 waits for 3, whose run asks for 2: who closes the circle is told."""

    @scene.cached(each="items")
    async def f(items):
        if 3 in items:
            return await f([2])
        return [*await f([3]), "beside"][: len(items)]

    with pytest.raises(RecursionError):
        asyncio.run(f([1, 2]))


def test_a_refresh_behind_that_asks_for_an_item_of_its_own_run(scene):
    """No stale item is good enough for it, so that it would wait for itself."""
    told = []

    @scene.cached(each="items", ttl=10, stale=60)
    async def f(items):
        if told:
            with fresh(0), pytest.raises(RecursionError):
                await f([2])
        told.append(items)
        return items

    async def main():
        await f([1, 2])
        scene.clock.advance(10)
        await f([1, 2])
        await settle()
        assert told == [[1, 2], [1, 2]]

    asyncio.run(main())


def test_a_circle_that_two_runs_close(scene):
    """Two runs under way, each of which comes to ask for the last item of the other."""
    started = []

    @scene.cached(each="items")
    async def f(items):
        started.append(items)
        await steps_until(lambda: len(started) == 2)
        return [*await f([4 if 2 in items else 2]), "beside"]

    async def main():
        return await asyncio.gather(f([1, 2]), f([3, 4]), return_exceptions=True)

    answers = asyncio.run(main())
    assert RecursionError in map(type, answers)
    assert len(started) == 2


@pytest.mark.parametrize("options", [{}, {"single_flight": None}], ids=["joined", "alone"])
def test_a_function_that_refreshes_an_item_of_its_own_run(scene, options):
    """It is told as well, at the latest when the item is alone."""

    @scene.cached(each="items", **options)
    async def f(items):
        return await f.refresh(items)

    with pytest.raises(RecursionError):
        asyncio.run(f([1, 2]))


def test_without_single_flight_a_function_without_end_ends(scene):
    """Python's own limit holds, as it does for the function itself."""

    @scene.cached(each="items", single_flight=None)
    async def f(items):
        return await f(items)

    with pytest.raises(RecursionError):
        asyncio.run(f([1]))
    # At the very limit there may be no frame left for the innermost call to clean up in: on 3.12 and 3.13 its
    # fence stays open, which costs a little memory and stores nothing.
    assert len(scene.store._fences) <= 1
    scene.store._fences.forget_all()


def test_without_single_flight_every_batch_runs_for_itself(scene):
    """In the task of its caller, who cancels it alone."""

    async def main():
        work = Work(scene, single_flight=None)
        first = await work.called(1, 2)
        second = await work.called(2, 1)
        first.cancel()
        await asyncio.wait({first})
        assert (work.runs, work.ended) == ([[1, 2], [2, 1]], [[1, 2]])
        work.open(1)
        assert await second == ["2 of run 1", "1 of run 1"]

    asyncio.run(main())


def test_a_refresh_is_not_overwritten_by_a_run_that_nobody_could_join(scene):
    """What was computed before it, for its caller alone, comes too late for that item."""

    async def main():
        work = Work(scene, single_flight=None)
        first = await work.called(1, 2)
        work.open(1)
        assert await work.f.refresh([2]) == ["2 of run 1"]
        work.open(0)
        assert await first == ["1 of run 0", "2 of run 0"]
        assert await peeked(work.f, [1, 2]) == ["1 of run 0", "2 of run 1"]

    asyncio.run(main())


# --- failures


def test_those_who_join_see_the_failures_of_their_items_only(scene):
    """A copy of the exception for each; who asked for other items of the run hears nothing of it."""

    async def main():
        work = Work(scene)
        error = work.broken[2] = ValueError("two")
        first = await work.called(1, 2, 3)
        wanting, content = work.call(3, 2), work.call(3, 1)
        await work.have_aboard(3, 3)
        work.open(0)
        answers = await asyncio.gather(first, wanting, content, return_exceptions=True)
        assert answers[0] is error
        assert type(answers[1]) is ValueError
        assert answers[1] is not error
        assert answers[2] == ["3 of run 0", "1 of run 0"]
        assert await peeked(work.f, [1, 2, 3]) == ["1 of run 0", MISS, "3 of run 0"]

    asyncio.run(main())


def test_a_run_that_fails_as_a_whole(scene):
    """All who waited for any of its items get an exception of their own; their other items are stored."""

    async def main():
        down = ConnectionError("away")

        @scene.cached(each="items")
        async def f(items):
            await settle()
            if 1 in items:
                raise down
            return items

        answers = await asyncio.gather(f([1, 2]), f([2, 3]), f([3]), return_exceptions=True)
        assert answers[0] is down
        assert type(answers[1]) is ConnectionError
        assert answers[1] is not down
        assert answers[2] == [3]
        assert await peeked(f, [1, 2, 3]) == [MISS, MISS, 3]

    asyncio.run(main())


def test_an_interrupt_is_the_leaders_alone(scene):
    """``KeyboardInterrupt`` stops the thread that ran it; the others lead anew."""
    runs = []

    @scene.cached(each="items")
    def f(items):
        runs.append(items)
        if len(runs) == 1:
            scene.await_aboard(f.key([2]), 2)
            raise KeyboardInterrupt
        return items

    threads, answers = in_threads(1, lambda place: f([1, 2]))
    scene.await_aboard(f.key([2]), 1)
    more, joined = in_threads(1, lambda place: f([2, 1]))
    join_all(threads + more)
    assert type(answers[0]) is KeyboardInterrupt
    assert joined == [[2, 1]]
    assert runs == [[1, 2], [2, 1]]


@pytest.mark.usefixtures("_quick_glances")
def test_the_loop_that_carries_a_run_dies(scene):
    """Those who wait for its items elsewhere lead anew, in a task and in a thread."""
    runs = []

    @scene.cached(each="items")
    async def f(items):
        runs.append(items)
        if len(runs) == 1:
            await asyncio.Event().wait()
        return items

    loop = asyncio.new_event_loop()
    lost = loop.create_task(f([1, 2, 3]))
    loop.run_until_complete(steps_until(lambda: runs))
    threads, answers = in_threads(2, lambda place: asyncio.run(f([3, 2] if place else [2, 4])))
    scene.await_aboard(f.key([2]), 3)
    work = [task for task in asyncio.all_tasks(loop) if task is not lost]
    loop.close()
    join_all(threads)
    assert answers == [[2, 4], [3, 2]]
    assert sorted(item for run in runs[1:] for item in run if item != 4) == [2, 3]
    for task in (lost, *work):  # end them as the loop did not
        task._log_destroy_pending = False
        with contextlib.suppress(BaseException):
            task.get_coro().close()
    del lost, work, task
    gc.collect()


# --- time


def test_a_timeout_serves_what_is_stale_and_the_work_goes_on(scene):
    """All items that the run was begun for have something to fall back on; it finishes behind."""

    async def main():
        work = Work(scene, ttl=10, stale_if_error=60, timeout=0.01)
        work.open(0)
        await work.f([1, 2])
        scene.clock.advance(10)
        assert await work.f([2, 1]) == ["2 of run 0", "1 of run 0"]
        assert (work.runs[1:], work.ended) == ([[2, 1]], [[1, 2]])
        assert await work.f([1]) == ["1 of run 0"]
        work.open(1)
        await steps_until(lambda: work.f.cache_info().stored == 4)
        assert await work.f([1, 2]) == ["1 of run 1", "2 of run 1"]
        info = work.f.cache_info()
        assert (info.hits, info.misses, info.joined, info.stale) == (2, 4, 1, 3)

    asyncio.run(main())


def test_a_timeout_does_not_hold_where_one_item_has_nothing(scene):
    """Who asks for an item that nobody ever answered waits for the run."""

    async def main():
        work = Work(scene, ttl=10, stale_if_error=60, timeout=0.001)
        work.open(0)
        await work.f([1])
        scene.clock.advance(10)
        caller = await work.called(1, 2)
        await asyncio.to_thread(time.sleep, 0.01)
        await settle()
        assert not caller.done()
        work.open(1)
        assert await caller == ["1 of run 1", "2 of run 1"]

    asyncio.run(main())


def test_a_timeout_of_a_plain_function(scene):
    """The thread of the work goes on behind its caller."""
    go, runs = threading.Event(), []

    @scene.cached(each="items", ttl=10, stale_if_error=60, timeout=0.01)
    def f(items):
        runs.append(items)
        if len(runs) > 1:
            assert go.wait(PATIENCE)
        return [f"{item} of run {len(runs)}" for item in items]

    f([1, 2])
    scene.clock.advance(10)
    assert f([1, 2]) == ["1 of run 1", "2 of run 1"]
    go.set()
    settle_blocking()
    assert f([2, 1]) == ["2 of run 2", "1 of run 2"]


def test_what_is_due_is_refreshed_once_whoever_asks(scene):
    """Overlapping batches of stale items, all served at once: each item is refreshed by one run."""

    async def main():
        work = Work(scene, ttl=10, stale=60)
        work.open(0)
        await work.f([1, 2, 3])
        scene.clock.advance(10)
        for items in ([1, 2], [1, 3], [1, 2]):
            assert await work.f(items) == [f"{item} of run 0" for item in items]
            await settle()
        assert work.runs[1:] == [[1, 2], [3]]
        leaving = work.call(1)
        await leaving
        await work.f.invalidate([2])
        joined = await work.called(2, 1)
        work.open(1, 2, 3)
        assert await joined == ["2 of run 3", "1 of run 0"]
        await steps_until(lambda: len(work.ended) == 4)
        await settle()
        assert await work.f([1, 2, 3]) == ["1 of run 1", "2 of run 3", "3 of run 2"]

    asyncio.run(main())


def test_what_was_refreshed_meanwhile_is_not_refreshed_again(scene):
    """Two calls have seen the same stale item before the refresh of the first one began."""

    async def main():
        work = Work(scene, ttl=10, stale=60)
        work.open(0, 1, 2)
        await work.f([1, 2])
        scene.clock.advance(10)
        assert await work.f([1, 2]) + await work.f([2]) == ["1 of run 0", "2 of run 0", "2 of run 0"]
        await settle()
        assert work.runs == [[1, 2], [1, 2]]
        assert await work.f([2]) == ["2 of run 1"]

    asyncio.run(main())


def test_a_refresh_behind_is_cancelled_by_nobody(scene):
    """Those who join it and leave again leave it to itself."""

    async def main():
        work = Work(scene, ttl=10, stale=10, stale_if_error=20)
        work.open(0)
        await work.f([1, 2])
        scene.clock.advance(10)
        await work.f([1, 2])
        await steps_until(lambda: len(work.runs) == 2)
        scene.clock.advance(10)
        joined = work.call(2)
        await work.have_aboard(2, 1)
        joined.cancel()
        await asyncio.wait({joined})
        await settle()
        assert work.ended == [[1, 2]]
        work.open(1)
        await steps_until(lambda: len(work.ended) == 2)
        await settle()
        assert await work.f([1, 2]) == ["1 of run 1", "2 of run 1"]

    asyncio.run(main())


def test_the_flight_that_the_leader_waits_for_lands_last(scene):
    """Else a leader in a hurry could find the others still under way."""
    landed = []
    land = scene.store.flights.land

    def noted(flight, landing):
        landed.append(flight.key)
        land(flight, landing)

    scene.store.flights.land = noted

    @scene.cached(each="items")
    def f(items):
        return items

    f([1, 2, 3])
    assert landed[:3] == [f.key([item]) for item in (3, 2, 1)]


def test_a_refresh_whose_loop_ends_is_given_up(scene):
    """Its items can be computed by others at once."""

    @scene.cached(each="items", ttl=10, stale=60)
    async def f(items):
        runs.append(items)
        if len(runs) == 2:
            await asyncio.Event().wait()
        return items

    runs = []
    loop = asyncio.new_event_loop()
    loop.run_until_complete(f([1, 2]))
    scene.clock.advance(10)
    loop.run_until_complete(f([1, 2]))
    loop.run_until_complete(settle())
    (behind,) = asyncio.all_tasks(loop)
    loop.close()
    behind._log_destroy_pending = False
    behind.get_coro().close()
    del behind, loop
    assert len(scene.store.flights) == 0
    assert asyncio.run(f([3])) == [3]
    gc.collect()
    assert runs == [[1, 2], [1, 2], [3]]


# --- what is left


def test_a_large_batch_and_its_end(scene):
    """Thousands of items: cancelled, computed, joined, without a search of all for each."""

    async def main():
        work = Work(scene)
        items = list(range(3000))
        leaving, joining = await work.called(*items), work.call(*reversed(items))
        await work.have_aboard(0, 2)
        leaving.cancel()
        await asyncio.wait({leaving})
        work.open(0)
        assert await joining == [f"{item} of run 0" for item in reversed(items)]
        assert work.runs == [items]

    asyncio.run(main())


def test_nothing_keeps_what_was_dropped(scene):
    """Neither items nor answers outlive their entries."""

    class Thing:
        def __init__(self, name):
            self.name = name

        def __cache_key__(self):
            return self.name

    @scene.cached(each="items")
    async def f(items):
        await asyncio.sleep(0)
        return [Thing(item.name) for item in items]

    async def main():
        things = [Thing("a"), Thing("b")]
        answers = await asyncio.gather(f(things), f(things[::-1]))
        kept = [weakref.ref(thing) for thing in (*things, *answers[0])]
        await f.invalidate(things)
        return kept

    kept = asyncio.run(main())
    gc.collect()
    assert [thing() for thing in kept] == [None] * 4
