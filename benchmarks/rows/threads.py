"""Eight threads that hit one function at once."""

import threading
from collections.abc import Callable
from time import perf_counter
from typing import Any

from benchmarks import peers
from benchmarks.measure import Effort, Trial, fastest, race
from benchmarks.questions import LIMIT, Counted, all_hit, counted_sync, renew, texts
from benchmarks.report import Result, row
from benchmarks.rows.hits import warmed_sync

THREADS = 8
ROUNDS = 4


def all_at_once(ask: Callable[..., Any], questions: list[str]) -> float:
    """Let each thread ask all questions, with objects of its own, and time the lot."""
    shares = [renew(questions) * ROUNDS for _ in range(THREADS)]
    gate = threading.Barrier(THREADS + 1)

    def work(share: list[str]) -> None:
        gate.wait()
        for text in share:
            ask(text, limit=LIMIT)

    threads = [threading.Thread(target=work, args=(share,)) for share in shares]
    for thread in threads:
        thread.start()
    gate.wait()
    start = perf_counter()
    for thread in threads:
        thread.join()
    return perf_counter() - start


def trial(made: Counted, questions: list[str]) -> Trial:
    """Nanoseconds of one hit, all threads together."""
    hits = THREADS * ROUNDS * len(questions)
    return lambda: all_at_once(made.ask, questions) / hits * 1e9


@row("threads")
def threads(effort: Effort) -> Result:
    """Throughput under contention; with a global lock it cannot exceed one thread's."""
    result = Result("threads", "8 threads at once, each 4 times 1,000 texts; time of one hit, all together")
    questions = texts()
    contenders = peers.for_threads(locked=True)
    del contenders["dogpile"]  # a hundred times slower, and it would take most of the run
    made = {name: warmed_sync(name, counted_sync(it), questions) for name, it in contenders.items()}
    few = Effort(effort.repeats, max(1, effort.rounds // 3), effort.quick)
    times = race({name: trial(it, questions) for name, it in made.items()}, few)
    all_hit(made, questions)
    result.take(times)
    result.aside = ["cachetools"]
    result.compare(times, "lru_cache")
    result.compare(times, fastest(times, ["cachebox", "moka-py", "cachetools"]))
    return result
