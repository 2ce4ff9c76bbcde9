"""The soft ``timeout``: who has a stale value waits so long, and the run ends behind."""

import asyncio
import contextvars
import logging
import threading
from types import SimpleNamespace

import pytest
from flighttools import PATIENCE, Scene, in_threads, join_all, steps_until
from flighttools import settle as turns

from askonce import MISS, fresh
from askonce.flight import waiting
from askonce.testing import settle, settle_blocking

TTL, GRACE, TIMEOUT, RETRY_AFTER = 60, 60, 3600, 5
WHOSE = contextvars.ContextVar("whose", default="nobody's")


class DrawnOutLoop(asyncio.SelectorEventLoop):
    """A loop whose clock a test puts forward."""

    ahead = 0.0

    def time(self):
        return super().time() + self.ahead

    def put_forward(self, seconds):
        self.ahead += seconds


def run(main):
    with asyncio.Runner(loop_factory=DrawnOutLoop) as runner:
        return runner.run(main)


async def time_is_over():
    """The limit of all that wait is reached, and they have had their turns."""
    asyncio.get_running_loop().put_forward(TIMEOUT)
    await turns()


class Work:
    """A cached coroutine function whose second run waits until it is let go."""

    def __init__(self, scene, **options):
        self.scene = scene
        self.go = asyncio.Event()
        self.runs = self.running = self.ended = 0
        self.error = None

        @scene.cached(ttl=TTL, **{"stale_if_error": GRACE, "timeout": TIMEOUT, **options})
        async def f(x):
            self.runs += 1
            self.running += 1
            number = self.runs
            try:
                if number == 2:
                    await self.go.wait()
                if number > 1 and self.error is not None:
                    raise self.error
                self.ended += 1
                return f"answer {number}"
            finally:
                self.running -= 1

        self.f = f

    async def callers(self, count=3):
        """So many callers that wait, with the first answer to fall back on."""
        assert await self.f(1) == "answer 1"
        self.scene.clock.advance(TTL)
        callers = [asyncio.create_task(self.f(1)) for _ in range(count)]
        await self.scene.have_aboard(self.f.key(1), count)
        await turns()
        assert not any(caller.done() for caller in callers)
        return callers

    async def end(self):
        self.go.set()
        await settle()

    @property
    def figures(self):
        return self.f.cache_info()


def test_leader_and_joiners_get_the_stale_value(scene):
    """When the time is over; the run goes on without them, and what it brings is stored."""

    async def main():
        work = Work(scene)
        callers = await work.callers()
        await time_is_over()
        assert [caller.result() for caller in callers] == ["answer 1"] * 3
        assert (work.running, scene.aboard(work.f.key(1))) == (1, 0)
        await work.end()
        assert await work.f(1) == "answer 2"
        info = work.figures
        assert (work.runs, info.misses, info.joined, info.stale, info.stored) == (2, 2, 2, 3, 2)

    run(main())


def test_an_answer_in_time_is_for_all(scene):
    """Nobody gets the stale value for having one."""

    async def main():
        work = Work(scene)
        callers = await work.callers()
        work.go.set()
        assert await asyncio.gather(*callers) == ["answer 2"] * 3
        assert work.figures.stale == 0

    run(main())


def test_who_has_nothing_to_fall_back_on_waits(scene):
    """The timeout is for those with a stale value; the first caller waits as long as it takes."""

    async def main():
        work = Work(scene)
        work.runs = 1
        caller = asyncio.create_task(work.f(1))
        await steps_until(lambda: work.running)
        await time_is_over()
        assert not caller.done()
        work.go.set()
        assert await caller == "answer 2"

    run(main())


def test_later_callers_do_not_wait_again(scene):
    """One that comes to a run that others have left gets the stale value at once."""

    async def main():
        work = Work(scene)
        await work.callers()
        await time_is_over()
        for _ in range(3):
            assert await asyncio.wait_for(work.f(1), 10) == "answer 1"
        await work.end()
        assert work.runs == 2
        assert await work.f(1) == "answer 2"

    run(main())


@pytest.mark.parametrize("deed", ["invalidate", "clear", "tag"])
def test_what_is_invalidated_during_the_wait_is_served_to_nobody(scene, deed):
    """They wait for a new answer instead, as long as it takes."""

    async def main():
        work = Work(scene, tags=["tag"])
        callers = await work.callers()
        if deed == "tag":
            await scene.cache.invalidate_tags("tag")
        else:
            await (work.f.invalidate(1) if deed == "invalidate" else scene.cache.clear())
        await time_is_over()
        assert await asyncio.gather(*callers) == ["answer 3"] * 3
        await work.end()
        assert await work.f(1) == "answer 3"
        assert (work.runs, work.figures.stale) == (3, 0)

    run(main())


