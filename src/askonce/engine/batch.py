"""Calls whose items are cached one by one: ``each="texts"``.

Every item is a call of its own, with a list of one item in place of the list: it has a key, an entry and a
flight like any other call. The function runs once for all items that nobody has and nobody computes.
"""

import time
from collections.abc import Generator, Mapping
from typing import Any, cast

from askonce._types import MISS, Entry, Failure, is_failure
from askonce.engine import commands, flow, found
from askonce.engine.call import Call
from askonce.engine.each import checked_answers, items_of, single, with_items
from askonce.engine.function import Function
from askonce.engine.joint import Batch, Parts
from askonce.engine.record import CurrentCall
from askonce.engine.seats import Outcome, fly, raising, revalidate, served
from askonce.engine.steps import Flow, Invoke, Step
from askonce.signature import Arguments


def serve(whole: Call) -> Flow:
    """Serve what is there, compute the rest at once, and answer in order.

    Args:
        whole: the call for the whole list; it has no key.
    """
    if whole.way == "only_if_cached":
        return (yield from _stored(Batch.of(whole)))
    if not whole.store.enabled or whole.way == "bypass":
        return (yield from _uncached(whole))
    parts, demand = Parts.of(whole), whole.demand
    there = {} if demand is not None else _there(whole, parts.keys)
    answers = _answers_at_once(whole, parts.keys, there)
    if answers is not None:
        return answers
    batch = Batch.of(whole, parts, there)
    anew = [call for call in batch.calls if demand is not None and demand.first(whole.store, call.key)]
    outcomes = yield from _recomputed(batch, anew)
    pending = [call for call in batch.calls if call.key not in outcomes]
    limit = batch.function.freshness.timeout
    deadline = None if limit is None else time.monotonic() + limit
    while pending := (yield from _look(batch, pending, outcomes)):
        outcomes |= yield from fly(batch, pending, anew=False, deadline=deadline)
        pending = [call for call in pending if call.key not in outcomes]
    return _answers(batch, outcomes)


def refresh(function: Function, arguments: Arguments) -> Flow:
    """Compute all items anew."""
    whole = Call(function, function.store(), "", arguments)
    if not whole.store.enabled:
        return (yield from _uncached(whole))
    batch = Batch.of(whole)
    return _answers(batch, (yield from _recomputed(batch, batch.calls)))


def peek(function: Function, arguments: Arguments) -> Flow:
    """What would be served, or ``MISS`` where an item is missing."""
    whole = Call(function, function.store(), "", arguments)
    batch = Batch.of(whole)
    if not batch.calls:
        return []
    entries = (yield from found.peek(batch.calls)) if whole.store.enabled else [None]
    there = [entry for entry in entries if entry is not None and not is_failure(entry)]
    return [there[place].value for place in batch.places] if len(there) == len(batch.calls) else MISS


def put(function: Function, values: Any, arguments: Arguments) -> Flow:
    """Store a value for each item as if the function had answered it; whether all were stored."""
    items = items_of(function, arguments)
    everything = True
    for item, value in zip(items, checked_answers(function, values, len(items)), strict=True):
        if isinstance(value, BaseException):
            everything = False
        else:
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


def _uncached(whole: Call) -> Flow:
    """Run the function as if there were no cache, and have the answer not show it."""
    function = cast("Function", whole.function)
    items = items_of(function, whole.arguments)
    if not items:
        return []
    function.figures.computed += len(items)
    record = CurrentCall(whole.keys, function.operation)
    try:
        answers = checked_answers(function, (yield Invoke(function, whole.arguments, record)), len(items))
    except Exception:
        function.figures.errors += len(items)
        raise
    finally:
        record.end()
    failures = [answer for answer in answers if isinstance(answer, BaseException)]
    function.figures.errors += len(failures)
    for error in failures:
        raising(error)()
    return answers


def _there(whole: Call, keys: list[str]) -> dict[str, Entry]:
    """What can be served without a thought."""
    look = whole.store.look
    return {key: entry for key in dict.fromkeys(keys) if (entry := look(key)) is not None}


def _answers_at_once(whole: Call, keys: list[str], found: Mapping[str, Entry]) -> list[Any] | None:
    """The answers, where there is one to each item, and no exception among them."""
    if not all(map(found.__contains__, keys)):
        return None
    answers = [found[key].value for key in keys]
    if Failure in map(type, answers):
        return None
    whole.function.figures.looked_up += len(found)
    return answers


def _stored(batch: Batch) -> Flow:
    if not batch.calls:
        return []
    there: list[tuple[Call, Entry]] = []
    for call, entry in zip(batch.calls, (yield from found.peek(batch.calls)), strict=True):
        if entry is None:
            raise flow.not_cached(call)
        there.append((call, entry))
    return _answers(batch, {call.key: served(call, entry) for call, entry in there})


def _recomputed(batch: Batch, calls: list[Call]) -> Generator[Step, Any, dict[str, Outcome]]:
    outcomes: dict[str, Outcome] = {}
    pending = list(calls)
    for call in pending:
        flow.refuse_own_refresh(call)
        call.renews = True
    while pending:
        for call in pending:
            call.store.break_fences(call.key)
        outcomes |= yield from fly(batch, pending, anew=True)
        pending = [call for call in pending if call.key not in outcomes]
    return outcomes


def _look(batch: Batch, calls: list[Call], outcomes: dict[str, Outcome]) -> Generator[Step, Any, list[Call]]:
    """Take what memory has, have refreshed what is due, and answer what is left."""
    missing: list[Call] = []
    due: list[tuple[Call, Entry]] = []
    for call in calls:
        entry, is_due, _ = call.survey()
        if entry is None or flow.is_being_refreshed(call):
            missing.append(call)
            continue
        if is_due:
            due.append((call, entry))
        outcomes[call.key] = served(call, entry)
    yield from revalidate(batch, due)
    return missing


def _answers(batch: Batch, outcomes: Mapping[str, Outcome]) -> list[Any]:
    return [outcomes[batch.calls[place].key]() for place in batch.places]
