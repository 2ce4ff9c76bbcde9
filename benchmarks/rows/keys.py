"""Long texts: what their key costs, and what a hit on them costs."""

import asyncio
from collections.abc import Callable
from time import perf_counter
from typing import Any

from xxhash import xxh3_128

from askonce import cached
from benchmarks import peers
from benchmarks.measure import Effort, Spread, Times, Trial, own, race
from benchmarks.questions import all_hit, counted, renew
from benchmarks.report import Check, Result, row
from benchmarks.rows.hits import others, turns, warmed

LENGTH = 100_000
GRACE = 2_000.0  # nanoseconds that a key may take beside the hashing


def long_texts(count: int, letters: str = "ordinary text, as prompts have it. ") -> list[str]:
    """Different texts of 100,000 characters."""
    return [f"{i:06}" + (letters * LENGTH)[: LENGTH - 6] for i in range(count)]


def digest(text: str) -> bytes:
    return xxh3_128(text.encode()).digest()


def over(work: Callable[[str], Any], questions: list[str]) -> float:
    start = perf_counter()
    for text in questions:
        work(text)
    return perf_counter() - start


def work_on(work: Callable[[str], Any], questions: list[str]) -> Trial:
    """Put each text, a new object, through the work once."""
    drive = own(over)
    return lambda: drive(work, renew(questions)) / len(questions) * 1e9


def above_grace(times: Times) -> Spread:
    """The key's cost less the grace, as a multiple of hashing."""
    pairs = zip(times["askonce"], times["xxh3_128"], strict=True)
    return Spread.of([(key - GRACE) / raw for key, raw in pairs])


@row("long-key")
def long_key(effort: Effort) -> Result:
    """ASCII is what prompts mostly are; other scripts take longer to encode, for both."""
    result = Result("long-key", "ask.key(text) of 100 KB of new text, and hashing that text alone")

    @cached(ttl=3600, cache=peers.memory())
    def ask(text: str) -> str:
        return text[:10]

    questions = long_texts(10)
    if len({ask.key(text) for text in questions + renew(questions)}) != len(questions):
        raise AssertionError("equal texts must have one key, different texts two")
    times = race({"askonce": work_on(ask.key, questions), "xxh3_128": work_on(digest, questions)}, effort)
    result.take(times)
    result.checks.append(Check("of hashing alone, once 2 µs are off", above_grace(times), 1.5))
    return result


@row("long-hit")
def long_hit(effort: Effort) -> Result:
    """Peers hash the text with the interpreter's own hash and compare it, askonce digests it."""
    result = Result("long-hit", "await ask(text, limit=n), 20 texts of 100 KB in turn, equal but new objects")
    questions, contenders = long_texts(20), peers.for_tasks()
    with asyncio.Runner() as loop:
        made = {name: warmed(name, counted(it), loop, questions) for name, it in contenders.items()}
        times = race({name: turns(it, loop, questions) for name, it in made.items()}, effort)
    all_hit(made, questions)
    result.take(times)
    for name in others(contenders):
        result.compare(times, name)
    return result
