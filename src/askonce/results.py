"""What the verbs of a decorated function answer."""

import math
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, Self


class Key(str):
    """The key of a call: a text, and awaitable, since all verbs of an async function may be awaited."""

    __slots__ = ()

    def __await__(self) -> Generator[Any, None, Self]:
        """Answer itself at once."""
        return self
        yield


@dataclass(frozen=True, slots=True)
class CacheInfo:
    """What happened to one decorated function so far; also awaitable, like all verbs of async functions.

    Attributes:
        hits: calls that were served from the cache.
        misses: calls that ran the function.
        joined: calls that waited for the run of another and got its answer.
        stale: calls that were served a value past its time.
        errors: runs that raised, and rules of the user's (``store_if``, ``ttl``) that failed.
        stored: answers that were stored.
        refreshed: runs of the function behind its callers, which no call waited for.
    """

    hits: int
    misses: int
    joined: int
    stale: int
    errors: int
    stored: int
    refreshed: int = 0

    @property
    def hit_ratio(self) -> float:
        """The share of calls that were served from the cache, 0 to 1; 0 before the first call."""
        calls = self.hits + self.misses + self.joined
        return self.hits / calls if calls else 0.0

    def __await__(self) -> Generator[Any, None, Self]:
        """Answer itself at once."""
        return self
        yield


@dataclass(frozen=True, slots=True)
class WarmReport:
    """How a warm-up went.

    Attributes:
        calls: how many calls there were.
        computed: how many were not cached yet when their turn came.
        hits: how many were cached already.
        failed: the calls that raised, each with its exception.
    """

    calls: int
    computed: int
    hits: int
    failed: tuple[tuple[tuple[Any, ...], BaseException], ...] = ()


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a call would hit or miss; ``print`` it.

    Attributes:
        key: the key of the call.
        parts: for each parameter that takes part, what it adds: its class, size and digest, never its value.
        tier: what holds the answer (``"memory"``), ``None`` for a miss.
        age: seconds since the answer was stored.
        remaining: seconds that it may still be served; ``FOREVER`` where it does not expire.
        tags: names that invalidate it.
        reason: why it would miss, ``None`` for a hit.
        state: ``"fresh"``, or ``"stale"`` where it would be served past its time; ``None`` for a miss.
    """

    key: str
    parts: Mapping[str, str] = field(repr=False)
    tier: str | None
    age: float | None
    remaining: float | None
    tags: tuple[str, ...]
    reason: str | None
    state: str | None = None

    @property
    def hit(self) -> bool:
        """Whether the call would be served without running the function."""
        return self.reason is None

    def __str__(self) -> str:
        past = "stale " if self.state == "stale" else ""
        head = f"{past}hit in {self.tier}" if self.hit else f"miss: {self.reason}"
        lines = [head, f"  key        {self.key}"]
        lines += [f"  {name:<10} {part}" for name, part in self.parts.items()]
        if self.hit:
            lines.append(f"  age        {_seconds(self.age)}, to live {_seconds(self.remaining)}")
            lines += [f"  tags       {', '.join(self.tags)}"] if self.tags else []
        return "\n".join(lines)


_UNITS = ((86_400, "d"), (3600, "h"), (60, "min"))


def _seconds(value: float | None) -> str:
    if value is None:
        return "unknown"
    if value == math.inf:
        return "for ever"
    for size, unit in _UNITS:
        if value >= size:
            return f"{value / size:.1f} {unit}"
    return f"{value:.1f} s"
