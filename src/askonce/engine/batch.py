"""Calls whose items are cached one by one: ``each="texts"``.

Every item is a call of its own, with a list of one item in place of the list: it has a key, an entry and a
flight like any other call. The function runs once for all items that nobody has and nobody computes.
"""

import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from askonce._types import Entry
from askonce.engine import commands, filling, flow
from askonce.engine.call import Call
from askonce.engine.each import checked_answers, items_of, place_of_list, single, with_items
from askonce.engine.function import Function
from askonce.engine.record import CurrentCall
from askonce.engine.steps import Behind, Flow, Home, Invoke, IsAnswer, Launch, Step, Wait, Wrapped
from askonce.exceptions import NotCachedError
from askonce.flight import Flight, Landing, current_flight, own_copy
from askonce.freshness import Verdict
from askonce.signature import Arguments

Outcome = Callable[[], Any]
"""Gives the answer of an item, to each place where it stands, or raises."""


@dataclass(slots=True, eq=False)
class Batch:
    """The items of one call.

    Attributes:
        function: what is asked.
        arguments: as they were given.
        calls: one for each different item, in order.
        places: for each item its place among the calls.
    """

    function: Function
    arguments: Arguments
    calls: list[Call] = field(default_factory=list)
    places: list[int] = field(default_factory=list)

    @classmethod
    def of(cls, whole: Call) -> "Batch":
        """Take a call apart.

        Raises:
            TypeError: what should be a list is none.
            KeyBuildError: an item has no key.
        """
        function = cast("Function", whole.function)
        batch = cls(function, whole.arguments)
        known: dict[str, int] = {}
        for item in items_of(function, whole.arguments):
            arguments = with_items(function, whole.arguments, [item])
            key = function.keys.key(arguments)
            place = known.setdefault(key, len(known))
            if place == len(batch.calls):
                batch.calls.append(Call(function, whole.store, key, arguments, whole.demand))
            batch.places.append(place)
        return batch

    def joint(self, calls: list[Call]) -> Arguments:
        """The arguments of a call for some of the items: a list or a tuple, as it was given."""
        place = place_of_list(self.function)
        items = [call.arguments[place][0] for call in calls]
        given = self.arguments[place]
        return with_items(self.function, self.arguments, tuple(items) if isinstance(given, tuple) else items)


# --- flows


def serve(whole: Call) -> Flow:
    """Serve what is there, compute the rest at once, and answer in order.

    Args:
        whole: the call for the whole list; it has no key.
    """
    if not whole.store.enabled or whole.way == "bypass":
        return (yield from filling.uncached(whole))
    batch, demand = Batch.of(whole), whole.demand
    if whole.way == "only_if_cached":
        return (yield from _stored(batch))
    anew = [call for call in batch.calls if demand is not None and demand.first(whole.store, call.key)]
    outcomes = yield from _recomputed(batch, anew)
    pending = [call for call in batch.calls if call.key not in outcomes]
    limit = batch.function.freshness.timeout
    deadline = None if limit is None else time.monotonic() + limit
    while pending:
        pending = yield from _look(batch, pending, outcomes)
        if pending:
            outcomes |= yield from _fly(batch, pending, anew=False, deadline=deadline)
            pending = [call for call in pending if call.key not in outcomes]
            if deadline is not None and time.monotonic() >= deadline:
                deadline = None  # once the time is over, it is
    return _answers(batch, outcomes)


def refresh(function: Function, arguments: Arguments) -> Flow:
    """Compute all items anew."""
    whole = Call(function, function.store(), "", arguments)
    if not whole.store.enabled:
        return (yield from filling.uncached(whole))
    batch = Batch.of(whole)
    return _answers(batch, (yield from _recomputed(batch, batch.calls)))


def peek(function: Function, arguments: Arguments) -> Flow:
    """What would be served for each item, or ``MISS`` in its place."""
    found: list[Any] = []
    for item in items_of(function, arguments):
        found.append((yield from commands.peek(function, with_items(function, arguments, [item]))))
    return found


def put(function: Function, values: Any, arguments: Arguments) -> Flow:
    """Store a value for each item; whether all were stored."""
    items = items_of(function, arguments)
    answers = checked_answers(function, values, len(items))
    everything = True
    for item, value in zip(items, answers, strict=True):
        everything &= yield from commands.put(function, value, with_items(function, arguments, [item]))
    return everything


def invalidate(function: Function, arguments: Arguments) -> Flow:
    """Drop the answers of all items; whether there was one."""
    dropped = False
    for item in items_of(function, arguments):
        dropped |= yield from commands.invalidate(function, with_items(function, arguments, [item]))
    return dropped


def sight(function: Function, arguments: Arguments) -> Flow:
    """What is known of the answer of one item."""
    return (yield from commands.sight(function, single(function, arguments)))


# --- their parts


