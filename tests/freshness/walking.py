"""Walks a row of ``combinations``: the real cache, a clock and a chance in the test's hand, no sleep.

Whatever runs behind its callers stands at a gate that opens only when they have their answers: a caller that
waited for it would hang, and fail after ``PATIENCE``.
"""

import asyncio
import contextlib
import threading
from dataclasses import asdict

from scenario import KEY, Ask

from askonce import InMemoryCache, cached
from askonce.engine import drivers
from askonce.engine.crew import crew
from askonce.testing import ManualClock

PATIENCE = 30.0
"""Seconds after which a test that would hang fails instead."""


class Chance:
    """Stands in for ``random.random``."""

    def __init__(self):
        self.value = 0.0

    def draw(self):
        return self.value


class Body:
    """The function of a row: its runs are numbered, and answer ``[their number]``."""

    def __init__(self, clock):
        self.clock = clock
        self.gate = threading.Event()
        self.gate.set()
        self.error = None
        self.cost = 0.0
        self.made = {}
        self.front = self.behind = 0
        self.changed = threading.Condition()

    def begin(self, name):
        with self.changed:
            if name.startswith("askonce refresh"):
                self.behind += 1
            else:
                self.front += 1
            number = self.front + self.behind
            self.changed.notify_all()
        return number

    def end(self, number):
        self.clock.advance(self.cost)
        if self.error is not None:
            raise self.error(f"run {number}")
        self.made[number] = [number]
        return self.made[number]


class Walk:
    """One row, step by step; the subclasses know how their kind of function is called."""

    generates = False
    arguments = (KEY,)
    more = {}

    def __init__(self, row, chance, log):
        self.row = row
        self.chance = chance
        self.log = log
        self.clock = ManualClock()
        self.cache = InMemoryCache(
            row.default, operation_ttls={"report": row.operation_ttl}, clock=self.clock
        )
        self.cache.draw = chance.draw
        self.body = Body(self.clock)
        self.function = cached(cache=self.cache, **row.options, **self.more)(self.make())
        self.joins = row.options.get("single_flight", "process") is not None and not self.generates
        self.shares = row.options.get("isolate") is False
        self.seen = []
        self._watch_boarding()

    def _watch_boarding(self):
        flights = self.cache.flights
        board = flights.board

        def watched(*args, **kwargs):
            answer = board(*args, **kwargs)
            with self.body.changed:
                self.body.changed.notify_all()
            return answer

        flights.board = watched

    # --- steps

    def go(self):
        for place, step in enumerate(self.row.steps):
            try:
                self.take(step)
            except AssertionError as error:
                error.add_note(f"{self.row.id}, step {place}: {step}")
                raise

    def take(self, step):
        if isinstance(step, Ask):
            self.ask(step)
        else:
            step.take(self)

    def ask(self, step):
        before = self.figures()
        if step.behind or step.late:
            outcomes = self.one_after_another(step)
        elif step.callers > 1 or step.meanwhile is not None:
            self.body.gate.clear()
            outcomes = self.together(step)
        else:
            outcomes = [self.outcome() for _ in range(step.times)]
        self.settle()
        for outcome in outcomes:
            self.check(outcome, step.answer)
        self.check_variety(step, outcomes)
        after = self.figures()
        expected = step.counts(joins=self.joins, fails=self.body.error is not None)
        expected["refreshed"] = expected["behind"]
        assert {name: after[name] - before[name] for name in after} == expected
        self.check_log(step)
        self.check_nothing_is_left()

    def one_after_another(self, step):
        """Calls while what they set off stands at the gate."""
        self.body.gate.clear()
        outcomes = [self.outcome() for _ in range(step.times)]
        if step.meanwhile is not None:
            step.meanwhile.take(self)
        self.body.gate.set()
        return outcomes

    def aboard(self):
        """Whether all callers that are meant to be under way are."""
        flight = self.cache.flights._flights.get(self.key())
        return 0 if flight is None else flight.aboard

    # --- checks

    def figures(self):
        body, info = self.body, asdict(self.info())
        return info | {"front": body.front, "behind": body.behind}

    def check(self, outcome, expected):
        if isinstance(expected, type):
            assert type(outcome) is expected, f"got {outcome!r}"
            assert not any(outcome is error for error in self.seen), "an exception was raised by two callers"
            self.seen.append(outcome)
            return
        assert not isinstance(outcome, BaseException), f"raised {outcome!r}"
        numbers = expected if isinstance(expected, tuple) else (expected,)
        assert outcome in [[number] for number in numbers]
        if self.shares:
            assert outcome is self.body.made[outcome[0]]
        else:
            outcome.append("changed by a caller")

    def check_variety(self, step, outcomes):
        if isinstance(step.answer, tuple) and step.callers > 1:
            assert sorted(outcome[0] for outcome in outcomes) == list(step.answer)

    def check_log(self, step):
        events = [record.event for record in self.log.records]
        self.log.clear()
        fails = self.body.error is not None
        lost = fails and (step.behind or step.late)
        assert set(events) == (
            {"refresh_failed"} if lost else {"call_failed"} if fails and step.says == "stands" else set()
        )

    def check_nothing_is_left(self):
        assert len(self.cache.flights) == 0
        assert len(self.cache._fences) == 0
        assert drivers._under_way == {}
        assert crew._places == set()


