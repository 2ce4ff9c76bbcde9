"""Boarding the flights of several items at once, and what each of them brings."""

import asyncio
import time
from collections.abc import Callable, Generator
from typing import Any

from askonce._types import Entry
from askonce.engine import filling, flow, found, joint
from askonce.engine.call import Call
from askonce.engine.joint import Batch, Seat
from askonce.engine.steps import HOME, Behind, Flow, Launch, Step, Wait, Wrapped
from askonce.flight import Flight, Landing, current_flight, own_copy

Outcome = Callable[[], Any]
"""Gives the answer of an item, to each place where it stands, or raises."""


def fly(
    batch: Batch, calls: list[Call], *, anew: bool, deadline: float | None = None
) -> Generator[Step, Any, dict[str, Outcome]]:
    """Board a flight for each item, carry out those that are led at once, and wait for the others.

    Args:
        batch: the call that they belong to.
        calls: the items.
        anew: whether they are computed whatever is stored or under way.
        deadline: the ``time.monotonic`` up to which to wait for items that have something to fall back on.

    Returns:
        The outcomes by key. Items that are not among them want another flight.
    """
    home = yield HOME
    seats: list[Seat] = []
    left: list[Seat] = []
    try:
        for call in calls:
            seat = _boarded(call, home, anew=anew)
            seats.append(seat)
            if seat.leads:
                left.append(seat)
                batch.led.add(call.key)
        led = left if anew else (yield from _look_again(batch, left))
        left = []
        if led:
            yield from _lead(batch, led, _limit(led, deadline), anew=anew)
        if not anew and batch.patient and any(map(_was_cancelled, led)):
            batch.patient = False  # somebody cancelled the work; once may be chance, twice is its own doing
            return {}
        outcomes: dict[str, Outcome] = {}
        for seat in seats:
            outcome = yield from _outcome(batch, seat, deadline, anew=anew)
            if outcome is not None:
                outcomes[seat.call.key] = outcome
        return outcomes
    finally:
        # The first one last: as long as somebody is aboard of that, nobody counts the others.
        for seat in reversed(seats):
            seat.call.store.flights.disembark(seat.flight)
        joint.give_up(left)


def _boarded(call: Call, home: Any, *, anew: bool) -> Seat:
    if not call.function.joins and not anew:
        return Seat(call, Flight(call.key, call.open_fence(), home), leads=True)
    flight, leads = call.store.flights.board(
        call.key, call.open_fence, home=home, anew=anew, close_fence=call.store.close_fence
    )
    return Seat(call, flight, leads)


def _look_again(batch: Batch, led: list[Seat]) -> Generator[Step, Any, list[Seat]]:
    """Land those that another flight has answered since, or the tier behind memory has; who is left."""
    left: list[Seat] = []
    for seat in led:
        entry = seat.call.survey().entry
        if entry is None:
            left.append(seat)
        else:
            filling.land_with(seat.call, seat.flight, entry)
    if not left or not left[0].call.asks_remote:
        return left
    surveys = yield from found.read_many([(seat.call, filling.fence_of(seat.flight)) for seat in left])
    missing: list[Seat] = []
    due: list[tuple[Call, Entry]] = []
    for seat, (entry, is_due, _) in zip(left, surveys, strict=True):
        if entry is None:
            missing.append(seat)
            continue
        filling.land_with(seat.call, seat.flight, entry)
        if is_due:
            due.append((seat.call, entry))
    yield from revalidate(batch, due)
    return missing


def _lead(batch: Batch, led: list[Seat], limit: float | None, *, anew: bool) -> Generator[Step, Any, None]:
    joint.tie(led)
    work = joint.work(batch, led)
    if not batch.function.joins and not anew:
        try:
            yield from work  # nobody else waits for it
        finally:
            joint.give_up(led)
        return
    if limit is not None:  # the caller may be gone while the function still runs
        batch.detach([seat.call for seat in led])
    yield Launch(led[0].flight, work, lambda: joint.give_up(led), limit)


def revalidate(batch: Batch, due: list[tuple[Call, Entry]]) -> Generator[Step, Any, None]:
    """Have some items replaced by new answers, behind the caller."""
    if due:
        flights, place = due[0][0].store.flights, due[0][0].key
        yield Behind(flights, place, lambda: _refreshed(batch, due), batch.function.name)


def _refreshed(batch: Batch, due: list[tuple[Call, Entry]]) -> Flow:
    own, calls = batch.detached([call for call, _ in due])
    return _replaced(own, [(call, entry) for call, (_, entry) in zip(calls, due, strict=True)])


