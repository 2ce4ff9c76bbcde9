"""A list whose items are cached one by one, beside as many calls."""

import asyncio
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any

from askonce import cached
from benchmarks import peers
from benchmarks.measure import Effort, Trial, own, race
from benchmarks.questions import LIMIT, TTL, Counted, all_hit, answer, checked, counted, renew, texts
from benchmarks.report import Result, row
from benchmarks.rows.hits import turns, warmed

ONE_BY_ONE = "as many calls"


def counted_list(decorate: Callable[[Any], Any]) -> Counted:
    """Decorate a coroutine function of a list."""
    made = Counted()

    async def ask(texts: Sequence[str], limit: int = 200) -> list[str]:
        made.calls.extend(texts)
        return [answer(text, limit) for text in texts]

    made.ask = decorate(ask)
    return made


def warmed_list(made: Counted, loop: asyncio.Runner, questions: list[str]) -> Counted:
    """Fill the cache, then see that it answers from it."""
    loop.run(made.ask(renew(questions), limit=LIMIT))
    checked("askonce", made, loop.run(made.ask(renew(questions), limit=LIMIT)), questions)
    return made


async def at_once(ask: Callable[..., Any], questions: list[str]) -> float:
    start = perf_counter()
    await ask(questions, limit=LIMIT)
    return perf_counter() - start


def lists(made: Counted, loop: asyncio.Runner, questions: list[str]) -> Trial:
    """Ask all questions in one list, each with new objects."""
    drive = own(at_once)
    return lambda: loop.run(drive(made.ask, renew(questions))) / len(questions) * 1e9


@row("batch-hit")
def batch_hit(effort: Effort) -> Result:
    """An embedding function that is given texts of which all are known."""
    result = Result("batch-hit", "await ask(texts, limit=n) with each=, a list of 1,000 texts, by the text")
    questions = texts()
    with asyncio.Runner() as loop:
        many = counted_list(cached(ttl=TTL, cache=peers.memory(), each="texts"))
        single = counted(peers.ours())
        warmed_list(many, loop, questions)
        warmed(ONE_BY_ONE, single, loop, questions)
        trials = {"askonce": lists(many, loop, questions), ONE_BY_ONE: turns(single, loop, questions)}
        times = race(trials, effort)
    all_hit({"askonce": many, ONE_BY_ONE: single}, questions)
    result.take(times)
    result.compare(times, ONE_BY_ONE)
    return result
