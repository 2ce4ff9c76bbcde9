"""The entries of the memory cache, and the rings that they stand in."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from askonce._types import Entry, stored

QUIET: Final = float("-inf")
"""``Entry.used`` while the eviction policy knows of every use; a later use stamps the clock over it."""


class Held(Entry):
    """An entry with what its cache notes about it.

    Attributes:
        ring: the ring of the eviction policy that it stands in, or ``None``.
        uses: what the policy counts.
        size: its bytes, where the cache is bounded by them.

    No constructor sets these: the cache and its policy do, and a second frame would cost a tenth of a set.
    """

    __slots__ = ("ring", "size", "uses")

    ring: "Ring | None"
    uses: int
    size: int


class CopiedHeld(Held):
    """A held entry of mutable data: every reader gets a copy, as from ``CopiedEntry``."""

    __slots__ = ("copy",)

    copy: Callable[[Any], Any]

    @property
    def value(self) -> Any:
        """A reader's own copy."""
        return self.copy(stored(self))

    @value.setter
    def value(self, value: Any) -> None:
        _slot.__set__(self, value)


_slot: Final[Any] = Entry.__dict__["value"]


class Ring:
    """Entries in an order, linked by ``prev`` and ``next``: oldest first, every step in constant time."""

    __slots__ = ("_head", "size")

    def __init__(self) -> None:
        self._head: Final[Any] = Entry("", None, 0.0, 0.0)
        self._head.prev = self._head.next = self._head
        self.size = 0

    def push(self, entry: Held) -> None:
        """Put an entry at the young end."""
        head = self._head
        last = head.prev
        entry.prev = last
        entry.next = head
        last.next = head.prev = entry
        entry.ring = self
        self.size += 1

    def remove(self, entry: Held) -> None:
        """Take an entry of this ring out."""
        before: Any = entry.prev
        after: Any = entry.next
        before.next = after
        after.prev = before
        entry.prev = entry.next = entry.ring = None
        self.size -= 1

    def renew_all(self, entries: Iterable[Held]) -> None:
        """Move those of the entries that are in the ring to the young end, in turn; their uses are known."""
        head = self._head
        last: Any = head.prev
        for entry in entries:
            after: Any = entry.next
            entry.used = QUIET
            if after is not None and entry is not last:
                before: Any = entry.prev
                before.next = after
                after.prev = before
                entry.prev = last
                last.next = last = entry
        last.next = head
        head.prev = last

    def __iter__(self) -> Iterator[Held]:
        """The entries, oldest first; the ring must not change meanwhile."""
        entry = self._head.next
        while entry is not self._head:
            yield entry
            entry = entry.next

    def oldest(self) -> Held:
        """The entry at the old end of a ring that is not empty."""
        first: Held = self._head.next
        return first
