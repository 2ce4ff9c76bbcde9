"""What a call does, without doing any of it.

Each flow is a generator: it yields what it needs next (a ``Step``) and is sent the outcome, so that one
text of the logic serves tasks and threads. ``drivers`` carries the steps out.
"""

import asyncio
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

from askonce._types import MISS, Entry
from askonce.backends.engine import EngineStore, Fence, Found, Sight
from askonce.engine.call import Call, Source
from askonce.engine.function import Function
from askonce.flight import Flight, Landing, current_flight, own_copy
from askonce.isolation import isolated
from askonce.signature import Arguments


@dataclass(slots=True, eq=False)
class Invoke:
    """Run the function; answers what it returns, raises what it raises."""

    function: Source
    arguments: Arguments


@dataclass(slots=True, eq=False)
class Home:
    """Ask which event loop would carry the work of a flight; answers ``None`` where the thread would."""


@dataclass(slots=True, eq=False)
class Wait:
    """Wait for a flight that somebody else leads; answers its ``Landing``."""

    flight: Flight


@dataclass(slots=True, eq=False)
class Launch:
    """Carry out the work of a flight where no caller can cancel it; answers its ``Landing``."""

    flight: Flight
    work: Generator["Step", Any, None]
    finish: Callable[[], None]
    """Lands a flight whose work ended without a word."""


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


Step = Invoke | Home | Wait | Launch | IsAnswer | Remote
Flow = Generator[Step, Any, Any]


def serve(call: Call) -> Flow:
    """Look, join, or lead, until there is an answer."""
    if not call.store.enabled:
        call.function.figures.computed += 1
        return (yield Invoke(call.function, call.arguments))
    patient = True
    while True:
        entry = call.store.look(call.key)
        if entry is not None:
            return call.hit(entry)
        if not call.function.joins:
            return (yield from _alone(call))
        landing, led = yield from _fly(call, anew=False)
        if led and patient and isinstance(landing.error, asyncio.CancelledError) and landing.retry:
            patient = False  # somebody cancelled the work; once may be chance, twice is its own doing
        elif _is_for(led, landing):
            return _passenger_value(call, landing, led=led)


def refresh(function: Function, arguments: Arguments) -> Flow:
    """Run the function whatever is stored, and store what it answers."""
    store = function.store()
    if not store.enabled:
        return (yield Invoke(function, arguments))
    call = Call(function, store, function.keys.key(arguments), arguments)
    mine = current_flight.get()
    if mine is not None and mine.landing is None and mine.key == call.key:
        raise RecursionError(
            f"the computation under {call.key!r} refreshes itself without end; call uncached(...)"
        )
    while True:
        store.break_fences(call.key)
        landing, led = yield from _fly(call, anew=True)
        if _is_for(led, landing):
            return _passenger_value(call, landing, led=led)


def peek(function: Function, arguments: Arguments) -> Flow:
    """What is stored, or ``MISS``; nothing is computed or counted."""
    store = function.store()
    if not store.enabled:
        return MISS
    key = function.keys.key(arguments)
    entry = store.look(key)
    if entry is None and store.remote is not None:
        fence = store.open_fence(key, function.tags)
        try:
            entry = yield from _read(store, fence, key)
        finally:
            store.close_fence(fence)
    return MISS if entry is None else entry.value


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
        landing, stored = yield from _keep(call, _fence_of(flight), value)
        _land(call, flight, landing)
        return stored
    finally:
        _give_up(call, flight)
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
    return Sight("backend", None, found.ttl, (), None)


def _fly(call: Call, *, anew: bool) -> Generator[Step, Any, tuple[Landing, bool]]:
    """Wait for the flight of a key, leading it where there is none to join."""
    flight, leads = yield from _board(call, anew=anew)
    try:
        landing: Landing = (yield from _lead(call, flight, anew=anew)) if leads else (yield Wait(flight))
        if landing.retry:
            _give_up(call, flight)
    finally:
        call.store.flights.disembark(flight)
    return landing, leads


def _board(call: Call, *, anew: bool) -> Generator[Step, Any, tuple[Flight, bool]]:
    home = yield Home()
    return call.store.flights.board(
        call.key,
        lambda: call.store.open_fence(call.key, call.function.tags),
        home=home,
        anew=anew,
        close_fence=call.store.close_fence,
    )


