"""The cache that processes share through Redis or Valkey, with a memory in front of it."""

import asyncio
import time
import weakref
from collections.abc import Coroutine, Iterable, Mapping
from typing import Any, Final, Literal, TypeVar

from askonce._types import MISS, Clock, Ttl
from askonce.backends.checks import checked_bound, checked_key, checked_tags, checked_ttl
from askonce.backends.engine import Answer, Fence, Found, Written
from askonce.backends.interface import CacheInterface
from askonce.backends.rebuild import rebuilt
from askonce.backends.redis.address import parse_address
from askonce.backends.redis.closing import settled
from askonce.backends.redis.copies import Copies
from askonce.backends.redis.haste import Haste
from askonce.backends.redis.link import checked
from askonce.backends.redis.settings import Settings, waiting_time
from askonce.backends.redis.state import State
from askonce.backends.redis.tier import Asked, RedisTier
from askonce.backends.sync import SyncCache, step
from askonce.codec.encryption import Cipher
from askonce.codec.frame import Framing
from askonce.codec.shapes import NO_SHAPE, Shape
from askonce.exceptions import BackendError, ConfigurationError
from askonce.isolation import isolated
from askonce.security import SecurityConfig
from askonce.ttl import parse_age, parse_ttl

T = TypeVar("T")


