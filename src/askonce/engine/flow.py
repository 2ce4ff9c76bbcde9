"""What a call does, without doing any of it.

Each flow is a generator: it yields what it needs next (a ``Step``) and is sent the outcome, so that one
text of the logic serves tasks and threads. ``drivers`` carries the steps out.
"""

import asyncio
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

from askonce._logging import get_logger
from askonce._types import MISS, Entry, Failure, Windows, life_of
from askonce.backends.engine import EngineStore, Fence, Found, Sight
from askonce.engine.call import Call, Source
from askonce.engine.function import Function
from askonce.engine.record import CurrentCall
from askonce.exceptions import NotCachedError
from askonce.flight import Flight, Flights, Landing, bare, current_flight, own_copy
from askonce.freshness import Verdict
from askonce.isolation import isolated
from askonce.signature import Arguments


@dataclass(slots=True, eq=False)
class Invoke:
    """Run the function; answers what it returns, raises what it raises."""

    function: Source
    arguments: Arguments
    record: CurrentCall


@dataclass(slots=True, eq=False)
class Home:
    """Ask which event loop would carry the work of a flight; answers ``None`` where the thread would."""


@dataclass(slots=True, eq=False)
class Wait:
    """Wait for a flight that somebody else leads; answers its ``Landing``, or ``None`` past the limit."""

    flight: Flight
    limit: float | None = None


@dataclass(slots=True, eq=False)
class Launch:
    """Carry out the work of a flight where no caller can cancel it; answers as ``Wait``."""

    flight: Flight
    work: Generator["Step", Any, None]
    finish: Callable[[], None]
    """Lands a flight whose work ended without a word."""
    limit: float | None = None
    others: tuple[Flight, ...] = ()
    """Flights that the same work lands, before this one."""


@dataclass(slots=True, eq=False)
class Behind:
    """Have a flow carried out while the caller goes on, unless the same is on its way already."""

    flights: Flights
    key: str
    flow: Callable[[], "Flow"]


@dataclass(slots=True, eq=False)
class IsAnswer:
    """Ask whether an exception is the function's own, and not the cancellation of the task that runs it."""

    error: BaseException


@dataclass(slots=True, eq=False)
class Remote:
    """Ask the tier behind memory: ``read``, ``write``, ``remove`` or ``invalidate_tags``."""

    store: EngineStore
    method: str
    arguments: tuple[Any, ...]


class Wrapped(Exception):
    """Carries an exception through a flow that, being a generator, would take it for its own end."""

    def __init__(self, error: StopIteration | GeneratorExit) -> None:
        super().__init__(error)
        self.error = error


Step = Invoke | Home | Wait | Launch | Behind | IsAnswer | Remote
Flow = Generator[Step, Any, Any]


def serve(call: Call) -> Flow:
    """Look, join, or lead, until there is an answer."""
    if not call.store.enabled or call.way == "bypass":
        return (yield from uncached(call))
    if call.way == "only_if_cached":
        return (yield from _stored(call))
    if call.demand is not None and call.demand.first(call.store, call.key):
        return (yield from _anew(call))
    patient = True
    limit = call.function.freshness.timeout
    while True:
        what, entry = call.survey()
        if entry is not None and what is not Verdict.TRY:
            if what is Verdict.REFRESH:
                yield from revalidate(call, entry)
            return call.hit(entry)
        if not call.function.joins:
            return (yield from _alone(call))
        landing, led = yield from _fly(call, anew=False, limit=None if entry is None else limit)
        if landing is None:
            limit = None  # once the time is over, it is
            entry = call.fallback()
            if entry is not None:
                call.function.figures.joined += not led
                return call.stand_in(entry)
        elif led and patient and isinstance(landing.error, asyncio.CancelledError) and landing.retry:
            patient = False  # somebody cancelled the work; once may be chance, twice is its own doing
        elif is_for(call, led, landing):
            return _passenger_value(call, landing, led=led)


def uncached(call: Call) -> Flow:
    """Run the function as if there were no cache."""
    call.function.figures.computed += 1
    record = CurrentCall((), call.function.operation)
    try:
        return (yield Invoke(call.function, call.arguments, record))
    finally:
        record.end()


