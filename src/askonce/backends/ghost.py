"""The memory of keys that were evicted not long ago."""

from array import array
from typing import Final

_WORD: Final = 0xFFFF_FFFF


class Ghost:
    """A bounded, slightly forgetful record of evicted keys: 16 bytes for each that it may hold.

    A table of words, each the upper half of a key's hash and the number of the eviction. A key has two
    places; the newer eviction displaces the older one. A hash that matches by accident costs nothing but
    a place in the main queue that was not earned.
    """

    __slots__ = ("_count", "_span", "_table")

    def __init__(self) -> None:
        self._table = array("Q")
        self._span = 0
        self._count = 0

    def __len__(self) -> int:
        return len(self._table)

    def remember(self, key: str, span: int) -> None:
        """Note an eviction, of which the last ``span`` count."""
        if span > len(self._table):
            self._grow(span)
        self._span = span
        self._count = count = (self._count + 1) & _WORD
        place, mark = self._place(key)
        table = self._table
        if (count - table[place]) & _WORD < (count - table[place ^ 1]) & _WORD:
            place ^= 1
        table[place] = mark | count

    def recall(self, key: str) -> bool:
        """Whether the key was evicted not long ago; it is forgotten by that."""
        if not self._table:
            return False
        place, mark = self._place(key)
        return self._take(place, mark) or self._take(place ^ 1, mark)

    def _take(self, place: int, mark: int) -> bool:
        word = self._table[place]
        if word & ~_WORD != mark or (self._count - word) & _WORD >= self._span:
            return False
        self._table[place] = (self._count + 1) & _WORD  # the age of what left longest ago
        return True

    def _place(self, key: str) -> tuple[int, int]:
        digest = hash(key)
        return digest & (len(self._table) - 1), digest & (_WORD << 32)

    def _grow(self, span: int) -> None:
        """Make room; what is in the smaller table is forgotten."""
        self._table = array("Q", bytes(8 * (1 << (2 * span - 1).bit_length())))
