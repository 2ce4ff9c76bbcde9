"""A server that stops and says nothing (SIGSTOP), under load."""

import asyncio
import itertools
import time
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from typing import Any

from askonce import GenericRedisCache, InMemoryCache, cached
from benchmarks import server
from benchmarks.measure import Effort, Spread, Trial, own, race
from benchmarks.questions import TTL, Counted, answer, counted, new_calls, texts
from benchmarks.redis_peers import CALLERS
from benchmarks.report import Check, Result, row

COUNT = 1000
ROOM = 20_000


@dataclass
class Load:
    """What a load has seen.

    Attributes:
        errors: calls that raised, or answered wrongly.
        worst: seconds of the slowest call.
        calls: how many there were.
        going: whether it goes on.
    """

    errors: int = 0
    worst: float = 0.0
    calls: int = 0
    going: bool = True
    numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    async def caller(self, ask: Callable[..., Coroutine[Any, Any, str]], questions: list[str]) -> None:
        """Ask for what is known, now and then for something new."""
        while self.going:
            number = next(self.numbers)
            text = f"question {number}" if number % 10 == 0 else questions[number % len(questions)]
            began = time.monotonic()
            try:
                self.errors += await ask(text) != answer(text, 200)
            except Exception:
                self.errors += 1
            self.worst = max(self.worst, time.monotonic() - began)
            self.calls += 1
            await asyncio.sleep(0)


def state(cache: GenericRedisCache) -> str:
    return str(cache.get_stats()["redis"]["state"])


async def seen(cache: GenericRedisCache, wanted: str) -> float:
    """Seconds until the cache says that this is its state."""
    began = time.monotonic()
    async with asyncio.timeout(30):
        while state(cache) != wanted:  # noqa: ASYNC110  nothing tells
            await asyncio.sleep(0.005)
    return time.monotonic() - began


async def stopped(running: Any, seconds: float) -> tuple[Load, float]:
    """Stop the server while 64 callers ask, let it go on, and say how long it took to be back."""
    questions, load = texts(COUNT), Load()
    async with GenericRedisCache(running.url, TTL, memory_cache_size=100) as cache:
        made = counted(cached(ttl=TTL, cache=cache))
        callers = [asyncio.create_task(load.caller(made.ask, questions)) for _ in range(CALLERS)]
        await asyncio.sleep(seconds / 4)
        running.pause()
        await seen(cache, "away")
        await asyncio.sleep(seconds)
        running.resume()
        back = await seen(cache, "connected")
        await asyncio.sleep(seconds / 4)
        load.going = False
        await asyncio.gather(*callers)
    return load, back


async def in_turn(ask: Callable[..., Coroutine[Any, Any, str]], calls: Iterable[tuple[str, int]]) -> float:
    start = time.perf_counter()
    for text, limit in calls:
        await ask(text, limit=limit)
    return time.perf_counter() - start


def hits(made: Counted, loop: asyncio.Runner, questions: list[str]) -> Trial:
    drive = own(in_turn)
    loop.run(drive(made.ask, new_calls(questions)))
    return lambda: loop.run(drive(made.ask, new_calls(questions))) / len(questions) * 1e9


def misses(made: Counted, loop: asyncio.Runner, questions: list[str]) -> Trial:
    drive, number = own(in_turn), itertools.count()

    def trial() -> float:
        turn = next(number)
        fresh = [f"{turn}: {text}" for text in questions]
        return loop.run(drive(made.ask, new_calls(fresh))) / len(questions) * 1e9

    return trial


@row("redis-stopped")
def away(effort: Effort) -> Result:
    """The load, then the price of a call while the server is away."""
    title = "the server is stopped (SIGSTOP) under 64 callers; then a call beside one of InMemoryCache"
    result = Result("redis-stopped", title)
    turns = 1 if effort.quick else 3
    with server.start() as running, asyncio.Runner() as loop:
        loads = [loop.run(stopped(running, 0.5 if effort.quick else 2.0)) for _ in range(turns)]
        cache = GenericRedisCache(running.url, TTL, ROOM)
        loop.run(cache.connect())
        running.pause()
        loop.run(seen_away(cache))
        made = {"askonce": counted(cached(ttl=TTL, cache=cache))}
        made["InMemoryCache"] = counted(cached(ttl=TTL, cache=InMemoryCache(TTL, ROOM)))
        times = race(
            {f"{name}, hit": hits(it, loop, texts(COUNT)) for name, it in made.items()}
            | {f"{name}, miss": misses(it, loop, texts(COUNT // 4)) for name, it in made.items()},
            effort,
        )
        if state(cache) != "away":
            raise AssertionError("the server was not away while it was timed")
        running.resume()
        loop.run(cache.disconnect())
    result.take(times)
    result.checks.append(
        Check("callers with an error or a wrong answer", Spread.of([float(it.errors) for it, _ in loads]), 0)
    )
    for kind in ("hit", "miss"):
        result.compare(times, f"InMemoryCache, {kind}", 1.5, ours=f"askonce, {kind}")
    result.checks.append(
        Check(
            "ms of the slowest call, the deadline being 500", Spread.of([it.worst * 1e3 for it, _ in loads])
        )
    )
    result.checks.append(
        Check("ms until Redis is used again once it goes on", Spread.of([back * 1e3 for _, back in loads]))
    )
    calls = sum(it.calls for it, _ in loads)
    result.note = f"The load: {calls:,} calls in {turns} stops, one in ten of a new key."
    return result


async def seen_away(cache: GenericRedisCache) -> None:
    """Ask until the cache knows that nobody answers."""
    async with asyncio.timeout(30):
        while state(cache) != "away":
            await cache.get("anything")
            await asyncio.sleep(0.02)