def _stored(call: Call) -> Flow:
    """What can be served without running anything.

    Raises:
        NotCachedError: there is nothing.
    """
    what, entry = call.survey()
    if entry is None and call.store.remote is not None:
        entry = yield from peek_remote(call)
        what = Verdict.SERVE
    if entry is None or what is Verdict.TRY:
        reason = call.store.sight(call.key).reason or "it is older than the context around the call allows"
        raise NotCachedError(
            f"{call.function.name}: nothing is cached under {call.key!r} ({reason}), and only_if_cached() "
            "lets nothing be computed; call it outside of that, or catch NotCachedError"
        )
    return call.hit(entry)


def revalidate(call: Call, entry: Entry) -> Generator[Step, Any, None]:
    """Have an entry replaced by a new answer, behind the caller."""
    again = Call(call.function, call.store, call.key, call.arguments)
    yield Behind(call.store.flights, call.key, lambda: _replaced(again, entry))


def _replaced(call: Call, entry: Entry) -> Generator[Step, Any, None]:
    """A flight that nobody waits for, in a context of its own."""
    home = yield Home()
    flight = call.store.flights.begin(
        call.key, call.open_fence, home=home, close_fence=call.store.close_fence
    )
    if flight is None:
        return
    try:
        if call.store.held(call.key) is entry:
            current_flight.set(flight)
            yield from _work(call, flight, behind=True)
    finally:
        give_up(call, flight)


def refresh(function: Function, arguments: Arguments) -> Flow:
    """Run the function whatever is stored, and store what it answers."""
    store = function.store()
    if not store.enabled:
        return (yield from uncached(Call(function, store, "", arguments)))
    return (yield from _anew(Call(function, store, function.keys.key(arguments), arguments)))


def _anew(call: Call) -> Flow:
    """Compute whatever is stored; what is being computed already is out of date."""
    refuse_own_refresh(call)
    while True:
        call.store.break_fences(call.key)
        landing, led = yield from _fly(call, anew=True)
        if landing is not None and is_for(call, led, landing):
            return _passenger_value(call, landing, led=led, falls_back=False)


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


def peek(function: Function, arguments: Arguments) -> Flow:
    """What would be served, or ``MISS``; nothing is computed or counted."""
    store = function.store()
    if not store.enabled:
        return MISS
    call = Call(function, store, function.keys.key(arguments), arguments)
    what, entry = call.survey()
    if entry is None and store.remote is not None:
        entry = yield from peek_remote(call)
    if entry is None or what is Verdict.TRY:
        return MISS
    value = entry.value
    return MISS if isinstance(value, Failure) else value


def peek_remote(call: Call) -> Generator[Step, Any, Entry | None]:
    """What the tier behind memory has, unless its age, which nobody knows, matters."""
    if call.demand is not None and call.demand.max_age is not None:
        return None
    fence = call.open_fence()
    try:
        return (yield from _read(call.store, fence, call.key))
    finally:
        call.store.close_fence(fence)


def put(function: Function, value: Any, arguments: Arguments) -> Flow:
    """Store a value for a call as if the function had answered it."""
    store = function.store()
    if not store.enabled:
        return False
    call = Call(function, store, function.keys.key(arguments), arguments)
    value = function.checked(value)
    store.break_fences(call.key)
    # A flight of its own: a call that comes meanwhile joins it, and cannot compute beside it.
    flight, _ = yield from _board(call, anew=True)
    try:
        landing, stored = yield from keep(call, fence_of(flight), value)
        land(call, flight, landing)
        return stored
    finally:
        give_up(call, flight)
        store.flights.disembark(flight)


def invalidate(function: Function, arguments: Arguments) -> Flow:
    """Drop the answer of a call; whether there was one."""
    store = function.store()
    key = function.keys.key(arguments)
    dropped = store.drop(key)
    if store.remote is not None:
        dropped = (yield Remote(store, "remove", (key,))) or dropped
        store.drop(key)  # what was read from the tier behind before it was gone from there
    return dropped


def invalidate_all(function: Function) -> Flow:
    """Drop all answers of a function, whatever their number."""
    store = function.store()
    tags = function.tags[:1]
    store.drop_tags(tags)
    if store.remote is not None:
        yield Remote(store, "invalidate_tags", (tags,))
        store.drop_tags(tags)  # what was read from the tier behind before it was gone from there


def sight(function: Function, arguments: Arguments) -> Flow:
    """What is known of a call's answer: a ``Sight``. Nothing is computed or counted."""
    store = function.store()
    key = function.keys.key(arguments)
    if not store.enabled:
        return Sight(None, None, None, (), "this cache is disabled")
    seen = store.sight(key)
    if seen.reason is None or store.remote is None:
        return seen
    found: Found | None = yield Remote(store, "read", (key,))
    if found is None:
        return seen._replace(reason="neither in memory nor in the backend behind it")
    return Sight("backend", None, found.ttl, (), None, "fresh")


