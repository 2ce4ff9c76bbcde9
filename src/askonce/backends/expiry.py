"""Finds expired entries without looking at the others."""

import math
from heapq import heappop, heappush
from typing import Any, Final

from askonce._types import Entry

_SHARE: Final = 64
_FINEST: Final = -6  # 1/64 s


class Calendar:
    """Entries by the time at which they expire, in buckets linked by ``before`` and ``after``.

    A bucket spans between a 128th and a 64th of the life of its entries and is looked at once all of it has
    passed, so there are at most about 130 buckets for each power of two in the lives that are in use.

    Attributes:
        next: no entry has to be looked for before this instant.
    """

    __slots__ = ("_buckets", "_due", "next")

    def __init__(self) -> None:
        self._buckets: Final[dict[tuple[float, float], Any]] = {}
        self._due: Final[list[tuple[float, float]]] = []
        self.next = math.inf

    def __len__(self) -> int:
        return len(self._buckets)

    def add(self, entry: Entry, end: float, life: float) -> None:
        """Note when an entry ends that has so long to live; one that lives for ever is left out."""
        if end == math.inf:
            return
        width = math.ldexp(1.0, max(math.frexp(life / _SHARE)[1] - 1, _FINEST))
        slot = ((end // width + 1.0) * width, width)
        head = self._buckets.get(slot)
        if head is None:
            head = self._open(slot)
        last = head.before
        entry.before = last
        entry.after = head
        last.after = head.before = entry

    def remove(self, entry: Entry) -> None:
        """Forget an entry, if it is noted at all."""
        before: Any = entry.before
        if before is None:
            return
        after: Any = entry.after
        before.after = after
        after.before = before
        entry.before = entry.after = None

    def expired(self, now: float) -> Entry | None:
        """One entry whose bucket has passed, still noted, or ``None``."""
        due = self._due
        while due and due[0][0] <= now:
            head = self._buckets[due[0]]
            entry: Entry = head.after
            if entry is not head:
                return entry
            del self._buckets[heappop(due)]
        self.next = due[0][0] if due else math.inf
        return None

    def _open(self, slot: tuple[float, float]) -> Any:
        head: Any = Entry("", None, 0.0, 0.0)
        head.before = head.after = head
        self._buckets[slot] = head
        heappush(self._due, slot)
        self.next = self._due[0][0]
        return head
