"""Refreshes behind the callers: what happens to them while they run, and after."""

import asyncio
import contextlib
import contextvars
import gc
import inspect
import logging
import threading

import pytest
from flighttools import PATIENCE, Scene, steps_until
from flighttools import settle as turns

import askonce
from askonce import MISS
from askonce.engine import modes
from askonce.testing import settle

TTL, STALE, RETRY_AFTER = 60, 60, 5
QUIET = contextvars.ContextVar("quiet", default="nobody")


class Work:
    """A cached function whose second run, the refresh, waits until it is let go."""

    def __init__(self, scene, kind, **options):
        self.scene = scene
        self.is_plain = kind == "thread"
        self.go = threading.Event()
        self.runs = self.running = 0
        self.error = None
        self.seen = []
        options = {"ttl": TTL, "stale": STALE, "tags": ["tag"], "name": "f", **options}
        self.f = scene.cached(**options)(self.tasks() if kind == "task" else self.threads())

    def tasks(self):
        async def f(x):
            number = self.begin()
            try:
                while number == 2 and not self.go.is_set():
                    await asyncio.sleep(0)
                return self.answer(number)
            finally:
                self.running -= 1

        return f

    def threads(self):
        def f(x):
            number = self.begin()
            try:
                assert number != 2 or self.go.wait(PATIENCE)
                return self.answer(number)
            finally:
                self.running -= 1

        return f

    def begin(self):
        self.runs += 1
        self.running += 1
        self.seen.append((QUIET.get(), modes.demand()))
        return self.runs

    def answer(self, number):
        if number > 1 and self.error is not None:
            raise self.error
        return f"answer {number}"

    async def ask(self):
        return await self.verb("__call__")

    async def verb(self, name, *args):
        result = getattr(self.f, name)(*args, 1)
        return await result if inspect.isawaitable(result) else result

    async def until_stale(self):
        """The first answer, past its time."""
        assert await self.ask() == "answer 1"
        self.scene.clock.advance(TTL)

    async def refreshing(self):
        """The first answer, past its time and with a refresh under way."""
        await self.until_stale()
        assert await self.ask() == "answer 1"
        await steps_until(lambda: self.running)

    async def end(self):
        self.go.set()
        await settle()

    @property
    def figures(self):
        return self.f.explain.__self__._function.figures


@pytest.fixture(params=["task", "thread"])
def kind(request):
    return request.param


@pytest.fixture
def work(scene, kind):
    return Work(scene, kind)


async def invalidate_all(work):
    result = work.f.invalidate_all()
    if inspect.isawaitable(result):
        await result


REMOVALS = {
    "invalidate": lambda work: work.verb("invalidate"),
    "invalidate_all": invalidate_all,
    "tag": lambda work: work.scene.cache.invalidate_tags("tag"),
    "clear": lambda work: work.scene.cache.clear(),
    "delete": lambda work: work.scene.cache.delete(work.f.key(1)),
}
REPLACEMENTS = {
    "store": (lambda work: work.verb("store", "by hand"), "by hand"),
    "set": (lambda work: work.scene.cache.set(work.f.key(1), "by hand", TTL), "by hand"),
    "refresh": (lambda work: work.verb("refresh"), "answer 3"),
}


# --- what becomes of its value


def test_a_refresh_runs_once_behind_all_callers(work):
    """All are served the old answer at once, by key or index, and then the new one."""

    async def main():
        await work.refreshing()
        assert [await work.ask() for _ in range(10)] == ["answer 1"] * 10
        await work.end()
        assert await work.ask() == "answer 2"
        assert (work.runs, work.figures.refreshed, work.figures.stored) == (2, 1, 2)
        assert (work.figures.stale, work.figures.misses()) == (11, 1)

    asyncio.run(main())


@pytest.mark.parametrize("deed", REMOVALS)
def test_what_was_invalidated_meanwhile_is_not_stored(work, deed):
    """The refresh read the old data, perhaps: nobody gets its value, and the next caller computes."""

    async def main():
        await work.refreshing()
        await REMOVALS[deed](work)
        assert await work.verb("peek") is MISS
        await work.end()
        assert await work.verb("peek") is MISS
        assert work.figures.stored == 1
        assert await work.ask() == "answer 3"

    asyncio.run(main())


