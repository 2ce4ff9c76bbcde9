"""Thousands of random schedules with refreshes behind: nothing older than announced, and nothing left."""

import asyncio

import pytest
from schedules import Failure, Model
from test_schedules_of_tasks import Play

from askonce import MISS

BATCHES, SCHEDULES = 20, 200
OPTIONS = [
    {"stale": 60},
    {"stale_if_error": 60, "retry_after": 1},
    {"stale": 30, "stale_if_error": 90},
    {"refresh_ahead": 3.0, "stale": 20},
    {"stale": 60, "errors": {Failure: 10}},
    {"stale": 30, "stale_if_error": 60, "single_flight": None},
]


class ModelWithRefreshes(Model):
    """A run that nobody waits for may be joined as well; without single flight runs are nobody's."""

    def enter(self, key):
        answer = super().enter(key)
        flights = [flight for flight in self.running[key] if flight is not None and can_be_joined(flight)]
        assert len(flights) <= 1, f"{key} is computed twice at once"
        return answer


def can_be_joined(flight):
    return (flight.aboard or flight.lasts) and flight.landing is None and not flight.fence.broken


class PlayBehind(Play):
    """The same schedules for a function with windows, whose runs take time by the clock of the cache."""

    def __init__(self, seed):
        super().__init__(seed, far=False)
        self.model = ModelWithRefreshes([0, 1])
        self.options = self.rng.choice(OPTIONS)

        @self.scene.cached(ttl=30, name="behind", tags=["key:{key}"], **self.options)
        async def f(key):
            if self.rng.random() < 0.5:
                self.scene.clock.advance(1)
            return await self.function(key)

        self.f = f
        self.keys = {key: str(f.key(key)) for key in self.model.keys}

    async def function(self, key):
        if self.options.get("single_flight", "process") is None:
            return await self.alone(key)
        return await super().function(key)

    async def alone(self, key):
        answer = key, self.model.version[key]
        for _ in range(self.rng.randrange(4)):
            await asyncio.sleep(0)
        if self.rng.random() < 0.15:
            raise Failure(key)
        return answer

    async def clear(self, key):
        """As often a tag: what it reaches is announced as what is removed by key."""
        if self.rng.random() < 0.5:
            await super().clear(key)
            return
        versions = self.model.change([key])
        await self.scene.cache.invalidate_tags(f"key:{key}")
        self.model.announced(versions)

    async def set_by_hand(self, key):
        """Bears no tag that a later invalidation by tag would reach, so it is stored with it."""
        versions = self.model.change([key])
        await self.scene.cache.set(self.keys[key], (key, versions[key]), tags=[f"key:{key}"])
        self.model.announced(versions)

    def expire(self):
        self.scene.clock.advance(self.rng.choice([1, 10, 30, 31, 31, 31, 60, 100]))

    def spawn(self, do, key):
        if self.rng.random() < 0.2:
            self.expire()
        super().spawn(do, key)

    def look(self):
        """What is held is not too old either, fresh or not."""
        for key, name in self.keys.items():
            entry = self.scene.store.held(name)
            if entry is not None and isinstance(entry.value, tuple) and len(entry.value) == 2:
                self.model.check(key, self.model.floor[key], entry.value)

    async def peek(self, key):
        floor = self.model.floor[key]
        answer = await self.f.peek(key)
        if answer is not MISS:
            self.model.check(key, floor, answer)

    def run(self):
        for key in self.model.keys:  # what is refreshed has to be there first, and past its time
            self.spawn(self.call, key)
        self.loop.drain()
        self.scene.clock.advance(31)
        super().run()


def play(seed):
    try:
        PlayBehind(seed).run()
    except BaseException as error:
        error.add_note(f"to repeat it: play({seed!r})")
        raise


@pytest.mark.parametrize("batch", range(BATCHES))
def test_schedules_with_refreshes_behind(batch):
    """Calls, invalidations by key and tag, stores, refreshes, expiry, cancellation and failure."""
    for number in range(SCHEDULES):
        play(batch * SCHEDULES + number)


def test_the_schedules_do_refresh():
    """They would prove little if nothing ran behind."""
    refreshed = stale = 0
    for seed in range(100):
        drawn = PlayBehind(seed)
        drawn.run()
        figures = drawn.f.explain.__self__._function.figures
        refreshed += figures.refreshed
        stale += figures.stale
    assert refreshed > 50
    assert stale > 100
