"""The cache used by hand."""

import asyncio
from collections.abc import Callable
from time import perf_counter
from typing import Any

import aiocache
import cashews
from cashews.backends.memory import Memory

from benchmarks.measure import Effort, Trial, own, race
from benchmarks.peers import memory
from benchmarks.questions import ROOM, TTL, answer, renew
from benchmarks.report import Result, row


async def in_turn(get: Callable[[str], Any], keys: list[str]) -> float:
    start = perf_counter()
    for key in keys:
        await get(key)
    return perf_counter() - start


async def filled(name: str, cache: Any, keys: list[str]) -> Callable[[str], Any]:
    """Store an answer for each key, and see that it is found under an equal key."""
    term = {"ttl": TTL} if name in {"askonce", "aiocache"} else {"expire": TTL}
    for key in keys:
        await cache.set(key, answer(key, 1), **term)
    if [await cache.get(key) for key in renew(keys)] != [answer(key, 1) for key in keys]:
        raise AssertionError(f"{name} does not find what it was given")
    return cache.get  # type: ignore[no-any-return]


def contenders() -> dict[str, Any]:
    whole = cashews.Cache()
    whole.setup("mem://", size=ROOM, check_interval=0)
    return {
        "askonce": memory(),
        "cashews": whole,
        "cashews, backend alone": Memory(size=ROOM, check_interval=0),
        "aiocache": aiocache.SimpleMemoryCache(),
    }


def turns(get: Callable[[str], Any], loop: asyncio.Runner, keys: list[str]) -> Trial:
    """Look up every key once, each a new object."""
    drive = own(in_turn)
    return lambda: loop.run(drive(get, renew(keys))) / len(keys) * 1e9


@row("get")
def get(effort: Effort) -> Result:
    """A look-up by hand."""
    result = Result("get", "await cache.get(key), 1,000 keys in turn, equal but new objects")
    keys = [f"user:{number}:profile" for number in range(1000)]
    with asyncio.Runner() as loop:
        found = {name: loop.run(filled(name, cache, keys)) for name, cache in contenders().items()}
        times = race({name: turns(it, loop, keys) for name, it in found.items()}, effort)
    result.take(times)
    result.aside = ["cashews, backend alone"]
    result.rate(times, "cashews", 10)
    result.rate(times, "aiocache", 20)
    return result