@pytest.mark.parametrize("deed", REMOVALS)
def test_who_asks_after_an_invalidation_does_not_join_the_refresh(work, deed):
    """It leads anew while the refresh still runs, and its answer stays."""

    async def main():
        await work.refreshing()
        await REMOVALS[deed](work)
        assert await work.ask() == "answer 3"
        await work.end()
        assert await work.ask() == "answer 3"
        assert work.runs == 3

    asyncio.run(main())


@pytest.mark.parametrize("deed", REPLACEMENTS)
def test_what_was_stored_meanwhile_stays(work, deed):
    """The refresh began before, so its value is older."""

    async def main():
        replace, value = REPLACEMENTS[deed]
        await work.refreshing()
        await replace(work)
        assert await work.ask() == value
        await work.end()
        assert await work.ask() == value
        assert work.scene.store.look(work.f.key(1)).value == value

    asyncio.run(main())


def test_a_refresh_that_comes_too_late_does_not_run(scene):
    """Replaced between the caller's look and the beginning of the refresh: there is nothing to refresh."""

    async def main():
        work = Work(scene, "task")
        await work.until_stale()
        assert await work.ask() == "answer 1"
        await work.verb("store", "by hand")  # before the task of the refresh had its first turn
        await work.end()
        assert (work.runs, await work.ask()) == (1, "by hand")

    asyncio.run(main())


def test_a_refresh_by_hand_under_way_is_refresh_enough(scene):
    """A flight of that key can be joined: none is begun beside it."""

    async def main():
        work = Work(scene, "task")
        await work.until_stale()
        by_hand = asyncio.create_task(work.verb("refresh"))
        await steps_until(lambda: work.running)
        assert await work.ask() == "answer 1"
        await turns()
        work.go.set()
        assert await by_hand == "answer 2"
        assert (work.runs, work.figures.refreshed) == (2, 0)

    asyncio.run(main())


def test_one_task_is_sent_behind_for_one_key(scene):
    """However many find it stale before the first of them had its turn, and after."""

    async def main():
        work = Work(scene, "task")
        await work.until_stale()
        for turn in range(3):
            for _ in range(10):
                assert await work.ask() == "answer 1"
            assert len(asyncio.all_tasks()) == 2
            await turns()
        await work.end()

    asyncio.run(main())


def test_an_error_that_is_nobody_elses_ends_only_the_refresh(scene, caplog):
    """Even one that is no ``Exception``: the entry serves on, and nothing of it reaches the loop."""

    async def main():
        work = Work(scene, "task")
        work.error = Alone()
        await work.refreshing()
        await work.end()
        work.error = None
        assert await work.ask() == "answer 1"
        scene.clock.advance(5)  # it rests like one that failed
        assert await work.ask() == "answer 1"
        await settle()
        assert await work.ask() == "answer 3"

    asyncio.run(main())


class Alone(BaseException):
    """No ``Exception``, and nothing that ends the program either."""


# --- when it fails


def test_a_refresh_that_fails_is_logged_counted_and_let_rest(work, caplog):
    """The entry serves on; nobody tries again before ``retry_after``, then somebody does."""

    async def main():
        work.error = ValueError("secret")
        await work.refreshing()
        with caplog.at_level(logging.WARNING, "askonce"):
            await work.end()
        assert [(record.event, record.error) for record in caplog.records] == [
            ("refresh_failed", "ValueError")
        ]
        assert "secret" not in caplog.text
        assert work.figures.errors == 1
        work.error = None
        work.scene.clock.advance(RETRY_AFTER - 1)
        assert await work.ask() == await work.ask() == "answer 1"
        await settle()
        assert work.runs == 2
        work.scene.clock.advance(1)
        assert await work.ask() == "answer 1"
        await settle()
        assert await work.ask() == "answer 3"

    asyncio.run(main())


def test_a_failure_of_what_was_invalidated_leaves_nothing(scene, kind):
    """``errors=``: an exception that is older than the invalidation is not kept either."""

    async def main():
        work = Work(scene, kind, errors={ValueError: 30})
        work.error = ValueError()
        await work.refreshing()
        await work.verb("invalidate")
        await work.end()
        work.error = None
        assert await work.ask() == "answer 3"

    asyncio.run(main())


