"""Letting go of a cache: what runs in the background ends first, or is cancelled."""

import asyncio
from typing import Final

from askonce.flight import Flight, Flights

_TURN: Final = 0.05


async def settled(flights: Flights, seconds: float) -> None:
    """Wait until nothing is being computed for a cache, then cancel what nobody waits for.

    What a caller waits for is the caller's to cancel: it would only begin again.

    Args:
        flights: of the cache.
        seconds: how long to wait.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    await asyncio.sleep(0)  # what was sent behind its caller just now has begun
    late = [flight for flight in flights.under_way() if not await _landed(flight, deadline - loop.time())]
    left = [flight for flight in late if not flight.aboard]
    for cancel in [flight.cancel for flight in left if flight.cancel is not None] + list(flights.behind):
        cancel()
    for flight in left:
        await _landed(flight, _TURN)


async def _landed(flight: Flight, seconds: float) -> bool:
    ticket = Ticket(asyncio.get_running_loop())
    if not flight.expect(ticket):
        return True
    try:
        async with asyncio.timeout(max(seconds, 0)):
            await ticket.woken.wait()
    except TimeoutError:
        return False
    finally:
        flight.give_back(ticket)
    return True


class Ticket:
    """Wakes one task from any thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.woken: Final = asyncio.Event()
        self._loop = loop

    def wake(self) -> None:
        """Let it go on."""
        try:
            self._loop.call_soon_threadsafe(self.woken.set)
        except RuntimeError:  # the loop is closed, and nobody waits
            return
