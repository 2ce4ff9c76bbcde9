"""A plain ``CacheInterface`` in the engine's hands.

Such a backend has no memory that could be looked at without awaiting, so every look is a read, and what
is kept is kept by the backend alone. Fences are those of this process: an invalidation by a verb of a
decorated function undoes a fill that is under way here, one made by hand on the backend itself, or in
another process, does not.
"""

import asyncio
import math
import random
import threading
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, cast

from askonce._types import MISS, Clock, CopiedEntry, Entry, Meta, Ttl, Windows
from askonce.backends.engine import Answer, EngineStore, Fence, Found, HitSource, Names, Sight, Written
from askonce.backends.fences import Fences
from askonce.backends.interface import CacheInterface
from askonce.codec.shapes import Shape
from askonce.flight import Flights
from askonce.freshness import Draw
from askonce.isolation import isolated
from askonce.ttl import parse_ttl


def engine_store_of(cache: CacheInterface) -> EngineStore:
    """A backend as the engine sees it: the backend's own view, or an adapter around it."""
    own: Callable[[], EngineStore] | None = getattr(cache, "engine_store", None)
    if own is not None:
        return own()
    with _lock:
        adapter = _adapters.get(id(cache))
        if adapter is None:
            adapter = _adapters[id(cache)] = PlainStore(cache)
            weakref.finalize(cache, _adapters.pop, id(cache), None)
        return cast("EngineStore", adapter)


_lock = threading.RLock()
_adapters: dict[int, "PlainStore"] = {}  # by identity: two caches that are equal are still two


class PlainStore:
    """An ``EngineStore`` without a memory of its own."""

    def __init__(self, cache: CacheInterface) -> None:
        self.clock: Clock = time.monotonic
        self.draw: Draw = random.random
        self.default_ttl: float = parse_ttl(getattr(cache, "default_ttl", 3600.0), "default_ttl of the cache")
        self.enabled = True
        self.keeps_windows = False
        ttls: Mapping[str, Ttl] = getattr(cache, "operation_ttls", None) or {}
        self.operation_ttls: Mapping[str, float] = {
            name: parse_ttl(ttl, f"operation_ttls[{name!r}] of the cache") for name, ttl in ttls.items()
        }
        self.flights = Flights(self)
        self.names = Names()
        self.remote = PlainTier(weakref.ref(cache))
        self.quick = None
        self._fences = Fences()

    def hold(self) -> None:
        """Let nobody write until ``release``."""
        _lock.acquire()

    def release(self, *, child: bool) -> None:
        """Let writers in again; in a forked child, forget the fills of the parent."""
        if child:
            self._fences.forget_all()
            self.remote.forget_all()
        _lock.release()

    def look(self, key: str) -> Entry | None:
        """Nothing: the backend has to be asked."""
        return None

    def held(self, key: str) -> Entry | None:
        """Nothing, as ``look``."""
        return None

    def rest(self, entry: Entry, retry: float) -> None:
        """Nothing: a plain backend keeps no entry past its time."""

    def open_fence(self, key: str, tags: tuple[str, ...] = ()) -> Fence:
        """Begin a fill."""
        fence = Fence(key, tags, 0)
        with _lock:
            self._fences.open(fence)
        return fence

    def close_fence(self, fence: Fence) -> None:
        """Forget a fence."""
        with _lock:
            self._fences.close(fence)

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
        """An entry that is kept nowhere, if the fence held; the tier's ``write`` does the storing."""
        if fence.broken:
            return None
        now = self.clock()
        meta = Meta(tags, born=now - age)
        if copy is None:
            return Entry(fence.key, value, ttl, now, meta)
        return CopiedEntry(fence.key, value, ttl, now, meta, copy=copy)

    def take_back(self, entry: Entry) -> None:
        """Nothing: it was kept nowhere."""

    def drop(self, key: str) -> bool:
        """Break the fences of a key; the tier's ``remove`` does the rest."""
        self.break_fences(key)
        return False

    def break_fences(self, key: str) -> None:
        """Let no fill of this key that is under way be stored."""
        with _lock:
            self._fences.break_key(key)

    def drop_tags(self, tags: tuple[str, ...]) -> None:
        """Break the fences with these tags; the tier's ``invalidate_tags`` does the rest."""
        with _lock:
            self._fences.break_tags(frozenset(tags))

    def admit(self, entry: Entry, index: dict[tuple[Any, ...], Entry], index_key: tuple[Any, ...]) -> None:
        """Nothing: no entry of a plain backend is known to live."""

    def sight(self, key: str) -> Sight:
        """All that can be said without asking the backend."""
        return Sight(None, None, None, (), "not in memory: this backend has to be asked")

    def count(self, source: HitSource) -> None:
        """Nothing: a plain backend keeps its own statistics."""


