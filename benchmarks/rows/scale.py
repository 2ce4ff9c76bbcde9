"""Whether an operation costs more where there are more entries."""

import asyncio
import random
from collections.abc import Callable
from time import perf_counter
from typing import Any

from askonce import InMemoryCache
from benchmarks.measure import Effort, Spread, Times, Trial, no_collector, own, race
from benchmarks.peers import memory
from benchmarks.report import Check, Result, row

SMALL = 1000
HOT = 100
CHUNK = 10_000


async def reads(cache: InMemoryCache, keys: list[str]) -> float:
    start = perf_counter()
    for key in keys:
        await cache.get(key)
    return perf_counter() - start


async def writes(cache: InMemoryCache, keys: list[str]) -> float:
    start = perf_counter()
    for key in keys:
        await cache.set(key, 1)
    return perf_counter() - start


async def look_ups(entries: dict[str, int], keys: list[str]) -> float:
    start = perf_counter()
    for key in keys:
        entries[key]
    return perf_counter() - start


async def full(size: int) -> InMemoryCache:
    """A cache that is filled to its limit."""
    cache = memory(size)
    for number in range(size):
        await cache.set(name(number), number)
    if [await cache.get(name(number)) for number in (0, size - 1)] != [0, size - 1]:
        raise AssertionError("the cache does not hold what was put into it")
    return cache


def name(number: int) -> str:
    return f"entry {number:09}"


def hot(size: int) -> Callable[[], list[str]]:
    """The same keys at every call, from all over the cache, each ten times in no order."""
    chance = random.Random(7)
    keys = [name(number) for number in chance.sample(range(size), HOT)] * 10
    chance.shuffle(keys)
    return lambda: keys


def anywhere(size: int) -> Callable[[], list[str]]:
    """A thousand other keys at every call."""
    chance = random.Random(11)
    return lambda: [name(chance.randrange(size)) for _ in range(1000)]


class Pair:
    """A small and a large of a kind, that take turns."""

    def __init__(self, result: Result, size: int, effort: Effort, loop: asyncio.Runner) -> None:
        self.result, self.effort, self.loop = result, effort, loop
        self.sizes = {f"{SMALL:,} entries": SMALL, f"{size:,} entries": size}

    def race(self, work: Any, kept: dict[str, Any], keys: Callable[[int], Callable[[], list[str]]]) -> Times:
        """Time the same work on both."""
        return race({n: self.trial(work, kept[n], keys(size)) for n, size in self.sizes.items()}, self.effort)

    def trial(self, work: Any, kept: Any, keys: Callable[[], list[str]]) -> Trial:
        drive = own(work)

        def trial() -> float:
            chosen = keys()
            return self.loop.run(drive(kept, chosen)) / len(chosen) * 1e9

        return trial

    def compare(self, title: str, times: Times, target: float | None) -> None:
        """Add the ratio of the large to the small."""
        few, many = self.sizes
        self.result.take({f"{title}, {n}": figures for n, figures in times.items()})
        ratios = [a / b for a, b in zip(times[many], times[few], strict=True)]
        self.result.checks.append(Check(f"{title}: {many} of {few}", Spread.of(ratios), target))

    def evictions(self, caches: dict[str, InMemoryCache]) -> Times:
        """New keys, as many as the large one holds, so that what happens seldom happens here too."""
        size = max(self.sizes.values())
        drives = {n: own(writes) for n in caches}
        times: Times = {n: [] for n in caches}
        numbers = iter(range(size, 100 * size))
        for _ in range(3):
            spent = dict.fromkeys(caches, 0.0)
            with no_collector():
                for _ in range(size // CHUNK):
                    keys = [name(next(numbers)) for _ in range(CHUNK)]
                    for n, cache in caches.items():
                        spent[n] += self.loop.run(drives[n](cache, keys))
            for n, seconds in spent.items():
                times[n].append(seconds / size * 1e9)
        return times


@row("scale")
def scale(effort: Effort) -> Result:
    """Where there is a target, few keys are touched, as many in both, so that the processor holds them."""
    size = 200_000 if effort.quick else 1_000_000
    result = Result("scale", f"await cache.get and cache.set, {size:,} entries against {SMALL:,}")
    with asyncio.Runner() as loop:
        pair = Pair(result, size, effort, loop)
        caches = {n: loop.run(full(size)) for n, size in pair.sizes.items()}
        pair.compare("get", pair.race(reads, caches, hot), 1.3)
        pair.compare("overwriting set", pair.race(writes, caches, hot), 1.3)
        pair.compare("get anywhere", pair.race(reads, caches, anywhere), None)
        pair.compare("evicting set", pair.evictions(caches), 1.8)
        bare = {n: {name(number): number for number in range(size)} for n, size in pair.sizes.items()}
        pair.compare("bare dict anywhere", pair.race(look_ups, bare, anywhere), None)
    result.note = (
        "'anywhere' touches other keys at every call: there the memory is slower, for a bare dict too."
    )
    return result
