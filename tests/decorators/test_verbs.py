"""``invalidate``, ``refresh``, ``peek`` and the other verbs, for both kinds of functions."""

import math

import pytest
from callkit import Body

from askonce import MISS, ConfigurationError, InMemoryCache, WarmReport


@pytest.fixture
def ask(form, cache, body):
    """A function that was asked 1 three times."""
    driven = form.cached(body.plain(), cache=cache)
    for _ in range(3):
        driven(1)
    return driven


# --- dropping


def test_invalidate_drops_one_call_in_any_spelling(ask, body):
    ask(2)
    assert ask.invalidate(b=2, a=1) is True
    assert ask.invalidate(1) is False
    assert (ask(1), ask(1), ask(2)) == ((1, 2), (1, 2), (2, 2))
    assert body.calls == [(1, 2), (2, 2), (1, 2)]


def test_invalidate_all_drops_every_call_of_this_function_alone(form, cache, ask, body):
    other_body = Body()
    other = form.cached(other_body.plain(), cache=cache)
    for a in (1, 1, 1, 2, 2):
        ask(a), other(a)
    assert ask.invalidate_all() is None
    assert ask.peek(1) is ask.peek(2) is MISS
    for a in (1, 2, 1):
        ask(a), other(a)
    assert [a for a, _ in body.calls] == [1, 2, 1, 2]
    assert [a for a, _ in other_body.calls] == [1, 2]


# --- refreshing


def test_refresh_runs_the_function_and_stores_what_it_answers(form, cache):
    body = Body("old", "new")
    ask = form.cached(body.plain(), cache=cache)
    assert [ask(1), ask(1), ask(1)] == ["old"] * 3
    assert ask.refresh(1) == "new"
    assert [ask(1), ask(1), ask(1)] == ["new"] * 3
    assert ask.figures() == (5, 2, 0, 0, 0, 2)


def test_refresh_begins_a_new_life(form, clock, cache):
    ask = form.cached(Body().plain(), cache=cache, ttl=10)
    ask(1)
    clock.advance(9)
    ask.refresh(1)
    clock.advance(9)
    assert ask.peek(1) == (1, 2)


def test_a_refresh_that_fails_leaves_what_was_stored(form, cache):
    body = Body("old", ValueError("down"))
    ask = form.cached(body.plain(), cache=cache)
    ask(1), ask(1)
    with pytest.raises(ValueError, match="down"):
        ask.refresh(1)
    assert [ask(1), ask(1), ask(1)] == ["old"] * 3
    assert ask.figures() == (4, 2, 0, 0, 1, 1)


def test_a_refreshed_answer_that_is_not_to_be_stored_leaves_the_old_one(form, cache):
    body = Body("old", "")
    ask = form.cached(body.plain(), cache=cache, store_if=bool)
    ask(1)
    assert ask.refresh(1) == ""
    assert [ask(1), ask(1), ask(1)] == ["old"] * 3


def test_refresh_of_what_was_never_asked_computes_it(ask, body):
    assert ask.refresh(5) == (5, 2)
    assert [ask(5), ask(5)] == [(5, 2)] * 2
    assert [a for a, _ in body.calls] == [1, 5]


# --- looking and storing


def test_peek_never_computes_and_counts_nothing(ask, body):
    figures = ask.figures()
    assert ask.peek(1) == ask.peek(a=1, b=2) == (1, 2)
    assert ask.peek(2) is MISS
    assert ask.figures() == figures
    assert len(body.calls) == 1


def test_peek_tells_none_from_nothing(form, cache):
    ask = form.cached(Body(None).plain(), cache=cache)
    assert ask.peek(1) is MISS
    ask(1)
    assert ask.peek(1) is None
    assert not MISS


def test_what_peek_answers_may_be_changed(form, cache):
    ask = form.cached(Body([1]).plain(), cache=cache)
    ask(1)
    ask.peek(1).append(2)
    assert ask.peek(1) == [1]


def test_a_stored_value_is_answered_in_place_of_the_old(ask, body):
    assert ask.store("mine", 1) is True
    assert [ask(1), ask(1), ask(a=1)] == ["mine"] * 3
    assert ask.store(["rows"], a=7) is True
    assert [ask(7), ask(7), ask(7)] == [["rows"]] * 3
    assert len(body.calls) == 1


