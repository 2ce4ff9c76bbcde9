"""A small service under load, twice: at first it computes, then it remembers.

Run it with ``make demo``, or ``python examples/demo.py`` where askonce is installed.

Visitors ask for summaries and keywords of the documents that Python carries with it, and put questions
to them. Nothing is simulated: the operations compute. What two visitors ask at the same moment is
computed once, what was asked before not at all.
"""

import asyncio
import random
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from textwrap import indent
from time import perf_counter, thread_time
from typing import Any, ParamSpec, TypeVar

import display
import textwork
from askonce import CacheInfo, ai_cached, cached
from documents import load_documents

P = ParamSpec("P")
R = TypeVar("R")

VISITORS = 6
QUESTIONS = [
    "What is a context manager?",
    'What does the "with" statement do?',
    "What is a lambda expression?",
    'What does the "nonlocal" statement do?',
    'What does the "is" operator test?',
    'What does "yield" do in a generator function?',
    "Does a dictionary preserve insertion order?",
    "Are default parameter values evaluated when a function is defined?",
    "What happens when a finally clause executes a return statement?",
    "Which exceptions does an except clause without an expression match?",
    "Can I catch several exceptions of an exception group?",
    "Are names with two leading underscores mangled?",
    "What is the precedence of operators?",
    "What is a metaclass used for?",
    "How does a relative import work?",
    "What does str.casefold do?",
]
COLUMNS = [
    "operation", "calls", "computed", "joined", "hits", "hit ratio",
    "first pass", "second pass", "faster", "saved",
]  # fmt: skip

documents = load_documents()
library = textwork.Library(documents)


@dataclass
class Meter:
    """What the work behind one operation has cost so far, measured where it is done."""

    computed: int = 0
    seconds: float = 0.0


summary_meter, keyword_meter, answer_meter = Meter(), Meter(), Meter()


async def in_thread(meter: Meter, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Compute in a worker thread, so that the service can answer others meanwhile."""

    def timed() -> tuple[R, float]:
        started = thread_time()
        return function(*args, **kwargs), thread_time() - started

    result, seconds = await asyncio.to_thread(timed)
    meter.computed += 1
    meter.seconds += seconds
    return result


# The service. The decorators are all that it knows of a cache.


@cached(operation="summarize")
async def summarize(text: str, count: int = 3) -> list[str]:
    """The sentences that say most of a text."""
    return await in_thread(summary_meter, textwork.summarize, text, count)


@cached(operation="keywords")
async def keywords(text: str, count: int = 6) -> list[str]:
    """The phrases that tell a text from the others."""
    return await in_thread(keyword_meter, library.keywords, text, count)


@ai_cached(operation="qa")
async def answer(question: str) -> textwork.Answer:
    """What the documents say about a question."""
    return await in_thread(answer_meter, library.answer, question)


# The load.


@dataclass
class Operation:
    """One function of the service, and what every visitor asks of it."""

    name: str
    ask: Callable[[str], Awaitable[Any]]
    info: Callable[[], Awaitable[CacheInfo]]
    meter: Meter
    requests: Sequence[str]


TEXTS = [document.text for document in documents]
OPERATIONS = [
    Operation("summarize", summarize, summarize.cache_info, summary_meter, TEXTS),
    Operation("keywords", keywords, keywords.cache_info, keyword_meter, TEXTS),
    Operation("qa", answer, answer.cache_info, answer_meter, QUESTIONS),
]


async def rush(operation: Operation, label: str) -> float:
    """Let all visitors ask everything, each one after the other, and say how many seconds it took.

    They come in pairs: two who ask the same at the same time, and others in an order of their own.
    """
    answered = 0

    async def visit(visitor: int) -> None:
        nonlocal answered
        for request in random.Random(visitor // 2).sample(operation.requests, len(operation.requests)):
            await operation.ask(request)
            answered += 1

    async with display.progress(label, VISITORS * len(operation.requests), lambda: answered):
        started = perf_counter()
        await asyncio.gather(*map(visit, range(VISITORS)))
        return perf_counter() - started


async def both_passes() -> tuple[list[float], list[float], int]:
    """The seconds per operation of each pass, and how many calls the second one computed."""
    first = [await rush(operation, f"first pass, {operation.name}") for operation in OPERATIONS]
    computed = sum(operation.meter.computed for operation in OPERATIONS)
    second = [await rush(operation, f"second pass, {operation.name}") for operation in OPERATIONS]
    return first, second, sum(operation.meter.computed for operation in OPERATIONS) - computed


# What came of it.


@dataclass
class Outcome:
    """The figures of an operation, or of several together."""

    name: str
    calls: int
    computed: int
    joined: int
    hits: int
    first: float
    second: float
    saved: float

    @property
    def faster(self) -> float:
        """How many times longer it takes to compute an answer than to serve it from the cache."""
        computing = self.saved / (self.calls - self.computed)
        serving = self.second / (self.calls / 2)
        return computing / serving

    def row(self) -> list[str]:
        """The figures as the table shows them."""
        counts = [f"{count:,}" for count in (self.calls, self.computed, self.joined, self.hits)]
        passes = [f"{self.first:.2f} s", f"{self.second * 1000:.1f} ms", f"{self.faster:,.0f} x"]
        return [
            self.name,
            *counts,
            f"{self.hits / self.calls:.1%}",
            *passes,
            f"{self.saved:.1f} s",
        ]


async def outcome(operation: Operation, first: float, second: float) -> Outcome:
    """What an operation did; saved is the work that its other calls would have been."""
    info, meter = await operation.info(), operation.meter
    calls = info.hits + info.misses + info.joined
    saved = meter.seconds / meter.computed * (calls - meter.computed)
    return Outcome(operation.name, calls, meter.computed, info.joined, info.hits, first, second, saved)


def total(outcomes: Sequence[Outcome]) -> Outcome:
    """Several operations together."""
    figures = [
        (each.calls, each.computed, each.joined, each.hits, each.first, each.second, each.saved)
        for each in outcomes
    ]
    return Outcome("together", *map(sum, zip(*figures, strict=True)))


async def show_answers() -> None:
    """Some of what was asked, now from the cache, and why it comes from there."""
    longest = max(documents, key=lambda document: len(document.text))
    print(f"\nThe document {longest.name!r}, {len(longest.text):,} characters, in three sentences:")
    for sentence in await summarize(longest.text):
        display.paragraph(sentence, bullet="- ")
    print(f"Its keywords: {', '.join(await keywords(longest.text))}")
    found = await answer(QUESTIONS[0])
    print(f"\n{QUESTIONS[0]} The document {found.document!r} says:")
    display.paragraph(found.text)
    for question in (QUESTIONS[0], "Has anybody asked this?"):
        print(f"\nanswer.explain({question!r}):\n{indent(str(await answer.explain(question)), '  ')}")


async def main() -> int:
    """Both passes, the table, some answers; 1 where the second pass computed anything."""
    print(f"{VISITORS} visitors, {len(documents)} documents ({len(set(TEXTS))} different texts),", end=" ")
    print(f"{len(QUESTIONS)} questions, everything asked twice.\n")
    first, second, computed_again = await both_passes()
    outcomes = [await outcome(*figures) for figures in zip(OPERATIONS, first, second, strict=True)]
    print()
    display.table(COLUMNS, [each.row() for each in (*outcomes, total(outcomes))])
    print("\nfaster: how many times longer it takes to compute an answer than to serve it again.")
    await show_answers()
    if computed_again:
        print(f"\nThe second pass computed {computed_again} calls instead of none.", file=sys.stderr)
    return 1 if computed_again else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
