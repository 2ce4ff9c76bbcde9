"""Who computes what, and who waits for whom.

One lock guards all tables: they are touched on misses only, and the search for waits in a circle crosses
the caches.
"""

import os
import threading
import weakref
from asyncio import AbstractEventLoop
from collections.abc import Callable
from contextvars import ContextVar
from types import TracebackType
from typing import Any, NamedTuple, Protocol


class Breakable(Protocol):
    """The part of a fence that decides who may still join."""

    broken: bool
    """Whether the answer under way is already out of date."""


class Ticket(Protocol):
    """Something that wakes one waiting caller, from any thread."""

    def wake(self) -> None:
        """Let the caller go on."""
        ...


class Guarded(Protocol):
    """The cache that flights belong to: it goes through a fork whole, or not at all."""

    def hold(self) -> None:
        """Finish what is being written, and let nobody write until ``release``."""
        ...

    def release(self, *, child: bool) -> None:
        """Let writers in again; in the child nobody goes on with the fills that were under way."""
        ...


class Landing(NamedTuple):
    """How a flight ended.

    Attributes:
        value: the answer, for the caller that led.
        copy: makes an answer of their own for the callers that joined; ``None`` where it may be shared.
        error: the exception that the function raised.
        traceback: the error's at that moment, before those who wait raise it.
        retry: nothing that others may have, since the leader went away, or left with an error that is its
            alone, such as ``KeyboardInterrupt``: whoever still wants an answer leads anew.
    """

    value: Any = None
    copy: Callable[[], Any] | None = None
    error: BaseException | None = None
    traceback: TracebackType | None = None
    retry: bool = False


class Flight:
    """One computation under way and those who wait for it.

    Attributes:
        key: what is being answered.
        fence: tells whether the answer was invalidated meanwhile; then nobody joins any more.
        home: the event loop that carries the work, ``None`` where a thread does.
        cancel: stops the work; set once there is a task to stop.
        lasts: whether the work goes on when nobody waits for it any more.
        late: whether a caller has waited long enough for it.
        aboard: callers that still wait, the leader's included.
        landing: the end, once it came; empty again once nobody is aboard.
        waits_for: flights that this one's function is waiting for at the moment, and how often.
        tied: the flights that one run answers, this one among them; empty where it is the only one. The work
            runs as that of the first.
    """

    __slots__ = (
        "__weakref__", "aboard", "cancel", "fence", "home", "key", "landing", "lasts", "late", "tickets",
        "tied", "waits_for",
    )  # fmt: skip

    def __init__(self, key: str, fence: Breakable, home: AbstractEventLoop | None = None) -> None:
        self.key = key
        self.fence = fence
        self.home = home
        self.cancel: Callable[[], None] | None = None
        self.lasts = False
        self.late = False
        self.aboard = 1
        self.landing: Landing | None = None
        self.tickets: dict[Ticket, None] = {}
        self.waits_for: dict[Flight, int] = {}
        self.tied: tuple[Flight, ...] = ()

    @property
    def company(self) -> "tuple[Flight, ...]":
        """All flights that the work of this one answers."""
        return self.tied or (self,)

    def expect(self, ticket: Ticket) -> bool:
        """Have the ticket woken at the landing; ``False`` where the flight has landed already."""
        with _lock:
            if self.landing is not None:
                return False
            self.tickets[ticket] = None
            return True

    def is_abandoned(self) -> bool:
        """Whether the loop that carried the work was closed with the work on it."""
        return self.home is not None and self.home.is_closed()

    def give_back(self, ticket: Ticket) -> None:
        """Have a ticket woken no more, since its holder waits no longer."""
        with _lock:
            self.tickets.pop(ticket, None)

    def wait_for(self, other: "Flight") -> None:
        """Note that the function waits for another flight, once more. Call it under the lock."""
        self.waits_for[other] = self.waits_for.get(other, 0) + 1

    def wait_no_longer(self, other: "Flight") -> None:
        """Note that one wait for another flight, if there was one, is over. Call it under the lock."""
        left = self.waits_for.pop(other, 0) - 1
        if left > 0:
            self.waits_for[other] = left

    def depends_on(self, other: "Flight") -> bool:
        """Whether this flight cannot land before the other one does. Call it under the lock."""
        seen: set[int] = set()
        pending: list[Flight] = [self]
        while pending:
            flight = pending.pop()
            if flight is other:
                return True
            if id(flight) not in seen and flight.landing is None:
                seen.add(id(flight))
                pending.extend(flight.waits_for)
                pending.append(flight.company[0])
        return False

    def is_deserted(self) -> bool:
        """Whether nobody wants anything of the work any more. Call it under the lock."""
        if self.aboard or self.landing is not None:
            return False
        return not any(one.aboard or one.lasts for one in self.company)