def _lead(call: Call, flight: Flight, *, anew: bool) -> Generator[Step, Any, Landing]:
    """Look once more, since another flight may have landed since the first look; then compute."""
    landed = None
    try:
        if not anew:
            landed = yield from _look_again(call, flight)
    except BaseException:
        _give_up(call, flight)
        raise
    if landed is not None:
        return landed
    landing: Landing = yield Launch(flight, _work(call, flight), lambda: _give_up(call, flight))
    return landing


def _look_again(call: Call, flight: Flight) -> Generator[Step, Any, Landing | None]:
    entry = call.store.look(call.key)
    if entry is None and call.store.remote is not None:
        entry = yield from _read(call.store, _fence_of(flight), call.key)
    if entry is None:
        return None
    landing = Landing(entry, lambda: entry)
    _land(call, flight, landing)
    return landing


def _read(store: EngineStore, fence: Fence, key: str) -> Generator[Step, Any, Entry | None]:
    """Bring an entry in from the tier behind, with the life that it has left."""
    found: Found | None = yield Remote(store, "read", (key,))
    if found is None:
        return None
    kept, copy = isolated(found.value)
    entry = store.fill(fence, kept, found.ttl, fence.tags, copy)
    return entry


def _work(call: Call, flight: Flight) -> Generator[Step, Any, None]:
    """The work of a flight: run the function, store the answer, land."""
    try:
        landing, _ = yield from _compute(call, _fence_of(flight))
    except GeneratorExit:
        raise
    except BaseException as error:
        if not (yield IsAnswer(error)):
            # Cancelled, and not for want of callers: the leader's to raise, the others lead anew.
            _land(call, flight, Landing(error=error, traceback=error.__traceback__, retry=True))
            raise
        if isinstance(error, Wrapped):
            error = error.error
        alone = not isinstance(error, (Exception, asyncio.CancelledError))
        landing = Landing(error=error, traceback=error.__traceback__, retry=alone)
    _land(call, flight, landing)


def _alone(call: Call) -> Flow:
    """Compute without regard to others who do the same."""
    fence = call.store.open_fence(call.key, call.function.tags)
    try:
        if call.store.remote is not None:
            entry = yield from _read(call.store, fence, call.key)
            if entry is not None:
                return call.hit(entry)
        landing, _ = yield from _compute(call, fence)
    finally:
        call.store.close_fence(fence)
    return landing.value


def _compute(call: Call, fence: Fence) -> Generator[Step, Any, tuple[Landing, bool]]:
    figures = call.function.figures
    figures.computed += 1
    try:
        value = call.function.checked((yield Invoke(call.function, call.arguments)))
    except Exception:
        figures.errors += 1
        raise
    return (yield from _keep(call, fence, value))


def _keep(call: Call, fence: Fence, value: Any) -> Generator[Step, Any, tuple[Landing, bool]]:
    """Store an answer if its time, the user's rule and the fence allow it."""
    kept, copy = isolated(value) if call.function.isolates else (value, None)
    landing = Landing(value, None if copy is None else lambda: copy(kept))
    ttl = call.function.ttl_of(value, call.store)
    if ttl is None:
        return landing, False
    entry = call.store.fill(fence, kept, ttl, call.function.tags, copy)
    if entry is None:
        return landing, False
    call.function.figures.stored += 1
    if call.store.remote is not None:
        yield Remote(call.store, "write", (fence, kept, ttl, call.function.tags))
    return landing, True


def _is_for(led: bool, landing: Landing) -> bool:
    """Whether a caller has what it came for; otherwise it leads anew."""
    return not landing.retry or (led and landing.error is not None)


def _passenger_value(call: Call, landing: Landing, *, led: bool) -> Any:
    if isinstance(landing.value, Entry):  # found by the leader's second look
        return call.hit(landing.value)
    if not led:
        call.function.figures.joined += 1
    if landing.error is not None:
        error = landing.error if led else own_copy(landing.error, landing.traceback)
        raise Wrapped(error) if isinstance(error, (StopIteration, GeneratorExit)) else error
    if led or landing.copy is None:
        return landing.value
    return landing.copy()


def _land(call: Call, flight: Flight, landing: Landing) -> None:
    # An invalidation reaches the flight through its fence for as long as the flight can be joined.
    call.store.flights.land(flight, landing)
    call.store.close_fence(_fence_of(flight))


def _give_up(call: Call, flight: Flight) -> None:
    """End a flight that will not answer; its value, should it come after all, is not stored."""
    if flight.landing is None:
        flight.fence.broken = True
    _land(call, flight, Landing(retry=True))


def _fence_of(flight: Flight) -> Fence:
    assert isinstance(flight.fence, Fence)
    return flight.fence
