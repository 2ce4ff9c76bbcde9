"""What the verbs of a decorated function do, without doing any of it. See ``steps``."""

from typing import Any

from askonce._types import MISS, Failure
from askonce.backends.engine import Sight
from askonce.engine import filling, flow
from askonce.engine.call import Call
from askonce.engine.function import Function
from askonce.engine.steps import HOME, Flow, Remote
from askonce.signature import Arguments


def refresh(function: Function, arguments: Arguments) -> Flow:
    """Run the function whatever is stored, and store what it answers."""
    store = function.store()
    if not store.enabled:
        return (yield from filling.uncached(Call(function, store, "", arguments)))
    return (yield from flow.anew(Call(function, store, function.keys.key(arguments), arguments)))


def peek(function: Function, arguments: Arguments) -> Flow:
    """What would be served, or ``MISS``; nothing is computed or counted."""
    store = function.store()
    if not store.enabled:
        return MISS
    return (yield from peeked(Call(function, store, function.keys.key(arguments), arguments)))


def peeked(call: Call) -> Flow:
    """What would be served for a call with a key, or ``MISS``."""
    entry = call.survey().entry
    if entry is None and call.asks_remote:
        entry = yield from flow.peek_remote(call)
    if entry is None:
        return MISS
    value = entry.value
    return MISS if isinstance(value, Failure) else value


def put(function: Function, value: Any, arguments: Arguments) -> Flow:
    """Store a value for a call as if the function had answered it."""
    store = function.store()
    if not store.enabled:
        return False
    call = Call(function, store, function.keys.key(arguments), arguments, renews=True)
    value = function.checked(value)
    store.break_fences(call.key)
    # A flight of its own: a call that comes meanwhile joins it, and cannot compute beside it.
    flight, _ = call.board((yield HOME), anew=True)
    try:
        landing, stored = yield from filling.keep(call, filling.fence_of(flight), value, replaces=True)
        filling.land(call, flight, landing)
        return stored
    finally:
        filling.give_up(call, flight)
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
    remote = store.remote
    if seen.reason is None or remote is None:
        return seen
    if not remote.reachable:
        return seen._replace(reason=f"{seen.reason}; what is behind memory cannot be reached")
    behind: Sight | None = yield Remote(store, "sight", (key,))
    return seen if behind is None else behind