class SyncWalk(Walk):
    def make(self):
        body = self.body

        def ask(a):
            number = body.begin(threading.current_thread().name)
            assert body.gate.wait(PATIENCE), "somebody waited for what runs behind"
            return body.end(number)

        return ask

    def call(self):
        return self.function(KEY)

    def outcome(self):
        try:
            return self.call()
        except Exception as error:
            return error

    def together(self, step):
        outcomes = []
        runs = self.body.front + (1 if self.joins else step.callers)
        threads = [
            threading.Thread(target=lambda: outcomes.append(self.outcome())) for _ in range(step.callers)
        ]
        for thread in threads:
            thread.start()
        with self.body.changed:
            assert self.body.changed.wait_for(lambda: self.under_way(step, runs), PATIENCE)
        if step.meanwhile is not None:
            step.meanwhile.take(self)
        self.body.gate.set()
        for thread in threads:
            thread.join(PATIENCE)
        return outcomes

    def under_way(self, step, runs):
        return self.body.front == runs and (not self.joins or self.aboard() == step.callers)

    def settle(self):
        for thread in threading.enumerate():
            if thread.name in ("askonce", "askonce refresh"):
                thread.join(PATIENCE)

    def run(self, coroutine):
        return asyncio.run(coroutine)

    def verb(self, name, *args):
        return getattr(self.function, name)(*args)

    def info(self):
        return self.function.cache_info()

    def key(self):
        return self.function.key(*self.arguments)

    def close(self):
        pass


class AsyncWalk(Walk):
    def __init__(self, *args):
        self.runner = asyncio.Runner()
        super().__init__(*args)

    def make(self):
        body = self.body

        async def ask(a):
            number = body.begin(asyncio.current_task().get_name())
            async with asyncio.timeout(PATIENCE):
                while not body.gate.is_set():
                    await asyncio.sleep(0)
            return body.end(number)

        return ask

    async def call(self):
        return await self.function(KEY)

    def outcome(self):
        return self.runner.run(self.awaited_outcome())

    async def awaited_outcome(self):
        try:
            async with asyncio.timeout(PATIENCE):
                return await self.call()
        except Exception as error:
            return error

    def together(self, step):
        return self.runner.run(self.gathered(step))

    async def gathered(self, step):
        runs = self.body.front + (1 if self.joins else step.callers)
        tasks = [asyncio.create_task(self.awaited_outcome()) for _ in range(step.callers)]
        async with asyncio.timeout(PATIENCE):
            while self.body.front < runs or (self.joins and self.aboard() < step.callers):
                await asyncio.sleep(0)
        if step.meanwhile is not None:
            await asyncio.to_thread(step.meanwhile.take, self)
        self.body.gate.set()
        return await asyncio.gather(*tasks)

    def settle(self):
        self.runner.run(self.settled())

    async def settled(self):
        async with asyncio.timeout(PATIENCE):
            while tasks := drivers._under_way.get(asyncio.get_running_loop()):
                await asyncio.wait(tasks)
                await asyncio.sleep(0)

    def run(self, coroutine):
        return asyncio.run(coroutine) if _in_thread() else self.runner.run(coroutine)

    def verb(self, name, *args):
        return self.run(_awaited(getattr(self.function, name), *args))

    def info(self):
        return self.function.cache_info()

    def key(self):
        return self.function.key(*self.arguments)

    def close(self):
        self.runner.close()


class SyncStreamWalk(SyncWalk):
    """A generator of one item; what it yielded is its answer."""

    generates = True

    def make(self):
        answer = super().make()

        def ask(a):
            yield answer(a)

        return ask

    def call(self):
        [item] = self.function(KEY)
        return item


class AsyncStreamWalk(AsyncWalk):
    """The same, async."""

    generates = True

    def make(self):
        answer = super().make()

        async def ask(a):
            yield await answer(a)

        return ask

    async def call(self):
        [item] = [item async for item in self.function(KEY)]
        return item


class SyncBatchWalk(SyncWalk):
    """A function of a list of one item."""

    arguments = (KEY, ["item"])
    more = {"each": "items"}

    def make(self):
        answer = super().make()

        def ask(a, items):
            return [answer(a) for _ in items]

        return ask

    def call(self):
        [item] = self.function(*self.arguments)
        return item


class AsyncBatchWalk(AsyncWalk):
    """The same, async."""

    arguments = (KEY, ["item"])
    more = {"each": "items"}

    def make(self):
        answer = super().make()

        async def ask(a, items):
            return [await answer(a) for _ in items]

        return ask

    async def call(self):
        [item] = await self.function(*self.arguments)
        return item


async def _awaited(verb, *args):
    return await verb(*args)


def _in_thread():
    return threading.current_thread() is not threading.main_thread()


KINDS = {
    "async": AsyncWalk,
    "sync": SyncWalk,
    "async generator": AsyncStreamWalk,
    "generator": SyncStreamWalk,
    "async each": AsyncBatchWalk,
    "each": SyncBatchWalk,
}


def walk(kind, row, chance, log):
    """Take all steps of a row, and leave nothing behind."""
    walking = KINDS[kind](row, chance, log)
    with contextlib.closing(walking):
        walking.go()
