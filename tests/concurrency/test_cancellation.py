"""A caller that is cancelled only leaves; when the last one has left, the work ends."""

import asyncio
import contextlib
import gc
import logging
import random
import threading

import pytest
from flighttools import FarCache, Scene, in_threads, join_all, settle, steps_until


class Work:
    """A cached coroutine function that runs until it is let go, and notes how it ended."""

    def __init__(self, scene):
        self.go = asyncio.Event()
        self.started = 0
        self.finished = 0
        self.cleaned = 0

        @scene.cached
        async def f(x):
            self.started += 1
            try:
                await self.go.wait()
                await asyncio.sleep(0)
                self.finished += 1
                return f"answer {self.started}"
            finally:
                await asyncio.sleep(0)
                self.cleaned += 1

        self.f = f


@pytest.mark.parametrize("seed", range(20))
def test_any_subset_may_leave(scene, seed):
    """The leader or anybody else is cancelled: the rest get the answer of the one run."""

    async def main():
        work = Work(scene)
        callers = [asyncio.create_task(work.f(1)) for _ in range(8)]
        await scene.have_aboard(work.f.key(1), 8)
        leaving = random.Random(seed).sample(callers, 1 + seed % 7)
        if seed % 2 and callers[0] not in leaving:
            leaving.append(callers[0])
        for caller in leaving:
            caller.cancel()
        await settle()
        assert all(caller.cancelled() for caller in leaving)
        assert scene.aboard(work.f.key(1)) == 8 - len(leaving)
        work.go.set()
        staying = [caller for caller in callers if caller not in leaving]
        assert await asyncio.gather(*staying) == ["answer 1"] * len(staying)
        assert (work.started, work.finished, work.cleaned) == (1, 1, 1) if staying else (1, 0, 1)

    asyncio.run(main())


def test_when_the_last_one_leaves_the_work_is_cancelled(scene):
    """Nobody wants the answer: the function is cancelled, its ``finally`` runs, nothing is stored."""

    async def main():
        work = Work(scene)
        callers = [asyncio.create_task(work.f(1)) for _ in range(3)]
        await scene.have_aboard(work.f.key(1), 3)
        await settle()
        for caller in callers:
            caller.cancel()
        await asyncio.wait(callers)
        await steps_until(lambda: work.cleaned)
        assert (work.started, work.finished) == (1, 0)
        assert len(scene.cache._entries) == 0

    asyncio.run(main())


def test_a_new_caller_starts_anew_at_once(scene):
    """The work that was given up is still cleaning up behind itself: a new caller does not wait for it."""

    async def main():
        gate = asyncio.Event()
        runs = []

        @scene.cached
        async def f(x):
            runs.append(x)
            if len(runs) > 1:
                return "second"
            try:
                await asyncio.Event().wait()
            finally:
                await gate.wait()

        first = asyncio.create_task(f(1))
        await steps_until(lambda: runs)
        first.cancel()
        await asyncio.wait({first})
        assert await f(1) == "second"
        gate.set()
        await settle()
        assert await f(1) == "second"

    asyncio.run(main())


def test_work_that_ignores_its_cancellation_harms_nobody(scene):
    """A function that swallows the cancellation answers nobody; its errors are not reported either."""

    async def main():
        runs = []

        @scene.cached
        async def f(x):
            runs.append(x)
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                raise ValueError("instead") from None

        caller = asyncio.create_task(f(1))
        await steps_until(lambda: runs)
        caller.cancel()
        await asyncio.wait({caller})
        await settle()
        assert caller.cancelled()

    asyncio.run(main())


@pytest.mark.parametrize("keep", [False, True])
def test_cancelled_before_its_first_step(scene, keep):
    """A caller cancelled before it ever ran never asked; one whose work never ran hands over."""

    async def main():
        work = Work(scene)
        work.go.set()
        unborn = asyncio.create_task(work.f(1))
        unborn.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await unborn
        assert work.started == 0
        leader = asyncio.create_task(work.f(1))
        await asyncio.sleep(0)  # it has made the task of its work, which has not begun
        other = asyncio.create_task(work.f(1)) if keep else None
        leader.cancel()
        await settle()
        assert leader.cancelled()
        if other is not None:
            assert await other == "answer 1"

    asyncio.run(main())


def test_the_task_of_the_work_may_be_cancelled_itself(scene):
    """Somebody cancels every task but the callers: they lead anew and get an answer."""

    async def main():
        work = Work(scene)
        callers = [asyncio.create_task(work.f(1)) for _ in range(3)]
        await steps_until(lambda: work.started)
        for task in asyncio.all_tasks() - {*callers, asyncio.current_task()}:
            task.cancel()
        await steps_until(lambda: work.started == 2)
        work.go.set()
        assert await asyncio.gather(*callers) == ["answer 2"] * 3

    asyncio.run(main())


