"""Every contender in its fastest documented configuration, with a limit and, where it has one, a TTL.

Strings need no copy, so cachebox is spared its own (``postprocess=None``); moka-py is faster with ``lru``
than with its default policy; cashews is spared its sweep of all keys every second. Nobody gets a key
function written by hand, except where the name says so: the others, and askonce, derive it.
"""

import functools
import threading
from collections.abc import Callable
from typing import Any, TypeAlias

import aiocache
import async_lru
import cachebox
import cachetools
import cashews
import moka_py
from dogpile.cache import make_region
from dogpile.cache.util import kwarg_function_key_generator

from askonce import InMemoryCache, cached
from benchmarks.questions import ROOM, TTL, Counted, answer

Decorator: TypeAlias = Callable[[Any], Any]

BY_HAND = "cachebox, key by hand"
SLOW = frozenset({"aiocache", "cashews"})


def memory(room: int = ROOM) -> InMemoryCache:
    """Make askonce's cache, with TTL, limit and statistics on."""
    return InMemoryCache(default_ttl=TTL, max_size=room)


def ours() -> Decorator:
    return cached(ttl=TTL, cache=memory())


def of_cachebox(**options: Any) -> Decorator:
    return cachebox.cached(cachebox.TTLCache(ROOM, TTL), postprocess=None, **options)


def of_moka(**options: Any) -> Decorator:
    return moka_py.cached(maxsize=ROOM, ttl=TTL, policy="lru", **options)


def of_cashews() -> Decorator:
    cache = cashews.Cache()
    cache.setup("mem://", size=ROOM, check_interval=0)
    return cache(ttl=TTL)


def of_dogpile() -> Decorator:
    region = make_region(function_key_generator=kwarg_function_key_generator)
    region.configure("dogpile.cache.memory", expiration_time=TTL)
    return region.cache_on_arguments()


def for_tasks() -> dict[str, Decorator]:
    """Decorators of coroutine functions that keep a TTL."""
    return {
        "askonce": ours(),
        "cachebox": of_cachebox(),
        "moka-py": of_moka(),
        "async-lru": async_lru.alru_cache(maxsize=ROOM, ttl=TTL),
    }


def for_tasks_aside() -> dict[str, Decorator]:
    """Decorators of coroutine functions that are shown for information."""
    return {
        BY_HAND: of_cachebox(key_maker=lambda text, limit=200: (text, limit)),
        "aiocache": aiocache.cached(ttl=TTL),
        "cashews": of_cashews(),
    }


def for_threads(*, locked: bool = False) -> dict[str, Decorator]:
    """Decorators of plain functions; ``locked`` gives cachetools the lock that it needs under threads."""
    store: Any = cachetools.TTLCache(ROOM, TTL)
    return {
        "askonce": ours(),
        "lru_cache": functools.lru_cache(ROOM),
        "cachebox": of_cachebox(),
        "moka-py": of_moka(),
        "cachetools": cachetools.cached(store, lock=threading.Lock() if locked else None),
        "dogpile": of_dogpile(),
    }


def with_method(decorate: Decorator) -> Counted:
    """An object with a decorated method; peers key it by identity, askonce by ``__cache_key__``."""
    made = Counted()

    class Desk:
        def __init__(self) -> None:
            self.cache = cachebox.TTLCache(ROOM, TTL)

        def __cache_key__(self) -> str:
            return "desk 7"

        @decorate
        async def ask(self, text: str, limit: int = 200) -> str:
            made.calls.append(text)
            return answer(text, limit)

    made.ask = Desk()
    return made


def for_methods() -> dict[str, Decorator]:
    """Decorators of methods that keep a TTL."""
    return {
        "askonce": ours(),
        "askonce, ignore self": cached(ttl=TTL, cache=memory(), ignore={"self"}),
        "cachebox": of_cachebox(),
        "cachebox, one for each": cachebox.cached(lambda self: self.cache, postprocess=None),
        "moka-py": of_moka(),
        "async-lru": async_lru.alru_cache(maxsize=ROOM, ttl=TTL),
    }
