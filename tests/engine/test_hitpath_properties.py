"""Random calls against an oracle that tells values apart by class and content."""

import datetime as dt
import enum
import uuid

from hypothesis import given, settings
from hypothesis import strategies as st

from askonce import InMemoryCache, cached
from askonce.testing import ManualClock


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
@given(calls)
def test_no_call_ever_gets_another_calls_answer(calls):
    """Three rounds: computed, found by key, found by the index."""

    @cached(cache=InMemoryCache(max_size=10_000))
    def ask(a, b=None):
        return strict(a), strict(b)

    for _ in range(3):
        for a, b in calls:
            assert ask(a, b) == ask(b=b, a=a) == (strict(a), strict(b))
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