def test_when_the_window_ends_during_the_wait_they_wait_on(scene):
    """There is nothing left to serve; the limit counts no more."""

    async def main():
        work = Work(scene)
        callers = await work.callers()
        scene.clock.advance(GRACE)
        for _ in range(2):
            await time_is_over()
            assert not any(caller.done() for caller in callers)
        work.go.set()
        assert await asyncio.gather(*callers) == ["answer 2"] * 3
        assert (work.runs, work.figures.joined) == (2, 2)

    run(main())


def test_a_run_that_fails_in_time_is_stood_in_for(scene, caplog):
    """At once; it is counted, the log says so, and its callers are served."""

    async def main():
        work = Work(scene)
        callers = await work.callers()
        work.error = ValueError()
        work.go.set()
        assert await asyncio.gather(*callers) == ["answer 1"] * 3
        assert (work.figures.errors, work.figures.stale) == (1, 3)
        assert [record.event for record in caplog.records if record.name == "askonce"] == ["call_failed"]

    run(main())


def test_an_error_that_is_nobody_elses_is_not_stood_in_for(scene):
    """What is no ``Exception`` is for the one who ran into it; the others lead anew."""

    async def main():
        work = Work(scene)
        callers = await work.callers()
        work.error = Alone()
        work.go.set()
        await turns()
        assert [type(caller.exception()) for caller in callers] == [Alone] * 3
        assert work.figures.stale == 0

    run(main())


class Alone(BaseException):
    """Such as an exit of the program."""


def test_a_run_that_fails_after_all_have_gone_is_logged(scene, caplog):
    """Counted, too, and nobody tries again before ``retry_after``."""

    async def main():
        work = Work(scene)
        await work.callers()
        await time_is_over()
        work.error = ValueError("secret")
        with caplog.at_level(logging.WARNING, "askonce"):
            await work.end()
        assert [record.event for record in caplog.records] == ["refresh_failed"]
        assert work.figures.errors == 1
        assert await work.f(1) == "answer 1"
        assert work.runs == 2
        work.error = None
        scene.clock.advance(RETRY_AFTER)
        assert await work.f(1) == "answer 3"

    run(main())


@pytest.mark.parametrize("deed", ["invalidate", "store"])
def test_what_ends_behind_is_fenced(scene, deed):
    """Invalidated or replaced after all have gone: the late value is not stored."""

    async def main():
        work = Work(scene)
        await work.callers()
        await time_is_over()
        await (work.f.invalidate(1) if deed == "invalidate" else work.f.store("by hand", 1))
        await work.end()
        assert await work.f.peek(1) == (MISS if deed == "invalidate" else "by hand")

    run(main())


def test_cancelled_before_the_time_is_over_the_last_one_ends_the_run(scene):
    """As without a timeout: nobody wants it any more."""

    async def main():
        work = Work(scene)
        callers = await work.callers()
        for caller in callers:
            caller.cancel()
        await asyncio.wait(callers)
        await turns()
        assert (work.running, work.ended) == (0, 1)

    run(main())


def test_once_somebody_has_gone_with_the_stale_value_nobody_ends_the_run(scene):
    """It was promised a run that ends behind; those who come later and are cancelled change nothing."""

    async def main():
        work = Work(scene)
        await work.callers(1)
        await time_is_over()
        with fresh(0):  # for whom there is nothing stale
            late = asyncio.create_task(work.f(1))
            await scene.have_aboard(work.f.key(1), 1)
        late.cancel()
        await asyncio.wait({late})
        await turns()
        assert work.running == 1
        await work.end()
        assert await work.f(1) == "answer 2"

    run(main())


def test_the_loop_ends_while_a_run_ends_behind(scene, caplog):
    """It is cancelled with the loop, quietly; the next caller of another loop computes."""
    work = Work(scene)

    async def main():
        await work.callers()
        await time_is_over()

    with caplog.at_level(logging.DEBUG, "askonce"):
        run(main())
    assert caplog.records == []
    scene.assert_nothing_left()
    assert asyncio.run(work.f(1)) == "answer 3"


def cancelled_at(step, whom, *, over):
    """Cancel one of three waiting callers after so many turns; whether it was under way."""
    scene = Scene()
    work = Work(scene)

    async def main():
        assert await work.f(1) == "answer 1"
        scene.clock.advance(TTL)
        callers = [asyncio.create_task(work.f(1)) for _ in range(3)]
        for turn in range(step):
            if turn == 3:
                if over:
                    asyncio.get_running_loop().put_forward(TIMEOUT)
                else:
                    work.go.set()
            await asyncio.sleep(0)
        under_way = callers[whom].cancel()
        await time_is_over()
        await work.end()
        results = await asyncio.gather(*callers, return_exceptions=True)
        if under_way:
            assert callers[whom].cancelled()
            del results[whom]
        assert set(results) <= {"answer 1", "answer 2"}
        assert await work.f(1) == "answer 2"
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return under_way

    under_way = run(main())
    scene.assert_nothing_left()
    return under_way