def _replaced(batch: Batch, due: list[tuple[Call, Entry]]) -> Generator[Step, Any, None]:
    """One run behind the callers for all items that are due and that nobody computes."""
    seats = _begin(due, (yield HOME))
    entries = {call.key: entry for call, entry in due}
    try:
        led = yield from _still_old(seats, entries)
        if led:
            joint.tie(led)
            current_flight.set(led[0].flight)
            yield from joint.work(batch, led, behind=True)
            for seat in led:
                filling.let_rest(seat.call, entries[seat.call.key])
    finally:
        joint.give_up(seats)


def _begin(due: list[tuple[Call, Entry]], home: Any) -> list[Seat]:
    """Flights without callers for entries that nobody is replacing yet, for one run to answer."""
    seats: list[Seat] = []
    for call, entry in due:
        flight = call.store.flights.begin(
            call.key, call.open_fence, home=home, close_fence=call.store.close_fence
        )
        if flight is None:
            continue
        if filling.still_due(call, entry):
            seats.append(Seat(call, flight, leads=True))
        else:
            filling.give_up(call, flight)
    return seats


def _still_old(seats: list[Seat], entries: dict[str, Entry]) -> Generator[Step, Any, list[Seat]]:
    """Land those that somebody else has replaced; who is left."""
    if not seats or not seats[0].call.asks_remote:
        return seats
    asked = [(seat.call, filling.fence_of(seat.flight), entries[seat.call.key]) for seat in seats]
    left: list[Seat] = []
    for seat, entry in zip(seats, (yield from found.younger_ones(asked)), strict=True):
        if entry is None:
            left.append(seat)
        else:
            filling.land_with(seat.call, seat.flight, entry)
    return left


def _limit(seats: list[Seat], deadline: float | None) -> float | None:
    """How long the caller can wait for items of which each has something to fall back on."""
    if deadline is None or any(seat.call.fallback() is None for seat in seats):
        return None
    return max(deadline - time.monotonic(), 0.0)


def _was_cancelled(seat: Seat) -> bool:
    landing = seat.flight.landing
    return landing is not None and landing.retry and isinstance(landing.error, asyncio.CancelledError)


def _outcome(
    batch: Batch, seat: Seat, deadline: float | None, *, anew: bool
) -> Generator[Step, Any, Outcome | None]:
    """What an item's flight brought; ``None`` where somebody has to fly again."""
    call, flight = seat.call, seat.flight
    landing: Landing | None = flight.landing
    limit = _limit([seat], deadline)
    if landing is None and not (flight.late and limit is not None):
        landing = yield Wait(flight, limit)
    if landing is None:
        call.store.flights.let_go(flight)
        stale = call.fallback()
        if stale is None:
            return None
        batch.function.figures.joined += call.key not in batch.led
        return _standing_in(call, stale)
    if landing.retry:
        filling.give_up(call, flight)  # what carried it is gone
    if not flow.is_for(call, seat.leads, landing):
        return None
    if not isinstance(landing.value, Entry):
        batch.function.figures.joined += call.key not in batch.led
    return _landed(call, landing, led=seat.leads, falls_back=not anew)


def _landed(call: Call, landing: Landing, *, led: bool, falls_back: bool) -> Outcome:
    if isinstance(landing.value, Entry):
        return served(call, landing.value)
    error = landing.error
    if error is not None:
        stale = call.fallback() if falls_back and isinstance(error, Exception) else None
        if stale is not None:
            return _standing_in(call, stale, error if led else None)
        return raising(error if led else own_copy(error, landing.traceback))
    copy = landing.copy or (lambda: landing.value)
    return _once(landing.value, copy) if led else copy


def served(call: Call, entry: Entry) -> Outcome:
    """The outcome of an item that is stored."""
    try:
        value = call.hit(entry)
    except Exception as error:  # noqa: BLE001  the one that is stored
        return raising(error)
    return _once(value, lambda: entry.value)


def _standing_in(call: Call, entry: Entry, error: BaseException | None = None) -> Outcome:
    return _once(call.stand_in(entry, error), lambda: entry.value)


def _once(value: Any, then: Callable[[], Any]) -> Outcome:
    """A value for the first place where the item stands; what the others get is made for them."""
    first = [value]
    return lambda: first.pop() if first else then()


def raising(error: BaseException) -> Outcome:
    """The outcome of an item that failed."""

    def take() -> Any:
        raise Wrapped(error) if isinstance(error, (StopIteration, GeneratorExit)) else error

    return take
