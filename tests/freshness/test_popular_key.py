"""One key that everybody wants, over many expiries."""

import asyncio
import random
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from askonce import InMemoryCache, cached
from askonce.engine import call as engine_call
from askonce.engine.crew import crew
from askonce.freshness import verdict
from askonce.testing import ManualClock, settle, settle_blocking

PATIENCE = 30.0
CALLERS, THREADS = 1000, 64
EXPIRIES = 50
TTL = 10


class Popular:
    """A function of tasks whose runs, but for the first ones, wait until they are let go."""

    def __init__(self, free_runs=1, **options):
        self.free_runs = free_runs
        self.clock = ManualClock()
        self.runs = self.running = self.most = 0
        self.gate = asyncio.Event()

        @cached(cache=InMemoryCache(clock=self.clock), ttl=TTL, **options)
        async def f():
            self.begin()
            if self.runs > self.free_runs:
                await self.gate.wait()
            return self.end()

        self.f = f

    def begin(self):
        self.runs += 1
        self.running += 1
        self.most = max(self.most, self.running)

    def end(self):
        self.running -= 1
        return self.runs


class PopularThreads(Popular):
    """The same for threads."""

    def __init__(self, free_runs=1, **options):
        super().__init__(free_runs)
        self.gate = threading.Event()
        self.lock = threading.Lock()

        @cached(cache=InMemoryCache(clock=self.clock), ttl=TTL, **options)
        def f():
            with self.lock:
                self.begin()
                number = self.runs
            if number > self.free_runs:
                assert self.gate.wait(PATIENCE)
            with self.lock:
                return self.end()

        self.f = f


def test_tasks_share_each_computation():
    """Without a stale value all wait, for one run at each expiry."""

    async def main():
        popular = Popular()
        await popular.f()
        for number in range(2, 12):
            popular.clock.advance(TTL)
            popular.gate.clear()
            callers = [asyncio.create_task(popular.f()) for _ in range(CALLERS)]
            while popular.runs < number:
                await asyncio.sleep(0)
            popular.gate.set()
            assert set(await asyncio.gather(*callers)) == {number}
        assert popular.most == 1

    asyncio.run(main())


def test_tasks_never_wait_for_a_stale_value():
    """The refresh cannot end before every caller has got the stale value."""

    async def main():
        popular = Popular(stale=TTL)
        await popular.f()
        for number in range(1, EXPIRIES):
            popular.clock.advance(TTL)
            async with asyncio.timeout(PATIENCE):
                answers = await asyncio.gather(*(popular.f() for _ in range(CALLERS)))
            assert set(answers) == {number}
            popular.gate.set()
            await settle()
            popular.gate.clear()
        assert (popular.most, popular.runs) == (1, EXPIRIES)

    asyncio.run(main())


def test_threads_never_wait_for_a_stale_value():
    """The same with threads: one refresh at a time, behind all of them."""
    popular = PopularThreads(stale=TTL)
    popular.f()
    with ThreadPoolExecutor(THREADS) as pool:
        for number in range(1, EXPIRIES):
            popular.clock.advance(TTL)
            answers = pool.map(lambda _: popular.f(), range(THREADS), timeout=PATIENCE)
            assert set(answers) == {number}
            popular.gate.set()
            settle_blocking()
            popular.gate.clear()
    assert (popular.most, popular.runs) == (1, EXPIRIES)


def test_threads_share_each_computation():
    """Without a stale value they all wait for one run."""
    popular = PopularThreads()
    popular.gate.set()
    with ThreadPoolExecutor(THREADS) as pool:
        for number in range(1, EXPIRIES):
            assert set(pool.map(lambda _: popular.f(), range(THREADS), timeout=PATIENCE)) == {number}
            popular.clock.advance(TTL)
    assert popular.most == 1


def draw_from(seed, monkeypatch):
    rng = random.Random(seed)
    monkeypatch.setattr(engine_call, "verdict", lambda life, now, *_: verdict(life, now, rng.random))


def answered_at_once(coroutine):
    """What a caller gets who waits for nothing."""
    with pytest.raises(StopIteration) as end:
        coroutine.send(None)
    return end.value.value


@pytest.mark.parametrize(("seed", "callers"), [(0, CALLERS), (1, 200), (2, 200), (3, 20), (4, 20)])
def test_tasks_never_wait_again_with_refresh_ahead(seed, callers, monkeypatch):
    """After the first run, which takes a tick like all: in each tick many call, and none finds it expired."""
    draw_from(seed, monkeypatch)

    async def main():
        popular = Popular(free_runs=0, refresh_ahead=True)

        async def tick():
            for _ in range(5):  # what has been sent behind begins
                await asyncio.sleep(0)
            popular.clock.advance(1)
            popular.gate.set()
            await settle()
            popular.gate.clear()

        first = asyncio.create_task(popular.f())
        await tick()
        assert await first == 1
        while popular.runs < EXPIRIES:
            for _ in range(callers):
                answered_at_once(popular.f())
            await tick()
        assert popular.most == 1
        assert popular.clock() < 1000 + EXPIRIES * TTL  # each time before the expiry

    asyncio.run(main())


@pytest.mark.parametrize("seed", range(3))
def test_threads_never_wait_again_with_refresh_ahead(seed, monkeypatch):
    """Who had to wait would wait for ever: a run ends only after all callers of its tick are answered."""
    draw_from(seed, monkeypatch)
    popular = PopularThreads(free_runs=0, refresh_ahead=2)

    def tick():
        while popular.running < crew._busy.total():  # what has been sent behind begins
            pass
        popular.clock.advance(1)
        popular.gate.set()
        settle_blocking()
        popular.gate.clear()

    with ThreadPoolExecutor(THREADS) as pool:
        first = pool.submit(popular.f)
        while not popular.running:
            pass
        popular.clock.advance(1)
        popular.gate.set()
        assert first.result(PATIENCE) == 1
        popular.gate.clear()
        while popular.runs < EXPIRIES:
            list(pool.map(lambda _: popular.f(), range(THREADS), timeout=PATIENCE))
            tick()
    assert popular.most == 1
