"""Random schedules of overlapping batches: each item fresh, computed once at a time, and nothing left."""

import asyncio
import random
from collections import defaultdict

import pytest
from flighttools import FarCache, Scene, peeked
from schedules import Baton, DrawnLoop, DrawnTicket, Failure, Model

from askonce import MISS
from askonce.flight import current_flight

ITEMS = (0, 1, 2, 3)
ROUNDS, SCHEDULES, OPERATIONS = 10, 120, 14


class Play:
    """One schedule: batches, those who change items, those who lose patience, and the clock."""

    def __init__(self, seed, far):
        self.rng = random.Random(seed)
        self.loop = DrawnLoop(self.rng)
        self.far = FarCache() if far else None
        self.scene = Scene(self.far)
        self.version = dict.fromkeys(ITEMS, 0)
        self.floor = dict.fromkeys(ITEMS, 0)
        self.running = defaultdict(list)
        self.tasks, self.victims = [], set()

        @self.scene.cached(ttl=60, name="f", each="items", store_if=_is_kept)
        async def f(items):
            return await self.function(items)

        self.f = f
        self.keys = {item: str(self.f.key([item])) for item in ITEMS}

    async def function(self, items):
        assert len(set(items)) == len(items) > 0
        mine = current_flight.get()
        assert [flight.key for flight in mine.company] == [self.keys[item] for item in items]
        flights = dict(zip(items, mine.company, strict=True))
        answers = [(item, self.version[item]) for item in items]
        for item, flight in flights.items():
            others = any(map(_joinable, self.running[item]))
            assert not (others and _joinable(flight)), f"{item} is computed twice at once"
            self.running[item].append(flight)
        try:
            for _ in range(self.rng.randrange(4)):
                await asyncio.sleep(0)
            if 0 not in items and self.rng.random() < 0.2:
                await self.f([0])
            return [Failure(answer) if self.rng.random() < 0.1 else answer for answer in answers]
        finally:
            for item, flight in flights.items():
                self.running[item].remove(flight)

    def check(self, item, floor, answer):
        assert answer[0] == item, f"{item} got the answer of {answer[0]}"
        assert floor <= answer[1] <= self.version[item], f"{item} got version {answer[1]} after {floor}"

    # --- what may happen

    async def call(self, items):
        floors = [self.floor[item] for item in items]
        try:
            answers = await self.f(items)
        except Failure as failure:
            failed, _ = failure.args[0]
            assert failed in (*items, 0)  # which any run may ask for
            return
        for item, floor, answer in zip(items, floors, answers, strict=True):
            self.check(item, floor, answer)

    async def peek(self, items):
        floors = [self.floor[item] for item in items]
        for item, floor, answer in zip(items, floors, await peeked(self.f, items), strict=True):
            if answer is not MISS:
                self.check(item, floor, answer)

    async def invalidate(self, items):
        versions = self.change(items)
        await asyncio.sleep(0)
        await self.f.invalidate(items)
        self.announce(versions)

    async def invalidate_all(self, items):
        versions = self.change(ITEMS)
        await self.f.invalidate_all()
        self.announce(versions)

    async def store(self, items):
        if self.far is not None:
            items = items[:1]  # they are stored one after the other, and an invalidation may come between
        versions = self.change(items)
        await self.f.store([(item, versions[item]) for item in items], items)
        self.announce({item: version for item, version in versions.items() if _is_kept((item, version))})

    async def refresh(self, items):
        versions = {item: self.version[item] for item in items}
        try:
            answers = await self.f.refresh(items)
        except Failure:
            return
        for item, answer in zip(items, answers, strict=True):
            assert answer[1] >= versions[item]

    def change(self, items):
        for item in set(items):
            self.version[item] += 1
        return {item: self.version[item] for item in items}

    def announce(self, versions):
        for item, version in versions.items():
            self.floor[item] = max(self.floor[item], version)

    def cancel(self):
        under_way = [task for task in self.tasks if not task.done()]
        if under_way:
            task = self.rng.choice(under_way)
            self.victims.add(task)
            task.cancel()

    # --- the play

    def run(self):
        rng = self.rng
        for _ in range(OPERATIONS):
            draw = rng.random()
            if draw < 0.8:
                verbs = [self.invalidate, self.store, self.refresh, self.peek, self.invalidate_all]
                do = self.call if draw < 0.55 else rng.choice(verbs)
                items = rng.choices(ITEMS, k=rng.randrange(1, 5))
                self.tasks.append(self.loop.create_task(do(items)))
            elif draw < 0.95:
                self.cancel()
            else:
                self.scene.clock.advance(61)
                if self.far is not None:
                    self.far.values.clear()
            for _ in range(rng.randrange(10)):
                if self.loop.ready:
                    self.loop.step()
                    self.look()
        self.loop.drain()
        self.end()

    def look(self):
        for item, key in self.keys.items():
            entry = self.scene.store.look(key)
            if entry is not None:
                self.check(item, self.floor[item], entry.value)

    def end(self):
        assert not self.loop.problems
        for task in self.tasks:
            assert task.done(), "a caller was forgotten"
            if task.cancelled():
                assert task in self.victims, "a caller was cancelled by nobody"
            else:
                task.result()
        self.scene.assert_nothing_left()
        assert not any(self.running.values())


