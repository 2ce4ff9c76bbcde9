"""A cache of a test's own."""

import contextlib
from collections.abc import Generator
from typing import Any, TypeVar, overload

from askonce.backends.interface import CacheInterface
from askonce.backends.memory import InMemoryCache
from askonce.engine.registry import registry
from askonce.testing.clock import ManualClock

C = TypeVar("C", bound=CacheInterface)

ROOM: int = 100_000
"""How many entries the cache of a test holds, so that none leaves for want of room."""


@overload
def fresh_cache() -> contextlib.AbstractContextManager[InMemoryCache]: ...
@overload
def fresh_cache(cache: C) -> contextlib.AbstractContextManager[C]: ...
def fresh_cache(cache: Any = None) -> contextlib.AbstractContextManager[Any]:
    """One cache for all decorated functions of the process, whatever cache they name, inside the block.

    Left to itself it also takes chance out of the test: no jitter, and no early refresh unless it is certain;
    set its ``draw`` to a function of your own for others (0.0 up to 1.0, where refreshes are earliest).

    In all threads and tasks; also ``get_default_cache()`` and caches by name answer it. Blocks may be nested.
    Afterwards all is as before. Code inside ``use_cache(...)`` of another cache uses that one.

    Example:
        >>> clock = ManualClock()
        >>> with fresh_cache(InMemoryCache(clock=clock)):
        ...     fetch("https://example.org")
        ...     clock.advance("15m")

    Args:
        cache: left out, an empty ``InMemoryCache`` with much room and a ``ManualClock``.

    Raises:
        ConfigurationError: what was given is no cache.
    """
    if cache is None:
        cache = InMemoryCache(max_size=ROOM, clock=ManualClock())
        cache.draw = _no_chance
    return _over_all(cache)


def _no_chance() -> float:
    return 0.0


@contextlib.contextmanager
def _over_all(cache: CacheInterface) -> Generator[CacheInterface]:
    end = registry.put_over(cache)
    try:
        yield cache
    finally:
        end()


def clock_of(cache: CacheInterface) -> ManualClock:
    """The clock of a cache that was given a ``ManualClock``.

    Raises:
        TypeError: it has another clock.
    """
    clock = getattr(cache, "clock", None)
    if isinstance(clock, ManualClock):
        return clock
    raise TypeError(
        f"the clock of this {type(cache).__name__} cannot be moved; "
        "give it one that can: InMemoryCache(clock=ManualClock())"
    )
