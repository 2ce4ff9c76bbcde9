"""The fills that are under way, so that an invalidation reaches them."""

import math
from collections.abc import Iterable
from typing import Final

from askonce.backends.engine import Fence


class Fences:
    """Open fences by key; called under the cache's lock only."""

    __slots__ = ("_by_key", "_open", "reading")

    def __init__(self) -> None:
        self._by_key: Final[dict[str, list[Fence]]] = {}
        self._open: Final[dict[Fence, None]] = {}  # in the order of their versions

        # Keys that are read by hand, whose readers may keep what they get unless it changes.
        self.reading: Final[dict[str, object]] = {}

    def __len__(self) -> int:
        return len(self._open)

    def open(self, fence: Fence) -> None:
        """Begin to watch over a fill."""
        self._by_key.setdefault(fence.key, []).append(fence)
        self._open[fence] = None

    def close(self, fence: Fence) -> None:
        """Stop watching; closing twice does no harm."""
        if fence not in self._open:
            return
        del self._open[fence]
        others = self._by_key[fence.key]
        others.remove(fence)
        if not others:
            del self._by_key[fence.key]

    def oldest_version(self) -> float:
        """The version of the fence that is open longest; infinite where none is."""
        for fence in self._open:
            return fence.version
        return math.inf

    def renew(self, fence: Fence, version: int) -> None:
        """Have a fence count from the newest version on."""
        fence.version = version
        if fence in self._open:  # to the end, where the newest stand
            del self._open[fence]
            self._open[fence] = None

    def break_key(self, key: str) -> None:
        """Break the fences of a key."""
        self.reading.pop(key, None)
        for fence in self._by_key.get(key, ()):
            fence.broken = True

    def break_tags(self, tags: Iterable[str]) -> None:
        """Break the fences that know one of these tags; those that look may read of an entry with more."""
        unique = set(tags)
        self.reading.clear()
        for fence in self._open:
            if not unique.isdisjoint(fence.tags):
                fence.broken = True
            elif fence.looking:
                fence.dirty = True

    def touch_key(self, key: str) -> None:
        """Break the fences of a key, or mark those that are looking."""
        self.reading.pop(key, None)
        for fence in self._by_key.get(key, ()):
            _touch(fence)

    def touch_tags(self, tags: Iterable[str]) -> None:
        """Break the fences that know one of these tags, or mark those that are looking."""
        self.reading.clear()
        unique = set(tags)
        for fence in self._open:
            if not unique.isdisjoint(fence.tags):
                _touch(fence)

    def touch_all(self) -> None:
        """Break every fence, or mark those that are looking."""
        self.reading.clear()
        for fence in self._open:
            _touch(fence)

    def forget_all(self) -> None:
        """Break and close every fence."""
        self.break_all()
        self._by_key.clear()
        self._open.clear()

    def break_all(self) -> None:
        """Break every fence."""
        self.reading.clear()
        for fence in self._open:
            fence.broken = True


def _touch(fence: Fence) -> None:
    if fence.looking:
        fence.dirty = True
    else:
        fence.broken = True
