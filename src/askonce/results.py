"""What the verbs of a decorated function answer."""

import math
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self


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
        tier: what holds the answer (``"memory"``, ``"redis"``), ``None`` for a miss.
        age: seconds since the answer was stored.
        remaining: seconds up to the end of its time while it is fresh, then up to the end of its windows;
            ``FOREVER`` where it does not expire.
        tags: names that invalidate it.
        reason: why it would miss, ``None`` for a hit.
        state: ``"fresh"``; ``"stale"`` where it would be served past its time; ``"failed"`` where an
            exception is kept, which the call would raise; ``None`` for a miss.
        retry: seconds up to the next try to replace it, since the last one failed; ``None`` where none did.
        error: the class of the exception that is kept.
    """

    key: str
    parts: Mapping[str, str] = field(repr=False)
    tier: str | None
    age: float | None
    remaining: float | None
    tags: tuple[str, ...]
    reason: str | None
    state: str | None = None
    retry: float | None = None
    error: str | None = None

    @property
    def hit(self) -> bool:
        """Whether the call would be served, or raise what is kept, without running the function."""
        return self.reason is None

    def __str__(self) -> str:
        lines = [self._head(), f"  key        {self.key}"]
        lines += [f"  {name:<10} {part}" for name, part in self.parts.items()]
        if self.hit:
            age = "unknown" if self.age is None else span(self.age)
            lines.append(f"  age        {age}{'' if self.state == 'failed' else f', good {self._end()}'}")
        if self.hit and self.tags:
            lines.append(f"  tags       {', '.join(self.tags)}")
        if self.retry is not None:
            lines.append(f"  failed     next try in {span(self.retry)}")
        return "\n".join(lines)

    def _head(self) -> str:
        if not self.hit:
            return f"miss: {self.reason}"
        if self.state == "failed":
            return f"raises {self.error or 'an exception'} from {self.tier}, {self._end()}"
        return f"{'stale ' if self.state == 'stale' else ''}hit in {self.tier}"

    def _end(self) -> str:
        """For how long it is good yet."""
        if self.remaining is None:
            return "for nobody knows how long"
        return "for ever" if self.remaining == math.inf else f"for another {span(self.remaining)}"


_UNITS: Final = ((86_400, "d"), (3600, "h"), (60, "min"))


def span(seconds: float) -> str:
    """A span of time as people read it, in a unit of which it is at least one and a half."""
    for size, unit in _UNITS:
        if seconds >= 1.5 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s"
