"""What the engine asks of a backend.

``CacheInterface`` is for people and is async. The engine needs more: a look that neither awaits nor
blocks, fills that an invalidation in the meantime undoes, entries with their stamps. A backend that has
all this answers ``engine_store()`` with an ``EngineStore``; for any other ``CacheInterface`` an adapter
stands in (``backends/adapter.py``).
"""

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from askonce._types import Clock, Entry, Windows
from askonce.codec.shapes import NO_SHAPE, Shape
from askonce.exceptions import ConfigurationError
from askonce.flight import Flights
from askonce.freshness import Draw


@dataclass(slots=True, eq=False)
class Fence:
    """A place in time, taken before a function starts: what is older than its break is not stored.

    Attributes:
        key: the key that is about to be filled.
        tags: the tags that are known before the function runs.
        version: the cache's invalidation counter when the fence was opened.
        broken: whether the key was invalidated, deleted, set or cleared since then.
    """

    key: str
    tags: tuple[str, ...]
    version: int
    broken: bool = False
    looking: bool = False
    """Whether the tier behind memory is being asked: what others change meanwhile is in its answer."""
    dirty: bool = False
    """Whether others changed the key while that tier was being asked."""
    note: Any = None
    """What the tier behind memory saw under the key, for its own use."""
    spent: float = 0.0
    """Seconds that the tier behind memory has taken for it so far."""


class Found(NamedTuple):
    """What a remote tier holds.

    Attributes:
        value: nobody else has it.
        ttl: seconds up to the end of its time to live; below 0 where only its windows are left.
        age: seconds since the function answered.
        tags: all tags of the entry.
        windows: what it is good for beside being fresh.
        keeps: whether memory may have a copy of it.
    """

    value: Any
    ttl: float
    age: float = 0.0
    tags: tuple[str, ...] = ()
    windows: Windows | None = None
    keeps: bool = True


class Answer(NamedTuple):
    """What a remote tier is to store.

    Attributes:
        value: already safe from the caller's hands.
        ttl: seconds from now; ``FOREVER`` for no expiry.
        tags: all tags of the entry.
        windows: what it is good for beside being fresh.
        shape: what may be built of it when it comes back; ``None`` where nobody knows who will read it.
        replaces: whether it takes the place of whatever is there, and not of what the fence saw.
    """

    value: Any
    ttl: float
    tags: tuple[str, ...] = ()
    windows: Windows | None = None
    shape: Shape | None = NO_SHAPE
    replaces: bool = False


class Written(enum.Enum):
    """What became of an answer in the tier behind memory."""

    STORED = "stored"
    OVERTAKEN = "overtaken"
    """The key changed since the fence looked: nobody may keep the answer."""
    FAILED = "failed"
    """It is not there, and memory may keep it all the same."""


class Lease(Protocol):
    """The right to compute a key while others, in other processes, wait."""

    def release(self) -> None:
        """Let the next one have it; does not wait, may be called anywhere and again."""
        ...


class Sight(NamedTuple):
    """What ``explain`` learns about a key without computing anything.

    ``reason`` says why there is nothing to serve, or is ``None`` where there is; ``state`` is ``"fresh"``,
    ``"stale"`` where the entry would be served past its time, or ``"failed"`` where it keeps an exception,
    whose class is ``error``. ``retry``: seconds up to the next try to replace it, where the last one failed.
    """

    tier: str | None
    age: float | None
    remaining: float | None
    tags: tuple[str, ...]
    reason: str | None
    state: str | None = None
    retry: float | None = None
    error: str | None = None


class Names:
    """Which function bears which name in one cache."""

    def __init__(self) -> None:
        self._claims: dict[str, str] = {}

    def claim(self, name: str, function: str) -> None:
        """Take a name; a function that is defined again keeps its own.

        Args:
            name: the function's identity in keys.
            function: its module and qualified name.

        Raises:
            ConfigurationError: another function has it.
        """
        holder = self._claims.setdefault(name, function)
        if holder != function:
            raise ConfigurationError(
                f"{function} and {holder} both claim the name {name!r} in one cache, "
                "and would answer for each other; give one of them another name="
            )


class RemoteTier(Protocol):
    """A tier behind memory whose answers take a while.

    Each method has a twin for callers without an event loop, called ``<name>_blocking``.
    """

    @property
    def reachable(self) -> bool:
        """Whether it makes sense to ask at the moment; costs nothing."""
        ...

    async def read(self, fence: Fence, shape: Shape) -> Found | None:
        """What is stored under the fence's key; the fence remembers what was seen, and its tags."""
        ...

    async def read_many(self, fences: Sequence[Fence], shape: Shape) -> Sequence[Found | None]:
        """``read`` for several keys at once."""
        ...

    async def observe(self, fences: Sequence[Fence]) -> None:
        """Have fences remember what is there, before a function runs whose answers replace it."""
        ...

    async def write(self, fence: Fence, answer: Answer) -> Written:
        """Store an answer unless its fence broke or the key changed since the fence looked."""
        ...

    async def write_many(self, answers: Sequence[tuple[Fence, Answer]]) -> Sequence[Written]:
        """``write`` for several keys at once."""
        ...

    async def remove(self, key: str) -> bool:
        """Drop the key and say whether there was something to drop."""
        ...

    async def invalidate_tags(self, tags: tuple[str, ...]) -> None:
        """Make every entry with one of these tags count no more."""
        ...

    async def sight(self, key: str) -> Sight:
        """What ``explain`` says of a key that is not in memory."""
        ...

    async def lease(self, fence: Fence, shape: Shape, *, wait: bool) -> Lease | Found | None:
        """Take the right to compute a key.

        Args:
            fence: of the flight that is about to compute; it has looked.
            shape: as for ``read``.
            wait: whether to wait while somebody else has it.

        Returns:
            The lease; or what somebody else stored meanwhile; or ``None`` where there is nobody to ask, and
            the caller computes without, or, if it does not wait, somebody else has it.
        """
        ...

    def owe(self, key: str) -> None:
        """Remember that the value of a key was replaced while the tier could not be told."""
        ...


