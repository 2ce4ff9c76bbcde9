"""A load on several caches, in this process and in another one, that goes on while something breaks."""

import asyncio
import json
import os
import secrets
import sys
import time
from pathlib import Path

from patience import until_async
from truth import Truth
from worker import DEADLINE, HEARTBEAT, KEYS, PLAIN, Worker

CALLS = 50_000
"""That many while something is broken."""
HEARING = HEARTBEAT + DEADLINE + 0.7
"""Seconds within which a connection that hears nothing is noticed, on a busy machine."""
PATIENCE = 20.0
LOOK = 0.02
TRIES = 5


class Load:
    """Two caches here and one in another process, with readers and writers.

    Args:
        url: of the servers, for the first cache here.
        path: a directory.
        others: URLs for the other caches, where they go another way.
        hearing: seconds after which a change must be known elsewhere.
        options: of the workers.
    """

    def __init__(self, url, path, *, others=None, hearing=HEARING, **options):
        self._truth_at = path / "truth"
        self._truth = Truth(self._truth_at, KEYS)
        namespace = f"chaos-{secrets.token_hex(4)}"
        second, third = others or (url, url)
        common = {"hearing": hearing, **options}
        self.workers = [
            Worker(address, namespace, self._truth, (number, 3), **common)
            for number, address in enumerate((url, second))
        ]
        self.namespace = namespace
        self._common = common
        self._third = third
        self._other = None
        self.waits = 0

    async def __aenter__(self):
        self._other = await Other.start(self._third, self.namespace, self._truth_at, self._common)
        for worker in self.workers:
            worker.start()
        await self.await_health()
        await self.await_calls(2_000)
        await self._ask_all("take")
        return self

    async def __aexit__(self, *exc_info):
        for worker in self.workers:
            if worker._running.is_set():
                await worker.rest()
            await worker.end()
        await self._other.end()

    # --- while something is broken

    async def await_calls(self, count=CALLS):
        """Wait until so many calls were made from here on."""
        wanted = count + await self.calls()
        await until_async(lambda: self._reached(wanted), 60.0, what=f"{count} calls")

    async def _reached(self, wanted):
        await asyncio.sleep(LOOK)
        return await self.calls() >= wanted

    async def calls(self):
        """Return how many were made since something broke."""
        return sum(await self._ask_all("calls"))

    async def goes_on(self):
        """Say whether there have to be more calls while something is broken."""
        return await self.calls() < CALLS

    async def loosen(self):
        """Expect of what was told that it is known where it was told, and no more than that."""
        await self._set_strict(strict=False)

    async def _set_strict(self, *, strict):
        await self._ask_all("strict" if strict else "loose")

    async def await_health(self):
        """Wait until every cache is connected, hears, and has told what it owed; answer after how long."""
        began = time.monotonic()
        await until_async(self._is_well, PATIENCE, what="the caches do not come back")
        return time.monotonic() - began

    async def _is_well(self):
        return all(await self._ask_all("well"))

    async def recover(self, fault):
        """Wait for health, end the load, and check everything; prints a line of figures."""
        back = await self.await_health()
        during = await self._ask_all("take")
        await self._set_strict(strict=True)
        losses = await self._ask_all("losses")
        await self.await_calls(2_000)
        assert await self._ask_all("losses") == losses, "the connections do not last"
        after = await self._ask_all("take")
        herd = await self._calm()
        self.waits = sum(each["waits"] for each in during)
        calls, worst = sum(each["calls"] for each in during), max(each["worst"] for each in during)
        print(  # noqa: T201
            f"\n{fault}: {calls:,} calls, the worst {worst * 1000:.0f} ms, {self.waits} slow; "
            f"back after {back * 1000:.0f} ms; then {herd} computations for {PLAIN} keys"
        )
        assert not (problems := _faults(during)), problems
        assert not (problems := _faults(after)), f"afterwards: {problems}"
        assert calls >= CALLS

    async def _calm(self):
        """End the load; all must come to see what is right, after one computation of each key at most."""
        await self._ask_all("rest")
        deadline = time.monotonic() + self._common["hearing"]
        while out_of_date := await self._sweep():
            assert time.monotonic() < deadline, f"nobody told of {out_of_date[:5]}"
        for _ in range(TRIES):
            if (computed := await self._computed_anew()) is not None:
                return computed
        raise AssertionError("Redis does not answer in time, with nothing to do but this")

    async def _computed_anew(self):
        """Have everything computed anew, by all caches at once; answer how much that was.

        None where Redis failed, since what it does not answer in time is computed.
        """
        await self._forget_all()
        failures = await self._ask_all("failures")
        assert not await self._sweep() + await self._sweep()
        computed = await self._ask_all("computed")
        if failures != await self._ask_all("failures"):
            return None
        herds = [max(each) for each in computed]
        assert max(herds) == 1, f"a key was computed up to {herds} times in each cache"
        if self._common.get("single_flight") == "cluster":
            assert max(map(sum, zip(*computed, strict=True))) == 1, "several caches computed a key"
        return sum(map(sum, computed))

    async def _forget_all(self):
        """Begin anew with nothing stored anywhere."""
        await self.workers[0].cache.clear()
        await until_async(self._is_empty, PATIENCE, what="not all have heard of the clear")
        await self._ask_all("computed")

    async def _is_empty(self):
        return not any(await self._ask_all("size"))

    async def _ask_all(self, what):
        return [await obey(worker, what) for worker in self.workers] + [await self._other.ask(what)]

    def places_of(self, server):
        """Return keys of the load that a server has, as they are called there."""
        return [name.decode() for name in server.client().scan_iter(f"{self.namespace}:d:*", 1000)]

    async def _sweep(self):
        answers = await asyncio.gather(*(worker.sweep() for worker in self.workers), self._other.ask("sweep"))
        return [text for answer in answers for text in answer]


