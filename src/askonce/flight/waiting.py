"""Waiting for a flight, in a task or in a thread."""

import asyncio
import threading
import time

from askonce.flight.table import Flight, Landing

GLANCE = 0.2
"""Seconds between two looks at whether the loop that carries a flight of another loop is still there."""

GONE = Landing(retry=True)


class LoopTicket:
    """Wakes a task."""

    __slots__ = ("future", "loop")

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[None] = self.loop.create_future()

    def wake(self) -> None:
        """Resolve the future on its own loop; a loop that is closed has nobody to wake."""
        if asyncio._get_running_loop() is self.loop:
            self._resolve()
            return
        try:
            self.loop.call_soon_threadsafe(self._resolve)
        except RuntimeError:
            return

    def _resolve(self) -> None:
        if not self.future.done():
            self.future.set_result(None)


class ThreadTicket(threading.Event):
    """Wakes a thread."""

    def wake(self) -> None:
        """Let the thread go on."""
        self.set()


async def wait(flight: Flight, limit: float | None = None) -> Landing | None:
    """Wait for a flight without blocking the loop. Cancelling the wait does not touch the flight.

    Args:
        flight: what to wait for.
        limit: seconds after which the answer is ``None``.
    """
    ticket = LoopTicket()
    if flight.expect(ticket):
        try:
            if limit is None:
                await _wait_long(flight, ticket)
            else:
                async with asyncio.timeout(limit):
                    await _wait_long(flight, ticket)
        except TimeoutError:
            return flight.landing
        finally:
            flight.give_back(ticket)
    return flight.landing or GONE


async def _wait_long(flight: Flight, ticket: LoopTicket) -> None:
    if flight.home is ticket.loop:
        await ticket.future
    else:
        await _wait_abroad(flight, ticket)


async def _wait_abroad(flight: Flight, ticket: LoopTicket) -> None:
    """Wait for a flight of another loop, which may end without a word to anybody."""
    glances_at_rest = 0
    while glances_at_rest < 2 and not _closed(flight):  # a loop between two runs is not yet a dead one
        done, _ = await asyncio.wait({ticket.future}, timeout=GLANCE)
        if done:
            return
        glances_at_rest = 0 if _alive(flight) else glances_at_rest + 1


def wait_blocking(flight: Flight, limit: float | None = None) -> Landing | None:
    """Wait for a flight in a thread.

    Args:
        flight: what to wait for.
        limit: seconds after which the answer is ``None``.

    Raises:
        RuntimeError: the event loop of this very thread carries the flight, and would stand still.
    """
    if flight.home is not None and flight.home is asyncio._get_running_loop():
        raise RuntimeError(
            f"waiting here for the answer under {flight.key!r} would stop the event loop that computes it; "
            "in a coroutine await the cache or the function itself"
        )
    ticket = ThreadTicket()
    if flight.expect(ticket):
        try:
            deadline = None if limit is None else time.monotonic() + limit
            while not ticket.wait(_next_glance(flight, deadline)):
                if not _alive(flight):
                    return GONE
                if deadline is not None and time.monotonic() >= deadline:
                    return flight.landing
        finally:
            flight.give_back(ticket)
    return flight.landing or GONE


def _next_glance(flight: Flight, deadline: float | None) -> float | None:
    """Seconds to wait before looking around; ``None`` for as long as it takes."""
    glance = None if flight.home is None else GLANCE
    if deadline is None:
        return glance
    left = max(deadline - time.monotonic(), 0.0)
    return left if glance is None else min(left, glance)


def _alive(flight: Flight) -> bool:
    return flight.home is None or flight.home.is_running()


def _closed(flight: Flight) -> bool:
    return flight.home is not None and flight.home.is_closed()
