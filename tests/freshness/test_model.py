"""Random histories of two cached functions against a plain model of them (``reference_model``)."""

import asyncio
import contextlib
import logging
import math
import os

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from hypothesis.stateful import run_state_machine_as_test as run_machine
from reference_model import Caller, Outcome, Policy, Reference, Stop, World

import askonce
from askonce import MISS, InMemoryCache, cached, current_call
from askonce.engine import call as engine_call
from askonce.engine import drivers, notes
from askonce.freshness import verdict
from askonce.testing import ManualClock

STEPS = int(os.environ.get("ASKONCE_MODEL_STEPS", "5000"))
STEPS_OF_A_HISTORY = 50
KEYS = range(3)

POLICIES = st.builds(
    Policy,
    ttl=st.sampled_from([5, 20, 60]),
    stale=st.sampled_from([0, 0, 10, 60]),
    grace=st.sampled_from([0, 0, 20, 200]),
    retry_after=st.sampled_from([1, 5, 40]),
    beta=st.sampled_from([0, 0, 1, 3]),
    errors=st.sampled_from(
        [(), (), ((ConnectionError, 10),), ((OSError, 3), (ConnectionError, 30), (ValueError, 8))]
    ),
    tags=st.sampled_from(["none", "templates", "callable"]),
    only_good=st.booleans(),
    joins=st.sampled_from([True, True, True, False]),
)
OUTCOMES = st.builds(
    Outcome,
    error=st.sampled_from([None, None, None, ConnectionResetError, ValueError, KeyError, Stop]),
    good=st.sampled_from([True, True, True, False]),
    ttl=st.sampled_from([None, None, None, None, 0, 3, 90]),
    late_tag=st.booleans(),
    skip=st.sampled_from([False] * 7 + [True]),
)
SECONDS = st.sampled_from([0, 1, 2, 3, 5, 10, 20, 30, 60, 200])
DRAWS = st.sampled_from([0.0, 0.5, 0.9, 0.999, 0.9999])
WAYS = st.sampled_from([None, None, None, None, "bypass", "refreshing", "only_if_cached"])
AGES = st.sampled_from([None, None, None, 0, 2, 20])
TAGS = st.sampled_from(["k:0", "k:1", "k:2", "all", "late", "nobody's"])
NAMES = st.sampled_from(["tasks", "threads"])
A_KEY = st.sampled_from(KEYS)
MEANWHILE = st.lists(
    st.one_of(
        st.tuples(st.just("advance"), SECONDS),
        st.tuples(st.just("invalidate"), NAMES, A_KEY),
        st.tuples(st.just("invalidate_tag"), TAGS),
        st.tuples(st.just("clear")),
        st.tuples(st.just("set"), NAMES, A_KEY, st.sampled_from([4, 40])),
        st.tuples(st.just("store"), NAMES, A_KEY, st.booleans()),
    ),
    max_size=2,
)


class HeldCrew:
    """A crew whose work waits until somebody lets it run."""

    def __init__(self):
        self.waiting = []

    def __contains__(self, place):
        return place in [other for other, _ in self.waiting]

    def send(self, place, work, group=None):
        if place not in self:
            self.waiting.append((place, work))

    def run(self, number):
        _, work = self.waiting.pop(number)
        work()