def _faults(figures):
    """What must not have been, by kind: how often, and the first."""
    return [each["faults"] for each in figures if each["faults"]]


def under_load(url, path, fault, **options):
    """Run a load, have something happen to the servers, and check everything once it is over."""

    async def run():
        async with Load(url, path, **options) as load:
            await fault(load)
            await load.recover(fault.__name__.replace("_", " "))
        return load

    return asyncio.run(run())


class Other:
    """The same in a process of its own."""

    @classmethod
    async def start(cls, *arguments):
        url, namespace, truth, common = arguments
        here = Path(__file__)
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            here,
            json.dumps([url, namespace, str(truth), common]),
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=1 << 22,
        )
        other = cls(process)
        await other.ask("well")
        return other

    def __init__(self, process):
        self._process = process
        self._turn = asyncio.Lock()

    async def ask(self, what):
        """Have it do something, and wait for the answer."""
        async with self._turn:
            self._process.stdin.write(f"{what}\n".encode())
            async with asyncio.timeout(PATIENCE):
                line = await self._process.stdout.readline()
        assert line, f"the other process ended when it was asked for {what!r}"
        return json.loads(line)

    async def end(self):
        self._process.stdin.close()
        await asyncio.wait_for(self._process.wait(), PATIENCE)
        self._process._transport.close()


async def _serve(url, namespace, truth, common):
    """Be the other process: a worker that does what the lines on the standard input say."""
    worker = Worker(url, namespace, Truth(Path(truth), KEYS), (2, 3), **common)
    worker.start()
    try:
        while line := await asyncio.to_thread(sys.stdin.readline):
            answer = json.dumps(await obey(worker, line.strip()))
            sys.stdout.write(f"{answer}\n")
            sys.stdout.flush()
    finally:
        if worker._running.is_set():
            await worker.rest()
        await worker.end()


async def obey(worker, what):
    """Have a worker do something, or say something."""
    match what:
        case "calls":
            return worker.seen.calls
        case "take":
            return worker.seen.take()
        case "computed":
            return worker.take_computed()
        case "strict" | "loose":
            worker.strict = what == "strict"
        case "rest":
            await worker.rest()
        case "sweep":
            return await worker.sweep()
        case _:
            return getattr(worker, what)
    return None


if __name__ == "__main__":
    asyncio.run(_serve(*json.loads(sys.argv[1])))
