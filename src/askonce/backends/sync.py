"""The blocking side of a cache, for code without an event loop."""

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from askonce._types import MISS, Ttl

if TYPE_CHECKING:
    from askonce.backends.interface import CacheInterface

T = TypeVar("T")


class SyncCache:
    """``cache.sync``: the methods of a cache, blocking."""

    __slots__ = ("_cache",)

    def __init__(self, cache: "CacheInterface") -> None:
        self._cache = cache

    def get(self, key: str, default: Any = None, *, as_type: Any = None) -> Any:
        """The value of a key, or ``default``."""
        return self._run(self._cache.get(key, default, as_type=as_type))

    def set(self, key: str, value: Any, ttl: Ttl | None = None, *, tags: Iterable[str] = ()) -> bool:
        """Store a value; whether it was stored."""
        return self._run(self._cache.set(key, value, ttl, tags=tags))

    def delete(self, key: str) -> bool:
        """Remove a key and say whether it was there."""
        return self._run(self._cache.delete(key))

    def exists(self, key: str) -> bool:
        """Whether a value is cached under the key."""
        return self._run(self._cache.exists(key))

    def get_many(self, keys: Iterable[str], *, as_type: Any = None) -> dict[str, Any]:
        """The values of those keys that are cached."""
        return self._run(self._cache.get_many(keys, as_type=as_type))

    def set_many(
        self, mapping: Mapping[str, Any], ttl: Ttl | None = None, *, tags: Iterable[str] = ()
    ) -> bool:
        """Store several values; whether all were stored."""
        return self._run(self._cache.set_many(mapping, ttl, tags=tags))

    def delete_many(self, keys: Iterable[str]) -> int:
        """Remove several keys and count those that were there."""
        return self._run(self._cache.delete_many(keys))

    def get_or_set(self, key: str, factory: Callable[[], Any], ttl: Ttl | None = None) -> Any:
        """The value of a key, made by a plain function where nothing is cached."""
        from askonce.backends import interface

        value = self.get(key, MISS)
        return value if value is not MISS else interface.get_or_set_blocking(self._cache, key, factory, ttl)

    def get_ttl(self, key: str) -> float | None:
        """Seconds that a key still has to live, ``FOREVER``, or ``None``."""
        return self._run(self._cache.get_ttl(key))

    def touch(self, key: str, ttl: Ttl | None = None) -> bool:
        """Let a value live ``ttl`` from now; whether there was one."""
        return self._run(self._cache.touch(key, ttl))

    def invalidate_by_operation(self, operation: str) -> None:
        """Make every answer of decorated functions with this operation count no more."""
        self._run(self._cache.invalidate_by_operation(operation))

    def invalidate_tags(self, *tags: str) -> None:
        """Make every entry that bears one of these tags count no more."""
        self._run(self._cache.invalidate_tags(*tags))

    def clear(self) -> None:
        """Remove everything."""
        self._run(self._cache.clear())

    def connect(self) -> None:
        """Make ready for use."""
        self._run(self._cache.connect())

    def disconnect(self) -> None:
        """Let go of connections."""
        self._run(self._cache.disconnect())

    def get_stats(self) -> dict[str, Any]:
        """The figures of the cache."""
        return self._cache.get_stats()

    def __enter__(self) -> Self:
        self.connect()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.disconnect()

    def _run(self, call: Coroutine[Any, Any, T]) -> T:
        return run_blocking(call) if self._cache.suspends else step(call)


def step(call: Coroutine[Any, Any, T]) -> T:
    """The answer of a coroutine that never waits, without an event loop."""
    try:
        call.send(None)
    except StopIteration as done:
        answer: T = done.value
        return answer
    call.close()
    raise RuntimeError("a cache that waits must not say suspends = False; remove it from the class")


def run_blocking(call: Coroutine[Any, Any, T]) -> T:
    """The answer of a coroutine, run on the private event loop of this process."""
    return _runner().run(call)


class _Runner:
    """An event loop in a thread of its own, which ends with the process."""

    def __init__(self) -> None:
        self.pid: Final = os.getpid()
        self._loop: Final = asyncio.new_event_loop()
        self._thread: Final = threading.Thread(
            target=self._loop.run_forever, name="askonce-sync", daemon=True
        )
        self._thread.start()

    def run(self, call: Coroutine[Any, Any, T]) -> T:
        if threading.current_thread() is self._thread:
            call.close()
            raise RuntimeError(
                "cache.sync would wait for the thread that it runs on; in a coroutine await the cache itself"
            )
        future = asyncio.run_coroutine_threadsafe(call, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()  # of use if the waiting was interrupted
            raise


_starting = threading.Lock()
_running: _Runner | None = None


def _runner() -> _Runner:
    """The runner of this process: a fork has the parent's object but not its thread."""
    global _running  # noqa: PLW0603
    with _starting:
        if _running is None or _running.pid != os.getpid():
            _running = _Runner()
        return _running


def _after_fork() -> None:
    global _starting  # noqa: PLW0603
    _starting = threading.Lock()  # another thread of the parent may have held it


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