class Histories(RuleBasedStateMachine):
    """Each rule does one thing to the real functions and to their models, and compares."""

    steps = 0

    # --- the two functions

    @initialize(tasks=POLICIES, threads=POLICIES)
    def begin(self, tasks, threads):
        self.world = World()
        self.clock = ManualClock(self.world.now)
        self.cache = InMemoryCache(clock=self.clock)
        self.loop = asyncio.new_event_loop()
        self.models = {
            "tasks": Reference(self.world, tasks, held_back=False),
            "threads": Reference(self.world, threads, held_back=True),
        }
        self.numbers = {"tasks": 0, "threads": 0}
        self.gates = {}
        self.callers = []
        self.errors_seen = []
        self.script = ((), Outcome())
        self.crew = HeldCrew()
        self.by_hand = 0
        self.failed_refreshes = []
        self._patch()
        self.functions = {"tasks": self._tasks(tasks), "threads": self._threads(threads)}

    def _patch(self):
        self.patches = pytest.MonkeyPatch()
        self.patches.setattr(drivers, "crew", self.crew)
        self.patches.setattr(
            engine_call, "verdict", lambda life, now, *_: verdict(life, now, lambda: self.world.draw)
        )
        self.handler = logging.Handler()
        self.handler.emit = lambda record: self.failed_refreshes.append(record.event)
        self.handler.addFilter(lambda record: record.event == "refresh_failed")
        self.patches.setattr(notes, "BURST", math.inf)
        logging.getLogger("askonce").addHandler(self.handler)
        self.patches.setattr(logging.getLogger("askonce"), "propagate", False)

    def _tasks(self, policy):
        @cached(name="tasks", cache=self.cache, **options_of(policy))
        async def function(key):
            number = self.numbers["tasks"]
            self.numbers["tasks"] += 1
            gate = self.gates[number] = self.loop.create_future()
            try:
                return answer(await gate, key, number)
            finally:
                del self.gates[number]

        return function

    def _threads(self, policy):
        @cached(name="threads", cache=self.cache, **options_of(policy))
        def function(key):
            number = self.numbers["threads"]
            self.numbers["threads"] += 1
            meanwhile, outcome = self.script
            for deed, *details in meanwhile:
                getattr(self, f"really_{deed}")(*details)
            return answer(outcome, key, number)

        return function

    def settle(self):
        """Let every task run as far as it gets."""
        while True:
            self.loop.stop()
            self.loop.run_forever()
            if not self.loop._ready:
                return

    def now(self, awaitable):
        """What something answers that has nothing to wait for."""
        if not asyncio.iscoroutine(awaitable):
            return awaitable
        asyncio._set_running_loop(self.loop)
        try:
            awaitable.send(None)
        except StopIteration as end:
            return end.value
        finally:
            asyncio._set_running_loop(None)
        raise AssertionError("it waits")

    def verb(self, name, verb, *args):
        return self.now(getattr(self.functions[name], verb)(*args))

    # --- calls

    @rule(key=A_KEY, way=WAYS, max_age=AGES, draw=DRAWS)
    def call_in_a_task(self, key, way, max_age, draw):
        self.world.draw = draw
        caller = Caller(key, way, max_age)
        self._begin_task(caller, self._asked(caller))
        self.models["tasks"].call(caller)

    @rule(key=A_KEY)
    def refresh_in_a_task(self, key):
        caller = Caller(key)
        self._begin_task(caller, self.functions["tasks"].refresh(key))
        self.models["tasks"].compute_anew(caller)

    async def _asked(self, caller):
        with context_of(caller):
            return await self.functions["tasks"](caller.key)

    def _begin_task(self, caller, coroutine):
        self.callers.append((caller, self.loop.create_task(coroutine)))
        self.settle()

    @rule(key=A_KEY, way=WAYS, max_age=AGES, draw=DRAWS, outcome=OUTCOMES, meanwhile=MEANWHILE)
    def call_in_a_thread(self, key, way, max_age, draw, outcome, meanwhile):
        self.world.draw = draw
        caller = Caller(key, way, max_age)

        def ask():
            with context_of(caller):
                return self.functions["threads"](key)

        self._ask_blocking(caller, ask, outcome, meanwhile)

    @rule(key=A_KEY, draw=DRAWS, outcome=OUTCOMES, meanwhile=MEANWHILE)
    def twice_in_one_refreshing(self, key, draw, outcome, meanwhile):
        self.world.draw = draw
        first, second = Caller(key, "refreshing"), Caller(key)
        with askonce.refreshing():
            for caller in (first, second):
                self._ask_blocking(caller, lambda: self.functions["threads"](key), outcome, meanwhile)

    @rule(key=A_KEY, outcome=OUTCOMES, meanwhile=MEANWHILE)
    def refresh_in_a_thread(self, key, outcome, meanwhile):
        caller = Caller(key, "refreshing")
        self._ask_blocking(caller, lambda: self.functions["threads"].refresh(key), outcome, meanwhile)

    def _ask_blocking(self, caller, ask, outcome, meanwhile):
        self.script = (meanwhile, outcome)
        heard, error = None, None
        try:
            heard = ask()
        except BaseException as raised:
            error = raised
        model = self.models["threads"]
        model.call(caller)
        if not caller.done:
            self._finish_modelled(model, caller.run, outcome, meanwhile)
        self._compare(caller, heard, error)

    def _finish_modelled(self, model, run, outcome, meanwhile):
        for deed, *details in meanwhile:
            getattr(self, f"model_{deed}")(*details)
        model.finish(run, outcome)

    @precondition(lambda self: self.gates)
    @rule(place=st.integers(0, 5), outcome=OUTCOMES)
    def finish_a_task(self, place, outcome):
        model = self.models["tasks"]
        run = model.runs[place % len(model.runs)]
        self.gates[run.number].set_result(outcome)
        self.settle()
        model.finish(run, outcome)

    @precondition(lambda self: self.callers)
    @rule(place=st.integers(0, 5))
    def cancel(self, place):
        caller, task = self.callers[place % len(self.callers)]
        task.cancel()
        self.settle()
        self.models["tasks"].cancel(caller)

    @precondition(lambda self: self.crew.waiting)
    @rule(place=st.integers(0, 2), outcome=OUTCOMES, meanwhile=MEANWHILE)
    def let_a_thread_refresh(self, place, outcome, meanwhile):
        self.script = (meanwhile, outcome)
        model = self.models["threads"]
        place %= len(self.crew.waiting)
        self.crew.run(place)
        key, entry = model.sent.pop(place)
        swept = self.world.now >= entry.end and self.numbers["threads"] == model.started
        if swept and model.entries.get(key) is entry:
            model.entries.pop(key, None)  # it was of no use any more, and may have been swept away
        run = model.begin_behind(key, entry)
        if run is not None:
            self._finish_modelled(model, run, outcome, meanwhile)

    # --- what else happens: in reality, and in the model

    def both(self, deed, *details):
        mine = getattr(self, f"really_{deed}")(*details)
        assert mine == getattr(self, f"model_{deed}")(*details)

    @rule(seconds=SECONDS)
    def advance(self, seconds):
        self.both("advance", seconds)

    def really_advance(self, seconds):
        self.clock.advance(seconds)

    def model_advance(self, seconds):
        self.world.now += seconds

    @rule(name=NAMES, key=A_KEY)
    def invalidate(self, name, key):
        self.both("invalidate", name, key)

    def really_invalidate(self, name, key):
        return self.verb(name, "invalidate", key)

    def model_invalidate(self, name, key):
        return self.models[name].invalidate(key)

    @rule(name=NAMES)
    def invalidate_all(self, name):
        self.verb(name, "invalidate_all")
        self.models[name].invalidate_all()

    @rule(tag=TAGS)
    def invalidate_tag(self, tag):
        self.both("invalidate_tag", tag)

    def really_invalidate_tag(self, tag):
        self.cache.sync.invalidate_tags(tag)

    def model_invalidate_tag(self, tag):
        for model in self.models.values():
            model.invalidate_tag(tag)

    @rule()
    def clear(self):
        self.both("clear")

    def really_clear(self):
        self.cache.sync.clear()

    def model_clear(self):
        for model in self.models.values():
            model.clear()

    @rule(name=NAMES, key=A_KEY, good=st.booleans())
    def store(self, name, key, good):
        self.both("store", name, key, good)

    def really_store(self, name, key, good):
        return self.verb(name, "store", [key, "stored", good], key)

    def model_store(self, name, key, good):
        return self.models[name].store(key, [key, "stored", good])

    @rule(name=NAMES, key=A_KEY, ttl=st.sampled_from([4, 40]))
    def set_by_hand(self, name, key, ttl):
        self.both("set", name, key, ttl)

    def really_set(self, name, key, ttl):
        self.cache.sync.set(self.functions[name].key(key), [key, "set", True], ttl)

    def model_set(self, name, key, ttl):
        self.models[name].set(key, [key, "set", True], ttl)

    @rule(name=NAMES, key=A_KEY)
    def delete(self, name, key):
        deleted = self.cache.sync.delete(self.functions[name].key(key))
        assert deleted == self.models[name].invalidate(key)

    @rule(name=NAMES, key=A_KEY, ttl=st.sampled_from([4, 40]))
    def touch(self, name, key, ttl):
        touched = self.cache.sync.touch(self.functions[name].key(key), ttl)
        assert touched == self.models[name].touch(key, ttl)

    # --- the comparison

    @invariant()
    def callers_got_the_same(self):
        type(self).steps += 1
        for caller, task in [*self.callers]:
            assert task.done() == caller.done, f"{caller} {task}"
            if not task.done():
                continue
            self.callers.remove((caller, task))
            if caller.cancelled:
                assert task.cancelled()
            else:
                error = task.exception()
                self._compare(caller, None if error else task.result(), error)

    def _compare(self, caller, heard, error):
        assert heard == caller.answer
        if error is None:
            heard.append("spoilt by a caller")
        else:
            told = (
                ("NotCachedError",)
                if isinstance(error, askonce.NotCachedError)
                else (type(error), *error.args)
            )
            assert told == caller.error
            assert all(error is not other for other in self.errors_seen), "one exception for two callers"
            self.errors_seen.append(error)

    @invariant()
    def as_much_was_run(self):
        for name, model in self.models.items():
            assert self.numbers[name] == model.started
        assert set(self.gates) == {run.number for run in self.models["tasks"].runs}
        failed = sum(model.refresh_failed for model in self.models.values())
        assert self.failed_refreshes == ["refresh_failed"] * failed

    @invariant()
    def the_same_is_stored(self):
        self.world.draw = 0.0
        for name, model in self.models.items():
            for key in KEYS:
                found = self.verb(name, "peek", key)
                assert (None if found is MISS else found) == model.peek(key)
                seen = self.verb(name, "explain", key)
                assert (seen.state, seen.age, seen.remaining) == model.explain(key)

    @invariant()
    def the_same_is_counted(self):
        for name, model in self.models.items():
            figures = self.functions[name].explain.__self__._function.figures
            info = self.functions[name].cache_info()
            counts = {
                field: getattr(info, field)
                for field in ("hits", "misses", "joined", "stale", "errors", "stored")
            }
            counts["refreshed"] = figures.refreshed
            expected = {field: model.counts[field] for field in counts}
            assert counts == expected, f"{name}: {counts} and not {expected}"

    def teardown(self):
        if not hasattr(self, "loop"):
            return
        for _, task in self.callers:
            task.cancel()
        self.settle()
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        self.settle()
        self.loop.close()
        logging.getLogger("askonce").removeHandler(self.handler)
        self.patches.undo()
        assert len(self.cache.flights) == len(self.cache._fences) == 0
        assert not drivers._under_way


