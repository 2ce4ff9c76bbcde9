"""Sixty-four callers at once, timed by the clock on the wall and by the processor's."""

import asyncio
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from benchmarks.measure import Spread
from benchmarks.redis_peers import CALLERS
from benchmarks.report import Check, Result

Ask = Callable[[Any], Any]


class Clocked:
    """A trial: all questions are put by 64 callers, each the next one as soon as it has its answer.

    Args:
        ask: puts one question; awaited, or called in threads.
        questions: makes the questions of one turn.
        loop: runs the tasks; ``None`` where the callers are threads.

    Attributes:
        processor: microseconds of this process for each operation, one figure for each turn.
    """

    def __init__(
        self, ask: Ask, questions: Callable[[], Iterable[Any]], count: int, loop: asyncio.Runner | None
    ) -> None:
        self._ask = ask
        self._questions = questions
        self._count = count
        self._loop = loop
        self.processor: list[float] = []

    def __call__(self) -> float:
        questions = iter(list(self._questions()))
        used, start = time.process_time(), time.perf_counter()
        if self._loop is None:
            by_threads(self._ask, questions)
        else:
            self._loop.run(by_tasks(self._ask, questions))
        took = time.perf_counter() - start
        self.processor.append((time.process_time() - used) / self._count * 1e6)
        return took / self._count * 1e6


async def by_tasks(ask: Ask, questions: Iterable[Any]) -> None:
    async def caller() -> None:
        for question in questions:
            await ask(question)

    await asyncio.gather(*(caller() for _ in range(CALLERS)))


def by_threads(ask: Ask, questions: Iterable[Any]) -> None:
    def caller() -> None:
        while (question := next(questions, None)) is not None:  # type: ignore[call-overload]
            ask(question)

    with ThreadPoolExecutor(CALLERS) as pool:
        for caller_ends in [pool.submit(caller) for _ in range(CALLERS)]:
            caller_ends.result()


def note_processor(result: Result, trials: dict[str, Any], repeats: int) -> None:
    """Show the processor's time beside the wall's; what the server takes is not in it."""
    best = {name: _of_repeats(it, repeats) for name, it in trials.items() if isinstance(it, Clocked)}
    for name, figures in best.items():
        result.figures[f"{name}: processor"] = Spread.of(figures)
        if name != "askonce":
            value = Spread.of([a / b for a, b in zip(figures, best["askonce"], strict=True)])
            result.checks.append(Check(f"times less processor time than {name}", value, least=True))


def _of_repeats(trial: Clocked, repeats: int) -> list[float]:
    """The best turn of each repeat, the first of all turns being to warm up."""
    turns = trial.processor[1:]
    each = len(turns) // repeats
    return [min(turns[place * each : (place + 1) * each]) for place in range(repeats)]