def _stored(batch: Batch) -> Flow:
    outcomes: dict[str, Outcome] = {}
    missing: list[Call] = []
    for call in batch.calls:
        what, entry = call.survey()
        if entry is None and call.store.remote is not None:
            entry = yield from flow.peek_remote(call)
            what = Verdict.SERVE
        if entry is None or what is Verdict.TRY:
            missing.append(call)
        else:
            outcomes[call.key] = _served(call, entry)
    if missing:
        raise NotCachedError(
            f"{batch.function.name}: {len(missing)} of {len(batch.calls)} items are not cached, the first "
            f"under {missing[0].key!r}, and only_if_cached() lets nothing be computed; call it outside of "
            "that, or catch NotCachedError"
        )
    return _answers(batch, outcomes)


def _recomputed(batch: Batch, calls: list[Call]) -> Generator[Step, Any, dict[str, Outcome]]:
    outcomes: dict[str, Outcome] = {}
    pending = list(calls)
    for call in pending:
        flow.refuse_own_refresh(call)
    while pending:
        for call in pending:
            call.store.break_fences(call.key)
        outcomes |= yield from _fly(batch, pending, anew=True, deadline=None)
        pending = [call for call in pending if call.key not in outcomes]
    return outcomes


def _look(
    batch: Batch, calls: list[Call], outcomes: dict[str, Outcome]
) -> Generator[Step, Any, list[Call]]:
    """Take what memory has, have refreshed what is due, and answer what is left."""
    missing: list[Call] = []
    due: list[tuple[Call, Entry]] = []
    for call in calls:
        what, entry = call.survey()
        if entry is None or what is Verdict.TRY:
            missing.append(call)
            continue
        if what is Verdict.REFRESH:
            due.append((call, entry))
        outcomes[call.key] = _served(call, entry)
    if due:
        again = [(Call(call.function, call.store, call.key, call.arguments), entry) for call, entry in due]
        place = "+".join(call.key for call, _ in due)
        yield Behind(batch.calls[0].store.flights, place, lambda: _replaced(batch, again))
    return missing


@dataclass(slots=True, eq=False)
class _Seat:
    """A caller's place in the flight of one item."""

    call: Call
    flight: Flight
    leads: bool
    launched: bool = False


def _fly(
    batch: Batch, calls: list[Call], *, anew: bool, deadline: float | None
) -> Generator[Step, Any, dict[str, Outcome]]:
    """Board a flight for each item, carry out those that are led at once, and wait for the others."""
    home = yield Home()
    seats: list[_Seat] = []
    try:
        for call in calls:
            seats.append(_boarded(call, home, anew=anew))
        led = [seat for seat in seats if seat.leads]
        if not anew:
            led = yield from _look_again(led)
        if led:
            yield from _launch(batch, led, None if anew else _limit(led, deadline))
        outcomes: dict[str, Outcome] = {}
        for seat in seats:
            outcome = yield from _outcome(seat, anew=anew, deadline=deadline)
            if outcome is not None:
                outcomes[seat.call.key] = outcome
        return outcomes
    finally:
        for seat in seats:
            seat.call.store.flights.disembark(seat.flight)
            if seat.leads and not seat.launched:
                filling.give_up(seat.call, seat.flight)


def _boarded(call: Call, home: Any, *, anew: bool) -> _Seat:
    if not call.function.joins and not anew:
        return _Seat(call, Flight(call.key, call.open_fence(), home), True)
    flight, leads = call.store.flights.board(
        call.key, call.open_fence, home=home, anew=anew, close_fence=call.store.close_fence
    )
    return _Seat(call, flight, leads)


def _look_again(led: list[_Seat]) -> Generator[Step, Any, list[_Seat]]:
    """Land those that another flight has answered since, or the tier behind memory has."""
    left: list[_Seat] = []
    for seat in led:
        if not (yield from flow.look_again(seat.call, seat.flight)):
            left.append(seat)
    return left


def _limit(seats: list[_Seat], deadline: float | None) -> float | None:
    """How long the caller can wait for items of which each has something to fall back on."""
    if deadline is None or any(seat.call.fallback() is None for seat in seats):
        return None
    return max(deadline - time.monotonic(), 0.0)


def _launch(batch: Batch, led: list[_Seat], limit: float | None) -> Generator[Step, Any, None]:
    _tie(led)

    def finish() -> None:
        for seat in reversed(led):
            filling.give_up(seat.call, seat.flight)

    for seat in led:
        seat.launched = True
    others = tuple(seat.flight for seat in led[1:])
    landing = yield Launch(led[0].flight, _work(batch, led), finish, limit, others)
    if landing is None:
        for seat in led:
            seat.flight.lasts = True


def _tie(led: list[_Seat]) -> None:
    """One run answers them all: whoever waits for one of them waits for the first."""
    for seat in led[1:]:
        seat.flight.waits_for.append(led[0].flight)


