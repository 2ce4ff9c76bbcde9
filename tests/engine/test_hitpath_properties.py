"""Random calls against an oracle that tells values apart by class and content."""

import contextlib
import datetime as dt
import enum
import uuid
import weakref

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from askonce import InMemoryCache, NotCachedError, cached
from askonce.engine import modes
from askonce.engine.modes import bypass, fresh, only_if_cached, refreshing, use_cache
from askonce.testing import ManualClock


@contextlib.contextmanager
def process(*, knows_contexts):
    """As if the process had entered a context already, or none yet."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(modes, "_minders", None if knows_contexts else weakref.WeakSet())
        yield


class Number(enum.IntEnum):
    ONE = 1
    TWO = 2


class Text(enum.StrEnum):
    A = "a"
    ONE = "1"


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 3),
    st.sampled_from([0.0, -0.0, 1.0, 2.0, float("nan"), float("inf"), 1e300, 10**300]),
    st.sampled_from(["", "1", "a", "True", "x" * 1000, "x" * 1001, "x" * 1001 + "y", "\ud800"]),
    st.sampled_from([b"", b"1", b"a", b"x" * 1000, b"x" * 1001]),
    st.sampled_from([*Number, *Text, int, str, Number, uuid.UUID(int=1)]),
    st.sampled_from([dt.date(2026, 1, 1), dt.datetime(2026, 1, 1)]),
)
values = scalars | st.lists(scalars, max_size=2).map(tuple)


def strict(value):
    """What no two different values have in common."""
    if isinstance(value, tuple):
        return tuple, tuple(map(strict, value))
    return type(value), repr(value)


calls = st.lists(st.tuples(values, values), min_size=1, max_size=12)


@settings(max_examples=300, deadline=None)
@given(calls, st.booleans(), st.booleans())
def test_no_call_ever_gets_another_calls_answer(calls, knows_contexts, enters_one):
    """Three rounds: computed, found by key, found by the index; with and without a change of the wrapper."""
    with process(knows_contexts=knows_contexts):

        @cached(cache=InMemoryCache(max_size=10_000))
        def ask(a, b=None):
            return strict(a), strict(b)

        for _ in range(3):
            for a, b in calls:
                assert ask(a, b) == ask(b=b, a=a) == (strict(a), strict(b))
            if enters_one:
                with bypass():
                    pass
    assert ask.cache_info().misses == len({(strict(a), strict(b)) for a, b in calls})


VERBS = ["ask", "ask", "ask", "invalidate", "invalidate_all", "refresh", "store", "wait", "delete"]

steps = st.lists(
    st.tuples(
        st.sampled_from(
            ["ask", "ask", "ask", "invalidate", "invalidate_all", "refresh", "store", "wait", "delete"]
        ),
        scalars,
    ),
    max_size=40,
)


@settings(max_examples=300, deadline=None)
@given(steps, st.sampled_from([3, 1000]))
def test_a_call_answers_what_was_stored_last_for_as_long_as_it_lives(steps, max_size):
    """Whatever was asked, dropped, replaced or evicted in between, through the index and beside it."""
    clock, runs, known = ManualClock(), [], {}
    cache = InMemoryCache(max_size=max_size, clock=clock)

    @cached(cache=cache, ttl=5)
    def ask(a):
        runs.append(a)
        return [len(runs)]

    def expect(value, answer):
        known[strict(value)] = answer, clock() + 5

    for verb, value in steps:
        if verb == "ask":
            before = len(runs)
            answer, until = known.get(strict(value), (None, 0))
            answers = [ask(value), ask(value), ask(value)]
            if until <= clock() or (max_size == 3 and len(runs) > before):
                answer = [before + 1]
                expect(value, answer)
            assert answers == [answer] * 3
        elif verb == "store":
            ask.store(["stored"], value)
            expect(value, ["stored"])
        elif verb == "refresh":
            expect(value, ask.refresh(value))
        elif verb == "wait":
            clock.advance(2)
        elif verb == "invalidate_all":
            ask.invalidate_all()
            known.clear()
        else:
            ask.invalidate(value) if verb == "invalidate" else cache.sync.delete(ask.key(value))
            known.pop(strict(value), None)


CONTEXTS = ["bypass", "refreshing", "only_if_cached", "fresh 0", "fresh 3", "use_cache"]


class Model:
    """What the contexts promise, said as plainly as can be."""

    def __init__(self):
        self.now = 0.0
        self.runs = 0
        self.known = {"own": {}, "other": {}}
        self.open = []

    def enter(self, name):
        self.open.append((name, set()))

    def innermost(self, *names):
        return next((frame for frame in reversed(self.open) if frame[0] in names), (None, set()))

    def cache(self):
        return "own" if self.innermost("use_cache")[0] is None else "other"

    def compute(self, value, *, store=True):
        self.runs += 1
        if store:
            self.known[self.cache()][value] = self.runs, self.now
        return self.runs

    def stored(self, value):
        answer, born = self.known[self.cache()].get(value, (None, -100))
        age = self.innermost("fresh 0", "fresh 3")[0]
        limit = 5 if age is None else min(5, int(age[-1]))
        return answer if self.now - born < limit else None

    def ask(self, value):
        way, seen = self.innermost("bypass", "refreshing", "only_if_cached")
        if way == "bypass":
            return self.compute(value, store=False)
        if way == "refreshing" and (self.cache(), value) not in seen:
            seen.add((self.cache(), value))
            return self.compute(value)
        answer = self.stored(value)
        if answer is None:
            return "not cached" if way == "only_if_cached" else self.compute(value)
        return answer


moves = st.one_of(
    st.tuples(st.just("ask"), st.integers(0, 2)),
    st.tuples(st.just("ask"), st.integers(0, 2)),
    st.tuples(st.just("enter"), st.sampled_from(CONTEXTS)),
    st.tuples(st.sampled_from(["leave", "leave", "wait", "invalidate_all"]), st.none()),
    st.tuples(st.sampled_from(["invalidate", "refresh", "store"]), st.integers(0, 2)),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(moves, max_size=50), st.booleans())
def test_calls_do_what_the_contexts_around_them_say(moves, knows_contexts):
    """Each call three times, so that the index has its say."""
    model, runs, clock, frames = Model(), [], ManualClock(), []
    other = InMemoryCache(clock=clock)
    make = {"fresh 0": lambda: fresh(0), "fresh 3": lambda: fresh(3), "use_cache": lambda: use_cache(other)}
    make |= {"bypass": bypass, "refreshing": refreshing, "only_if_cached": only_if_cached}
    with process(knows_contexts=knows_contexts), contextlib.ExitStack() as left_open:

        @cached(cache=InMemoryCache(clock=clock), ttl=5)
        def ask(value):
            runs.append(value)
            return len(runs)

        def answer(value):
            try:
                return ask(value)
            except NotCachedError:
                return "not cached"

        for move, value in moves:
            if move == "ask":
                for _ in range(3):
                    assert answer(value) == model.ask(value)
            elif move == "enter":
                model.enter(value)
                frames.append(left_open.enter_context(contextlib.ExitStack()))
                frames[-1].enter_context(make[value]())
            elif move == "leave" and frames:
                model.open.pop()
                frames.pop().close()
            elif move == "wait":
                clock.advance(2)
                model.now += 2
            elif move == "invalidate_all":
                ask.invalidate_all()
                model.known[model.cache()].clear()
            elif move == "invalidate":
                ask.invalidate(value)
                model.known[model.cache()].pop(value, None)
            elif move == "refresh":
                assert ask.refresh(value) == model.compute(value)
            elif move == "store":
                ask.store("stored", value)
                model.known[model.cache()][value] = "stored", model.now
        assert len(runs) == model.runs
