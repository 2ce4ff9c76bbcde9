"""Waiting for a flight: in its own loop, in another one, in a thread."""

import asyncio
import threading
from types import SimpleNamespace

import pytest

from askonce import InMemoryCache
from askonce.backends.engine import Fence
from askonce.flight import Flights, Landing, wait, wait_blocking, waiting
from askonce.flight.waiting import LoopTicket

LANDED = Landing("answer")


class Cache:
    def hold(self):
        pass

    def release(self, *, child):
        pass


CACHE = Cache()


@pytest.fixture
def flights():
    return Flights(CACHE)


def flight_of(flights, home=None):
    return flights.board("k", lambda: Fence("k", (), 0), home=home)[0]


async def settle():
    for _ in range(5):
        await asyncio.sleep(0)


def test_a_flight_that_has_landed_is_not_waited_for(flights):
    """Its landing is there at once, for tasks and threads."""
    flight = flight_of(flights)
    flights.land(flight, LANDED)
    assert asyncio.run(wait(flight)) is LANDED
    assert wait_blocking(flight) is LANDED


def test_a_task_waits_on_its_own_loop(flights):
    """It sleeps until the landing, and nothing looks after it by the clock meanwhile."""

    async def main():
        loop = asyncio.get_running_loop()
        flight = flight_of(flights, loop)
        waiting = asyncio.create_task(wait(flight))
        await settle()
        assert not waiting.done()
        assert not loop._scheduled
        flights.land(flight, LANDED)
        assert await waiting is LANDED

    asyncio.run(main())


@pytest.mark.parametrize("home", ["thread", "loop"])
def test_a_task_waits_for_what_happens_elsewhere(flights, home, monkeypatch):
    """A flight of a thread, or of the loop of another thread, wakes the task across, without a look."""
    monkeypatch.setattr("askonce.flight.waiting.GLANCE", 3600)
    other = asyncio.new_event_loop()
    runner = threading.Thread(target=other.run_forever)
    runner.start()
    flight = flight_of(flights, other if home == "loop" else None)

    async def main():
        waiting = asyncio.create_task(wait(flight))
        await settle()
        threading.Timer(0, flights.land, (flight, LANDED)).start()
        async with asyncio.timeout(20):
            return await waiting

    assert asyncio.run(main(), debug=True) is LANDED  # debug: refuses what is not thread-safe
    other.call_soon_threadsafe(other.stop)
    runner.join()
    other.close()


def test_a_thread_waits(flights):
    """It is woken by the landing."""
    flight = flight_of(flights)
    answers = []
    thread = threading.Thread(target=lambda: answers.append(wait_blocking(flight)))
    thread.start()
    while not flight.tickets:
        pass
    flights.land(flight, LANDED)
    thread.join(30)
    assert answers == [LANDED]


def test_a_cancelled_wait_leaves_no_ticket(flights):
    """Whoever waits no longer is forgotten; the others are not."""

    async def main():
        flight = flight_of(flights, asyncio.get_running_loop())
        leaving, staying = (asyncio.create_task(wait(flight)) for _ in range(2))
        await settle()
        leaving.cancel()
        await settle()
        assert len(flight.tickets) == 1
        flights.land(flight, LANDED)
        assert await staying is LANDED

    asyncio.run(main())


@pytest.mark.parametrize("closed", [False, True])
def test_a_lost_loop_is_given_up(flights, monkeypatch, closed):
    """A flight whose loop stopped or closed answers nobody: tasks and threads lead anew."""
    monkeypatch.setattr("askonce.flight.waiting.GLANCE", 0.001)
    other = asyncio.new_event_loop()
    flight = flight_of(flights, other)
    if closed:
        other.close()
    assert asyncio.run(wait(flight)).retry
    assert wait_blocking(flight).retry
    assert flight.tickets == {}
    other.close()


def test_one_look_at_a_resting_loop_is_not_enough(flights, monkeypatch):
    """Between two runs of a loop nothing runs either: only two looks in a row tell a lost one."""
    looks = [False, True, False, False, True]
    monkeypatch.setattr("askonce.flight.waiting.GLANCE", 0.001)
    monkeypatch.setattr("askonce.flight.waiting._alive", lambda flight: looks.pop(0))
    other = asyncio.new_event_loop()
    assert asyncio.run(wait(flight_of(flights, other))).retry
    other.close()
    assert looks == [True]


def test_a_closed_loop_is_given_up_at_once(flights, monkeypatch):
    """It cannot come back, so there is nothing to wait for."""
    monkeypatch.setattr("askonce.flight.waiting.GLANCE", 3600)
    other = asyncio.new_event_loop()
    flight = flight_of(flights, other)
    other.close()
    assert asyncio.run(wait(flight)).retry


def test_waking_those_who_are_gone_does_no_harm():
    """A task that was cancelled in the same turn, a loop that was closed."""
    loop = asyncio.new_event_loop()

    async def main():
        cancelled = LoopTicket()
        cancelled.future.cancel()
        cancelled.wake()
        kept = LoopTicket()
        kept.wake()
        kept.wake()
        await kept.future
        return LoopTicket()

    ticket = loop.run_until_complete(main())
    loop.close()
    ticket.wake()
    assert not ticket.future.done()


