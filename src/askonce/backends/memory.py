"""The cache in the memory of this process."""

import time
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Final, Literal

from askonce._types import MISS, Clock, Meta, Ttl, fresh_until, is_failure
from askonce.backends.checks import DIGESTED, checked_bound, checked_key, checked_tags, checked_ttl
from askonce.backends.eviction import Lru, Policy, S3Fifo
from askonce.backends.front import Front
from askonce.backends.held import Held
from askonce.backends.interface import CacheInterface
from askonce.backends.memory_store import WAITING_USES
from askonce.backends.rebuild import rebuilt
from askonce.exceptions import ConfigurationError
from askonce.isolation import isolated
from askonce.ttl import parse_ttl

_POLICIES: Final[dict[str, Callable[[], Policy]]] = {"lru": Lru, "s3fifo": S3Fifo}


class InMemoryCache(Front, CacheInterface):
    """A cache in the memory of this process, bounded, safe under threads.

    Args:
        default_ttl: the life of an entry that is stored without a ttl.
        max_size: how many entries it holds.
        max_bytes: how many bytes its keys, values and entries may take; a larger value is not stored.
            Without it nothing is measured, which is faster.
        eviction: ``"lru"``, or ``"s3fifo"``, which keeps more of what is used again.
        operation_ttls: the ttl of each operation that decorated functions name.
        clock: monotonic seconds.

    Raises:
        ConfigurationError: for a value that cannot work.
    """

    suspends: ClassVar[bool] = False

    def __init__(
        self,
        default_ttl: Ttl = 3600,
        max_size: int = 1000,
        max_bytes: int | None = None,
        eviction: Literal["lru", "s3fifo"] = "lru",
        *,
        operation_ttls: Mapping[str, Ttl] | None = None,
        clock: Clock = time.monotonic,
    ) -> None:
        if eviction not in _POLICIES:
            raise ConfigurationError(f"eviction={eviction!r} is unknown; give one of {', '.join(_POLICIES)}")
        if not callable(clock):
            raise ConfigurationError("clock is not callable; give a function that answers seconds")
        if not isinstance(operation_ttls, Mapping | None):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ConfigurationError('operation_ttls maps operations to times, such as {"summarize": "2h"}')
        ttls = {
            name: parse_ttl(ttl, f"operation_ttls[{name!r}]") for name, ttl in (operation_ttls or {}).items()
        }
        super().__init__(
            _POLICIES[eviction],
            default_ttl=parse_ttl(default_ttl, "default_ttl"),
            operation_ttls=MappingProxyType(ttls),
            clock=clock,
            max_size=checked_bound(max_size, "max_size"),
            max_bytes=None if max_bytes is None else checked_bound(max_bytes, "max_bytes"),
        )
        self.eviction: Final = eviction
        # Floats: adding to an int beyond 256 allocates just as well, and costs more.
        self._hits = self._misses = 0.0

    # ``as_type`` is not keyword-only here: Python calls a function without such parameters faster.
    async def get(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, key: str, default: Any = None, as_type: Any = None
    ) -> Any:
        """The value of a key, or ``default``; see ``CacheInterface.get``."""
        # Flat on purpose: each call in here would cost a fifth of a hit.
        entry = self._entries.get(key)
        if entry is not None:
            meta, clock = entry.meta, self.clock
            # Tags first: the version of a tag is forgotten only after its last entry is DEAD.
            if (meta is None or self._counts(key, entry, meta)) and entry.until > clock():
                if as_type is not None:
                    return self._typed(entry, as_type, default)
                self._hits += 1.0
                uses = self._uses
                uses.append(entry)
                if len(uses) >= WAITING_USES:
                    self._shorten_uses()
                return entry.value
        return self._get_again(key, default, as_type)

    async def set(self, key: str, value: Any, ttl: Ttl | None = None, *, tags: Iterable[str] = ()) -> bool:
        """Store a value; ``False`` only if it is larger than ``max_bytes``."""
        key = checked_key(key)
        seconds = checked_ttl(ttl, self.default_ttl)
        names = checked_tags(tags) if tags else ()
        if not self.enabled:
            return False
        kept, copy = isolated(value)
        size = self._size(key, kept)
        with self._lock:
            self._fences.break_key(key)
            entry = self._store(key, kept, seconds, names, self._tags.now, copy, size)
            _left = self._let_go()
        return entry is not None

    async def delete(self, key: str) -> bool:
        """Remove a key and say whether it was there."""
        return self.drop(checked_key(key))

    async def get_ttl(self, key: str) -> float | None:
        """Seconds that a key still has to live, ``FOREVER``, or ``None``."""
        entry = self._valued(checked_key(key))
        return None if entry is None else max(fresh_until(entry) - self.clock(), 0.0)

    async def touch(self, key: str, ttl: Ttl | None = None) -> bool:
        """Let the fresh value of a key live ``ttl`` from now, tags and all; whether there was one.

        Its windows (``stale`` and the like) end: after that time it is served no more.
        """
        key = checked_key(key)
        seconds = checked_ttl(ttl, self.default_ttl)
        with self._lock:
            entry = self._valued(key)
            if entry is None:
                return False
            self._prolong(entry, seconds)
            return True

    async def clear(self) -> None:
        """Remove everything; takes as long as there are entries."""
        self._empty()

    async def invalidate_tags(self, *tags: str) -> None:
        """Make every entry that bears one of these tags count no more, however many they are."""
        self.drop_tags(checked_tags(tags))

    def get_stats(self) -> dict[str, Any]:
        """Figures since the cache was made, those of decorated functions included."""
        with self._lock:
            self._settle(self.clock())
            _left = self._let_go()
            hits, misses = self._sources.totals()
            hits += self._hits
            misses += self._misses
            lookups = hits + misses
            stats = {
                "hits": int(hits),
                "misses": int(misses),
                "hit_ratio": hits / lookups if lookups else 0.0,
                "size": len(self._entries),
                "max_size": self.max_size,
                "eviction": self.eviction,
                **self._events,
            }
            if self.max_bytes is not None:
                stats |= {"bytes": self._bytes, "max_bytes": self.max_bytes}
            return stats

    def _counts(self, key: str, entry: Held, meta: Meta) -> bool:
        return not key.startswith(DIGESTED) and not is_failure(entry) and self._tags.counts(meta)

    def _valued(self, key: str) -> Held | None:
        """The fresh entry of a key, unless it is the exception of a decorated function, which is no value."""
        entry = self._fresh(key)
        return None if entry is None or is_failure(entry) else entry

    def _get_again(self, key: str, default: Any, as_type: Any) -> Any:
        """A get that found nothing fresh: the key may be a long one, or its entry was just replaced."""
        entry = self._valued(checked_key(key))
        if entry is None:
            self._misses += 1.0
            return default
        if as_type is not None:
            return self._typed(entry, as_type, default)
        self._hits += 1.0
        self._note_use(entry)
        return entry.value

    def _typed(self, entry: Held, as_type: Any, default: Any) -> Any:
        value = rebuilt(entry.value, as_type)
        if value is MISS:
            self._misses += 1.0
            return default
        self._hits += 1.0
        self._note_use(entry)
        return value