current_flight: ContextVar[Flight | None] = ContextVar("askonce_current_flight", default=None)
"""The flight whose function is running in this context."""


class Flights:
    """The flights of one cache, at most one per key that can be joined.

    Args:
        cache: what they belong to, kept by a weak reference.

    Attributes:
        behind: for each piece of work behind its caller, what cancels it unless somebody waits for it now.
    """

    def __init__(self, cache: Guarded) -> None:
        self.behind: set[Callable[[], None]] = set()
        self._flights: dict[str, Flight] = {}
        self._cache = weakref.ref(cache)
        with _lock:
            _tables.add(self)

    def __len__(self) -> int:
        return len(self._flights)

    def __contains__(self, key: str) -> bool:
        return key in self._flights

    def under_way(self) -> list[Flight]:
        """The flights that can be joined at the moment."""
        with _lock:
            return list(self._flights.values())

    def board(
        self,
        key: str,
        open_fence: Callable[[], Breakable],
        *,
        home: AbstractEventLoop | None = None,
        anew: bool = False,
        close_fence: Callable[[Any], None] | None = None,
    ) -> tuple[Flight, bool]:
        """Join the flight of a key, or begin one; the second answer is whether the caller leads.

        Every caller ends with ``disembark``.

        Args:
            key: what is asked.
            open_fence: called where a flight seems to begin; never under the lock, since a cache that is
                being written to may let go of an object whose finalizer asks for a flight.
            home: the loop that carries the work if the caller leads, ``None`` where its thread does.
            anew: begin one even where another could be joined; the answer of that one is out of date.
            close_fence: takes a fence back where somebody else's flight began meanwhile.

        Raises:
            RecursionError: the flight waits, directly or through others, for the caller's own.
        """
        mine = _flying()
        joined = None if anew or key not in self._flights else self._join(key, mine)
        if joined is not None:
            return joined, False
        fence = open_fence()
        with _lock:
            joined = None if anew else self._join(key, mine)
            if joined is None:
                return self._begin(Flight(key, fence, home), mine), True
        if close_fence is not None:
            close_fence(fence)
        return joined, False

    def begin(
        self,
        key: str,
        open_fence: Callable[[], Breakable],
        *,
        home: AbstractEventLoop | None,
        close_fence: Callable[[Any], None],
    ) -> Flight | None:
        """Begin a flight that nobody waits for; ``None`` where there is one that could be joined.

        The caller lands it. Those who join it and leave again never end it.
        """
        left = self._flights.get(key)
        if left is not None and left.is_abandoned():  # whoever waits for it would see that, but nobody may
            left.fence.broken = True
            self.land(left, Landing(retry=True))
            close_fence(left.fence)
        if self._joinable(key) is not None:
            return None
        fence = open_fence()
        with _lock:
            if self._joinable(key) is None:
                flight = Flight(key, fence, home)
                flight.aboard = 0
                flight.lasts = True
                return self._begin(flight, None)
        close_fence(fence)
        return None

    def let_go(self, flight: Flight) -> None:
        """Leave a flight to itself: it goes on whoever waits, and nobody who has a choice waits again."""
        with _lock:
            for one in flight.company:
                one.lasts = one.late = True

    def has(self, key: str) -> bool:
        """Whether the key is being answered, by a flight that can be joined and is not abandoned."""
        flight = self._joinable(key)
        return flight is not None and not flight.is_abandoned()

    def _joinable(self, key: str) -> Flight | None:
        flight = self._flights.get(key)
        return None if flight is None or flight.fence.broken else flight

    def _join(self, key: str, mine: Flight | None) -> Flight | None:
        with _lock:
            flight = self._joinable(key)
            if flight is None:
                return None
            self._check_circle(flight, mine)
            flight.aboard += 1
            if mine is not None:
                mine.wait_for(flight)
            return flight

    def _begin(self, flight: Flight, mine: Flight | None) -> Flight:
        displaced = self._flights.get(flight.key)
        if displaced is not None:
            displaced.fence.broken = True
        self._flights[flight.key] = flight
        if mine is not None:
            mine.wait_for(flight)
        return flight

    def _check_circle(self, flight: Flight, mine: Flight | None) -> None:
        if mine is not None and flight.depends_on(mine):
            raise RecursionError(_CIRCLE.format(key=flight.key))

    def disembark(self, flight: Flight) -> None:
        """Leave a flight, landed or not; the last one to leave cancels the work."""
        mine = _flying()
        with _lock:
            flight.aboard -= 1
            if mine is not None:
                mine.wait_no_longer(flight)
            deserted = flight.is_deserted()
            if deserted:
                for one in flight.company:
                    self._forget(one)
            elif flight.aboard == 0 and flight.landing is not None:
                # A task that the function left running has this flight in its context for life.
                flight.landing = Landing()
        if deserted and flight.cancel is not None:
            flight.cancel()

    def tie(self, company: tuple[Flight, ...]) -> None:
        """Have the work of the first answer several flights: it ends when nobody is aboard any of them."""
        with _lock:
            for flight in company:
                flight.tied = company

    def land(self, flight: Flight, landing: Landing) -> None:
        """End a flight, once: it can be joined no more, then those aboard wake."""
        with _lock:
            if flight.landing is not None:
                return
            flight.landing = landing if flight.aboard else Landing()  # as in ``disembark``
            self._forget(flight)
            flight.tied = ()
            tickets, flight.tickets = flight.tickets, {}
        for ticket in tickets:
            ticket.wake()

    def _forget(self, flight: Flight) -> None:
        if self._flights.get(flight.key) is flight:
            del self._flights[flight.key]


