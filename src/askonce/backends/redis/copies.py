"""The memory in front of Redis."""

from collections.abc import Callable
from typing import Any, Final

from askonce._types import Entry, Ttl, Windows
from askonce.backends.checks import PLAIN_KEY, checked_ttl
from askonce.backends.engine import Fence, Found, RemoteTier
from askonce.backends.memory import InMemoryCache
from askonce.isolation import copier

_ASKED: Final = 8
"""Keys that were read once and are remembered, for each place in memory."""


class Copies(InMemoryCache):
    """A memory cache whose entries are copies of what is in Redis.

    Attributes:
        longest: seconds that a copy may live, or ``None`` for as long as what it is a copy of.
    """

    longest: float | None = None
    remote: RemoteTier | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._asked: set[str] = set()

    def lacks(self, key: str) -> bool:
        """Whether memory certainly has nothing of a key; counts a miss then."""
        if type(key) is not str or key in self._entries or len(key) > PLAIN_KEY:
            return False
        self._misses += 1.0
        return True

    def begin_reading(self, key: str, token: object) -> None:
        """Note that somebody reads a key; ``keep`` or ``end_reading`` with the same token ends it."""
        self._fences.reading[key] = token

    def end_reading(self, key: str, token: object) -> bool:
        """Note that a key was read, of which nothing is kept; whether it did not change meanwhile."""
        reading = self._fences.reading
        return reading.get(key) is token and reading.pop(key, None) is token

    @property
    def reading(self) -> dict[str, object]:
        """The keys that are read without a fence at the moment; for ever the same dictionary."""
        return self._fences.reading

    def keep(self, key: str, token: object, found: Found, *, isolates: bool = True) -> None:
        """Keep a copy of what was read, unless the key changed meanwhile.

        A full memory takes only what was read before: what is asked once makes nothing leave (Einziger,
        Friedman and Manes, "TinyLFU", 2017: the doorkeeper).
        """
        if len(self._entries) >= self.max_size and key not in self._asked:
            if len(self._asked) >= _ASKED * self.max_size:
                self._asked.clear()
            self._asked.add(key)
            return
        copy = copier(found.value) if isolates else None
        value = found.value if copy is None else copy(found.value)
        size = self._size(key, value)
        ttl, windows = self._within(found.ttl, found.windows)
        with self._lock:
            if self._fences.reading.pop(key, None) is token:
                version, age = self._tags.now, found.age
                entry = self._store(key, value, ttl, found.tags, version, copy, size, windows, age)
                if entry is not None:
                    entry.ttl += age
            _left = self._let_go()

    def outrun(self, fence: Fence) -> None:
        """Have nobody keep what was read or made before what a fence stands for, which has been stored."""
        with self._lock:
            if not fence.broken:
                self._fences.break_key(fence.key)
                fence.broken = False

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
        """Store a value whose fence held, for as long as a copy may live.

        A copy that ends before its time has no windows: whoever comes then asks Redis, which has them.
        """
        ttl, windows = self._within(ttl, windows)
        return super().fill(fence, value, ttl, tags, copy, windows, age)

    async def touch(self, key: str, ttl: Ttl | None = None) -> bool:
        """Let a value that memory alone has live on, for as long as a copy may."""
        seconds, _ = self._within(checked_ttl(ttl, self.default_ttl), None)
        return await super().touch(key, seconds)

    def _within(self, ttl: float, windows: Windows | None) -> tuple[float, Windows | None]:
        longest = self.longest
        return (ttl, windows) if longest is None or ttl <= longest else (longest, None)