def test_all_tasks_cancelled(scene):
    """``for task in asyncio.all_tasks(): task.cancel()`` ends callers and work, which may clean up."""

    async def main():
        work = Work(scene)
        callers = [asyncio.create_task(work.f(1)) for _ in range(3)]
        await steps_until(lambda: work.started)
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await asyncio.wait(callers)
        await settle()
        assert all(caller.cancelled() for caller in callers)
        assert (work.started, work.cleaned) == (1, 1)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())


@pytest.mark.parametrize("wait", ["timeout", "wait_for"])
def test_a_timeout_of_one_caller_is_its_own(scene, wait):
    """``asyncio.timeout`` and ``wait_for`` end the waiting of one caller, not the work of the other."""

    async def impatient(f):
        if wait == "wait_for":
            return await asyncio.wait_for(f(1), 0)
        async with asyncio.timeout(0):
            return await f(1)

    async def main():
        work = Work(scene)
        leader = asyncio.create_task(impatient(work.f))
        other = asyncio.create_task(work.f(1))
        with pytest.raises(TimeoutError):
            await leader
        await steps_until(lambda: work.started)
        with pytest.raises(TimeoutError):
            await impatient(work.f)
        work.go.set()
        assert (await other).startswith("answer")
        assert work.started == work.finished == 1

    asyncio.run(main())


def test_callers_that_gave_up_leave_no_trace_in_a_long_flight(scene):
    """A flight that many impatient callers joined and left does not remember them."""

    async def main():
        work = Work(scene)
        patient = asyncio.create_task(work.f(1))
        await steps_until(lambda: work.started)
        for _ in range(50):
            caller = asyncio.create_task(work.f(1))
            await scene.have_aboard(work.f.key(1), 2)
            await asyncio.sleep(0)
            caller.cancel()
            await asyncio.wait({caller})
        assert len(scene.flight(work.f.key(1)).tickets) == 1
        work.go.set()
        await patient

    asyncio.run(main())


def test_run_ends_while_a_flight_is_under_way(scene, caplog):
    """``asyncio.run`` returns in the middle of a call: no warning, no log line, nothing left."""
    cleaned = []

    @scene.cached
    async def f(x):
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.append(x)

    async def main():
        caller = asyncio.create_task(f(1))
        await scene.have_aboard(f.key(1), 1)
        await settle()
        return caller

    with caplog.at_level(logging.DEBUG):
        assert asyncio.run(main()).cancelled()
        gc.collect()
    assert cleaned == [1]
    assert not [record for record in caplog.records if record.levelno > logging.DEBUG]


# --- at every single step


async def _steps(count):
    for _ in range(count):
        await asyncio.sleep(0)


def cancelled_at(step, cache, *, whom, warm=False):
    """Cancel one of three callers after so many turns of the loop; whether it was still under way."""
    scene = Scene(cache)
    runs = []

    @scene.cached
    async def f(x):
        runs.append(x)
        await _steps(3)
        return "answer"

    async def main():
        if warm:
            await f.store("answer", 1)
        callers = [asyncio.create_task(f(1)) for _ in range(3)]
        await _steps(step)
        under_way = callers[whom].cancel()
        results = await asyncio.gather(*callers, return_exceptions=True)
        expected = ["answer"] * 3
        if under_way:
            assert callers[whom].cancelled()
            del results[whom], expected[whom]
        assert results == expected
        assert await f(1) == "answer"
        await _steps(30)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return under_way

    under_way = asyncio.run(main())
    scene.assert_nothing_left()
    assert len(runs) <= 2
    return under_way


@pytest.mark.parametrize("whom", [0, 1], ids=["leader", "joiner"])
@pytest.mark.parametrize("cache", ["memory", "far", "far and warm"])
def test_cancelled_at_every_step_of_a_call(cache, whom):
    """Whenever a caller is cancelled, also between reads and writes of a tier, the others get answers."""
    step = 0
    while cancelled_at(step, None if cache == "memory" else FarCache(), whom=whom, warm="warm" in cache):
        step += 1
        assert step < 100
    assert step > 2


