"""A process of a fleet that shares one Redis: ``python -m benchmarks.fleet_worker ROLE URL ARGUMENT``.

It says what happens on its standard output, a line each, and is told what to do on its standard input.
"""

import asyncio
import json
import sys
import time
from typing import Any

from askonce import GenericRedisCache, cached

NAMESPACE = "fleet"


def say(**what: Any) -> None:
    print(json.dumps(what), flush=True)


async def told() -> str:
    return (await asyncio.to_thread(sys.stdin.readline)).strip()


async def read(url: str, count: int) -> None:
    """Keep copies of all keys, and note when each is dropped."""
    cache = GenericRedisCache(url, namespace=NAMESPACE, memory_cache_size=count)
    for number in range(count):
        await cache.get(f"key {number}")
    store: Any = cache.engine_store()
    held = [store.look(f"key {number}") is not None for number in range(count)]
    dropped: dict[str, float] = {}
    drop, ended = store.drop_copies, asyncio.Event()

    def note(keys: list[str]) -> None:
        drop(keys)
        now = time.monotonic()
        for key in keys:
            if store.look(key) is None:
                dropped.setdefault(key, now)
        if len(dropped) == count:
            ended.set()

    store.drop_copies = note
    say(ready=all(held))
    async with asyncio.timeout(60):
        await ended.wait()
    say(dropped=[dropped[f"key {number}"] for number in range(count)])
    await cache.disconnect()


async def compute(url: str, callers: int) -> None:
    """Let many callers ask for one cold key, whenever one is named: ``KEY SECONDS``."""
    cache = GenericRedisCache(url, namespace=NAMESPACE)

    @cached(cache=cache, name="slow", single_flight="cluster")
    async def slow(key: str, seconds: float) -> str:
        say(computes=key)
        await asyncio.sleep(seconds)
        return f"the answer for {key}"

    await cache.connect()
    say(ready=True)
    while line := await told():
        key, seconds = line.split()
        start = time.monotonic()
        answers = await asyncio.gather(*(slow(key, float(seconds)) for _ in range(callers)))
        right = answers == [f"the answer for {key}"] * callers
        say(answered=key, right=right, took=time.monotonic() - start)
    await cache.disconnect()


if __name__ == "__main__":
    _, role, url, count = sys.argv
    asyncio.run({"read": read, "compute": compute}[role](url, int(count)))