def _is_kept(answer):
    return answer[1] % 5 != 4


def _joinable(flight):
    wanted = any(one.aboard for one in flight.company)
    return wanted and flight.landing is None and not flight.fence.broken


def play(seed, *, far=False):
    try:
        Play(seed, far).run()
    except BaseException as error:
        error.add_note(f"to repeat it: play({seed!r}, far={far})")
        raise


@pytest.mark.parametrize("batch", range(ROUNDS))
def test_schedules_of_batches(batch):
    """Batches, invalidations, stores, refreshes, expiry, cancellation and failure in a drawn order."""
    for number in range(SCHEDULES):
        play(batch * SCHEDULES + number)


@pytest.mark.parametrize("batch", range(3))
def test_schedules_of_batches_with_a_slow_backend(batch):
    """The same over a plain backend whose every answer takes a while."""
    for number in range(SCHEDULES):
        play(batch * SCHEDULES + number, far=True)


# --- the same in threads


class PlayOfThreads:
    """Threads that change over before any step of a call that concerns others."""

    def __init__(self, seed):
        self.rng = random.Random(seed)
        self.model = Model(ITEMS)
        self.baton = Baton(self.rng)
        self.scene = Scene()
        store, flights = self.scene.store, self.scene.store.flights
        for target, name in (
            (store, "look"), (store, "fill"), (store, "drop"), (store, "close_fence"),
            (flights, "board"), (flights, "tie"), (flights, "land"), (flights, "disembark"),
        ):  # fmt: skip
            setattr(target, name, self.marked(getattr(target, name)))

        @self.scene.cached(ttl=60, name="f", each="items")
        def f(items):
            return self.function(items)

        self.f = f

    def marked(self, method):
        def between(*args, **kwargs):
            self.baton.pause()
            return method(*args, **kwargs)

        return between

    def function(self, items):
        flights = dict(zip(items, current_flight.get().company, strict=True))
        answers = [(item, self.model.version[item]) for item in items]
        for item, flight in flights.items():
            others = any(map(_joinable, self.model.running[item]))
            assert not (others and _joinable(flight)), f"{item} is computed twice at once"
            self.model.running[item].append(flight)
        try:
            for _ in range(self.rng.randrange(3)):
                self.baton.pause()
            if 0 not in items and self.rng.random() < 0.2:
                self.f([0])
            if self.rng.random() < 0.1:
                raise self.rng.choice([Failure, KeyboardInterrupt])
            return [Failure(answer) if self.rng.random() < 0.1 else answer for answer in answers]
        finally:
            for item, flight in flights.items():
                self.model.running[item].remove(flight)

    def call(self, items):
        floors = [self.model.floor[item] for item in items]
        try:
            answers = self.f(items)
        except (Failure, KeyboardInterrupt):
            return
        for item, floor, answer in zip(items, floors, answers, strict=True):
            self.model.check(item, floor, answer)

    def invalidate(self, items):
        versions = self.model.change(items)
        self.baton.pause()
        self.f.invalidate(items)
        self.model.announced(versions)

    def refresh(self, items):
        versions = {item: self.model.version[item] for item in items}
        try:
            answers = self.f.refresh(items)
        except (Failure, KeyboardInterrupt):
            return
        for item, answer in zip(items, answers, strict=True):
            assert answer[1] >= versions[item]

    def run(self):
        for _ in range(OPERATIONS):
            do = self.rng.choice([self.call, self.call, self.call, self.invalidate, self.refresh])
            items = self.rng.sample(ITEMS, k=self.rng.randrange(1, 4))
            self.baton.start(lambda do=do, items=items: do(items))
            if self.rng.random() < 0.1:
                self.scene.clock.advance(61)
            for _ in range(self.rng.randrange(20)):
                self.baton.step()
        self.baton.drain()
        self.scene.assert_nothing_left()
        assert not any(self.model.running.values())


@pytest.mark.parametrize("batch", range(5))
def test_schedules_of_batches_in_threads(batch, monkeypatch):
    """Batches, invalidations, refreshes, expiry, failures and interrupts in a drawn order."""
    monkeypatch.setattr("askonce.flight.waiting.ThreadTicket", DrawnTicket)
    for number in range(batch * 30, batch * 30 + 30):
        try:
            PlayOfThreads(number).run()
        except BaseException as error:
            error.add_note(f"to repeat it: PlayOfThreads({number!r}).run()")
            raise