def _fly(
    call: Call, *, anew: bool, limit: float | None = None
) -> Generator[Step, Any, tuple[Landing | None, bool]]:
    """Wait for the flight of a key, leading it where there is none to join.

    The landing is ``None`` where that took longer than the limit; the flight goes on.
    """
    flight, leads = yield from _board(call, anew=anew)
    try:
        landing: Landing | None
        if leads:
            landing = yield from _lead(call, flight, anew=anew, limit=limit)
        else:
            landing = yield Wait(flight, limit)
        if landing is None:
            flight.lasts = True
        elif landing.retry:
            give_up(call, flight)
    finally:
        call.store.flights.disembark(flight)
    return landing, leads


def _board(call: Call, *, anew: bool) -> Generator[Step, Any, tuple[Flight, bool]]:
    home = yield Home()
    return call.store.flights.board(
        call.key, call.open_fence, home=home, anew=anew, close_fence=call.store.close_fence
    )


def _lead(
    call: Call, flight: Flight, *, anew: bool, limit: float | None
) -> Generator[Step, Any, Landing | None]:
    """Look once more, since another flight may have landed since the first look; then compute."""
    landed = None
    try:
        if not anew:
            landed = yield from look_again(call, flight)
    except BaseException:
        give_up(call, flight)
        raise
    if landed is not None:
        return landed
    landing: Landing | None = yield Launch(
        flight, _work(call, flight), lambda: give_up(call, flight), limit
    )
    return landing


def look_again(call: Call, flight: Flight) -> Generator[Step, Any, Landing | None]:
    what, entry = call.survey()
    if entry is None and call.store.remote is not None and (call.demand is None or call.demand.max_age is None):
        entry = yield from _read(call.store, fence_of(flight), call.key)
        what = Verdict.SERVE
    if entry is None or what is Verdict.TRY:
        return None
    landing = Landing(entry, lambda: entry)
    land(call, flight, landing)
    return landing


def _read(store: EngineStore, fence: Fence, key: str) -> Generator[Step, Any, Entry | None]:
    """Bring an entry in from the tier behind, with the life that it has left."""
    found: Found | None = yield Remote(store, "read", (key,))
    if found is None:
        return None
    kept, copy = isolated(found.value)
    entry = store.fill(fence, kept, found.ttl, fence.tags, copy)
    return entry


def _work(call: Call, flight: Flight, *, behind: bool = False) -> Generator[Step, Any, None]:
    """The work of a flight: run the function, store the answer, land."""
    fence = fence_of(flight)
    try:
        landing, _ = yield from _compute(call, fence, behind=behind)
    except GeneratorExit:
        raise
    except BaseException as error:
        if not (yield IsAnswer(error)):
            # Cancelled, and not for want of callers: the leader's to raise, the others lead anew.
            land(call, flight, Landing(error=error, traceback=error.__traceback__, retry=True))
            raise
        if isinstance(error, Wrapped):
            error = error.error
        landing = yield from failed(call, fence, error, behind=behind)
    land(call, flight, landing)


def failed(
    call: Call, fence: Fence, error: BaseException, *, behind: bool
) -> Generator[Step, Any, Landing]:
    """What a flight brings whose function raised."""
    if behind:
        get_logger().warning("refresh_failed", function=call.function.name, error=type(error).__name__)
    yield from _note_failure(call, fence, error)
    alone = not isinstance(error, (Exception, asyncio.CancelledError))
    return Landing(error=error, traceback=error.__traceback__, retry=alone)


def _alone(call: Call) -> Flow:
    """Compute without regard to others who do the same."""
    fence = call.open_fence()
    try:
        if call.store.remote is not None and (call.demand is None or call.demand.max_age is None):
            entry = yield from _read(call.store, fence, call.key)
            if entry is not None:
                return call.hit(entry)
        try:
            landing, _ = yield from _compute(call, fence)
        except Exception as error:
            yield from _note_failure(call, fence, error.error if isinstance(error, Wrapped) else error)
            stale = call.fallback()
            if stale is None:
                raise
            return call.stand_in(stale)
    finally:
        call.store.close_fence(fence)
    return landing.value