def test_after_the_window_the_refresh_is_waited_for(work):
    """Nothing is left to serve: callers join the flight that runs behind."""

    async def main():
        await work.refreshing()
        work.scene.clock.advance(STALE)
        joined = asyncio.create_task(asyncio.to_thread(work.f, 1) if work.is_plain else work.ask())
        await work.scene.have_aboard(work.f.key(1), 1)
        work.go.set()
        assert await joined == "answer 2"
        await settle()
        assert (work.runs, work.figures.joined, work.figures.computed) == (2, 1, 1)

    asyncio.run(main())


# --- whose it is


def test_those_who_join_and_leave_do_not_end_it(scene):
    """It is nobody's but its own: cancelled passengers leave it running, and it stores its answer."""

    async def main():
        work = Work(scene, "task")
        await work.refreshing()
        scene.clock.advance(STALE)
        callers = [asyncio.create_task(work.ask()) for _ in range(3)]
        await scene.have_aboard(work.f.key(1), 3)
        await turns()
        for caller in callers:
            caller.cancel()
        await asyncio.wait(callers)
        assert all(caller.cancelled() for caller in callers)
        await turns()
        assert (work.running, scene.aboard(work.f.key(1))) == (1, 0)
        await work.end()
        assert await work.ask() == "answer 2"

    asyncio.run(main())


def test_the_caller_that_set_it_off_may_be_cancelled(scene):
    """Its task ends right after; the refresh goes on."""

    async def main():
        work = Work(scene, "task")
        await work.until_stale()

        async def ask():
            await work.ask()
            await asyncio.Event().wait()

        caller = asyncio.create_task(ask())
        await asyncio.sleep(0)
        caller.cancel()
        await asyncio.wait({caller})
        await work.end()
        assert await work.ask() == "answer 2"

    asyncio.run(main())


def test_the_task_of_the_refresh_may_be_cancelled(scene):
    """As by one who cancels all tasks: nothing is stored, the entry serves on, the next one refreshes."""

    async def main():
        work = Work(scene, "task")
        await work.refreshing()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await turns()
        assert (work.running, len(scene.store.flights)) == (0, 0)
        assert await work.ask() == "answer 1"
        await settle()
        assert await work.ask() == "answer 3"

    asyncio.run(main())


def test_a_passenger_of_a_cancelled_refresh_leads_anew(scene):
    """The refresh that it had joined is gone, and nobody has cancelled the passenger."""

    async def main():
        work = Work(scene, "task")
        await work.refreshing()
        scene.clock.advance(STALE)
        caller = asyncio.create_task(work.ask())
        await scene.have_aboard(work.f.key(1), 1)
        for task in asyncio.all_tasks() - {asyncio.current_task(), caller}:
            task.cancel()
        assert await caller == "answer 3"

    asyncio.run(main())


def test_the_loop_ends_while_it_runs(scene, caplog):
    """``asyncio.run`` returns: the refresh is cancelled with it, quietly, and the next loop takes over."""
    work = Work(scene, "task")

    with caplog.at_level(logging.DEBUG, "askonce"):
        asyncio.run(work.refreshing())
        gc.collect()
    assert [r.event for r in caplog.records if r.name == "askonce"] == ["refresh_abandoned"]
    assert work.running == 0
    scene.assert_nothing_left()

    async def later():
        assert await work.ask() == "answer 1"
        await settle()
        assert await work.ask() == "answer 3"

    asyncio.run(later())


@pytest.mark.usefixtures("_quick_glances")
def test_a_loop_that_stopped_is_taken_over(scene):
    """Its refresh stands still: another loop serves stale meanwhile, and computes when that is over."""
    work = Work(scene, "task")
    loop = asyncio.new_event_loop()
    loop.run_until_complete(work.refreshing())

    async def elsewhere():
        assert await work.ask() == "answer 1"
        scene.clock.advance(STALE)
        assert await work.ask() == "answer 3"

    asyncio.run(elsewhere())
    work.go.set()
    loop.run_until_complete(settle())
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()
    assert asyncio.run(work.ask()) == "answer 3"


