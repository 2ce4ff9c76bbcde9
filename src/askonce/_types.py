"""The words that all floors share: sentinels, the clock, an entry."""

import enum
import math
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final, Literal, NamedTuple, TypeAlias

Clock: TypeAlias = Callable[[], float]
"""Monotonic seconds; only differences mean anything. ``time.monotonic`` unless a test injects its own."""

Ttl: TypeAlias = float | timedelta | str
"""A time to live: seconds, a ``timedelta``, or text such as ``"90s"``, ``"15m"``, ``"2h"``, ``"7d"``."""

FOREVER: Final = math.inf
"""The time to live of an entry that never expires."""

DEAD: Final = -math.inf
"""``Entry.until`` of an entry that has left its cache: no clock is ever before it."""


class Missing(enum.Enum):
    """The type of ``MISS``."""

    MISS = "MISS"

    def __repr__(self) -> str:
        return "MISS"

    __str__ = __repr__

    def __bool__(self) -> Literal[False]:
        return False


MISS: Final = Missing.MISS
"""What ``peek`` answers where nothing is cached: ``None`` is a value like others."""


class Recording(NamedTuple):
    """What is stored of a generator that ran to its end."""

    items: tuple[Any, ...]
    result: Any = None


class Failure(NamedTuple):
    """What is stored of a function that raised, where ``errors=`` asks for it."""

    error: BaseException


class Windows(NamedTuple):
    """What an entry is good for beside being fresh, in seconds.

    Attributes:
        stale: after its time, while it is served at once and refreshed behind.
        grace: after its time, while it stands in for a function that raises or takes too long.
        lead: the cost of the function, weighted: how early a refresh may be worth while.
    """

    stale: float = 0.0
    grace: float = 0.0
    lead: float = 0.0


class Meta:
    """What few entries differ in, so that many of them share one object.

    Attributes:
        tags: names by which the entry can be invalidated together with others.
        version: the cache's invalidation counter from before the value was made; the entry counts
            while no tag of its was invalidated later than that.
        born: the clock when the entry was made, kept only where it cannot be derived (``FOREVER``).
    """

    __slots__ = ("born", "tags", "version")

    def __init__(self, tags: tuple[str, ...] = (), version: int = 0, born: float | None = None) -> None:
        self.tags = tags
        self.version = version
        self.born = born


class Life(Meta):
    """The meta of an entry with windows, shared with no other: when it changes what it is good for.

    Attributes:
        fresh: the end of its time to live.
        windows: what it is good for beside that.
        retry: nobody tries to replace it before this instant, since the last try failed.
    """

    __slots__ = ("fresh", "retry", "windows")

    def __init__(
        self,
        fresh: float,
        windows: Windows,
        tags: tuple[str, ...] = (),
        version: int = 0,
        born: float | None = None,
    ) -> None:
        super().__init__(tags, version, born)
        self.fresh = fresh
        self.windows = windows
        self.retry = DEAD

    @property
    def stale(self) -> float:
        """The end of the window in which it is served while it is refreshed."""
        return self.fresh + self.windows.stale

    @property
    def grace(self) -> float:
        """The end of the window in which it stands in for a failure."""
        return self.fresh + self.windows.grace

    @property
    def lead(self) -> float:
        """See ``Windows``."""
        return self.windows.lead

    @property
    def end(self) -> float:
        """When the entry is good for nothing any more."""
        return self.fresh + max(self.windows.stale, self.windows.grace)


class Entry:
    """One stored answer in memory.

    Attributes:
        key: its key in the cache.
        value: what a caller gets.
        until: the instant up to which it may be served without a second thought; ``DEAD`` once it left.
            With windows it may lie before the end of the ttl: from then on ``freshness`` decides.
        ttl: seconds from the function's answer to the expiry.
        used: the instant of its last use.
        meta: what few entries differ in, or ``None`` where there is nothing to say.
        index, index_key: the fast index that has a view of this entry, and the view's place in it.
        prev, next: neighbours in the order of eviction.
        before, after: neighbours that expire at about the same time.
    """

    __slots__ = (
        "after", "before", "index", "index_key", "key", "meta",
        "next", "prev", "ttl", "until", "used", "value",
    )  # fmt: skip

    key: str
    value: Any
    until: float
    ttl: float
    used: float
    meta: Meta | None
    index: "dict[tuple[Any, ...], Entry] | None"
    index_key: tuple[Any, ...] | None
    prev: "Entry | None"
    next: "Entry | None"
    before: "Entry | None"
    after: "Entry | None"

    def __init__(self, key: str, value: Any, ttl: float, now: float, meta: Meta | None = None) -> None:
        self.key = key
        self.value = value
        self.ttl = ttl
        self.until = now + ttl
        self.used = now
        self.meta = meta
        self.index = self.index_key = None
        self.prev = self.next = self.before = self.after = None


class CopiedEntry(Entry):
    """An entry of mutable data: every reader of ``value`` gets a copy of its own.

    ``Entry.value`` is a slot and this one a property, so that the hit path reads ``entry.value`` for
    both and immutable values pay nothing.
    """

    __slots__ = ("copy",)

    copy: Callable[[Any], Any]

    def __init__(
        self,
        key: str,
        value: Any,
        ttl: float,
        now: float,
        meta: Meta | None = None,
        *,
        copy: Callable[[Any], Any],
    ) -> None:
        self.copy = copy
        super().__init__(key, value, ttl, now, meta)

    @property
    def value(self) -> Any:
        return self.copy(_slot.__get__(self))

    @value.setter
    def value(self, value: Any) -> None:
        _slot.__set__(self, value)


_slot: Any = Entry.__dict__["value"]


def life_of(entry: Entry) -> Life | None:
    """The windows of an entry that has some."""
    meta = entry.meta
    return meta if isinstance(meta, Life) else None


def fresh_until(entry: Entry) -> float:
    """The end of an entry's time to live, which ``until`` may be ahead of."""
    life = life_of(entry)
    return entry.until if life is None else life.fresh


def end_of(entry: Entry) -> float:
    """When an entry is good for nothing any more."""
    life = life_of(entry)
    return entry.until if life is None else life.end


def born_at(entry: Entry) -> float:
    """When the function answered."""
    meta = entry.meta
    return fresh_until(entry) - entry.ttl if meta is None or meta.born is None else meta.born


def stored(entry: Entry) -> Any:
    """The very object that an entry keeps, where ``entry.value`` may be a copy of it."""
    return _slot.__get__(entry)


def is_failure(entry: Entry) -> bool:
    """Whether an entry keeps an exception."""
    return type(stored(entry)) is Failure


def stored_error(entry: Entry) -> BaseException | None:
    """The exception that an entry keeps, or ``None`` where it keeps an answer."""
    kept = stored(entry)
    return kept.error if type(kept) is Failure else None
