"""Which entry leaves when a cache is full.

A policy hears of a use in one of two ways. Uses that the cache saw come through ``replay``, in order. Hits
on the fast path of a decorated function only stamp ``Entry.used``; a policy finds such a stamp when it
considers the entry for eviction, settles it and puts ``QUIET`` in its place.
"""

from itertools import islice, takewhile
from typing import Final, Protocol

from askonce.backends.ghost import Ghost
from askonce.backends.held import QUIET, Held, Ring

_EXAMINED: Final = 32
_MOST_USES: Final = 3


class Policy(Protocol):
    """What the cache asks of an eviction policy; called under the cache's lock only."""

    def insert(self, entry: Held) -> None:
        """Take a new entry in."""
        ...

    def replace(self, old: Held, new: Held) -> None:
        """Take a new entry in for the one that it overwrites."""
        ...

    def replay(self, uses: list[Held]) -> None:
        """Take in uses in their order; some of the entries may have left since."""
        ...

    def remove(self, entry: Held) -> None:
        """Forget an entry that leaves for another reason."""
        ...

    def evict(self) -> Held:
        """Take out the entry that should go; there is at least one."""
        ...


class Lru:
    """The least recently used entry goes.

    Exact for uses that the cache saw, as far as its log of them goes back. A use on the fast path alone is
    found when its entry has become one of the oldest; until then the entry seems older than it is, and
    afterwards younger by as much. An eviction looks at 32 entries at most: if all have been used since, the
    one with the oldest use goes.
    """

    __slots__ = ("_ring",)

    def __init__(self) -> None:
        self._ring: Final = Ring()

    def insert(self, entry: Held) -> None:
        """Take a new entry in as the youngest."""
        self._ring.push(entry)

    def replace(self, old: Held, new: Held) -> None:
        """Take a new entry in as the youngest: a write is a use."""
        self._ring.remove(old)
        self._ring.push(new)

    def replay(self, uses: list[Held]) -> None:
        """Make each entry the youngest, in turn."""
        self._ring.renew_all(uses)

    def remove(self, entry: Held) -> None:
        """Forget an entry."""
        if entry.ring is not None:
            self._ring.remove(entry)

    def evict(self) -> Held:
        """Take out the oldest entry that was not used since it was last moved."""
        ring = self._ring
        victim = ring.oldest()
        if victim.used is not QUIET:
            victim = self._settle()
        ring.remove(victim)
        return victim

    def _settle(self) -> Held:
        """Move old entries that were used to the young end, by their last use; what should go after that."""
        used = list(takewhile(_was_used, islice(self._ring, _EXAMINED)))
        used.sort(key=_last_use)
        self._ring.renew_all(used)
        return used[0] if len(used) == _EXAMINED else self._ring.oldest()


def _was_used(entry: Held) -> bool:
    return entry.used is not QUIET


def _last_use(entry: Held) -> float:
    return entry.used


class S3Fifo:
    """Newcomers prove themselves in a small queue before they may displace what is in use.

    A tenth of the entries are newcomers; two uses there lead to the main queue, and so does coming back
    soon after leaving, which a ghost remembers. The main queue gives each entry one more round for each use.

    Source: Yang, Zhang, Qiu, Yue, Vigfusson: FIFO queues are all you need for cache eviction. SOSP 2023.
    """

    __slots__ = ("_ghost", "_main", "_small")

    def __init__(self) -> None:
        self._small: Final = Ring()
        self._main: Final = Ring()
        self._ghost: Final = Ghost()

    def insert(self, entry: Held) -> None:
        """Take a newcomer in, or an entry that comes back soon after it left."""
        entry.uses = 0
        ring = self._main if self._ghost.recall(entry.key) else self._small
        ring.push(entry)

    def replace(self, old: Held, new: Held) -> None:
        """Take a new entry in that goes on with the standing of the old one: a write is a use."""
        self._settle(old)
        ring = old.ring or self._small
        self.remove(old)
        new.uses = min(old.uses + 1, _MOST_USES)
        ring.push(new)

    def replay(self, uses: list[Held]) -> None:
        """Count each use."""
        for entry in uses:
            if entry.uses < _MOST_USES:
                entry.uses += 1

    def remove(self, entry: Held) -> None:
        """Forget an entry."""
        if entry.ring is not None:
            entry.ring.remove(entry)

    def evict(self) -> Held:
        """Take out an unproven newcomer if there are many of them, else what the main queue used least."""
        total = self._small.size + self._main.size
        few = max(total // 10, 1)
        while self._small.size > few or not self._main.size:
            entry = self._small.oldest()
            self._settle(entry)
            self._small.remove(entry)
            if entry.uses < 2:
                self._ghost.remember(entry.key, total - few)
                return entry
            entry.uses = 0
            self._main.push(entry)
        return self._least_used()

    def _least_used(self) -> Held:
        main = self._main
        least = main.oldest()
        for _ in range(_EXAMINED):
            entry = main.oldest()
            self._settle(entry)
            if entry.uses < least.uses or not entry.uses:
                least = entry
            if not entry.uses:
                break
            entry.uses -= 1
            main.renew_all((entry,))
        main.remove(least)
        return least

    def _settle(self, entry: Held) -> None:
        if entry.used is not QUIET:
            entry.used = QUIET
            entry.uses = min(entry.uses + 2, _MOST_USES)  # one stamp stands for one use or for many