def options_of(policy):
    tags = {
        "none": (),
        "templates": ["k:{key}", "all"],
        "callable": lambda key: [f"k:{key}"] if key != 2 else 1 / 0,
    }
    return {
        "ttl": policy.ttl,
        "stale": policy.stale or None,
        "stale_if_error": policy.grace or None,
        "retry_after": policy.retry_after if policy.windowed else None,
        "refresh_ahead": policy.beta or False,
        "errors": dict(policy.errors) or None,
        "tags": tags[policy.tags],
        "store_if": (lambda value: value[2]) if policy.only_good else None,
        "single_flight": "process" if policy.joins else None,
    }


def answer(outcome, key, number):
    """What a run returns or raises, and what it says of that before."""
    if outcome.ttl is not None:
        current_call().set_ttl(outcome.ttl)
    if outcome.late_tag:
        current_call().add_tags("late")
    if outcome.skip:
        current_call().skip_store()
    if outcome.error is not None:
        raise outcome.error(key, number)
    return [key, number, outcome.good]


@contextlib.contextmanager
def context_of(caller):
    with contextlib.ExitStack() as stack:
        if caller.way is not None:
            stack.enter_context(getattr(askonce, caller.way)())
        if caller.max_age is not None:
            stack.enter_context(askonce.fresh(caller.max_age))
        yield


def test_random_histories(capsys):
    """Whatever happens in whatever order: the same answers, the same runs, the same figures."""
    Histories.steps = 0
    while Histories.steps < STEPS:
        left = STEPS - Histories.steps
        run_machine(
            Histories,
            settings=settings(
                max_examples=left // STEPS_OF_A_HISTORY + 1,
                stateful_step_count=STEPS_OF_A_HISTORY,
                deadline=None,
                print_blob=True,
                suppress_health_check=list(HealthCheck),
            ),
        )
    with capsys.disabled():
        print(f"\n{Histories.steps} steps of random histories")  # noqa: T201
