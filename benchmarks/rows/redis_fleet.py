"""Several processes that share one Redis."""

import asyncio
import json
import queue
import statistics
import subprocess
import sys
import threading
import time
from typing import Any

from askonce import GenericRedisCache
from benchmarks import server
from benchmarks.fleet_worker import NAMESPACE
from benchmarks.measure import Effort, Spread
from benchmarks.report import Check, Result, row

PROCESSES = 4
CALLERS = 1000
PAUSE = 0.001  # seconds between two writes, so that none waits for the one before


class Worker:
    """A process of the fleet. What it says comes in order, whoever of them says it.

    Args:
        role, url, argument: see ``fleet_worker``.
        said: takes what it says, with the worker.
    """

    def __init__(self, role: str, url: str, argument: int, said: "queue.Queue[tuple[Worker, Any]]") -> None:
        command = [sys.executable, "-m", "benchmarks.fleet_worker", role, url, str(argument)]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, cwd=server.ROOT, stdin=pipe, stdout=pipe, text=True)
        self._said = said
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        for line in self.process.stdout or ():
            self._said.put((self, json.loads(line)))

    def tell(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def end(self) -> None:
        """By SIGKILL, whatever it does."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()


def heard(said: "queue.Queue[tuple[Worker, Any]]", what: str) -> tuple[Worker, Any]:
    """The next word of the fleet, which must be this one."""
    worker, words = said.get(timeout=60)
    if not words.get(what):
        raise AssertionError(f"{words} where {what} was expected")
    return worker, words[what]


async def written(cache: GenericRedisCache, count: int) -> tuple[list[float], list[float]]:
    """When each write began, and when it was acknowledged."""
    began, ended = [], []
    for number in range(count):
        began.append(time.monotonic())
        await cache.set(f"key {number}", "new")
        ended.append(time.monotonic())
        await asyncio.sleep(PAUSE)
    return began, ended


async def coherence(url: str, count: int) -> tuple[list[float], list[float]]:
    """Milliseconds from the beginning, and from the end, of each write to the drop in another process."""
    said: queue.Queue[tuple[Worker, Any]] = queue.Queue()
    async with GenericRedisCache(url, namespace=NAMESPACE) as cache:
        for number in range(count):
            await cache.set(f"key {number}", "old")
        reader = Worker("read", url, count, said)
        try:
            await asyncio.to_thread(heard, said, "ready")
            began, ended = await written(cache, count)
            _, dropped = await asyncio.to_thread(heard, said, "dropped")
        finally:
            reader.end()
    since = [(drop - begin) * 1e3 for drop, begin in zip(dropped, began, strict=True)]
    return since, [(drop - end) * 1e3 for drop, end in zip(dropped, ended, strict=True)]


@row("redis-coherence")
def drops(effort: Effort) -> Result:
    """How long another process may serve what was replaced."""
    count, repeats = (300, 2) if effort.quick else (2000, max(3, effort.repeats // 3))
    title = f"a copy in memory is dropped in another process after a write, {repeats} times {count:,} writes"
    result = Result("redis-coherence", title, "ms")
    with server.start() as running:
        runs = [asyncio.run(coherence(running.url, count)) for _ in range(repeats)]
    for name, place in (("from the write's beginning", 0), ("from its acknowledgement", 1)):
        sorted_runs = [sorted(run[place]) for run in runs]
        result.figures[f"median, {name}"] = Spread.of([statistics.median(run) for run in sorted_runs])
        nearly_last = Spread.of([run[int(len(run) * 0.99)] for run in sorted_runs])
        result.figures[f"99th percentile, {name}"] = nearly_last
        if place == 0:
            result.checks.append(Check("ms up to the drop, 99th percentile", nearly_last, 10))
            worst = Spread.of([run[-1] for run in sorted_runs])
            result.figures[f"worst, {name}"] = worst
    result.note = (
        "The clock is one for both processes. Below 0: dropped there before the writer had its answer."
    )
    return result


class Fleet:
    """Four processes, told to ask for a key all at once."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.said: queue.Queue[tuple[Worker, Any]] = queue.Queue()
        self.workers: list[Worker] = []
        self.fill_up()

    def fill_up(self) -> None:
        """Start those that are missing."""
        missing = PROCESSES - len(self.workers)
        callers = CALLERS // PROCESSES
        self.workers += [Worker("compute", self._url, callers, self.said) for _ in range(missing)]
        for _ in range(missing):
            heard(self.said, "ready")

    def ask(self, key: str, seconds: float, *, kills: bool = False) -> tuple[int, float]:
        """Have all of them ask; how often somebody computed, and seconds until all had the answer."""
        start = time.monotonic()
        for worker in self.workers:
            worker.tell(f"{key} {seconds}")
        computed, waiting = 0, len(self.workers)
        while waiting:
            worker, words = self.said.get(timeout=60)
            if "computes" in words:
                computed += 1
                if kills and computed == 1:
                    worker.end()
                    self.workers.remove(worker)
                    waiting -= 1
            elif words.get("right"):
                waiting -= 1
            else:
                raise AssertionError(f"a process said {words}")
        took = time.monotonic() - start
        self.fill_up()
        return computed, took

    def end(self) -> None:
        for worker in self.workers:
            worker.end()


@row("redis-lease")
def one_in_the_fleet(effort: Effort) -> Result:
    """``single_flight="cluster"``."""
    asked, killed = (3, 1) if effort.quick else (effort.repeats, 3)
    title = f"{CALLERS:,} callers in {PROCESSES} processes ask one cold key; the function takes 0.2 s"
    result = Result("redis-lease", title, "s")
    with server.start() as running:
        fleet = Fleet(running.url)
        try:
            calm = [fleet.ask(f"cold-{turn}", 0.2) for turn in range(asked)]
            # The holder is killed as soon as it computes; the lease has to run out.
            harsh = [fleet.ask(f"killed-{turn}", 0.2, kills=True) for turn in range(killed)]
        finally:
            fleet.end()
    result.figures["all have the answer"] = Spread.of([took for _, took in calm])
    result.figures["all others have it, the holder killed"] = Spread.of([took for _, took in harsh])
    calls = Spread.of([float(computed) for computed, _ in calm])
    result.checks.append(Check("calls of the function in all processes", calls, 1))
    after = Spread.of([float(computed) for computed, _ in harsh])
    result.checks.append(
        Check("calls of the function, its first process killed (SIGKILL) meanwhile", after, 2)
    )
    return result
