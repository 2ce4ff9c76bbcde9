"""What a call does, without doing any of it: look, join, or lead. See ``steps``."""

import asyncio
from collections.abc import Generator
from typing import Any

from askonce._types import Entry
from askonce.engine import filling, found
from askonce.engine.call import Call
from askonce.engine.steps import HOME, Behind, Flow, Launch, Remote, Step, Wait, Wrapped
from askonce.exceptions import NotCachedError
from askonce.flight import Flight, Landing, current_flight, own_copy


def serve(call: Call) -> Flow:
    """The answer of a call, as the contexts around it want it."""
    if call.demand is None and call.store.enabled:
        return _cached(call)
    return _demanded(call)


def _demanded(call: Call) -> Flow:
    if call.way == "only_if_cached":
        return (yield from stored(call))
    if not call.store.enabled or call.way == "bypass":
        return (yield from filling.uncached(call))
    if call.demand is not None and call.demand.first(call.store, call.key):
        return (yield from anew(call))
    return (yield from _cached(call))


def _cached(call: Call) -> Flow:
    """Look, join, or lead, until there is an answer."""
    patient = True
    has_led = False
    while True:
        entry, is_due, fallback = call.survey()
        if entry is not None and not is_being_refreshed(call):
            if is_due:
                yield from revalidate(call, entry)
            return call.hit(entry)
        if not call.function.joins:
            return (yield from _alone(call))
        landing, led = yield from _fly(call, anew=False, limit=_limit(call, fallback))
        has_led |= led  # such a call is counted as one that computed, whatever it waits for after that
        if landing is None:
            stale = call.fallback()
            if stale is not None:
                call.function.figures.joined += not has_led
                return call.stand_in(stale)
        elif led and patient and isinstance(landing.error, asyncio.CancelledError) and landing.retry:
            patient = False  # somebody cancelled the work; once may be chance, twice is its own doing
        elif is_for(call, led, landing):
            return _passenger_value(call, landing, led=led, joins=not has_led)


def _limit(call: Call, fallback: Entry | None) -> float | None:
    """How long the caller waits: it makes no sense to leave empty-handed."""
    return None if fallback is None else call.function.freshness.timeout


def is_being_refreshed(call: Call) -> bool:
    """Whether a call of the same ``refreshing`` is at it: what is stored is not wanted there any more."""
    return call.way == "refreshing" and call.key in call.store.flights


def stored(call: Call) -> Flow:
    """What can be served without running anything.

    Raises:
        NotCachedError: there is nothing.
    """
    return call.hit((yield from found_entry(call)))


def found_entry(call: Call) -> Generator[Step, Any, Entry]:
    """The entry that can be served without running anything.

    Raises:
        NotCachedError: there is none.
    """
    entry = call.survey().entry
    if entry is None and call.asks_remote:
        entry = yield from peek_remote(call)
    if entry is None:
        raise not_cached(call)
    return entry


def not_cached(call: Call) -> NotCachedError:
    """Why a call that may compute nothing has no answer."""
    off = None if call.store.enabled else "this cache is disabled"
    reason = off or call.store.sight(call.key).reason or "it is older than the context around the call allows"
    return NotCachedError(
        f"{call.function.name}: nothing is cached under {call.key!r} ({reason}), and only_if_cached() "
        "lets nothing be computed; call it outside of that, or catch NotCachedError"
    )


def revalidate(call: Call, entry: Entry) -> Generator[Step, Any, None]:
    """Have an entry replaced by a new answer, behind the caller."""
    yield Behind(call.store.flights, call.key, lambda: _replaced(call.detached(), entry), call.function.name)


def _replaced(call: Call, entry: Entry) -> Generator[Step, Any, None]:
    """A flight that nobody waits for, in a context of its own."""
    home = yield HOME
    flight = call.store.flights.begin(
        call.key, call.open_fence, home=home, close_fence=call.store.close_fence
    )
    if flight is None:
        return
    try:
        if not filling.still_due(call, entry):
            return
        current_flight.set(flight)
        younger = yield from found.younger(call, filling.fence_of(flight), entry)
        if younger is not None:
            filling.land_with(call, flight, younger)
            return
        yield from filling.work(call, flight, behind=True)
        filling.let_rest(call, entry)
    finally:
        filling.give_up(call, flight)


def anew(call: Call) -> Flow:
    """Compute whatever is stored; what is being computed already is out of date."""
    refuse_own_refresh(call)
    call.renews = True
    while True:
        call.store.break_fences(call.key)
        landing, led = yield from _fly(call, anew=True)
        if landing is not None and is_for(call, led, landing):
            return _passenger_value(call, landing, led=led, joins=False, falls_back=False)


