"""How long an answer lives, and whether it is stored at all."""

import math
from datetime import timedelta

import pytest
from callkit import Body

from askonce import FOREVER, MISS, InMemoryCache


@pytest.mark.parametrize("ttl", [90, 90.0, "90s", "1.5m", timedelta(seconds=90)], ids=repr)
def test_an_answer_lives_up_to_the_instant_its_ttl_ends(form, cache, clock, body, ttl):
    """A hit before it, a miss at it: also through the fast index."""
    ask = form.cached(body.plain(), cache=cache, ttl=ttl)
    for _ in range(3):
        ask(1)
    clock.advance(89.5)
    ask(1)
    assert len(body.calls) == 1
    clock.advance(0.5)
    ask(1)
    assert len(body.calls) == 2


def test_hits_do_not_prolong_a_life(form, cache, clock, body):
    ask = form.cached(body.plain(), cache=cache, ttl=10)
    for _ in range(21):
        ask(1)
        clock.advance(1)
    assert len(body.calls) == 3


def test_the_ttl_counts_from_the_answer_not_from_the_question(form, cache, clock):
    """A function that takes an hour does not answer with something stale."""
    calls = []

    def slow(a):
        calls.append(a)
        clock.advance(3600)
        return a

    ask = form.cached(slow, cache=cache, ttl=10)
    assert [ask(1), ask(1), ask(1)] == [1, 1, 1]
    assert len(calls) == 1


def test_forever_does_not_expire(form, cache, clock, body):
    ask = form.cached(body.plain(), cache=cache, ttl=FOREVER)
    ask(1)
    clock.advance(1e12)
    ask(1)
    ask(1)
    assert len(body.calls) == 1
    assert ask.explain(1).remaining == math.inf


@pytest.mark.parametrize("rule", [lambda answer: 5, lambda answer: "5s", lambda answer: timedelta(seconds=5)])
def test_a_callable_sees_the_answer_and_says_how_long_it_lives(form, cache, clock, body, rule):
    seen = []

    def ttl(answer):
        seen.append(answer)
        return rule(answer)

    ask = form.cached(body.plain(), cache=cache, ttl=ttl)
    ask(1)
    clock.advance(4.5)
    ask(1)
    clock.advance(0.5)
    ask(1)
    assert seen == [(1, 2)] * 2


@pytest.mark.parametrize("none", [0, 0.0, -1, -math.inf, timedelta(0), timedelta(seconds=-1)], ids=repr)
def test_zero_or_less_from_the_callable_stores_nothing(form, cache, body, none):
    ask = form.cached(body.plain(), cache=cache, ttl=lambda answer: none)
    assert [ask(1), ask(1)] == [(1, 2)] * 2
    assert len(body.calls) == 2
    assert ask.figures() == (0, 2, 0, 0, 0, 0)


def test_none_from_the_callable_leaves_it_to_the_defaults(form, cache, body):
    ask = form.cached(body.plain(), cache=cache, ttl=lambda answer: None)
    ask(1)
    assert ask.explain(1).remaining == 100


def fails(answer):
    raise ZeroDivisionError


@pytest.mark.parametrize("rule", [fails, lambda answer: math.nan, lambda answer: "soon", lambda answer: True])
def test_a_ttl_rule_that_fails_costs_the_entry_not_the_answer(form, cache, body, rule):
    ask = form.cached(body.plain(), cache=cache, ttl=rule)
    assert [ask(1), ask(1)] == [(1, 2)] * 2
    assert ask.peek(1) is MISS
    assert ask.figures() == (0, 2, 0, 0, 2, 0)


# --- the table of operations


def remaining(driven):
    driven(1)
    return driven.explain(1).remaining


def test_the_option_goes_before_the_backend_before_the_ai_table_before_the_default(form, clock, body):
    backend = InMemoryCache(default_ttl=4, clock=clock, operation_ttls={"qa": 2, "chat": "3s"})
    make = form.ai_cached
    assert remaining(make(body.plain(), cache=backend, operation="qa", ttl=1)) == 1
    assert remaining(make(body.plain(), cache=backend, operation="qa")) == 2
    assert remaining(make(body.plain(), cache=backend, operation="chat")) == 3
    assert remaining(make(body.plain(), cache=backend, operation="summarize")) == 7200
    assert remaining(make(body.plain(), cache=backend, operation="sentiment")) == 86400
    assert remaining(make(body.plain(), cache=backend, operation="unheard")) == 4
    assert remaining(make(body.plain(), cache=backend)) == 4


def test_plain_cached_knows_the_backends_table_alone(form, clock, body):
    backend = InMemoryCache(default_ttl=4, clock=clock, operation_ttls={"chat": 3})
    assert remaining(form.cached(body.plain(), cache=backend, operation="qa")) == 4
    assert remaining(form.cached(body.plain(), cache=backend, operation="chat")) == 3


# --- store_if


def test_what_store_if_refuses_is_returned_unstored(form, cache):
    body = Body("", "", "full")
    ask = form.cached(body.plain(), cache=cache, store_if=bool)
    assert [ask(1) for _ in range(5)] == ["", "", "full", "full", "full"]
    assert ask.figures() == (2, 3, 0, 0, 0, 1)


def test_a_store_if_that_fails_costs_the_entry_not_the_answer(form, cache, body):
    ask = form.cached(body.plain(), cache=cache, store_if=fails)
    assert [ask(1), ask(1)] == [(1, 2)] * 2
    assert ask.figures() == (0, 2, 0, 0, 2, 0)


def test_store_if_is_asked_before_the_ttl(form, cache, body):
    asked = []
    ask = form.cached(
        body.plain(), cache=cache, store_if=lambda answer: False, ttl=lambda answer: asked.append(answer) or 5
    )
    ask(1)
    assert asked == []
