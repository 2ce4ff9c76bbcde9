"""Thousands of random schedules of tasks: nothing stale, nobody unanswered, nothing left."""

import asyncio
import random

import pytest
from flighttools import FarCache, Scene
from schedules import DrawnLoop, Failure, Model

from askonce import MISS

BATCHES, SCHEDULES = 25, 210
OPERATIONS = 14


class Play:
    """One schedule: callers, those who change the data, those who lose patience, and the clock."""

    def __init__(self, seed, far):
        self.rng = random.Random(seed)
        self.model = Model([0, 1])
        self.loop = DrawnLoop(self.rng)
        self.far = FarCache() if far else None
        self.scene = Scene(self.far)
        self.tasks = []
        self.victims = set()

        @self.scene.cached(ttl=60, name="f")
        async def f(key):
            return await self.function(key)

        self.f = f
        self.keys = {key: str(self.f.key(key)) for key in self.model.keys}

    async def function(self, key):
        rng = self.rng
        answer = self.model.enter(key)
        try:
            for _ in range(rng.randrange(4)):
                await asyncio.sleep(0)
            if key == 1 and rng.random() < 0.2:
                await self.f(0)
            if rng.random() < 0.15:
                raise Failure(key)
            return answer
        except asyncio.CancelledError:
            if rng.random() < 0.5:
                await asyncio.sleep(0)
            raise
        finally:
            self.model.leave(key)

    # --- what may happen

    async def call(self, key):
        floor = self.model.floor[key]
        try:
            answer = await self.f(key)
        except Failure:
            return
        self.model.check(key, floor, answer)

    async def peek(self, key):
        floor = self.model.floor[key]
        answer = await self.f.peek(key)
        if answer is not MISS:
            self.model.check(key, floor, answer)

    async def invalidate(self, key):
        versions = self.model.change([key])
        await asyncio.sleep(0)
        await self.f.invalidate(key)
        self.model.announced(versions)

    async def delete(self, key):
        versions = self.model.change([key])
        await self.scene.cache.delete(self.keys[key])
        self.model.announced(versions)

    async def clear(self, key):
        versions = self.model.change(self.model.keys)
        await self.scene.cache.clear()
        self.model.announced(versions)

    async def invalidate_all(self, key):
        versions = self.model.change(self.model.keys)
        await asyncio.sleep(0)
        await self.f.invalidate_all()
        self.model.announced(versions)

    async def store(self, key):
        versions = self.model.change([key])
        await self.f.store((key, versions[key]), key)
        self.model.announced(versions)

    async def set_by_hand(self, key):
        versions = self.model.change([key])
        await self.scene.cache.set(self.keys[key], (key, versions[key]))
        self.model.announced(versions)

    async def refresh(self, key):
        versions = {key: self.model.version[key]}
        try:
            answer = await self.f.refresh(key)
        except Failure:
            return
        assert answer[1] >= versions[key]
        if (
            self.far is None
        ):  # else an invalidation that is cancelled half-way may fence it and remove nothing
            self.model.announced(versions)

    def spawn(self, do, key):
        self.tasks.append(self.loop.create_task(do(key)))

    def cancel(self):
        under_way = [task for task in self.tasks if not task.done()]
        if under_way:
            task = self.rng.choice(under_way)
            self.victims.add(task)
            task.cancel()

    # --- the play

    def run(self):
        rng = self.rng
        verbs = [self.invalidate, self.store, self.refresh, self.peek]
        if self.far is None:  # a plain backend that is changed by hand fences nothing
            verbs += [self.delete, self.clear]
        # What is set by hand bears no tag of the function's, so that invalidate_all does not reach it.
        verbs.append(self.invalidate_all if self.far or rng.random() < 0.5 else self.set_by_hand)
        for _ in range(OPERATIONS):
            draw = rng.random()
            if draw < 0.55:
                self.spawn(self.call, rng.choice(self.model.keys))
            elif draw < 0.8:
                self.spawn(rng.choice(verbs), rng.choice(self.model.keys))
            elif draw < 0.95:
                self.cancel()
            else:
                self.expire()
            for _ in range(rng.randrange(8)):
                if self.loop.ready:
                    self.loop.step()
                    self.look()
        self.loop.drain()
        self.end()

    def expire(self):
        self.scene.clock.advance(61)
        if self.far is not None:
            self.far.values.clear()

    def look(self):
        """What is stored at this moment is not too old."""
        for key, name in self.keys.items():
            entry = self.scene.store.look(name)
            if entry is not None:
                self.model.check(key, self.model.floor[key], entry.value)

    def end(self):
        assert not self.loop.problems
        for task in self.tasks:
            assert task.done(), "a caller was forgotten"
            if task.cancelled():
                assert task in self.victims, "a caller was cancelled by nobody"
            else:
                task.result()
        self.scene.assert_nothing_left()
        assert not any(self.model.running.values())
        if self.far is not None:
            for key, name in self.keys.items():
                if name in self.far.values:
                    self.model.check(key, self.model.floor[key], self.far.values[name])


def play(seed, *, far=False):
    try:
        Play(seed, far).run()
    except BaseException as error:
        error.add_note(f"to repeat it: play({seed!r}, far={far})")
        raise


@pytest.mark.parametrize("batch", range(BATCHES))
def test_schedules_of_tasks(batch):
    """Calls, invalidations, stores, refreshes, expiry, cancellation and failure in a drawn order."""
    for number in range(SCHEDULES):
        play(batch * SCHEDULES + number)


@pytest.mark.parametrize("batch", range(5))
def test_schedules_of_tasks_with_a_slow_backend(batch):
    """The same over a plain backend whose every answer takes a while."""
    for number in range(SCHEDULES):
        play(batch * SCHEDULES + number, far=True)
