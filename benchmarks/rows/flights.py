"""Many callers of a key that nobody has asked for yet."""

import asyncio
import itertools
import threading
import time
from collections.abc import Callable
from time import perf_counter
from typing import Any

import async_lru

from benchmarks import peers
from benchmarks.measure import Effort, Spread, Trial, race
from benchmarks.questions import ROOM, TTL, Counted, answer, counted_sync
from benchmarks.report import Check, Result, row

CALLERS = 1000
THREADS = 64


def for_crowds() -> dict[str, Callable[[Any], Any]]:
    """Decorators that promise to share one call."""
    return {
        "askonce": peers.ours(),
        "cachebox": peers.of_cachebox(lock=True),
        "moka-py": peers.of_moka(wait_concurrent=True),
        "async-lru": async_lru.alru_cache(maxsize=ROOM, ttl=TTL),
    }


def slowly(decorate: Callable[[Any], Any]) -> Counted:
    """Decorate a function that lets others run before it answers."""
    made = Counted()

    async def ask(text: str, limit: int = 200) -> str:
        made.calls.append(text)
        for _ in range(3):
            await asyncio.sleep(0)
        return answer(text, limit)

    made.ask = decorate(ask)
    return made


async def crowd(ask: Callable[[str], Any], text: str) -> float:
    start = perf_counter()
    answers = await asyncio.gather(*(ask(text) for _ in range(CALLERS)))
    took = perf_counter() - start
    if answers != [answer(text, 200)] * CALLERS:
        raise AssertionError("a caller got somebody else's answer")
    return took


def crowds(made: Counted, loop: asyncio.Runner) -> Trial:
    """A crowd at a new key."""
    number = itertools.count()
    return lambda: loop.run(crowd(made.ask, f"cold question {next(number)}")) / CALLERS * 1e9


def calls_of(made: Counted) -> Spread:
    """How often the function was called for one key."""
    each = dict.fromkeys(made.calls, 0)
    for text in made.calls:
        each[text] += 1
    return Spread.of(list(map(float, each.values())))


@row("cold-callers")
def cold_callers(effort: Effort) -> Result:
    """One flight, many passengers."""
    result = Result("cold-callers", "1,000 tasks ask one cold key at once; time for each caller")
    with asyncio.Runner() as loop:
        made = {name: slowly(it) for name, it in for_crowds().items()}
        result.take(race({name: crowds(it, loop) for name, it in made.items()}, effort))
    for name, it in made.items():
        target = 1 if name == "askonce" else None
        result.checks.append(Check(f"calls of the function, {name}", calls_of(it), target))
    return result


def crowd_of_threads(ask: Callable[[str], Any], text: str) -> None:
    """Let all threads ask at once."""
    gate = threading.Barrier(THREADS)

    def caller() -> None:
        gate.wait()
        ask(text)

    callers = [threading.Thread(target=caller) for _ in range(THREADS)]
    for one in callers:
        one.start()
    for one in callers:
        one.join()


@row("cold-threads")
def cold_threads(effort: Effort) -> Result:
    """The same for threads."""
    result = Result("cold-threads", "64 threads ask one cold key at once", unit="calls")
    contenders = peers.for_threads(locked=True) | {
        "cachebox": peers.of_cachebox(lock=True),
        "moka-py": peers.of_moka(wait_concurrent=True),
    }
    for name, decorate in contenders.items():

        def patient(ask: Any, decorate: Any = decorate) -> Any:
            def slow(text: str, limit: int = 200) -> Any:
                time.sleep(0.02)
                return ask(text, limit)

            return decorate(slow)

        made = counted_sync(patient)
        for turn in range(effort.repeats):
            crowd_of_threads(made.ask, f"cold question {turn}")
        result.figures[name] = calls_of(made)
    result.checks.append(Check("calls of the function, askonce", result.figures["askonce"], 1))
    return result
