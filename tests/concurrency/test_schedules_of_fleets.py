"""Random schedules of several processes over one tier: nothing stale anywhere, and nothing left."""

import asyncio
import random

import pytest
from distant import Fleet
from schedules import DrawnLoop, Failure, Model

from askonce import MISS
from askonce.flight import current_flight

ROUNDS, SCHEDULES, OPERATIONS = 10, 150, 16


class Play:
    """One schedule: callers in three processes, those who change the data or lose patience, the clock."""

    def __init__(self, seed, **options):
        self.rng = random.Random(seed)
        self.model = Model([0, 1])
        self.loop = DrawnLoop(self.rng)
        self.fleet = Fleet(3)
        for tier in self.fleet.tiers:
            tier.turns = lambda: self.rng.randrange(3)
        self.tasks, self.victims = [], set()
        self.fs = []
        for place, cache in enumerate(self.fleet.caches):
            self.fs.append(self.function_of(place, cache, options))

    def function_of(self, place, cache, options):
        async def f(key):
            return await self.function(place, key)

        from askonce import cached

        return cached(cache=cache, name="f", ttl=60, tags=lambda key: [f"tag{key}"], **options)(f)

    async def function(self, place, key):
        rng, model = self.rng, self.model
        mine = current_flight.get()
        others = [one for one in model.running[place, key] if _joinable(one)]
        assert not (others and _joinable(mine)), f"{key} is computed twice at once in {place}"
        model.running[place, key].append(mine)
        answer = key, model.version[key]
        try:
            for _ in range(rng.randrange(4)):
                await asyncio.sleep(0)
            if key == 1 and rng.random() < 0.2:
                await self.fs[place](0)
            if rng.random() < 0.15:
                raise Failure(key)
            return answer
        finally:
            model.running[place, key].remove(mine)

    # --- what may happen in a process

    async def call(self, f, cache, key):
        floor = self.model.floor[key]
        try:
            answer = await f(key)
        except Failure:
            return
        self.model.check(key, floor, answer)

    async def peek(self, f, cache, key):
        floor = self.model.floor[key]
        answer = await f.peek(key)
        if answer is not MISS:
            self.model.check(key, floor, answer)

    async def invalidate(self, f, cache, key):
        versions = self.model.change([key])
        await asyncio.sleep(0)
        await f.invalidate(key)
        self.model.announced(versions)

    async def invalidate_all(self, f, cache, key):
        versions = self.model.change(self.model.keys)
        await asyncio.sleep(0)
        await f.invalidate_all()
        self.model.announced(versions)

    async def invalidate_tag(self, f, cache, key):
        versions = self.model.change([key])
        cache.drop_tags((f"tag{key}",))
        await cache.remote.invalidate_tags((f"tag{key}",))
        cache.drop_tags((f"tag{key}",))
        self.model.announced(versions)

    async def store(self, f, cache, key):
        versions = self.model.change([key])
        if await f.store((key, versions[key]), key):
            self.model.announced(versions)

    async def refresh(self, f, cache, key):
        version = self.model.version[key]
        try:
            answer = await f.refresh(key)
        except Failure:
            return
        assert answer[1] >= version

    async def lose_contact(self, f, cache, key):
        cache.drop_all_copies()

    def cancel(self):
        under_way = [task for task in self.tasks if not task.done()]
        if under_way:
            task = self.rng.choice(under_way)
            self.victims.add(task)
            task.cancel()

    # --- the play

    def run(self):
        rng = self.rng
        verbs = [
            self.invalidate, self.invalidate_all, self.invalidate_tag, self.store, self.refresh, self.peek,
            self.lose_contact,
        ]  # fmt: skip
        for _ in range(OPERATIONS):
            draw = rng.random()
            if draw < 0.85:
                do = self.call if draw < 0.6 else rng.choice(verbs)
                place, key = rng.randrange(3), rng.choice(self.model.keys)
                self.tasks.append(self.loop.create_task(do(self.fs[place], self.fleet.caches[place], key)))
            elif draw < 0.95:
                self.cancel()
            else:
                self.fleet.clock.advance(61)
            for _ in range(rng.randrange(9)):
                if self.loop.ready:
                    self.loop.step()
                    self.look()
        self.loop.drain()
        self.end()

    def look(self):
        """What any process has in memory is as new as what was announced."""
        for f, cache in zip(self.fs, self.fleet.caches, strict=True):
            for key in self.model.keys:
                entry = cache.look(str(f.key(key)))
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
        self.fleet.assert_nothing_left()
        assert not any(self.model.running.values())


def _joinable(flight):
    return flight.aboard and flight.landing is None and not flight.fence.broken


def play(seed, **options):
    try:
        Play(seed, **options).run()
    except BaseException as error:
        error.add_note(f"to repeat it: play({seed!r}, **{options})")
        raise


@pytest.mark.parametrize("single_flight", ["process", "cluster"])
@pytest.mark.parametrize("batch", range(ROUNDS))
def test_schedules_of_fleets(batch, single_flight):
    """Calls, verbs, lost feeds, expiry and cancellation in three processes, in a drawn order."""
    for number in range(SCHEDULES):
        play(batch * SCHEDULES + number, single_flight=single_flight)
