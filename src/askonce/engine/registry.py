"""Which cache a decorated function uses: the process default, or one known by name."""

import threading
import weakref
from collections.abc import Callable
from typing import Protocol

from askonce._forks import hold_at_fork
from askonce.backends.engine import Names
from askonce.backends.interface import CacheInterface
from askonce.exceptions import ConfigurationError


class Follower(Protocol):
    """Someone who keeps what the registry answered and must know when it changes."""

    def unbind(self) -> None:
        """Ask again at the next call."""
        ...


Named = CacheInterface | str | Callable[[], CacheInterface] | None
_Override = tuple[object, CacheInterface]


class Registry:
    """The caches of this process by name; ``None`` names the default.

    Attributes:
        builder: makes the default at its first use.
    """

    def __init__(self) -> None:
        self.builder: Callable[[], CacheInterface] | None = None
        self._lock = threading.RLock()
        hold_at_fork(self._lock)
        self._caches: dict[str | None, CacheInterface] = {}
        self._names: dict[str | None, Names] = {}
        self._followers: dict[str | None, weakref.WeakSet[Follower]] = {}
        self._all: weakref.WeakSet[Follower] = weakref.WeakSet()
        self._overrides: list[_Override] = []

    def get(self, name: str | None, follower: Follower | None = None) -> CacheInterface:
        """The cache of a name, or the one that stands in for all.

        Raises:
            ConfigurationError: no cache was registered under this name.
        """
        with self._lock:
            if follower is not None:
                self._followers.setdefault(name, weakref.WeakSet()).add(follower)
            if self._overrides:
                return self._overrides[-1][1]
            cache = self._caches.get(name)
            if cache is None:
                # Building may log, and a handler of the log may ask for the cache: the first one built stays.
                cache = self._caches.setdefault(name, self._build(name))
            return cache

    def set(self, name: str | None, cache: CacheInterface | None) -> None:
        """Put a cache under a name, or with ``None`` take it away; functions that use it follow."""
        if cache is not None:
            checked_cache(cache)
        with self._lock:
            self._names.pop(name, None)  # those who follow claim their names in the new cache
            if cache is None:
                self._caches.pop(name, None)
            else:
                self._caches[name] = cache
            followers = list(self._followers.get(name, ()))
        for follower in followers:
            follower.unbind()

    def chosen(self, named: Named) -> Named:
        """What a function named as its cache, or the cache that stands in for all others."""
        overrides = self._overrides  # replaced, never changed: read without the lock
        return overrides[-1][1] if overrides else named

    def put_over(self, cache: CacheInterface) -> Callable[[], None]:
        """Have one cache stand in for all others; what is answered ends that, in any order."""
        place = (object(), checked_cache(cache))
        self._set_overrides(lambda others: [*others, place])
        return lambda: self._set_overrides(lambda others: [other for other in others if other is not place])

    def _set_overrides(self, change: Callable[[list[_Override]], list[_Override]]) -> None:
        with self._lock:
            self._overrides = change(self._overrides)
            everyone = list(self._all)
        for follower in everyone:
            follower.unbind()

    def add(self, follower: Follower) -> None:
        """Let someone know when one cache comes to stand in for all, or goes."""
        with self._lock:
            self._all.add(follower)

    def built(self, name: str | None) -> CacheInterface | None:
        """The cache of a name, if there is one already."""
        return self._caches.get(name)

    def names(self, name: str | None) -> Names:
        """The names of functions in a cache that may not be there yet."""
        with self._lock:
            return self._names.setdefault(name, Names())

    def _build(self, name: str | None) -> CacheInterface:
        if name is None and self.builder is not None:
            return self.builder()
        known = sorted(known for known in self._caches if known is not None)
        raise ConfigurationError(
            f"no cache is registered as {name!r} (registered: {', '.join(known) or 'none'}); "
            f"call register_cache({name!r}, cache) before the first use"
        )


def checked_cache(cache: CacheInterface) -> CacheInterface:
    """The cache, if it is one."""
    if not isinstance(cache, CacheInterface):
        raise ConfigurationError(f"{cache!r} is no cache; give a CacheInterface such as InMemoryCache()")
    return cache


registry = Registry()
"""The registry of this process."""


def register_cache(name: str, cache: CacheInterface) -> None:
    """Let decorated functions find a cache by name: ``@cached(cache="answers")``.

    Args:
        name: any text.
        cache: replaces one that had the name before; functions that used that one follow.
    """
    registry.set(name, cache)


def set_default_cache(cache: CacheInterface | None) -> None:
    """Set the cache of all functions that name none; ``None`` has it built anew at the next call."""
    registry.set(None, cache)


def get_default_cache() -> CacheInterface:
    """The cache of all functions that name none, built at its first use."""
    return registry.get(None)