_CIRCLE = (
    "the cached function of {key!r} waits for its own answer, directly or through others; "
    "call its uncached(...) there, or give the inner call other arguments"
)


def _flying() -> Flight | None:
    flight = current_flight.get()
    return None if flight is None or flight.landing is not None else flight


# A finalizer that the collector runs in here may call a cached function: no deadlock.
_lock = threading.RLock()
_tables: "weakref.WeakSet[Flights]" = weakref.WeakSet()


class _Fork:
    """Holds everything still while the process forks, in the order in which a call takes the locks."""

    def __init__(self) -> None:
        self._tables: list[Flights] = []
        self._caches: list[Guarded] = []

    def before(self) -> None:
        _lock.acquire()
        self._tables = list(_tables)
        self._caches = [cache for table in self._tables if (cache := table._cache()) is not None]
        for cache in self._caches:
            cache.hold()

    def after(self, *, child: bool = False) -> None:
        for cache in self._caches:
            cache.release(child=child)
        if child:  # the threads and loops that carried these flights do not exist here
            for table in self._tables:
                table._flights.clear()
                table.behind.clear()
        self._tables, self._caches = [], []
        _lock.release()

    def after_in_child(self) -> None:
        self.after(child=True)


if hasattr(os, "register_at_fork"):
    _fork = _Fork()
    os.register_at_fork(before=_fork.before, after_in_parent=_fork.after, after_in_child=_fork.after_in_child)