class GenericRedisCache(CacheInterface):
    """A cache in Redis 6.2 or newer or Valkey that processes share, with a small memory in front.

    A copy in memory is dropped when its key changes in any process. When Redis is away the cache goes on in
    memory, and tells Redis what it missed once it is back.

    Args:
        redis_url: ``redis://``, ``rediss://``, ``unix://``, ``redis+cluster://a:1,b:2`` or
            ``redis+sentinel://a:1,b:2/name``.
        default_ttl: the life of an entry that is stored without a ttl.
        memory_cache_size: how many copies are held in memory.
        compression_threshold: bytes beyond which a value is compressed.
        compression_level: of brotli, 0 to 11.
        security_config: TLS, login, encryption.
        namespace: begins every key, so that several caches can share a server.
        max_value_bytes: the most that one value may take, stored or inflated.
        l1_ttl: how long a copy may live in memory; for as long as the entry itself where left out.
        memory_cache_bytes: how many bytes the copies may take.
        eviction: which copy leaves a full memory.
        operation_ttls: the ttl of each operation that decorated functions name.
        timeout: seconds within which Redis has to answer.
        heartbeat: seconds between two looks whether it still does.
        tombstone_ttl: how long an invalidation is remembered in Redis: longer than any computation takes.
        lease_ttl: how long ``single_flight="cluster"`` waits for a process that died.
        recovery_queue_size: how many invalidations are kept for a Redis that is away; beyond that nothing
            that it holds counts any more.
        feed: how changes in other processes are heard of: ``"tracking"`` (from the servers; the default but
            for clusters) or ``"pubsub"`` (from those processes).
        raise_errors: whether methods called by hand raise ``BackendError`` when Redis fails. Decorated
            functions never do.
        drain: seconds that ``disconnect`` waits for work in the background.
        clock: monotonic seconds, for the memory.

    Raises:
        ConfigurationError: for a value that cannot work.
    """

    def __init__(
        self,
        redis_url: str = "redis://localhost:6379",
        default_ttl: Ttl = 3600,
        memory_cache_size: int = 100,
        compression_threshold: int = 1024,
        compression_level: int = 4,
        security_config: SecurityConfig | None = None,
        *,
        namespace: str = "askonce",
        max_value_bytes: int = 16 << 20,
        l1_ttl: Ttl | None = None,
        memory_cache_bytes: int | None = None,
        eviction: Literal["lru", "s3fifo"] = "lru",
        operation_ttls: Mapping[str, Ttl] | None = None,
        timeout: Ttl = 0.5,
        heartbeat: Ttl = 1.0,
        tombstone_ttl: Ttl = 600,
        lease_ttl: Ttl = 3.0,
        recovery_queue_size: int = 10_000,
        feed: Literal["tracking", "pubsub"] | None = None,
        raise_errors: bool = False,
        drain: Ttl = 5.0,
        clock: Clock = time.monotonic,
    ) -> None:
        settings = Settings(
            namespace=namespace,
            timeout=waiting_time(timeout, "timeout"),
            heartbeat=waiting_time(heartbeat, "heartbeat"),
            tombstone_ttl=waiting_time(tombstone_ttl, "tombstone_ttl"),
            lease_ttl=waiting_time(lease_ttl, "lease_ttl"),
            max_value_bytes=max_value_bytes,
            queue_size=recovery_queue_size,
            feed=feed,
        )
        framing = Framing(
            max_value_bytes=max_value_bytes,
            threshold=compression_threshold,
            level=compression_level,
            cipher=_cipher(security_config),
        )
        copies = Copies(
            default_ttl,
            checked_bound(memory_cache_size, "memory_cache_size"),
            None if memory_cache_bytes is None else checked_bound(memory_cache_bytes, "memory_cache_bytes"),
            eviction,
            operation_ttls=operation_ttls,
            clock=clock,
        )
        copies.longest = None if l1_ttl is None else parse_ttl(l1_ttl, "l1_ttl")
        address = parse_address(redis_url, security_config)
        self._copies: Final = copies
        self._tier: Final = RedisTier(State(settings, framing, copies), address, security_config)
        copies.remote = self._tier
        copies.quick = Haste(self._tier, copies)
        self._raises: Final = raise_errors
        self._drain: Final = parse_age(drain, "drain")
        self._found_there = 0  # by hand, in Redis
        weakref.finalize(self, self._tier.abandon).atexit = False

    def __repr__(self) -> str:
        return f"GenericRedisCache({self._tier.address.shown!r})"

    def engine_store(self) -> Copies:
        """The memory, as the engine sees it, with Redis behind it."""
        return self._copies

    @property
    def default_ttl(self) -> float:
        """The life of an entry that is stored without a ttl, in seconds."""
        return self._copies.default_ttl

    @property
    def enabled(self) -> bool:
        """Whether anything is stored at all."""
        return self._copies.enabled

    @enabled.setter
    def enabled(self, value: bool) -> None:
        self._copies.enabled = value

    async def get(self, key: str, default: Any = None, *, as_type: Any = None) -> Any:
        """The value of a key, from memory or else from Redis; ``default`` where Redis does not answer."""
        copies = self._copies
        place = key
        if as_type is not None or not copies.lacks(key):
            value = await copies.get(key, MISS, as_type)
            if value is not MISS:
                return value
            place = checked_key(key)
        if not copies.enabled:
            return default
        if not self._tier.reachable:
            return self._away(default)
        try:
            return await self._read(place, default, as_type)
        except BackendError as error:
            return self._failed("get", error, default)

    async def _read(self, place: str, default: Any, as_type: Any) -> Any:
        """Ask Redis; memory keeps a copy, unless the key changes meanwhile."""
        copies, tier = self._copies, self._tier
        asked = tier.question(place)
        if asked is None:
            await tier.client()  # coming into contact drops all copies, so that nothing is read before
        token: object = object() if asked is None else asked[1].answer
        copies.begin_reading(place, token)
        try:
            found = await self._found(place, asked, as_type)
            if found is None or found.ttl <= 0:
                return default
            if found.keeps:
                copies.keep(place, token, found)
        finally:
            copies.end_reading(place, token)
        value = found.value if as_type is None else rebuilt(found.value, as_type)
        if value is MISS:
            return default
        self._found_there += 1
        return value

    async def _found(self, place: str, asked: Asked | None, as_type: Any) -> Found | None:
        shape = NO_SHAPE if as_type is None else Shape.of(as_type)
        if asked is None:
            return await self._tier.fetch(Fence(place, (), 0), shape)
        client, question = asked
        data = await question.answer
        found = self._tier.plain(client, question, data, (), NO_SHAPE) if as_type is None else None
        return found or await self._tier.judge(client, Fence(place, (), 0), question, checked(data), shape)

    async def set(self, key: str, value: Any, ttl: Ttl | None = None, *, tags: Iterable[str] = ()) -> bool:
        """Store a value for all processes; ``False`` where Redis did not take it, and memory alone has it."""
        place = checked_key(key)
        seconds = checked_ttl(ttl, self.default_ttl)
        names = checked_tags(tags) if tags else ()
        copies, tier = self._copies, self._tier
        if not copies.enabled:
            return False
        kept, copy = isolated(value)
        copies.drop(place)
        fence = copies.open_fence(place, names)
        is_kept = False
        try:
            written = Written.FAILED
            try:
                fence.looking = True
                written = await tier.store(fence, Answer(kept, seconds, names, shape=None, replaces=True))
            except BackendError as error:
                tier.owe(place)
                self._failed("set", error, None)
            finally:
                if fence.looking:
                    copies.looked(fence)
            if written is not Written.OVERTAKEN and not fence.dirty:
                copies.outrun(fence)
                is_kept = copies.fill(fence, kept, seconds, names, copy) is not None
            return written is not Written.FAILED  # what overtook it came later: so it was there for a moment
        finally:
            copies.close_fence(fence)
            if not is_kept:  # what was read from Redis before it was replaced there
                copies.drop_copies([place])

    async def delete(self, key: str) -> bool:
        """Remove a key everywhere; whether it was there, ``False`` where Redis could not be told yet."""
        place = checked_key(key)
        was_there = self._copies.drop(place)
        try:
            buried = await self._tier.bury(place)
        except BackendError as error:
            self._tier.owe(place)
            return self._failed("delete", error, default=False)
        else:
            return buried or was_there
        finally:
            self._copies.drop(place)  # what was read from Redis before it was gone from there

    async def get_ttl(self, key: str) -> float | None:
        """Seconds that a key still has to live, ``FOREVER``, or ``None``."""
        left = await self._copies.get_ttl(key)
        if not self._copies.enabled or (left is not None and self._copies.longest is None):
            return left
        place = checked_key(key)
        fence = self._copies.open_fence(place)
        try:
            sight = await self._tier.looked_at(fence)
        except BackendError as error:
            return self._failed("get_ttl", error, left)
        finally:
            self._copies.close_fence(fence)
        return sight.remaining if sight.state == "fresh" else None

    async def touch(self, key: str, ttl: Ttl | None = None) -> bool:
        """Let the fresh value of a key live ``ttl`` from now, tags and all; whether there was one."""
        place = checked_key(key)
        seconds = checked_ttl(ttl, self.default_ttl)
        copies = self._copies
        fence = copies.open_fence(place)
        memory_alone = False
        try:
            if await self._tier.touch(fence, seconds):
                return True
            memory_alone = True
        except BackendError as error:
            memory_alone = self._failed("touch", error, default=True)
        finally:
            copies.close_fence(fence)
            if not memory_alone:
                copies.drop_copies([place])
        return await copies.touch(place, seconds)

    async def get_many(self, keys: Iterable[str], *, as_type: Any = None) -> dict[str, Any]:
        """The values of those keys that are cached, in the order of the keys, with one question to Redis."""
        names = list(dict.fromkeys(keys))
        values = await _together([self.get(key, MISS, as_type=as_type) for key in names])
        return {key: value for key, value in zip(names, values, strict=True) if value is not MISS}

    async def set_many(
        self, mapping: Mapping[str, Any], ttl: Ttl | None = None, *, tags: Iterable[str] = ()
    ) -> bool:
        """Store several values with one ttl and the same tags; whether all were stored."""
        names = checked_tags(tags)
        return all(await _together([self.set(key, value, ttl, tags=names) for key, value in mapping.items()]))

    async def delete_many(self, keys: Iterable[str]) -> int:
        """Remove several keys and count those that were there."""
        return sum(await _together([self.delete(key) for key in dict.fromkeys(keys)]))

    async def invalidate_tags(self, *tags: str) -> None:
        """Make every entry that bears one of these tags count no more, in every process."""
        names = checked_tags(tags)
        if not names:
            return
        self._copies.drop_tags(names)
        try:
            await self._tier.revoke(names)
        except BackendError as error:
            self._tier.state.ledger.owe_tags(names)
            self._failed("invalidate_tags", error, None)
        finally:
            self._copies.drop_tags(names)

    async def clear(self) -> None:
        """Make all of this namespace count no more, in every process; it leaves Redis as it expires."""
        await self._copies.clear()
        try:
            await self._tier.renew_generation()
        except BackendError as error:
            self._tier.state.ledger.owe_everything()
            self._failed("clear", error, None)
        finally:
            await self._copies.clear()

    async def connect(self) -> None:
        """Connect now; not needed, and no error where there is no server: the cache then begins in memory."""
        try:
            await self._tier.client()
        except BackendError as error:
            self._failed("connect", error, None)

    async def disconnect(self) -> None:
        """Let work in the background end within ``drain`` seconds, cancel the rest, and close connections."""
        await settled(self._copies.flights, self._drain)
        await self._tier.disconnect()

    def get_stats(self) -> dict[str, Any]:
        """Figures since the cache was made, those of decorated functions included."""
        stats = self._copies.get_stats()
        stats["hits"] += self._found_there
        stats["misses"] -= self._found_there
        lookups = stats["hits"] + stats["misses"]
        stats["hit_ratio"] = stats["hits"] / lookups if lookups else 0.0
        stats["redis"] = self._tier.figures()
        return stats

    @property
    def sync(self) -> SyncCache:
        """The same cache for code without an event loop; memory answers in the caller's thread."""
        return _TieredSync(self)

    def _away(self, default: T) -> T:
        if self._raises:
            raise BackendError("Redis cannot be reached at the moment")
        self._tier.state.counts.failures += 1
        return default

    def _failed(self, what: str, error: BackendError, default: T) -> T:
        """Count a failure and go on without Redis, or raise it where the caller wants to know."""
        self._tier.state.failed(what, error)
        if self._raises:
            raise error
        return default


class _TieredSync(SyncCache):
    """``cache.sync``: memory is looked at where the caller is, Redis asked from the private event loop."""

    __slots__ = ()

    def get(self, key: str, default: Any = None, *, as_type: Any = None) -> Any:
        """The value of a key, or ``default``."""
        cache = self._cache
        assert isinstance(cache, GenericRedisCache)
        copies = cache.engine_store()
        if copies.look(checked_key(key)) is not None:
            value = step(copies.get(key, MISS, as_type))
            if value is not MISS:
                return value
        return super().get(key, default, as_type=as_type)


def _cipher(security: SecurityConfig | None) -> Cipher | None:
    if security is not None and not isinstance(security, SecurityConfig):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ConfigurationError(f"security_config is a SecurityConfig(...), not {type(security).__name__}")
    keys = {} if security is None else security.keys()
    return Cipher(keys) if keys else None


async def _together(calls: list[Coroutine[Any, Any, T]]) -> list[T]:
    return await asyncio.gather(*calls)
