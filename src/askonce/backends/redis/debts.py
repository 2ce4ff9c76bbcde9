"""What Redis has to be told once it is back: what was invalidated or replaced while it was away."""

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

RECENT: Final = 15.0
"""Seconds for which what Redis was told is remembered, since a failover may forget it."""

_MOST_RECENT: Final = 10_000


class Debts(NamedTuple):
    """What is to be told, each with the number under which it was noted.

    Attributes:
        keys: whose values are out of date.
        tags: whose entries are out of date.
        everything: where nothing counts any more, else 0.
    """

    keys: dict[str, int]
    tags: dict[str, int]
    everything: int


class Ledger:
    """The debts of one cache, bounded: beyond that nothing in Redis counts any more. Safe under threads.

    Args:
        most: how many keys and tags are remembered.
    """

    def __init__(self, most: int) -> None:
        self._most: Final = most
        self._lock = threading.Lock()
        self._keys: Final[dict[str, int]] = {}
        self._tags: Final[dict[str, int]] = {}
        self._everything = 0
        self._count = 0
        self._recent: Final[deque[tuple[float, str, bool]]] = deque(maxlen=_MOST_RECENT)
        self._cleared = -math.inf
        self.overflows = 0
        self.payments = 0

    def __len__(self) -> int:
        return len(self._keys) + len(self._tags) + (self._everything > 0)

    def begin_anew(self) -> None:
        """Keep what is owed, in a forked child, where a thread of the parent may have held the lock."""
        self._lock = threading.Lock()

    def owe_key(self, key: str) -> None:
        """The value of a key in Redis is out of date."""
        with self._lock:
            self._owe(self._keys, (key,))

    def owe_keys(self, keys: Iterable[str]) -> None:
        """The values of keys in Redis are out of date."""
        with self._lock:
            self._owe(self._keys, keys)

    def owe_tags(self, tags: tuple[str, ...]) -> None:
        """What bears one of these tags is out of date."""
        with self._lock:
            self._owe(self._tags, tags)

    def owe_everything(self) -> None:
        """All that is in Redis is out of date."""
        with self._lock:
            self._owe_everything()

    def doubts_key(self, key: str) -> bool:
        """Whether what Redis has under a key is not to be believed."""
        return self._everything > 0 or key in self._keys

    def doubts_tags(self, tags: Iterable[str]) -> bool:
        """Whether what bears one of these tags is not to be believed."""
        return self._everything > 0 or (bool(self._tags) and any(tag in self._tags for tag in tags))

    def owed(self) -> Debts:
        """What is to be told; it stays owed until it was ``paid``."""
        with self._lock:
            return Debts(dict(self._keys), dict(self._tags), self._everything)

    def paid(self, debts: Debts) -> None:
        """Forget what Redis has been told, unless it was noted again meanwhile."""
        with self._lock:
            for book, paid in ((self._keys, debts.keys), (self._tags, debts.tags)):
                for name, number in paid.items():
                    if book.get(name) == number:
                        del book[name]
            if self._everything == debts.everything:
                self._everything = 0
            self.payments += 1

    def told(self, key: str) -> None:
        """Note that Redis knows of a key; ``owe_recent`` doubts it again."""
        self._recent.append((time.monotonic(), key, False))

    def told_tag(self, tag: str) -> None:
        """Note that Redis knows of a tag."""
        self._recent.append((time.monotonic(), tag, True))

    def told_everything(self) -> None:
        """Note that Redis knows that nothing counts any more."""
        self._cleared = time.monotonic()

    def owe_recent(
        self, concerns: Callable[[str, bool], bool] = lambda _name, _is_tag: True, *, everything: bool = True
    ) -> None:
        """Another server answers now, which may have missed the last of what its predecessor was told.

        Args:
            concerns: whether that server has this key, or this tag.
            everything: whether it has the generation.
        """
        with self._lock:
            since = time.monotonic() - RECENT
            if everything and self._cleared >= since:
                self._owe_everything()
            recent = [
                (name, is_tag)
                for when, name, is_tag in tuple(self._recent)
                if when >= since and concerns(name, is_tag)
            ]
            self._owe(self._keys, (name for name, is_tag in recent if not is_tag))
            self._owe(self._tags, (name for name, is_tag in recent if is_tag))

    def _owe(self, book: dict[str, int], names: Iterable[str]) -> None:
        if self._everything:
            self._owe_everything()
            return
        for name in names:
            self._count += 1
            book[name] = self._count
        if len(self._keys) + len(self._tags) > self._most:
            self.overflows += 1
            self._owe_everything()

    def _owe_everything(self) -> None:
        self._count += 1
        self._everything = self._count
        self._keys.clear()
        self._tags.clear()