def refuse_own_refresh(call: Call) -> None:
    """Refuse a computation that would begin itself anew.

    Raises:
        RecursionError: it is the one that is running here.
    """
    mine = current_flight.get()
    if mine is not None and mine.landing is None and mine.key == call.key:
        raise RecursionError(
            f"the computation under {call.key!r} refreshes itself without end; call uncached(...)"
        )


def peek_remote(call: Call) -> Generator[Step, Any, Entry | None]:
    """What the tier behind memory has that can be served."""
    fence = call.open_fence()
    try:
        return (yield from found.read(call, fence)).entry
    finally:
        call.store.close_fence(fence)


def _fly(
    call: Call, *, anew: bool, limit: float | None = None
) -> Generator[Step, Any, tuple[Landing | None, bool]]:
    """Wait for the flight of a key, leading it where there is none to join.

    The landing is ``None`` where that took longer than the limit; the flight goes on.
    """
    flight, leads = call.board((yield HOME), anew=anew)
    try:
        landing: Landing | None
        if leads:
            landing = yield from _lead(call, flight, anew=anew, limit=limit)
        elif flight.late and limit is not None:
            landing = flight.landing  # others have waited long enough for it
        else:
            landing = yield Wait(flight, limit)
        if landing is None:
            call.store.flights.let_go(flight)
        elif landing.retry:
            filling.give_up(call, flight)
    finally:
        call.store.flights.disembark(flight)
    return landing, leads


def _lead(
    call: Call, flight: Flight, *, anew: bool, limit: float | None
) -> Generator[Step, Any, Landing | None]:
    """Look once more, since another flight may have landed since the first look; then compute."""
    if not anew:
        try:
            entry, is_due = call.survey().entry, False
            if entry is None and call.asks_remote:
                fence = filling.fence_of(flight)
                answer = yield Remote(call.store, "read", (fence, call.function.shape))
                entry, is_due, _ = found.brought_in(call, fence, answer)
            if entry is not None:
                landed = filling.land_with(call, flight, entry)
                if is_due:  # by a flight that nobody waits for, after this one
                    yield from revalidate(call, entry)
                return landed
        except BaseException:
            filling.give_up(call, flight)
            raise
    return (yield from _launch(call, flight, limit))


def _launch(call: Call, flight: Flight, limit: float | None) -> Generator[Step, Any, Landing | None]:
    """Compute, where no caller can cancel it."""
    if limit is None and call.asks_remote:  # something to fall back on may have come from there
        limit = _limit(call, call.fallback())
    if limit is not None:  # the caller may be gone while the function still runs
        call.arguments = call.function.detach(call.arguments)
    landing: Landing | None = yield Launch(
        flight, filling.work(call, flight), lambda: filling.give_up(call, flight), limit
    )
    return landing


def _alone(call: Call) -> Flow:
    """Compute without regard to others who do the same."""
    fence = call.open_fence()
    try:
        if call.asks_remote:
            entry, is_due, _ = yield from found.read(call, fence)
            if entry is not None:
                if is_due:
                    yield from revalidate(call, entry)
                return call.hit(entry)
        try:
            landing, _ = yield from filling.compute(call, fence)
        except Exception as error:
            own = error.error if isinstance(error, Wrapped) else error
            filling.note_failure(call, fence, own)
            stale = call.fallback()
            if stale is None:
                raise
            return call.stand_in(stale, own)
    finally:
        call.store.close_fence(fence)
    return landing.value


def is_for(call: Call, led: bool, landing: Landing) -> bool:
    """Whether a caller has what it came for; otherwise it goes on."""
    if isinstance(landing.value, Entry):  # found by the leader's second look
        return call.accepts(landing.value)
    return not landing.retry or (led and landing.error is not None)


def _passenger_value(call: Call, landing: Landing, *, led: bool, joins: bool, falls_back: bool = True) -> Any:
    if isinstance(landing.value, Entry):
        return call.hit(landing.value, admits=False)
    call.function.figures.joined += joins
    if landing.error is not None:
        stale = call.fallback() if falls_back and isinstance(landing.error, Exception) else None
        if stale is not None:
            return call.stand_in(stale, landing.error if led else None)
        error = landing.error if led else own_copy(landing.error, landing.traceback)
        raise Wrapped(error) if isinstance(error, (StopIteration, GeneratorExit)) else error
    if led or landing.copy is None:
        return landing.value
    return landing.copy()