@pytest.mark.parametrize("whom", [0, 1], ids=["leader", "joiner"])
@pytest.mark.parametrize("over", [True, False], ids=["too late", "in time"])
def test_cancelled_at_every_step(whom, over):
    """Before, in, and after the turn in which the time is over: the others are answered, nothing is left."""
    step = 0
    while cancelled_at(step, whom, over=over):
        step += 1
        assert step < 100
    assert step > 4


# --- threads


class ToldTicket(waiting.ThreadTicket):
    """Waits until it is woken, or until the test says that the time is over."""

    def wait(self, timeout=None):
        if timeout is None:
            return super().wait(PATIENCE)
        _waiting.release()
        while not (self.is_set() or _over.is_set()):
            super().wait(0.001)
        return self.is_set()


_waiting = threading.Semaphore(0)
_over = threading.Event()


class WorkOfThreads:
    """The same for threads."""

    def __init__(self, scene, **options):
        self.scene = scene
        self.go = threading.Event()
        self.runs = 0
        self.error = None
        self.where = []

        @scene.cached(ttl=TTL, **{"stale_if_error": GRACE, "timeout": TIMEOUT, **options})
        def f(x):
            self.runs += 1
            number = self.runs
            self.where.append((threading.current_thread(), WHOSE.get()))
            if number == 2:
                assert self.go.wait(PATIENCE)
                if self.error is not None:
                    raise self.error
            return f"answer {number}"

        self.f = f

    def callers(self, count=3):
        assert self.f(1) == "answer 1"
        self.scene.clock.advance(TTL)
        threads, answers = in_threads(count, lambda _: self.f(1))
        for _ in range(count):
            assert _waiting.acquire(timeout=PATIENCE)
        self.scene.await_aboard(self.f.key(1), count)
        return threads, answers

    def end(self):
        self.go.set()
        settle_blocking()


@pytest.fixture
def told(monkeypatch):
    """Threads learn from the test that their time is over."""
    monkeypatch.setattr(waiting, "ThreadTicket", ToldTicket)
    clock = [0.0]
    monkeypatch.setattr(waiting, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    _over.clear()

    def over():
        clock[0] += TIMEOUT
        _over.set()

    return over


def test_threads_get_the_stale_value(scene, told):
    """Leader and joiners; the thread of the run goes on, and stores what it brings."""
    work = WorkOfThreads(scene)
    threads, answers = work.callers()
    told()
    join_all(threads)
    assert answers == ["answer 1"] * 3
    work.end()
    assert work.f(1) == "answer 2"
    info = work.f.cache_info()
    assert (work.runs, info.misses, info.joined, info.stale, info.stored) == (2, 2, 2, 3, 2)


def test_threads_get_the_answer_in_time(scene, told):
    """Of the one run."""
    work = WorkOfThreads(scene)
    threads, answers = work.callers()
    work.go.set()
    join_all(threads)
    assert answers == ["answer 2"] * 3
    assert work.runs == 2


def test_what_is_invalidated_during_the_wait_is_served_to_no_thread(scene, told):
    """They wait for a new answer instead."""
    work = WorkOfThreads(scene)
    threads, answers = work.callers()
    work.f.invalidate(1)
    told()
    join_all(threads)
    assert answers == ["answer 3"] * 3
    work.end()
    assert work.f(1) == "answer 3"


def test_threads_wait_on_when_the_window_ends(scene, told):
    """The limit counts no more, the flight is the same."""
    work = WorkOfThreads(scene)
    threads, answers = work.callers()
    scene.clock.advance(GRACE)
    told()
    scene.await_aboard(work.f.key(1), 3)
    work.end()
    join_all(threads)
    assert answers == ["answer 2"] * 3
    assert work.runs == 2


def test_a_thread_of_its_own_has_the_context_of_its_leader(scene, told):
    """The run can outlast its leader, so it is in a thread that is nobody's."""
    work = WorkOfThreads(scene)
    work.go.set()

    def lead():
        WHOSE.set("the leader's")
        return threading.current_thread(), work.f(1)

    work.f(1)
    scene.clock.advance(TTL)
    leader, answer = contextvars.copy_context().run(lead)
    assert answer == "answer 2"
    (first, _), (second, whose) = work.where
    assert (first, whose) == (leader, "the leader's")
    assert second is not leader
    assert second.daemon


def test_a_run_of_threads_that_fails_behind_is_logged(scene, told, caplog):
    """As with tasks."""
    work = WorkOfThreads(scene)
    work.error = ValueError("secret")
    threads, _ = work.callers()
    told()
    join_all(threads)
    with caplog.at_level(logging.WARNING, "askonce"):
        work.end()
    assert [record.event for record in caplog.records] == ["refresh_failed"]
    assert work.f(1) == "answer 1"
    assert work.runs == 2


def test_without_threads_the_leader_does_the_work(scene, told, monkeypatch):
    """A timeout that cannot be kept is better than an error where there was none."""
    work = WorkOfThreads(scene)
    work.go.set()
    work.f(1)
    scene.clock.advance(TTL)

    def start(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    assert work.f(1) == "answer 2"
    assert work.where[1][0] is threading.current_thread()