def test_what_is_stored_by_hand_is_isolated(ask):
    rows = [1]
    ask.store(rows, 5)
    rows.append(2)
    ask(5).append(3)
    assert [ask(5), ask(5)] == [[1], [1]]


def test_storing_keeps_to_the_rules_of_the_function(form, cache, body):
    ask = form.cached(body.plain(), cache=cache, store_if=bool, ttl=lambda answer: 7)
    assert ask.store("", 1) is False
    assert ask.peek(1) is MISS
    assert ask.store("x", 1) is True
    assert ask.explain(1).remaining == 7


def test_a_one_shot_value_is_not_stored(ask):
    with pytest.raises(TypeError, match="iterator"):
        ask.store(iter([1]), 1)
    assert ask(1) == (1, 2)


def test_uncached_runs_the_function_itself(ask, body):
    figures = ask.figures()
    assert ask.uncached(1) == (1, 2)
    assert len(body.calls) == 2
    assert ask.figures() == figures


def test_the_key_is_that_of_the_cache(ask, cache):
    key = ask.key(1)
    assert key == ask.key(b=2, a=1) != ask.key(2)
    assert cache.sync.get(key) == (1, 2)
    cache.sync.delete(key)
    assert ask.peek(1) is MISS


def test_verbs_of_a_wrong_call_say_what_is_wrong(ask):
    for verb in (ask.key, ask.peek, ask.invalidate, ask.refresh, ask.explain):
        with pytest.raises(TypeError, match="missing 1 required positional argument: 'a'"):
            verb()


def test_a_parameter_may_be_called_like_anything(form, cache):
    """Verbs take every argument of the function, whatever its name."""

    def ask(self, value, function, calls):
        return self, value, function, calls

    driven = form.cached(ask, cache=cache)
    given = {"self": 1, "value": 2, "function": 3, "calls": 4}
    assert driven(**given) == driven.uncached(**given) == driven.refresh(**given) == (1, 2, 3, 4)
    assert driven.peek(**given) == (1, 2, 3, 4)
    assert driven.store("x", **given)
    assert driven(**given) == "x"
    assert driven.explain(**given).hit
    assert driven.invalidate(**given)
    assert driven.key(**given) == driven.key(1, 2, 3, 4)


# --- warming


def test_warm_computes_what_is_missing(ask, body):
    report = ask.warm([(1,), (2,), (3, 4), (2,)], concurrency=1)
    assert report == WarmReport(calls=4, computed=2, hits=2, failed=())
    for _ in range(2):
        assert (ask(2), ask(3, 4)) == ((2, 2), (3, 4))
    assert body.calls == [(1, 2), (2, 2), (3, 4)]


def test_warm_takes_any_iterable_and_runs_each_call_once(ask, body):
    report = ask.warm(((a,) for a in range(100)), concurrency=16)
    assert (report.calls, report.computed, report.hits) == (100, 99, 1)
    assert sorted(a for a, _ in body.calls) == list(range(100))


def test_warm_of_nothing_is_nothing(ask):
    assert ask.warm([]) == WarmReport(0, 0, 0)


def test_warm_tells_its_progress(ask):
    told = []
    ask.warm([(1,), (2,), (3,)], progress=lambda done, of: told.append((done, of)))
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_warm_reports_calls_that_fail_and_goes_on(form, cache):
    error = ValueError("down")
    ask = form.cached(Body("one", error, "three").plain(), cache=cache)
    report = ask.warm([(1,), (2,), (3,), (), ([object()],)], concurrency=1)
    assert (report.calls, report.computed, report.hits) == (5, 2, 0)
    assert [call for call, _ in report.failed[:2]] == [(2,), ()]
    assert report.failed[0][1] is error
    assert all(isinstance(failure, TypeError) for _, failure in report.failed[1:])
    assert (ask.peek(1), ask.peek(2), ask.peek(3)) == ("one", MISS, "three")


def test_a_progress_callback_that_fails_is_the_callers_own_error(ask):
    def progress(done, of):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        ask.warm([(1,), (2,)], progress=progress)


@pytest.mark.parametrize("calls", [["text"], [1], [[1]], [(1,), "text"]], ids=repr)
def test_warm_wants_tuples(ask, calls):
    with pytest.raises(ConfigurationError, match=r"one tuple of arguments.*f\.warm\(\["):
        ask.warm(calls)