class PlainTier:
    """The backend itself, for tasks and for threads."""

    reachable: Final = True

    def __init__(self, cache: "weakref.ref[CacheInterface]") -> None:
        self._ref = cache
        self._writes: dict[str, list[Fence]] = {}
        self._undoing: set[asyncio.Task[None]] = set()

    @property
    def _cache(self) -> CacheInterface:
        cache = self._ref()
        if cache is None:
            raise ReferenceError("the cache is gone")
        return cache

    async def read(self, fence: Fence, shape: Shape) -> Found | None:
        """What is stored under the fence's key."""
        if self._is_being_undone(fence.key):
            return None
        value = await self._cache.get(fence.key, MISS)
        return None if value is MISS else _found(value, await self._cache.get_ttl(fence.key), fence)

    async def read_many(self, fences: Sequence[Fence], shape: Shape) -> list[Found | None]:
        """``read`` for several keys, one after the other."""
        return [await self.read(fence, shape) for fence in fences]

    async def observe(self, fences: Sequence[Fence]) -> None:
        """Nothing: a plain backend stores whatever was there."""

    async def write(self, fence: Fence, answer: Answer) -> Written:
        """Store the value, and take it away again if the fence broke meanwhile."""
        if fence.broken:
            return Written.OVERTAKEN
        self._begin(fence)
        try:
            is_set = await self._cache.set(fence.key, answer.value, answer.ttl, tags=answer.tags)
        finally:  # a write that was cancelled may have arrived
            if fence.broken:
                await asyncio.shield(self._undone(fence))
            else:
                self._end(fence)
        return _written(fence, is_set)

    async def write_many(self, answers: Sequence[tuple[Fence, Answer]]) -> list[Written]:
        """``write`` for several keys, one after the other."""
        return [await self.write(fence, answer) for fence, answer in answers]

    async def sight(self, key: str) -> Sight:
        """As what a key would be served."""
        if await self._cache.get(key, MISS) is MISS:
            return _NOT_THERE
        return Sight("backend", None, await self._cache.get_ttl(key), (), None, "fresh")

    async def lease(self, fence: Fence, shape: Shape, *, wait: bool) -> None:
        """None: there is nobody to ask."""

    def owe(self, key: str) -> None:
        """Nothing: a plain backend is always told."""

    async def remove(self, key: str) -> bool:
        """Drop the key."""
        return await self._cache.delete(key)

    async def invalidate_tags(self, tags: tuple[str, ...]) -> None:
        """Make every entry with one of these tags count no more."""
        await self._cache.invalidate_tags(*tags)

    def read_blocking(self, fence: Fence, shape: Shape) -> Found | None:
        """``read`` for threads."""
        if self._is_being_undone(fence.key):
            return None
        cache = self._cache.sync
        value = cache.get(fence.key, MISS)
        return None if value is MISS else _found(value, cache.get_ttl(fence.key), fence)

    def read_many_blocking(self, fences: Sequence[Fence], shape: Shape) -> list[Found | None]:
        """``read_many`` for threads."""
        return [self.read_blocking(fence, shape) for fence in fences]

    def observe_blocking(self, fences: Sequence[Fence]) -> None:
        """``observe`` for threads."""

    def write_blocking(self, fence: Fence, answer: Answer) -> Written:
        """``write`` for threads."""
        if fence.broken:
            return Written.OVERTAKEN
        self._begin(fence)
        is_set = False
        try:
            is_set = self._cache.sync.set(fence.key, answer.value, answer.ttl, tags=answer.tags)
        finally:  # a set that failed may have arrived all the same
            try:
                if fence.broken:
                    self._cache.sync.delete(fence.key)
            finally:
                self._end(fence)
        return _written(fence, is_set)

    def write_many_blocking(self, answers: Sequence[tuple[Fence, Answer]]) -> list[Written]:
        """``write_many`` for threads."""
        return [self.write_blocking(fence, answer) for fence, answer in answers]

    def sight_blocking(self, key: str) -> Sight:
        """``sight`` for threads."""
        cache = self._cache.sync
        if cache.get(key, MISS) is MISS:
            return _NOT_THERE
        return Sight("backend", None, cache.get_ttl(key), (), None, "fresh")

    def lease_blocking(self, fence: Fence, shape: Shape, *, wait: bool) -> None:
        """``lease`` for threads."""

    def remove_blocking(self, key: str) -> bool:
        """``remove`` for threads."""
        return self._cache.sync.delete(key)

    def invalidate_tags_blocking(self, tags: tuple[str, ...]) -> None:
        """``invalidate_tags`` for threads."""
        self._cache.sync.invalidate_tags(*tags)

    def forget_all(self) -> None:
        """Forget the writes that were under way."""
        self._writes.clear()

    def _undone(self, fence: Fence) -> "asyncio.Task[None]":
        """Take a value away again in a task of its own: the writer may be cancelled meanwhile."""

        async def undo() -> None:
            await self._cache.delete(fence.key)

        def end(task: "asyncio.Task[None]") -> None:
            self._undoing.discard(task)
            self._end(fence)

        task = asyncio.create_task(undo())
        self._undoing.add(task)
        task.add_done_callback(end)
        return task

    def _begin(self, fence: Fence) -> None:
        with _lock:
            self._writes.setdefault(fence.key, []).append(fence)

    def _end(self, fence: Fence) -> None:
        with _lock:
            writes = self._writes.get(fence.key, [])
            if fence in writes:
                writes.remove(fence)
            if not writes:
                self._writes.pop(fence.key, None)

    def _is_being_undone(self, key: str) -> bool:
        """Whether a write that was invalidated on its way may stand in the backend at the moment."""
        with _lock:
            return any(fence.broken for fence in self._writes.get(key, ()))


_NOT_THERE: Final = Sight(None, None, None, (), "neither in memory nor in the backend behind it")


def _found(value: Any, ttl: float | None, fence: Fence) -> Found:
    """What a plain backend has: nobody knows its age, and it may have the object itself."""
    return Found(isolated(value)[0], ttl or 0.0, math.inf, fence.tags)


def _written(fence: Fence, is_set: bool) -> Written:
    if fence.broken:
        return Written.OVERTAKEN
    return Written.STORED if is_set else Written.FAILED