class Reply(Protocol):
    """What a tier behind memory said and has to look at closely; ``Fence.note`` bears it there.

    Attributes:
        spent: seconds that it took.
    """

    spent: float

    def end(self) -> None:
        """Say that nobody goes on with it; may be called again."""
        ...


class QuickTier(Protocol):
    """A tier behind memory that answers what is as common as can be in as few steps as can be."""

    async def read(
        self, key: str, tags: tuple[str, ...], shape: Shape, *, isolates: bool
    ) -> Found | Reply | None:
        """What counts under a key, for a caller of its own; memory has it if it may. Raises no failure.

        Args:
            key: nobody computes it here, or ``None`` is the answer.
            tags: that the entry should have.
            shape: what may be built of it.
            isolates: whether the caller may change what it gets.
        """
        ...


class EngineStore(Protocol):
    """The memory side of a backend, as the engine sees it. No method awaits, blocks for I/O or raises."""

    clock: Clock
    draw: Draw
    """Chance, for ``jitter`` and early refreshes."""
    default_ttl: float
    enabled: bool
    """``False``: nothing is stored and decorated functions pass straight through."""
    keeps_windows: bool
    """Whether entries are kept past their time, as ``stale`` and its like need."""
    operation_ttls: Mapping[str, float]
    flights: Flights
    """What is being computed for this cache at the moment."""
    names: Names
    """Which function bears which name in this cache."""
    remote: RemoteTier | None
    """The tier behind memory, or ``None`` where memory is all."""
    quick: QuickTier | None
    """A short way to it, if there is one."""

    def look(self, key: str) -> Entry | None:
        """The entry of a key that may be served without a second thought, marked as used, or ``None``.

        Takes no lock and counts nothing.
        """
        ...

    def held(self, key: str) -> Entry | None:
        """The entry of a key whatever its age, marked as used, unless it was invalidated."""
        ...

    def rest(self, entry: Entry, retry: float) -> None:
        """Have nobody try to replace an entry with windows before an instant."""
        ...

    def open_fence(self, key: str, tags: tuple[str, ...] = ()) -> Fence:
        """Begin a fill. Every fence is closed again, also when nothing is stored."""
        ...

    def close_fence(self, fence: Fence) -> None:
        """Forget a fence."""
        ...

    def fill(
        self,
        fence: Fence,
        value: Any,
        ttl: float,
        tags: tuple[str, ...] = (),
        copy: Callable[[Any], Any] | None = None,
        windows: Windows | None = None,
        age: float = 0.0,
    ) -> Entry | None:
        """Store a value whose fence held, atomically with that test; ``None`` where it was not stored.

        Args:
            fence: opened before the value was made.
            value: what to keep; already safe from the caller's hands.
            ttl: seconds from now; ``FOREVER`` for no expiry; 0 or below where only its windows are left.
            tags: all tags of the entry, also those that were not known when the fence was opened.
            copy: makes what a reader gets from what is kept; ``None`` where it may be shared.
            windows: what the entry is good for beside being fresh; ``None`` for nothing.
            age: seconds since the function answered.
        """
        ...

    def take_back(self, entry: Entry) -> None:
        """Remove this entry, should it still be there; breaks no fences."""
        ...

    def drop(self, key: str) -> bool:
        """Remove an entry and break the fences of its key; whether there was one, fresh or in its windows."""
        ...

    def break_fences(self, key: str) -> None:
        """Let no fill of this key that is under way be stored."""
        ...

    def drop_tags(self, tags: tuple[str, ...]) -> None:
        """Make every entry with one of these tags count no more, and break the fences that know them."""
        ...

    def admit(self, entry: Entry, index: dict[tuple[Any, ...], Entry], index_key: tuple[Any, ...]) -> None:
        """Give a living entry a view in a fast index; the view leaves the index with its entry.

        An entry has one view at most: a second one replaces the first.
        """
        ...

    def sight(self, key: str) -> Sight:
        """Why a look would find something or not. For people: may be slow."""
        ...

    def count(self, source: "HitSource") -> None:
        """Take a decorated function's figures into the cache's own statistics."""
        ...


class HitSource(Protocol):
    """The figures of one decorated function, read when statistics are asked for."""

    def hits(self) -> float:
        """Hits so far."""
        ...

    def misses(self) -> float:
        """Look-ups so far that found nothing."""
        ...
