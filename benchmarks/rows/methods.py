"""A decorated method, the look-up of the attribute included."""

import asyncio
from collections.abc import Iterable
from time import perf_counter
from typing import Any

from benchmarks import peers
from benchmarks.measure import Effort, Trial, fastest, own, race
from benchmarks.questions import LIMIT, Counted, all_hit, checked, new_calls, renew, texts
from benchmarks.report import Result, row
from benchmarks.rows.hits import others


async def in_turn(desk: Any, calls: Iterable[tuple[str, int]]) -> float:
    start = perf_counter()
    for text, limit in calls:
        await desk.ask(text, limit=limit)
    return perf_counter() - start


def warmed(name: str, made: Counted, loop: asyncio.Runner, questions: list[str]) -> Counted:
    """Fill a method's cache, then see that it answers from it."""

    async def ask_all() -> list[str]:
        return [await made.ask.ask(text, limit=LIMIT) for text in renew(questions)]

    loop.run(ask_all())
    checked(name, made, loop.run(ask_all()), questions)
    return made


def turns(made: Counted, loop: asyncio.Runner, questions: list[str]) -> Trial:
    """Ask all questions once, each with new objects."""
    drive = own(in_turn)

    def trial() -> float:
        return loop.run(drive(made.ask, new_calls(questions))) / len(questions) * 1e9

    return trial


@row("method-hit")
def method_hit(effort: Effort) -> Result:
    """An object that is asked through its method."""
    result = Result("method-hit", "await desk.ask(text, limit=n), 1,000 texts in turn, equal but new objects")
    questions, contenders = texts(), peers.for_methods()
    with asyncio.Runner() as loop:
        made = {name: warmed(name, peers.with_method(it), loop, questions) for name, it in contenders.items()}
        times = race({name: turns(it, loop, questions) for name, it in made.items()}, effort)
    all_hit(made, questions)
    result.take(times)
    best = fastest(times, others(contenders))
    result.compare(times, best, 0.7)
    result.compare(times, best, 0.7, ours="askonce, ignore self")
    return result