def _compute(
    call: Call, fence: Fence, *, behind: bool = False
) -> Generator[Step, Any, tuple[Landing, bool]]:
    figures = call.function.figures
    if behind:
        figures.refreshed += 1
    else:
        figures.computed += 1
    record = CurrentCall((call.key,), call.function.operation)
    started = call.now
    try:
        value = call.function.checked((yield Invoke(call.function, call.arguments, record)))
    except Exception:
        figures.errors += 1
        raise
    finally:
        record.end()
    return (yield from keep(call, fence, value, record, call.now - started))


def keep(
    call: Call, fence: Fence, value: Any, record: CurrentCall | None = None, cost: float = 0.0
) -> Generator[Step, Any, tuple[Landing, bool]]:
    """Store an answer if its time, the user's rules, the function itself and the fence allow it.

    Args:
        call: what it answers.
        fence: opened before it was made.
        value: the answer.
        record: what the function said of it.
        cost: seconds that it took.
    """
    kept, copy = isolated(value) if call.function.isolates else (value, None)
    landing = Landing(value, None if copy is None else lambda: copy(kept))
    if call.untagged or (record is not None and record.skips):
        return landing, False
    ttl = call.function.ttl_of(value, call.store, None if record is None else record.ttl)
    if ttl is None:
        return landing, False
    tags = _all_tags(fence, record)
    policy = call.function.freshness
    return landing, (yield from _store(call, fence, kept, policy.lifetime(ttl), tags, copy, policy.windows(cost)))


def _all_tags(fence: Fence, record: CurrentCall | None) -> tuple[str, ...]:
    """The tags that were known before the function ran, and those that it added."""
    return fence.tags if record is None else tuple(dict.fromkeys((*fence.tags, *record.tags)))


def _store(
    call: Call,
    fence: Fence,
    kept: Any,
    ttl: float,
    tags: tuple[str, ...],
    copy: Callable[[Any], Any] | None = None,
    windows: Windows | None = None,
) -> Generator[Step, Any, bool]:
    if call.store.fill(fence, kept, ttl, tags, copy, windows) is None:
        return False
    call.function.figures.stored += 1
    if call.store.remote is not None:
        yield Remote(call.store, "write", (fence, kept, ttl, tags))
    return True


def _note_failure(call: Call, fence: Fence, error: BaseException) -> Generator[Step, Any, None]:
    """Let an entry that still serves rest, or store the exception if the function's options say so."""
    if not isinstance(error, Exception):
        return
    policy = call.function.freshness
    entry = call.store.held(call.key) if policy.outlives else None
    life = None if entry is None else life_of(entry)
    if entry is not None and life is not None and call.now < life.end:
        call.store.rest(entry, call.now + policy.retry_after)
        return
    ttl = policy.error_ttl(error)
    if ttl is not None and not call.untagged:
        yield from _store(call, fence, Failure(bare(error)), policy.lifetime(ttl), fence.tags)


def is_for(call: Call, led: bool, landing: Landing) -> bool:
    """Whether a caller has what it came for; otherwise it goes on."""
    if isinstance(landing.value, Entry):  # found by the leader's second look
        return call.accepts(landing.value)
    return not landing.retry or (led and landing.error is not None)


def _passenger_value(call: Call, landing: Landing, *, led: bool, falls_back: bool = True) -> Any:
    if isinstance(landing.value, Entry):
        return call.hit(landing.value)
    if not led:
        call.function.figures.joined += 1
    if landing.error is not None:
        stale = call.fallback() if falls_back and isinstance(landing.error, Exception) else None
        if stale is not None:
            return call.stand_in(stale)
        error = landing.error if led else own_copy(landing.error, landing.traceback)
        raise Wrapped(error) if isinstance(error, (StopIteration, GeneratorExit)) else error
    if led or landing.copy is None:
        return landing.value
    return landing.copy()


def land(call: Call, flight: Flight, landing: Landing) -> None:
    # An invalidation reaches the flight through its fence for as long as the flight can be joined.
    call.store.flights.land(flight, landing)
    call.store.close_fence(fence_of(flight))


def give_up(call: Call, flight: Flight) -> None:
    """End a flight that will not answer; its value, should it come after all, is not stored."""
    if flight.landing is None:
        flight.fence.broken = True
    land(call, flight, Landing(retry=True))


def fence_of(flight: Flight) -> Fence:
    assert isinstance(flight.fence, Fence)
    return flight.fence
