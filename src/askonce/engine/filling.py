"""From a question to a stored answer: running the function, and what becomes of what it says."""

import asyncio
from collections.abc import Generator, Sequence
from typing import Any, NamedTuple, cast

from askonce._types import Entry, Failure, is_failure, life_of
from askonce.backends.engine import Answer, Fence, Written
from askonce.engine import leasing
from askonce.engine.call import Call
from askonce.engine.found import LooseEntry
from askonce.engine.leasing import Leases
from askonce.engine.record import CurrentCall
from askonce.engine.steps import Flow, Invoke, IsAnswer, Remote, Step, Wrapped
from askonce.flight import Flight, Landing, bare
from askonce.isolation import isolated


def uncached(call: Call) -> Flow:
    """Run the function as if there were no cache."""
    call.function.figures.computed += 1
    record = CurrentCall(call.keys, call.function.operation)
    try:
        return (yield Invoke(call.function, call.arguments, record))
    except Exception:
        call.function.figures.errors += 1
        raise
    finally:
        record.end()


def work(call: Call, flight: Flight, *, behind: bool = False) -> Generator[Step, Any, None]:
    """The work of a flight: run the function, store the answer, land."""
    leases = Leases()
    try:
        landing = yield from _answered(call, fence_of(flight), leases, behind=behind)
    except GeneratorExit:
        raise
    except BaseException as error:
        if not (yield IsAnswer(error)):
            # Cancelled, and not for want of callers: the leader's to raise, the others lead anew.
            if behind:
                call.function.notes.warn("refresh_abandoned", error)
            land(call, flight, Landing(error=error, traceback=error.__traceback__, retry=True))
            raise
        if isinstance(error, Wrapped):
            error = error.error
        landing = failed(call, fence_of(flight), error, behind=behind or is_left(flight))
    finally:
        leases.end()
    call.function.figures.refreshed += behind and call.record is not None
    land(call, flight, landing)
    if behind:
        pass_on(landing)


def _answered(call: Call, fence: Fence, leases: Leases, *, behind: bool) -> Generator[Step, Any, Landing]:
    """Run the function and store what it answers, unless somebody else does so."""
    if call.renews and call.asks_remote:
        yield Remote(call.store, "observe", ([fence],))
    if leasing.wants(call):
        grant = yield from leasing.take(call, fence, leases, wait=not behind)
        entry = grant.survey.entry
        if entry is not None:
            return Landing(entry, lambda: entry)
        if grant.denied:
            return Landing(retry=True)
        leases.enter()
    landing, _ = yield from compute(call, fence, behind=behind)
    return landing


def pass_on(landing: Landing) -> None:
    """Raise what ended a run that nobody waits for, if it is meant for the whole program."""
    if isinstance(landing.error, (KeyboardInterrupt, SystemExit)):
        raise landing.error


def let_rest(call: Call, entry: Entry) -> None:
    """Have nobody try again for a while where a refresh left the entry as it was, whatever the reason."""
    if still_due(call, entry):
        call.store.rest(entry, call.now + call.function.freshness.retry_after)


def still_due(call: Call, entry: Entry) -> bool:
    """Whether an entry that was to be refreshed is still there, and nobody has tried in vain meanwhile."""
    life = life_of(entry)
    if life is None or life.retry > call.now:
        return False
    held = call.store.held(call.key)
    return held is entry or (held is None and type(entry) is LooseEntry)


def is_left(flight: Flight) -> bool:
    """Whether all callers have gone on without the answer, which took too long."""
    return flight.lasts and not flight.aboard


def failed(call: Call, fence: Fence, error: BaseException, *, behind: bool) -> Landing:
    """What a flight brings whose function raised."""
    if behind and not isinstance(error, GeneratorExit):  # that is the end of an abandoned loop's task
        call.function.notes.warn("refresh_failed", error)
    note_failure(call, fence, error)
    alone = not isinstance(error, (Exception, asyncio.CancelledError))
    return Landing(error=error, traceback=error.__traceback__, retry=alone)


def compute(call: Call, fence: Fence, *, behind: bool = False) -> Generator[Step, Any, tuple[Landing, bool]]:
    """Run the function and store what it answers; the landing, and whether it was stored."""
    figures = call.function.figures
    figures.computed += not behind
    record = call.record = CurrentCall((call.key,), call.function.operation)
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
    call: Call,
    fence: Fence,
    value: Any,
    record: CurrentCall | None = None,
    cost: float = 0.0,
    *,
    replaces: bool = False,
) -> Generator[Step, Any, tuple[Landing, bool]]:
    """Store an answer if its time, the user's rules, the function itself and the fence allow it.

    Args:
        call: what it answers.
        fence: opened before it was made.
        value: the answer.
        record: what the function said of it.
        cost: seconds that it took.
        replaces: whether it takes the place of whatever is stored.
    """
    landing, filled = fill(call, fence, value, record, cost, replaces=replaces)
    return landing, filled is not None and (yield from _written(call, fence, filled))


