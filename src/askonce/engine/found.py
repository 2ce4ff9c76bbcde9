"""What a tier behind memory has: brought into memory where that may be, and judged like what was there."""

from collections.abc import Callable, Generator, Sequence
from typing import Any

from askonce._types import CopiedEntry, Entry, Life, Meta, born_at, fresh_until
from askonce.backends.engine import Fence, Found
from askonce.engine.call import NOTHING, Call, Survey
from askonce.engine.steps import Remote, Step
from askonce.isolation import copier


class LooseEntry(CopiedEntry):
    """An entry that no memory keeps, for those who asked for it."""

    __slots__ = ()


def read(call: Call, fence: Fence) -> Generator[Step, Any, Survey]:
    """Ask the tier behind memory, and say what its answer is good for."""
    found: Found | None = yield Remote(call.store, "read", (fence, call.function.shape))
    return brought_in(call, fence, found)


def read_many(calls: Sequence[tuple[Call, Fence]]) -> Generator[Step, Any, list[Survey]]:
    """``read`` for several calls of one function at once."""
    answers = yield from _asked([call for call, _ in calls], [fence for _, fence in calls])
    return [brought_in(*one, answer) for one, answer in zip(calls, answers, strict=True)]


def peek(calls: Sequence[Call]) -> Generator[Step, Any, list[Entry | None]]:
    """What several calls of one function could be served, here or behind memory; nothing is computed."""
    entries = [call.survey().entry for call in calls]
    missing = [call for call, entry in zip(calls, entries, strict=True) if entry is None]
    if not missing or not missing[0].asks_remote:
        return entries
    asked = [(call, call.open_fence()) for call in missing]
    try:
        came = iter((yield from read_many(asked)))
    finally:
        for call, fence in asked:
            call.store.close_fence(fence)
    return [next(came).entry if entry is None else entry for entry in entries]


def _asked(calls: list[Call], fences: list[Fence]) -> Generator[Step, Any, Sequence[Found | None]]:
    store, shape = calls[0].store, calls[0].function.shape
    answers: Sequence[Found | None] | None = yield Remote(store, "read_many", (fences, shape))
    return answers or [None] * len(calls)


def brought_in(call: Call, fence: Fence, found: Found | None) -> Survey:
    """Have memory keep what was found, where it may, and say what it is good for."""
    if found is None:
        fence.looking = False  # whoever looked may have failed
        return NOTHING
    entry = _entry(call, fence, found)
    survey = call.judged(entry)
    if survey.fallback is not None and type(entry) is LooseEntry:
        call.spare = entry, fence
    return survey


def _entry(call: Call, fence: Fence, found: Found) -> Entry:
    copy = copier(found.value) if call.function.isolates else None
    if found.keeps and not fence.dirty:
        kept = call.store.fill(fence, found.value, found.ttl, found.tags, copy, found.windows, found.age)
        if kept is not None:
            return kept
    return _loose(fence.key, found, call.now, copy)


def _loose(key: str, found: Found, now: float, copy: Callable[[Any], Any] | None) -> LooseEntry:
    born, fresh = now - found.age, now + found.ttl
    meta = Meta(found.tags, 0, born)
    if found.windows is not None:
        meta = Life(fresh, found.windows, found.tags, 0, born)
    return LooseEntry(key, found.value, found.ttl, now, meta, copy=copy or _itself)


def _itself(value: Any) -> Any:
    return value


def younger(call: Call, fence: Fence, entry: Entry) -> Generator[Step, Any, Entry | None]:
    """What somebody else has stored in place of an entry that is to be refreshed, if that is fresh."""
    if not call.asks_remote:
        return None
    found: Found | None = yield Remote(call.store, "read", (fence, call.function.shape))
    return _in_place_of(call, fence, entry, found)


def younger_ones(
    due: Sequence[tuple[Call, Fence, Entry]],
) -> Generator[Step, Any, list[Entry | None]]:
    """``younger`` for several calls of one function at once."""
    answers = yield from _asked([call for call, _, _ in due], [fence for _, fence, _ in due])
    return [_in_place_of(*one, answer) for one, answer in zip(due, answers, strict=True)]


def _in_place_of(call: Call, fence: Fence, entry: Entry, found: Found | None) -> Entry | None:
    """What was found, if it is fresh and not the entry itself: its stamps come from another clock."""
    if found is None or not found.ttl > 0:
        fence.looking = False
        return None
    now = call.now
    if now < fresh_until(entry) and not found.age < (now - born_at(entry)) / 2:
        return None
    return brought_in(call, fence, found).entry