def test_a_plain_function_outlives_the_loop_that_set_it_off(scene):
    """Its thread belongs to no loop."""
    work = Work(scene, "thread")
    asyncio.run(work.refreshing())
    asyncio.run(work.end())
    assert work.f(1) == "answer 2"


def test_it_has_the_context_of_its_caller(work):
    """Context variables as they were for the one who found the entry stale."""

    async def main():
        await work.until_stale()
        QUIET.set("caller")
        await work.ask()
        QUIET.set("changed")
        await work.end()
        assert [who for who, _ in work.seen] == ["nobody", "caller"]
        assert QUIET.get() == "changed"

    asyncio.run(main())


def test_it_is_outside_of_the_contexts_of_its_caller(work):
    """``fresh`` is about the caller's answer, not about what is called behind it."""

    async def main():
        await work.until_stale()
        with askonce.fresh(10_000):
            assert await work.ask() == "answer 1"
            await steps_until(lambda: work.running)  # it begins while the block is open
        await work.end()
        assert work.seen[1][1] is None
        assert await work.ask() == "answer 2"

    asyncio.run(main())


def test_only_if_cached_refreshes_nothing(work):
    """It lets nothing run, not even behind."""

    async def main():
        await work.until_stale()
        with askonce.only_if_cached():
            assert await work.ask() == "answer 1"
        await work.end()
        assert work.runs == 1

    asyncio.run(main())


def test_a_refresh_may_ask_for_its_own_key(scene, kind):
    """It is served the stale value, and sets off no refresh of the refresh."""
    inner = []

    async def main():
        if kind == "task":

            @scene.cached(ttl=TTL, stale=STALE)
            async def f(x):
                inner.append(await f(x) if inner else "first")
                return len(inner)

        else:

            @scene.cached(ttl=TTL, stale=STALE)
            def f(x):
                inner.append(f(x) if inner else "first")
                return len(inner)

        async def ask():
            result = f(1)
            return await result if kind == "task" else result

        assert await ask() == 1
        scene.clock.advance(TTL)
        assert await ask() == 1
        await settle()
        assert await ask() == 2
        assert inner == ["first", 1]

    asyncio.run(main())


def test_a_refresh_that_begins_after_its_window_joins_nobody_to_itself(scene, kind):
    """Asked for itself when there is nothing to serve any more, it is told so and not left to hang."""

    async def main():
        work = Work(scene, kind)
        original = work.answer

        def answer(number):
            if number == 2:
                scene.clock.advance(STALE)
                if kind == "thread":
                    work.f(1)
            return original(number)

        work.answer = answer
        await work.refreshing()
        await work.end()
        if kind == "thread":
            assert work.figures.errors == 1
            assert await work.verb("peek") is MISS
        else:
            assert await work.ask() == "answer 2"

    asyncio.run(main())


# --- at every single step


def refresh_cancelled_at(step, whom):
    """Cancel a caller, or the refresh, after so many turns; whether it was still under way."""
    scene = Scene()
    work = Work(scene, "task")
    work.go.set()

    async def main():
        await work.until_stale()
        callers = [asyncio.create_task(work.ask()) for _ in range(3)]
        for _ in range(step):
            await asyncio.sleep(0)
        behind = [task for task in asyncio.all_tasks() if task.get_name().startswith("askonce refresh")]
        victim = callers[0] if whom == "caller" else behind[0] if behind else None
        under_way = victim is not None and victim.cancel()
        results = await asyncio.gather(*callers, return_exceptions=True)
        expected = ["answer 1"] * 3
        if under_way and whom == "caller":
            assert callers[0].cancelled()
            del results[0], expected[0]
        assert results == expected
        await settle()
        scene.clock.advance(TTL)
        with contextlib.suppress(asyncio.CancelledError):
            await work.ask()
        await settle()
        assert await work.ask() != "answer 1"
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return under_way or (whom == "refresh" and step < 2)

    under_way = asyncio.run(main())
    scene.assert_nothing_left()
    return under_way


@pytest.mark.parametrize("whom", ["caller", "refresh"])
def test_cancelled_at_every_step(whom):
    """Nobody is kept waiting, nothing is left, and the next stale hit refreshes."""
    step = 0
    while refresh_cancelled_at(step, whom):
        step += 1
        assert step < 100
    assert step >= 1
