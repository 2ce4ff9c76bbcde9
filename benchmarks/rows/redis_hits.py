"""Reading from Redis and writing to it, 64 callers at once."""

import asyncio
import contextlib
import random
import string
from collections.abc import Callable, Iterator
from typing import Any

from askonce import cached
from benchmarks import redis_peers, server
from benchmarks.crowds import Clocked, by_tasks, by_threads, note_processor
from benchmarks.measure import Effort, Times, Trial, race
from benchmarks.questions import (
    LIMIT,
    TTL,
    Counted,
    all_hit,
    answer,
    checked,
    counted,
    new_calls,
    renew,
    texts,
)
from benchmarks.redis_peers import DEFAULTS, PEERS, TUNED, Contender
from benchmarks.report import Result, row

COUNT = 2000
SELDOM = frozenset(
    {"cashews", "aiocache", "dogpile, threads", "redis-benchmark -P 1", "redis-benchmark -P 64"}
)
LIMITS = ["redis-benchmark -P 1", "redis-benchmark -P 64"]
_NO_COMPRESSION = 1 << 30


def shorter(effort: Effort) -> Effort:
    """Fewer turns: each goes to the server and back thousands of times."""
    repeats = min(effort.repeats, 2) if effort.quick else effort.repeats
    return Effort(repeats, max(2, effort.rounds // 3), effort.quick)


def noise(size: int) -> str:
    """Text that hardly compresses."""
    draw = random.Random(size)
    return "".join(draw.choices(string.ascii_letters + string.digits + "-_", k=size))


def prose(size: int) -> str:
    """Text that compresses as prose does: words, in no order."""
    draw = random.Random(size)
    words = ["".join(draw.choices(string.ascii_lowercase, k=draw.randint(2, 10))) for _ in range(600)]
    weights = [1 / (rank + 1) for rank in range(len(words))]
    return " ".join(draw.choices(words, weights, k=size))[:size]


@contextlib.contextmanager
def setting(size: int, command: str = "get", **options: Any) -> Iterator[Any]:
    """A server, a loop, the contenders, and what redis-benchmark reaches there."""
    with server.start() as running, asyncio.Runner() as loop:
        _, ours = redis_peers.ours(running.url, **options)
        contenders = {"askonce": ours, **redis_peers.peers(running)}
        limits = server.limits(running.port, size, COUNT, command)
        try:
            yield loop, contenders, limits, running.url
        finally:
            redis_peers.close_all(contenders, loop)


def fill(name: str, contender: Contender, loop: asyncio.Runner, values: dict[str, str]) -> None:
    """Store what is going to be read, and see that it is read: each under a key of its own for each peer."""

    async def store_all() -> None:
        await by_tasks(lambda item: contender.set(*item), iter(values.items()))

    if contender.threaded:
        by_threads(lambda item: contender.set(*item), iter(values.items()))
        found = {key: contender.get(key) for key in values}
    else:
        loop.run(store_all())

        async def read_all() -> dict[str, Any]:
            return {key: await contender.get(key) for key in values}

        found = loop.run(read_all())
    if found != {key: contender.encode(value) for key, value in values.items()}:
        raise AssertionError(f"{name} does not find what it was given")


def keys_of(name: str) -> list[str]:
    """Two contenders never share a key, since each stores values in a way of its own."""
    return [f"{name.partition(',')[0]}:user:{number}:profile" for number in range(COUNT)]


def reading(contenders: dict[str, Contender], loop: asyncio.Runner, value: str) -> dict[str, Clocked]:
    """A trial for each contender that reads all keys, each a new object."""
    trials = {}
    for name, contender in contenders.items():
        keys = keys_of(name)
        fill(name, contender, loop, {key: f"{number:06}{value[6:]}" for number, key in enumerate(keys)})
        again = _renewed(keys)
        trials[name] = Clocked(contender.get, again, COUNT, None if contender.threaded else loop)
    return trials


def _renewed(keys: list[str]) -> Callable[[], list[str]]:
    return lambda: renew(keys)


def compare_rates(result: Result, times: Times, of_redis: float | None, of_peers: float | None) -> None:
    """Ratios to redis-py's own command, and to the caches that people use instead."""
    for name in (DEFAULTS, TUNED):
        result.rate(times, name, of_redis)
    for name in PEERS:
        if name in times:
            result.rate(times, name, of_peers)
    for name in (*LIMITS, "dogpile, threads"):
        if name in times:
            result.rate(times, name)
    if not any(name in times for name in LIMITS):
        result.note = server.NO_TOOL
    result.aside = [name for name in LIMITS if name in times]


def read_row(
    effort: Effort,
    name: str,
    what: str,
    value: str,
    targets: tuple[float | None, float | None],
    **options: Any,
) -> Result:
    result = Result(
        name, f"await cache.get(key) from Redis, 64 callers at once, {COUNT:,} keys in turn, {what}", "us"
    )
    with setting(len(value), **options) as (loop, contenders, limits, _):
        trials = reading(contenders, loop, value)
        times = race({**trials, **limits}, shorter(effort), SELDOM)
    result.take(times)
    compare_rates(result, times, *targets)
    note_processor(result, trials, shorter(effort).repeats)
    return result


@row("redis-get-100")
def get_small(effort: Effort) -> Result:
    """Small values: what it costs to ask at all."""
    return read_row(effort, "redis-get-100", "100 B", noise(100), (5, 8))


@row("redis-get-10k")
def get_large(effort: Effort) -> Result:
    """As the peers store it: compressed by nobody."""
    what = "10 KB that nobody compresses"
    return read_row(
        effort, "redis-get-10k", what, noise(10_000), (3, 5), compression_threshold=_NO_COMPRESSION
    )


@row("redis-get-10k-packed")
def get_packed(effort: Effort) -> Result:
    """Our default settings: what is larger than a kilobyte is compressed, which saves bytes, not time."""
    what = "10 KB of prose, compressed by askonce alone"
    return read_row(effort, "redis-get-10k-packed", what, prose(10_000), (None, None))


@row("redis-hit")
def decorated(effort: Effort) -> Result:
    """A function's answers, beside plain reads of texts of the same length."""
    title = f"await ask(text, limit=n), answered from Redis, 64 callers at once, {COUNT:,} texts in turn"
    result = Result("redis-hit", title, "us")
    questions = texts(COUNT)
    with setting(len(answer(questions[0], LIMIT))) as (loop, contenders, _, url):
        mine = redis_peers.ours(url)[0]
        made = {
            "askonce": counted(cached(ttl=TTL, cache=mine)),
            **{name: counted(contenders[name].decorator) for name in PEERS},
        }
        plain = {name: contenders[name] for name in (DEFAULTS, TUNED)}
        trials = {
            **{name: hitting(name, it, loop, questions) for name, it in made.items()},
            **reading(plain, loop, answer(questions[0], LIMIT)),
        }
        times = race(trials, shorter(effort), SELDOM)
        loop.run(mine.disconnect())
    all_hit(made, questions)
    result.take(times)
    compare_rates(result, times, 3, None)
    note_processor(result, trials, shorter(effort).repeats)
    result.note = "redis-py decorates nothing: its figure is that of `get`."
    return result


def hitting(name: str, made: Counted, loop: asyncio.Runner, questions: list[str]) -> Clocked:
    """Fill a function's cache, then a trial in which it answers from there."""

    async def ask(call: tuple[str, int]) -> str:
        return await made.ask(call[0], limit=call[1])  # type: ignore[no-any-return]

    async def ask_all() -> list[str]:
        return [await ask(call) for call in new_calls(questions)]

    loop.run(ask_all())
    checked(name, made, loop.run(ask_all()), questions)
    return Clocked(ask, lambda: new_calls(questions), len(questions), loop)


@row("redis-set")
def writing(effort: Effort) -> Result:
    """Replacing what is there; every other process hears of it."""
    title = f"await cache.set(key, value, ttl) of 100 B, 64 callers at once, {COUNT:,} keys in turn"
    result = Result("redis-set", title, "us")
    value = noise(100)
    with setting(len(value), "set") as (loop, contenders, limits, _):
        trials: dict[str, Trial] = {}
        for name, contender in contenders.items():
            put = _putting(contender, value)
            trials[name] = Clocked(put, _renewed(keys_of(name)), COUNT, None if contender.threaded else loop)
        times = race({**trials, **limits}, shorter(effort), SELDOM)
    result.take(times)
    for name in (DEFAULTS, TUNED, *PEERS):
        result.rate(times, name)
    note_processor(result, trials, shorter(effort).repeats)
    if not limits:
        result.note = server.NO_TOOL
    return result


def _putting(contender: Contender, value: str) -> Callable[[str], Any]:
    return lambda key: contender.set(key, value)
