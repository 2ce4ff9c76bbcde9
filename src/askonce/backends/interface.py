"""The cache as people use it: one async contract that every backend keeps."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Iterable, Mapping
from types import TracebackType
from typing import Any, ClassVar, Self

from askonce._types import MISS, Ttl
from askonce.backends.checks import operation_tag
from askonce.backends.sync import SyncCache


def _without_engine(cache: "CacheInterface", key: str, factory: Any, ttl: Any) -> Any:
    raise RuntimeError("get_or_set needs the whole package; import askonce")


# Flights are the engine's, which stands above: it puts its part in here (``engine/byhand.py``).
get_or_set: Callable[["CacheInterface", str, Any, Any], Coroutine[Any, Any, Any]] = _without_engine
get_or_set_blocking: Callable[["CacheInterface", str, Any, Any], Any] = _without_engine


class CacheInterface(ABC):
    """A cache of values under text keys.

    A backend of one's own implements the six abstract methods; the rest works on top of them and may be
    overridden for speed. ``askonce.testing.CacheContract`` tests whether it keeps the contract.
    """

    suspends: ClassVar[bool] = True
    """Whether a method may wait for anything; if none does, ``sync`` needs no event loop."""

    @abstractmethod
    async def get(self, key: str, default: Any = None, *, as_type: Any = None) -> Any:
        """The value of a key.

        Args:
            key: any text.
            default: the answer where nothing is cached.
            as_type: the class or type that the value should have; a model or dataclass that was put in as
                a mapping is built from it. What cannot be built is a miss.

        Returns:
            A value that the caller may change without changing what the next one gets.
        """

    @abstractmethod
    async def set(self, key: str, value: Any, ttl: Ttl | None = None, *, tags: Iterable[str] = ()) -> bool:
        """Store a value, whatever was there before.

        Args:
            key: any text.
            value: anything, ``None`` included.
            ttl: seconds, a ``timedelta``, text such as ``"15m"``, or ``FOREVER``; the backend's default
                if left out.
            tags: names by which ``invalidate_tags`` finds it.

        Returns:
            Whether it was stored.

        Raises:
            ValueError: for a ttl of 0, below 0 or NaN.
        """

    @abstractmethod
    async def delete(self, key: str) -> bool:
        """Remove a key and say whether it was there."""

    @abstractmethod
    async def get_ttl(self, key: str) -> float | None:
        """Seconds that a key still has to live, ``FOREVER``, or ``None`` where nothing is cached."""

    @abstractmethod
    async def clear(self) -> None:
        """Remove everything."""

    @abstractmethod
    async def invalidate_tags(self, *tags: str) -> None:
        """Make every entry that bears one of these tags count no more."""

    async def invalidate_by_operation(self, operation: str) -> None:
        """Make every answer of decorated functions with this operation count no more."""
        await self.invalidate_tags(operation_tag(operation))

    async def exists(self, key: str) -> bool:
        """Whether a value is cached under the key."""
        return await self.get_ttl(key) is not None

    async def get_many(self, keys: Iterable[str], *, as_type: Any = None) -> dict[str, Any]:
        """The values of those keys that are cached, in the order of the keys."""
        found: dict[str, Any] = {}
        for key in keys:
            value = await self.get(key, MISS, as_type=as_type)
            if value is not MISS:
                found[key] = value
        return found

    async def set_many(
        self, mapping: Mapping[str, Any], ttl: Ttl | None = None, *, tags: Iterable[str] = ()
    ) -> bool:
        """Store several values with one ttl and the same tags; whether all were stored."""
        if not isinstance(tags, str):
            tags = tuple(tags)  # an iterator serves one value only
        stored = [await self.set(key, value, ttl, tags=tags) for key, value in mapping.items()]
        return all(stored)

    async def delete_many(self, keys: Iterable[str]) -> int:
        """Remove several keys and count those that were there."""
        removed = [await self.delete(key) for key in keys]
        return sum(removed)

    async def touch(self, key: str, ttl: Ttl | None = None) -> bool:
        """Let the value of a key live ``ttl`` from now; whether there was one.

        This one stores the value anew and so loses its tags: a backend that keeps tags overrides it.
        """
        value = await self.get(key, MISS)
        if value is MISS:
            return False
        return await self.set(key, value, ttl)

    async def get_or_set(self, key: str, factory: Callable[[], Any], ttl: Ttl | None = None) -> Any:
        """The value of a key, made by the factory where nothing is cached.

        Callers that ask at once share one run of the factory, and a key that is deleted or set meanwhile
        does not get the factory's value.

        Args:
            key: any text.
            factory: a coroutine function or a plain function without arguments.
            ttl: as for ``set``.
        """
        value = await self.get(key, MISS)
        return value if value is not MISS else await get_or_set(self, key, factory, ttl)

    async def connect(self) -> None:  # noqa: B027 - most need nothing
        """Make ready for use. Not needed: the first use does it. May be called again."""

    async def disconnect(self) -> None:  # noqa: B027
        """Let go of connections. May be called again; the next use connects anew."""

    def get_stats(self) -> dict[str, Any]:
        """Figures; at least ``hits``, ``misses`` and ``hit_ratio``, which is 0 to 1."""
        return {"hits": 0, "misses": 0, "hit_ratio": 0.0}

    @property
    def sync(self) -> SyncCache:
        """The same cache for code without an event loop: every method blocks."""
        return SyncCache(self)

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.disconnect()
