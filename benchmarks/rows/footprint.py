"""Bytes that an entry takes beside its key and its value, as tracemalloc sees them."""

import asyncio
import gc
import sys
import tracemalloc
from collections.abc import Awaitable, Callable
from typing import Any

import aiocache

from askonce import InMemoryCache, cached
from benchmarks.measure import Effort, Spread
from benchmarks.questions import TTL
from benchmarks.report import Check, Result, row

SIZES = (10_000, 10_900, 11_000, 16_000, 21_800)
"""Just before and after the places where dictionaries grow, so that no size is the lucky one."""


def traced(fill: Callable[[], Any]) -> int:
    """Bytes that are allocated by the filling and still there after it."""
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    keep = fill()
    gc.collect()
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    del keep
    return after - before


def by_hand(cache: Any, size: int) -> float:
    """Bytes for each entry that was set by hand; keys and values are there before."""
    keys = [f"a key by hand {i:09}" for i in range(size)]
    values = [f"a value {i:09}" for i in range(size)]

    return traced(lambda: asyncio.run(put(cache.set, keys, values))) / size


async def put(store: Callable[[str, Any], Awaitable[Any]], keys: list[str], values: list[str]) -> None:
    for key, value in zip(keys, values, strict=True):
        await store(key, value)


def decorated(size: int) -> tuple[float, float]:
    """Bytes for each entry that was computed and then hit twice, and those of its key's text."""
    questions = [f"a question {i:09}" for i in range(size)]
    answers = {text: f"an answer to {text}" for text in questions}
    made: list[Any] = []

    def fill() -> Any:
        @cached(ttl=TTL, cache=InMemoryCache(default_ttl=TTL, max_size=size))
        def ask(text: str, limit: int = 200) -> str:
            return answers[text]

        made.append(ask)
        for _ in range(3):
            for text in questions:
                ask(text, limit=7)
        return ask

    whole = traced(fill) / size
    info = made[0].cache_info()
    if (info.misses, info.hits) != (size, 2 * size):
        raise AssertionError(f"the entries were not hit twice each: {info}")
    return whole, float(sys.getsizeof(made[0].key(questions[0], limit=7)))


@row("footprint")
def footprint(effort: Effort) -> Result:
    """The largest figure of several sizes counts."""
    result = Result("footprint", "bytes of an entry beside key and value", unit="bytes")
    sizes = SIZES[2:3] if effort.quick else SIZES
    mine = Spread.of([by_hand(InMemoryCache(default_ttl=TTL, max_size=size), size) for size in sizes])
    whole = [decorated(size) for size in sizes]
    beside = Spread.of([total - key for total, key in whole])
    result.figures = {
        "askonce, by hand": mine,
        "askonce, decorated": beside,
        "askonce, decorated, with the key's text": Spread.of([total for total, _ in whole]),
        "aiocache": Spread.of([by_hand(aiocache.SimpleMemoryCache(ttl=TTL), size) for size in sizes]),
    }
    result.aside = ["aiocache"]
    worst = [Spread(it.high, it.low, it.high) for it in (mine, beside)]
    result.checks.append(Check("bytes by hand, at the worst size", worst[0], 250))
    result.checks.append(Check("bytes decorated, at the worst size", worst[1], 400))
    result.note = "cachebox and moka-py allocate outside Python, where tracemalloc does not look."
    return result