@pytest.mark.parametrize("concurrency", [0, -1, 0.5, "8"], ids=repr)
def test_warm_wants_room_for_one_call(ask, concurrency):
    with pytest.raises(ConfigurationError, match=r"concurrency=.*use 1 or more"):
        ask.warm([(1,)], concurrency)


# --- explaining


def test_explain_tells_of_a_hit(ask, clock):
    clock.advance(30)
    seen = ask.explain(1)
    assert seen.hit
    assert seen.reason is None
    assert (seen.tier, seen.age, seen.remaining) == ("memory", 30, 70)
    assert seen.key == ask.key(1)
    text = str(seen)
    assert text.startswith("hit in memory")
    assert "30.0 s, good for another 70.0 s" in text


def test_explain_tells_what_each_argument_added_but_not_the_argument(ask):
    parts = ask.explain("hunter2", b=3.5).parts
    assert list(parts) == ["a", "b"]
    assert parts["a"].startswith("str, ")
    assert parts["b"].startswith("float, ")
    assert "hunter2" not in str(ask.explain("hunter2"))
    assert parts["a"] != ask.explain("hunter3").parts["a"]
    assert parts["b"] == ask.explain("other", b=3.5).parts["b"]


def test_explain_shows_what_key_made_of_the_call(form, cache, body):
    ask = form.cached(body.plain(), cache=cache, key=lambda a, b: (a,))
    assert list(ask.explain(1).parts) == ["key"]


def never(ask, clock):
    return 9


def expired(ask, clock):
    clock.advance(101)
    return 1


def invalidated(ask, clock):
    ask.invalidate(1)
    return 1


def all_invalidated(ask, clock):
    ask.invalidate_all()
    return 1


@pytest.mark.parametrize(
    ("happened", "word"),
    [
        (never, "never stored"),
        (expired, "expired"),
        (invalidated, "deleted"),
        (all_invalidated, "invalidated"),
    ],
)
def test_explain_tells_why_a_call_would_miss(ask, clock, happened, word):
    seen = ask.explain(happened(ask, clock))
    assert not seen.hit
    assert word in seen.reason
    assert (seen.tier, seen.age, seen.remaining) == (None, None, None)
    assert str(seen).startswith(f"miss: {seen.reason}")


def test_explain_tells_of_an_eviction(form, clock, body):
    ask = form.cached(body.plain(), cache=InMemoryCache(max_size=2, clock=clock))
    ask(1), ask(2), ask(3)
    assert "evicted" in ask.explain(1).reason


def test_explain_tells_of_a_cache_that_is_off(form, cache, body):
    cache.enabled = False
    assert "disabled" in form.cached(body.plain(), cache=cache).explain(1).reason


@pytest.mark.parametrize("rule", ["store_if", "ttl", "tags"])
def test_explain_tells_of_rules_that_failed(form, cache, body, rule):
    """Else a function that is never stored looks like one that was never called."""
    ask = form.cached(body.plain(), cache=cache, **{rule: lambda *_, **__: 1 / 0})
    assert ask.explain(1).reason == "never stored here"
    ask(1), ask(2)
    assert ask.explain(1).reason == (
        "never stored here; answers of this function that were not stored since a rule failed: 2"
    )


def test_explaining_computes_and_counts_nothing(ask, body):
    figures = ask.figures()
    ask.explain(1), ask.explain(2)
    assert ask.figures() == figures
    assert len(body.calls) == 1


# --- figures


def test_figures_start_at_nothing(form, cache, body):
    ask = form.cached(body.plain(), cache=cache)
    assert ask.figures() == (0, 0, 0, 0, 0, 0)
    assert ask.cache_info().hit_ratio == 0


def test_storing_by_hand_counts_as_stored_and_nothing_else(form, cache, body):
    ask = form.cached(body.plain(), cache=cache)
    ask.store("x", 1)
    assert ask.figures() == (0, 0, 0, 0, 0, 1)
    assert ask(1) == "x"
    assert ask.figures() == (1, 0, 0, 0, 0, 1)


def test_a_call_without_expiry_has_forever_to_live(form, cache, body):
    ask = form.cached(body.plain(), cache=cache, ttl=math.inf)
    ask(1)
    assert ask.explain(1).remaining == math.inf
