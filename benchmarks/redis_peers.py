"""The contenders over one Redis, each in its fastest honest configuration and with room for 64 callers.

redis-py also comes with its defaults. Values are texts: aiocache is spared JSON (``StringSerializer``),
cashews the signing, and both get as many connections as there are callers and no deadlines. Nobody may keep
copies in memory, which for askonce means a memory of ten entries beside thousands of keys.
"""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import aiocache
import cashews
import redis.asyncio as redis
from aiocache.serializers import StringSerializer
from dogpile.cache import make_region
from redis.backoff import NoBackoff
from redis.retry import Retry

from askonce import GenericRedisCache
from benchmarks.questions import TTL

CALLERS = 64
FEW = 10
"""Entries of askonce's memory: too few to help."""

DEFAULTS = "redis-py, defaults"
TUNED = "redis-py, tuned"
PEERS = ["cashews", "aiocache"]


@dataclass
class Contender:
    """One cache in Redis.

    Attributes:
        get, set: by hand; awaited, but for ``threaded``.
        threaded: whether it blocks, so that its callers are threads.
        encode: what it answers for a text.
        close: lets go of its connections.
        decorator: for functions, where it has one.
    """

    get: Callable[[str], Any]
    set: Callable[[str, str], Any]
    threaded: bool = False
    encode: Callable[[str], Any] = str
    close: Callable[[], Any] = lambda: None
    decorator: Any = field(default=None)


def of_redis(url: str, **options: Any) -> Contender:
    """redis-py's own commands, through its pool."""
    client = redis.Redis.from_pool(redis.ConnectionPool.from_url(url, **options))

    async def put(key: str, value: str) -> Any:
        return await client.set(key, value, ex=TTL)

    return Contender(client.get, put, encode=str.encode, close=client.aclose)


def tuned(url: str) -> Contender:
    """Without deadlines, which cost it a timer for each command, and without tries."""
    calm = {"socket_timeout": None, "socket_connect_timeout": None, "retry": Retry(NoBackoff(), 0)}
    return of_redis(url, max_connections=CALLERS, **calm)


def ours(url: str, room: int = FEW, **options: Any) -> tuple[GenericRedisCache, Contender]:
    """askonce's, with default settings beside those that are given."""
    cache = GenericRedisCache(url, TTL, room, **options)
    return cache, Contender(cache.get, cache.set, close=cache.disconnect)


def of_cashews(url: str) -> Contender:
    cache = cashews.Cache()
    pool = {"connection_pool_class": redis.ConnectionPool, "socket_timeout": None}
    cache.setup(url, client_side=False, max_connections=CALLERS, health_check_interval=0, **pool)

    async def put(key: str, value: str) -> Any:
        return await cache.set(key, value, expire=TTL)

    return Contender(cache.get, put, close=cache.close, decorator=cache(ttl=TTL))


def of_aiocache(port: int) -> Contender:
    pool = {"connection_pool_kwargs": {"socket_timeout": None}, "pool_max_size": CALLERS}
    options: dict[str, Any] = {"endpoint": "127.0.0.1", "port": port, "serializer": StringSerializer()}
    cache = aiocache.RedisCache(**options, **pool, timeout=None)

    async def put(key: str, value: str) -> Any:
        return await cache.set(key, value, ttl=TTL)

    decorator = aiocache.cached(TTL, cache=aiocache.RedisCache, **options, **pool, timeout=None)
    return Contender(cache.get, put, close=cache.client.aclose, decorator=decorator)


def of_dogpile(port: int) -> Contender:
    region = make_region().configure(
        "dogpile.cache.redis",
        expiration_time=TTL,
        arguments={"host": "127.0.0.1", "port": port, "thread_local_lock": False},
    )
    return Contender(region.get, region.set, threaded=True)


def peers(server: Any) -> dict[str, Contender]:
    """All but askonce, by name."""
    return {
        DEFAULTS: of_redis(server.url),
        TUNED: tuned(server.url),
        "cashews": of_cashews(server.url),
        "aiocache": of_aiocache(server.port),
        "dogpile, threads": of_dogpile(server.port),
    }


def close_all(contenders: dict[str, Contender], loop: asyncio.Runner) -> None:
    """Let go of all connections."""

    async def settle(outcome: Awaitable[Any]) -> None:
        await outcome

    for contender in contenders.values():
        outcome = contender.close()
        if inspect.isawaitable(outcome):
            loop.run(settle(outcome))
