"""A decorated function that answers from its cache, without and with an event loop."""

import asyncio
from collections.abc import Callable, Iterable
from itertools import repeat
from time import perf_counter
from typing import Any

from benchmarks import peers
from benchmarks.measure import Effort, Trial, fastest, own, race
from benchmarks.questions import (
    LIMIT,
    Counted,
    all_hit,
    checked,
    counted,
    counted_sync,
    new_calls,
    renew,
    texts,
)
from benchmarks.report import Result, row

SAME = 1000


async def in_turn(ask: Callable[..., Any], calls: Iterable[tuple[str, int]]) -> float:
    start = perf_counter()
    for text, limit in calls:
        await ask(text, limit=limit)
    return perf_counter() - start


async def same(ask: Callable[..., Any], text: str, limit: int) -> float:
    start = perf_counter()
    for _ in repeat(None, SAME):
        await ask(text, limit=limit)
    return perf_counter() - start


def in_turn_sync(ask: Callable[..., Any], calls: Iterable[tuple[str, int]]) -> float:
    start = perf_counter()
    for text, limit in calls:
        ask(text, limit=limit)
    return perf_counter() - start


def same_sync(ask: Callable[..., Any], text: str, limit: int) -> float:
    start = perf_counter()
    for _ in repeat(None, SAME):
        ask(text, limit=limit)
    return perf_counter() - start


async def bare(text: str, limit: int = 200) -> str:
    """What nobody caches."""
    return text


def warmed(name: str, made: Counted, loop: asyncio.Runner, questions: list[str]) -> Counted:
    """Fill a coroutine function's cache, then see that it answers from it."""

    async def ask_all() -> list[str]:
        return [await made.ask(text, limit=LIMIT) for text in renew(questions)]

    loop.run(ask_all())
    checked(name, made, loop.run(ask_all()), questions)
    return made


def warmed_sync(name: str, made: Counted, questions: list[str]) -> Counted:
    """Fill a plain function's cache, then see that it answers from it."""
    for _ in range(2):
        answers = [made.ask(text, limit=LIMIT) for text in renew(questions)]
    checked(name, made, answers, questions)
    return made


def turns(made: Counted, loop: asyncio.Runner, questions: list[str]) -> Trial:
    """Ask all questions once, each with new objects."""
    drive = own(in_turn)

    def trial() -> float:
        return loop.run(drive(made.ask, new_calls(questions))) / len(questions) * 1e9

    return trial


def again(ask: Callable[..., Any], loop: asyncio.Runner, question: str) -> Trial:
    """Ask one question again and again, with the very same objects."""
    drive = own(same)
    return lambda: loop.run(drive(ask, question, LIMIT)) / SAME * 1e9


def turns_sync(made: Counted, questions: list[str]) -> Trial:
    """As ``turns``, without a loop."""
    drive = own(in_turn_sync)

    def trial() -> float:
        return drive(made.ask, new_calls(questions)) / len(questions) * 1e9

    return trial


def again_sync(ask: Callable[..., Any], question: str) -> Trial:
    """As ``again``, without a loop."""
    drive = own(same_sync)
    return lambda: drive(ask, question, LIMIT) / SAME * 1e9


def others(names: Iterable[str]) -> list[str]:
    """All contenders but askonce."""
    return [name for name in names if not name.startswith("askonce")]


@row("async-hit")
def async_hit(effort: Effort) -> Result:
    """What a service sees."""
    result = Result("async-hit", "await ask(text, limit=n), 1,000 texts in turn, equal but new objects")
    questions, main, aside = texts(), peers.for_tasks(), peers.for_tasks_aside()
    with asyncio.Runner() as loop:
        made = {name: warmed(name, counted(it), loop, questions) for name, it in (main | aside).items()}
        times = race({name: turns(it, loop, questions) for name, it in made.items()}, effort, peers.SLOW)
    all_hit(made, questions)
    result.take(times)
    result.aside = list(aside)
    result.compare(times, fastest(times, others(main)), 0.5)
    result.compare(times, peers.BY_HAND)
    return result


@row("async-same")
def async_same(effort: Effort) -> Result:
    """What flatters whoever compares identities."""
    result = Result("async-same", "await ask(text, limit=n), the same objects again and again")
    questions, main = texts(1), peers.for_tasks()
    with asyncio.Runner() as loop:
        made = {name: warmed(name, counted(it), loop, questions) for name, it in main.items()}
        trials = {name: again(it.ask, loop, questions[0]) for name, it in made.items()}
        times = race(trials | {"bare function": again(bare, loop, questions[0])}, effort)
    all_hit(made, questions)
    result.take(times)
    result.aside = ["bare function"]
    result.compare(times, fastest(times, others(main)), 0.35)
    result.compare(times, "bare function", 3)
    return result


@row("sync-same")
def sync_same(effort: Effort) -> Result:
    """The same without a loop, where C competes."""
    result = Result("sync-same", "ask(text, limit=n), the same objects again and again")
    questions = texts(1)
    made = {name: warmed_sync(name, counted_sync(it), questions) for name, it in peers.for_threads().items()}
    times = race({name: again_sync(it.ask, questions[0]) for name, it in made.items()}, effort)
    all_hit(made, questions)
    result.take(times)
    result.aside = ["cachetools", "dogpile"]
    result.compare(times, "lru_cache", 2)
    result.compare(times, "cachebox", 0.35)
    result.compare(times, "moka-py", 0.35)
    return result


@row("sync-hit")
def sync_hit(effort: Effort) -> Result:
    """What a service without a loop sees."""
    result = Result("sync-hit", "ask(text, limit=n), 1,000 texts in turn, equal but new objects")
    questions = texts()
    made = {name: warmed_sync(name, counted_sync(it), questions) for name, it in peers.for_threads().items()}
    times = race({name: turns_sync(it, questions) for name, it in made.items()}, effort)
    all_hit(made, questions)
    result.take(times)
    result.aside = ["cachetools", "dogpile"]
    result.compare(times, "lru_cache")
    result.compare(times, "cachebox")
    return result