def all_cancelled_at(step, cache):
    """Cancel all callers after so many turns, and ask again at once; whether they were under way."""
    scene = Scene(cache)
    cleaned = []
    runs = []

    @scene.cached
    async def f(x):
        runs.append(x)
        try:
            await _steps(3)
            return "answer"
        finally:
            cleaned.append(x)

    async def main():
        callers = [asyncio.create_task(f(1)) for _ in range(3)]
        await _steps(step)
        under_way = [caller.cancel() for caller in callers]
        again = asyncio.create_task(f(1))
        await asyncio.wait(callers)
        assert [caller.cancelled() for caller in callers] == under_way
        assert await again == "answer"
        await _steps(30)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return any(under_way)

    under_way = asyncio.run(main())
    scene.assert_nothing_left()
    assert runs == cleaned
    return under_way


@pytest.mark.parametrize("far", [False, True])
def test_all_cancelled_at_every_step_of_a_call(far):
    """Whenever all leave, what was begun is cleaned up, and the next caller gets an answer."""
    step = 0
    while all_cancelled_at(step, FarCache() if far else None):
        step += 1
        assert step < 100
    assert step > 2


# --- loops that are gone


def stopped_loop_that_leads(scene, f):
    """An event loop that was stopped in the middle of a flight."""
    loop = asyncio.new_event_loop()
    leader = loop.create_task(f(1))
    loop.run_until_complete(scene.have_aboard(f.key(1), 1))
    loop.run_until_complete(settle())
    return loop, leader


@pytest.mark.usefixtures("_quick_glances")
@pytest.mark.parametrize("closed", [False, True])
@pytest.mark.parametrize("far", [False, True])
def test_a_waiter_leads_anew_when_the_leaders_loop_is_gone(closed, far):
    """The loop that carried the work was stopped or closed, even between the look and the work."""
    scene = Scene(FarCache() if far else None)
    runs = []

    @scene.cached
    async def f(x):
        runs.append(x)
        if len(runs) == 1 and not far:
            await asyncio.Event().wait()
        return "answer"

    if far:
        scene.cache.turns = 1000  # it is stopped while it asks the tier
    loop, leader = stopped_loop_that_leads(scene, f)
    if far:
        scene.cache.turns = 1
    if closed:
        loop.close()
    assert asyncio.run(f(1)) == "answer"
    assert len(runs) == (1 if far else 2)
    if not closed:  # it comes back: its caller is served too, from what the other one stored
        assert loop.run_until_complete(leader) == "answer"
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(settle())
        loop.close()
        scene.assert_nothing_left()
    else:
        leader._log_destroy_pending = False
        for task in asyncio.all_tasks(loop):
            task._log_destroy_pending = False
        assert len(scene.store.flights) == 0
        assert len(scene.store._fences) == 0


@pytest.mark.usefixtures("_quick_glances")
def test_a_lost_flight_that_comes_back_does_not_store(scene):
    """Another caller has led anew meanwhile: its newer answer stays, and the lost caller gets it too."""
    data = ["old"]
    go = []

    @scene.cached
    async def f(x):
        seen = data[0]
        while seen == "old" and not go:
            await asyncio.sleep(0)
        return seen

    loop, leader = stopped_loop_that_leads(scene, f)
    data[0] = "new"
    assert asyncio.run(f(1)) == "new"
    go.append(True)
    assert loop.run_until_complete(leader) == "new"
    loop.run_until_complete(settle())
    loop.close()
    assert asyncio.run(f(1)) == "new"


@pytest.mark.usefixtures("_quick_glances")
def test_a_loop_between_two_runs_is_not_gone(scene):
    """``run_until_complete`` again and again: whoever waits elsewhere notices nothing."""
    go = threading.Event()
    runs = []

    @scene.cached
    async def f(x):
        runs.append(x)
        while not go.is_set():
            await asyncio.sleep(0)
        return "answer"

    loop, leader = stopped_loop_that_leads(scene, f)
    threads, answers = in_threads(1, lambda _: asyncio.run(f(1)))
    scene.await_aboard(f.key(1), 2)
    for _ in range(3):
        loop.run_until_complete(settle())
    go.set()
    assert loop.run_until_complete(leader) == "answer"
    loop.close()
    join_all(threads)
    assert answers == ["answer"]


@pytest.mark.usefixtures("_quick_glances")
def test_a_thread_leads_anew_when_the_loop_that_led_is_gone(scene):
    """``cache.sync.get_or_set`` does not wait for ever for a stopped event loop."""
    loop = asyncio.new_event_loop()
    leader = loop.create_task(scene.cache.get_or_set("k", asyncio.Event().wait))
    loop.run_until_complete(scene.have_aboard("k", 1))
    loop.run_until_complete(settle())
    assert scene.cache.sync.get_or_set("k", lambda: "answer") == "answer"
    assert loop.run_until_complete(leader) == "answer"
    for task in asyncio.all_tasks(loop):
        task.cancel()
    loop.run_until_complete(settle())
    loop.close()