def _outcome(seat: _Seat, *, anew: bool, deadline: float | None) -> Generator[Step, Any, Outcome | None]:
    """What an item's flight brought; ``None`` where somebody has to fly again."""
    call, flight = seat.call, seat.flight
    landing = flight.landing
    if landing is None:
        landing = yield Wait(flight, None if anew else _limit([seat], deadline))
    if landing is None:
        flight.lasts = True
        stale = call.fallback()
        if stale is None:
            return None
        call.function.figures.joined += not seat.leads
        return _standing_in(call, stale)
    if not flow.is_for(call, seat.leads, landing):
        return None
    return _landed(call, landing, led=seat.leads, falls_back=not anew)


def _landed(call: Call, landing: Landing, *, led: bool, falls_back: bool) -> Outcome:
    if isinstance(landing.value, Entry):
        return _served(call, landing.value)
    call.function.figures.joined += not led
    error = landing.error
    if error is not None:
        stale = call.fallback() if falls_back and isinstance(error, Exception) else None
        if stale is not None:
            return _standing_in(call, stale)
        return _raising(error if led else own_copy(error, landing.traceback))
    first = [landing.value] if led else []
    copy = landing.copy

    def take() -> Any:
        if first:
            return first.pop()
        return landing.value if copy is None else copy()

    return take


def _served(call: Call, entry: Entry) -> Outcome:
    try:
        values = [call.hit(entry)]
    except Exception as error:  # noqa: BLE001  the one that is stored
        return _raising(error)
    return lambda: values.pop() if values else entry.value


def _standing_in(call: Call, entry: Entry) -> Outcome:
    values = [call.stand_in(entry)]
    return lambda: values.pop() if values else entry.value


def _raising(error: BaseException) -> Outcome:
    def take() -> Any:
        raise Wrapped(error) if isinstance(error, (StopIteration, GeneratorExit)) else error

    return take


def _answers(batch: Batch, outcomes: Mapping[str, Outcome]) -> list[Any]:
    return [outcomes[batch.calls[place].key]() for place in batch.places]


def _replaced(batch: Batch, due: list[tuple[Call, Entry]]) -> Generator[Step, Any, None]:
    """One run behind the callers for all items that are due and that nobody computes."""
    home = yield Home()
    seats: list[_Seat] = []
    try:
        for call, entry in due:
            flight = call.store.flights.begin(
                call.key, call.open_fence, home=home, close_fence=call.store.close_fence
            )
            if flight is None:
                continue
            seats.append(_Seat(call, flight, True))
            if call.store.held(call.key) is not entry:
                filling.give_up(call, flight)
                seats.pop()
        if seats:
            _tie(seats)
            current_flight.set(seats[0].flight)
            yield from _work(batch, seats, behind=True)
    finally:
        for seat in reversed(seats):
            filling.give_up(seat.call, seat.flight)


def _work(batch: Batch, led: list[_Seat], *, behind: bool = False) -> Generator[Step, Any, None]:
    """Run the function for some items, store what it answers to each, and land them all."""
    try:
        landings = yield from _compute(batch, led, behind=behind)
    except GeneratorExit:
        raise
    except BaseException as error:
        if not (yield IsAnswer(error)):
            _land(led, [Landing(error=error, traceback=error.__traceback__, retry=True)] * len(led))
            raise
        if isinstance(error, Wrapped):
            error = error.error
        landings = []
        for seat in led:
            lost = behind or filling.is_left(seat.flight)
            fence = filling.fence_of(seat.flight)
            landings.append((yield from filling.failed(seat.call, fence, error, behind=lost)))
    _land(led, landings)


def _land(led: list[_Seat], landings: list[Landing]) -> None:
    for seat, landing in reversed(list(zip(led, landings, strict=True))):  # the first one wakes the leader
        filling.land(seat.call, seat.flight, landing)


def _compute(batch: Batch, led: list[_Seat], *, behind: bool) -> Generator[Step, Any, list[Landing]]:
    function, calls = batch.function, [seat.call for seat in led]
    figures = function.figures
    if behind:
        figures.refreshed += len(led)
    else:
        figures.computed += len(led)
    record = CurrentCall(tuple(call.key for call in calls), function.operation)
    for call in calls:
        call.record = record
    started = calls[0].now
    try:
        answer = yield Invoke(function, batch.joint(calls), record)
        answers = checked_answers(function, function.checked(answer), len(led))
    except Exception:
        figures.errors += 1
        raise
    finally:
        record.end()
    cost = calls[0].now - started
    landings: list[Landing] = []
    for seat, value in zip(led, answers, strict=True):
        fence = filling.fence_of(seat.flight)
        if isinstance(value, Exception):
            figures.errors += 1
            lost = behind or filling.is_left(seat.flight)
            landings.append((yield from filling.failed(seat.call, fence, value, behind=lost)))
        else:
            landing, _ = yield from filling.keep(seat.call, fence, function.checked(value), record, cost)
            landings.append(landing)
    return landings