class Filled(NamedTuple):
    """An answer that is in memory, and what the tier behind it is to store."""

    entry: Entry
    answer: Answer


def fill(
    call: Call,
    fence: Fence,
    value: Any,
    record: CurrentCall | None = None,
    cost: float = 0.0,
    *,
    replaces: bool = False,
) -> tuple[Landing, Filled | None]:
    """``keep``, as far as memory is concerned."""
    kept, copy = isolated(value) if call.function.isolates else (value, None)
    landing = Landing(value, None if copy is None else lambda: copy(kept))
    if call.untagged or (record is not None and record.skips):
        return landing, None
    ttl = call.function.ttl_of(value, call.store, None if record is None else record.ttl)
    if ttl is None:
        return landing, None
    tags = _all_tags(fence, record)
    policy = call.function.freshness
    life, windows = policy.lifetime(ttl, call.store.draw), policy.windows(cost)
    entry = call.store.fill(fence, kept, life, tags, copy, windows)
    if entry is None:
        return landing, None
    return landing, Filled(entry, Answer(kept, life, tags, windows, replaces=replaces))


def _all_tags(fence: Fence, record: CurrentCall | None) -> tuple[str, ...]:
    """The tags that were known before the function ran, and those that it added."""
    return fence.tags if record is None else tuple(dict.fromkeys((*fence.tags, *record.tags)))


def _written(call: Call, fence: Fence, filled: Filled) -> Generator[Step, Any, bool]:
    """Have the tier behind memory store an answer, too; whether the answer counts."""
    written: Written | None = None
    if call.asks_remote:
        answer = filled.answer._replace(shape=call.function.shape)
        written = yield Remote(call.store, "write", (fence, answer))
    return settled(call, filled.entry, written)


def write_many(filled: list[tuple[Call, Fence, Filled]]) -> Generator[Step, Any, None]:
    """Have the tier behind memory store several answers of one function."""
    first = filled[0][0]
    written: Sequence[Written | None] | None = None
    if first.asks_remote:
        shape = first.function.shape
        answers = [(fence, one.answer._replace(shape=shape)) for _, fence, one in filled]
        written = yield Remote(first.store, "write_many", (answers,))
    for (call, _, one), outcome in zip(filled, written or [None] * len(filled), strict=True):
        settled(call, one.entry, outcome)


def settled(call: Call, entry: Entry, written: Written | None) -> bool:
    """Do what follows from what became of an answer behind memory; whether it is stored."""
    if written is Written.OVERTAKEN:
        call.store.take_back(entry)
        return False
    call.function.figures.stored += 1
    remote = call.store.remote
    if written is not Written.STORED and call.renews and remote is not None:
        remote.owe(call.key)  # what the answer replaces is still there
    return True


def note_failure(call: Call, fence: Fence, error: BaseException) -> None:
    """Let an entry that still serves rest, or store the exception if the function's options say so."""
    if not isinstance(error, Exception) or fence.broken:  # of what was asked before an invalidation
        return
    policy = call.function.freshness
    entry = call.store.held(call.key)
    if entry is not None and _serves(entry, call.now):
        call.store.rest(entry, call.now + policy.retry_after)
        return
    ttl = None if call.spare is not None and call.fallback() else policy.error_ttl(error)
    if ttl is None or call.untagged or (call.record is not None and call.record.skips):
        return
    kept = bare(error)
    if kept is None:
        call.function.notes.warn("error_not_kept", error)
        return
    life = policy.lifetime(ttl, call.store.draw)
    if call.store.fill(fence, Failure(kept), life, _all_tags(fence, call.record)) is not None:
        call.function.figures.stored += 1


def _serves(entry: Entry, now: float) -> bool:
    """Whether there is an answer in it that somebody may still get."""
    life = life_of(entry)
    return now < (entry.until if life is None else life.end) and not is_failure(entry)


def land(call: Call, flight: Flight, landing: Landing) -> None:
    """End a flight and its fence."""
    # An invalidation reaches the flight through its fence for as long as the flight can be joined.
    call.store.flights.land(flight, landing)
    call.store.close_fence(fence_of(flight))


def land_with(call: Call, flight: Flight, entry: Entry) -> Landing:
    """End a flight with an entry."""
    landing = Landing(entry, lambda: entry)
    land(call, flight, landing)
    return landing


def give_up(call: Call, flight: Flight) -> None:
    """End a flight that will not answer; its value, should it come after all, is not stored."""
    if flight.landing is None:
        flight.fence.broken = True
    land(call, flight, Landing(retry=True))


def fence_of(flight: Flight) -> Fence:
    """The fence that a flight was begun with."""
    return cast("Fence", flight.fence)