def test_a_thread_does_not_wait_for_its_own_loop():
    """``cache.sync`` in a coroutine is refused where it would wait for the loop that it blocks."""
    cache = InMemoryCache()

    async def ask():
        started, gate = asyncio.Event(), asyncio.Event()

        async def make():
            started.set()
            await gate.wait()
            return "made"

        making = asyncio.create_task(cache.get_or_set("key", make))
        await started.wait()
        with pytest.raises(RuntimeError, match="await the cache or the function itself"):
            cache.sync.get_or_set("key", lambda: "never")
        gate.set()
        return await making

    assert asyncio.run(ask()) == "made"
    assert len(cache.flights) == 0


# --- for so long and no longer


class ToldTicket(waiting.ThreadTicket):
    """Is told how long to wait, and notes it instead."""

    limits = []

    def wait(self, timeout=None):
        self.limits.append(timeout)
        _clock[0] += timeout
        return False


_clock = [0.0]


@pytest.fixture
def told(monkeypatch):
    monkeypatch.setattr(waiting, "ThreadTicket", ToldTicket)
    monkeypatch.setattr(waiting, "time", SimpleNamespace(monotonic=lambda: _clock[0]))
    ToldTicket.limits = []
    _clock[0] = 0.0
    return ToldTicket.limits


def test_a_task_waits_no_longer_than_its_limit(flights):
    """The answer is ``None``, and no ticket is left; the flight is still there for others."""

    async def main():
        flight = flight_of(flights, asyncio.get_running_loop())
        assert await wait(flight, 0.001) is None
        assert flight.tickets == {}
        assert "k" in flights
        flights.land(flight, LANDED)
        assert await wait(flight, 0.001) is LANDED

    asyncio.run(main())


def test_a_landing_within_the_limit_is_answered(flights):
    """Long before it is reached, in a task of its own loop or of another one."""

    async def main():
        for home in (asyncio.get_running_loop(), None):
            flight = flight_of(flights, home)
            waiter = asyncio.create_task(wait(flight, 3600))
            await settle()
            assert not waiter.done()
            flights.land(flight, LANDED)
            assert await waiter is LANDED

    asyncio.run(main())


def test_a_task_that_is_cancelled_before_its_limit_is_cancelled(flights):
    """And not told that its time is over."""

    async def main():
        flight = flight_of(flights, asyncio.get_running_loop())
        waiter = asyncio.create_task(wait(flight, 3600))
        await settle()
        waiter.cancel()
        await asyncio.wait({waiter})
        assert waiter.cancelled()
        assert flight.tickets == {}

    asyncio.run(main())


def test_a_timeout_around_the_wait_is_not_its_own(flights):
    """``asyncio.timeout`` of the caller ends as a ``TimeoutError``."""

    async def main():
        flight = flight_of(flights, asyncio.get_running_loop())
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await wait(flight, 3600)

    asyncio.run(main())


def test_a_flight_that_lands_as_the_time_is_over_is_answered(flights, told, monkeypatch):
    """Both in one turn: the answer is better than none."""

    async def main():
        flight = flight_of(flights, asyncio.get_running_loop())

        async def late(flight, ticket):
            flights.land(flight, LANDED)
            raise TimeoutError

        with monkeypatch.context() as patch:
            patch.setattr(waiting, "_wait_long", late)
            return await wait(flight, 1)

    assert asyncio.run(main()) is LANDED
    flight = flight_of(flights)
    monkeypatch.setattr(ToldTicket, "wait", lambda self, timeout: landed_late(flights, flight, timeout))
    assert wait_blocking(flight, 1) is LANDED


def landed_late(flights, flight, timeout):
    _clock[0] += timeout
    flights.land(flight, LANDED)
    return False


def test_a_thread_waits_no_longer_than_its_limit(flights, told):
    """In one go, for a flight of a thread."""
    flight = flight_of(flights)
    assert wait_blocking(flight, 10) is None
    assert told == [10]
    assert flight.tickets == {}


def test_a_thread_looks_after_a_loop_within_its_limit(flights, told, monkeypatch):
    """As often as without a limit, and not beyond it."""
    monkeypatch.setattr("askonce.flight.waiting.GLANCE", 4)
    monkeypatch.setattr("askonce.flight.waiting._alive", lambda flight: True)
    other = asyncio.new_event_loop()
    assert wait_blocking(flight_of(flights, other), 10) is None
    assert told == [4, 4, 2]
    other.close()


def test_a_lost_loop_is_given_up_before_the_limit(flights, told, monkeypatch):
    """There is nothing to wait for."""
    monkeypatch.setattr("askonce.flight.waiting.GLANCE", 0.001)
    other = asyncio.new_event_loop()
    flight = flight_of(flights, other)
    assert asyncio.run(wait(flight, 3600)).retry
    assert wait_blocking(flight, 3600).retry
    other.close()
