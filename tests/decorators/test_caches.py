"""Where answers are kept: by object, by name, by a callable, in the default, in a backend of one's own."""

import asyncio
import gc
import weakref

import pytest
from callkit import Body, PlainCache

from askonce import (
    MISS,
    ConfigurationError,
    InMemoryCache,
    cached,
    get_default_cache,
    register_cache,
    set_default_cache,
)


def test_a_function_that_names_no_cache_uses_the_default(form, default, body):
    ask = form.cached(body.plain())
    for _ in range(3):
        ask(1)
    assert default.sync.get(ask.key(1)) == (1, 2)
    assert len(body.calls) == 1


def test_the_default_is_built_at_the_first_call_from_the_preset(form, monkeypatch, body):
    """Not when the decorator runs: the environment may be set up later."""
    set_default_cache(None)
    ask = form.cached(body.plain())
    monkeypatch.setenv("CACHE_PRESET", "minimal")
    ask(1)
    assert ask.explain(1).remaining == pytest.approx(900, abs=60)
    assert get_default_cache().max_size == 100
    set_default_cache(None)


def test_an_unknown_preset_is_reported_at_the_first_call(form, monkeypatch, body):
    set_default_cache(None)
    monkeypatch.setenv("CACHE_PRESET", "minimum")
    with pytest.raises(ConfigurationError, match="did you mean 'minimal'"):
        form.cached(body.plain())(1)


def test_functions_follow_the_default_at_once(form, default):
    """A bound function with a warm fast index never answers from the cache that was taken away."""
    body = Body("old", "new", "newest")
    ask = form.cached(body.plain())
    for _ in range(3):
        assert ask(1) == "old"
    set_default_cache(InMemoryCache())
    for _ in range(3):
        assert ask(1) == "new"
    set_default_cache(None)
    for _ in range(3):
        assert ask(1) == "newest"
    set_default_cache(default)
    assert ask(1) == ask(1) == "old"


def test_functions_follow_a_name_at_once(form, cache):
    body = Body("old", "new")
    register_cache("answers", cache)
    ask = form.cached(body.plain(), cache="answers")
    for _ in range(3):
        assert ask(1) == "old"
    register_cache("answers", InMemoryCache())
    for _ in range(3):
        assert ask(1) == "new"


def test_a_hit_in_a_cache_that_is_taken_away_meanwhile_is_the_last_one(form):
    """It is not kept in the fast index, where the next caller would meet it."""

    class TakenAway(InMemoryCache):
        def look(self, key):
            entry = super().look(key)
            if entry is not None:
                set_default_cache(InMemoryCache())
            return entry

    set_default_cache(TakenAway())
    ask = form.cached(Body("old", "new").plain())
    assert (ask(1), ask(1)) == ("old", "old")
    assert [ask(1), ask(1), ask(1)] == ["new"] * 3
    set_default_cache(None)


def test_a_function_with_a_cache_of_its_own_follows_nobody(form, default, body):
    ask = form.cached(body.plain(), cache=InMemoryCache())
    ask(1)
    set_default_cache(InMemoryCache())
    ask(1)
    assert len(body.calls) == 1


def test_another_name_is_another_cache(form, body):
    register_cache("one", InMemoryCache())
    register_cache("two", InMemoryCache())
    one = form.cached(body.plain(), cache="one", name="ask")
    two = form.cached(body.plain(), cache="two", name="ask")
    one(1), two(1), one(1), two(1)
    assert len(body.calls) == 2


def test_an_unknown_name_is_reported_at_the_first_call(form, body):
    """It may be registered after the decorator ran."""
    name = f"unheard of, {form}"
    ask = form.cached(body.plain(), cache=name)
    with pytest.raises(ConfigurationError, match=rf"'{name}'.*register_cache"):
        ask(1)
    register_cache(name, InMemoryCache())
    assert ask(1) == ask(1) == (1, 2)
    assert len(body.calls) == 1


def test_a_callable_is_asked_at_every_call(form):
    """One cache for each tenant, say."""
    tenants = {"a": InMemoryCache(), "b": InMemoryCache()}
    now = ["a"]
    body = Body("for a", "for b")
    ask = form.cached(body.plain(), cache=lambda: tenants[now[0]])
    for _ in range(3):
        for tenant in "ab":
            now[0] = tenant
            assert ask(1) == f"for {tenant}"
    assert len(body.calls) == 2


def test_a_callable_that_answers_no_cache_is_reported(form, body):
    ask = form.cached(body.plain(), cache=lambda: 5)
    with pytest.raises(ConfigurationError, match=r"ask: what cache= answered, 5, is no cache"):
        ask(1)


def test_two_caches_of_one_function_share_nothing(form, body):
    asks = [form.cached(body.plain(), cache=InMemoryCache(), name="ask") for _ in range(2)]
    for _ in range(3):
        for ask in asks:
            ask(1)
    assert len(body.calls) == 2


@pytest.mark.parametrize("verb", ["answer", "refresh"])
def test_a_disabled_cache_lets_every_call_through(form, cache, body, verb):
    ask = form.cached(body.plain(), cache=cache)
    call = ask if verb == "answer" else ask.refresh
    ask(1), ask(1)
    cache.enabled = False
    cache.sync.clear()
    for _ in range(3):
        assert call(1) == (1, 2)
    assert len(body.calls) == 4
    assert ask.peek(1) is MISS
    assert ask.store("x", 1) is False
    assert ask(1) == (1, 2)


def test_the_preset_disabled_stores_nothing(form, monkeypatch, body):
    set_default_cache(None)
    monkeypatch.setenv("CACHE_PRESET", "disabled")
    ask = form.cached(body.plain())
    ask(1), ask(1), ask(1)
    assert ask.figures() == (0, 3, 0, 0, 0, 0)
    set_default_cache(None)


def test_arguments_without_a_key_pass_through_a_disabled_cache(form, cache, body):
    cache.enabled = False
    argument = object()
    assert form.cached(body.plain(), cache=cache)(argument) == (argument, 2)


# --- a backend of one's own


def test_a_plain_backend_carries_every_kind_of_call(form):
    body = Body(None, [1], ValueError("down"), "late")
    ask = form.cached(body.plain(), cache=PlainCache(), ttl=60)
    assert [ask(1), ask(1), ask(1)] == [None] * 3
    for _ in range(3):
        ask(2).append("mine")
    assert ask(2) == [1]
    with pytest.raises(ValueError, match="down"):
        ask(3)
    assert [ask(3), ask(3)] == ["late"] * 2
    assert ask.figures() == (6, 4, 0, 0, 1, 3)


def test_a_plain_backend_carries_the_verbs(form):
    body = Body("one", "two", "three", "four")
    backend = PlainCache()
    ask = form.cached(body.plain(), cache=backend, ttl=60)
    ask(1)
    assert ask.peek(1) == "one" == backend.sync.get(ask.key(1))
    assert ask.refresh(1) == ask(1) == "two"
    assert ask.store("mine", 1)
    assert ask(1) == "mine"
    seen = ask.explain(1)
    assert seen.hit
    assert seen.remaining == 60
    assert ask.invalidate(1) is True
    assert ask.invalidate(1) is False
    assert not ask.explain(1).hit
    assert ask(1) == "three"
    ask.invalidate_all()
    assert ask.peek(1) is MISS
    assert ask.warm([(1,)]).computed == 1


def test_a_plain_backend_that_fails_costs_no_caller_its_answer(form, body):
    class Broken(PlainCache):
        async def get(self, key, default=None, *, as_type=None):
            raise ConnectionError

        async def set(self, key, value, ttl=None, *, tags=()):
            raise ConnectionError

    ask = form.cached(body.plain(), cache=Broken())
    assert [ask(1), ask(1)] == [(1, 2)] * 2
    assert len(body.calls) == 2


def test_without_single_flight_a_plain_backend_is_asked_first(form, body):
    ask = form.cached(body.plain(), cache=PlainCache(), single_flight=None)
    assert [ask(1), ask(1), ask(1)] == [(1, 2)] * 3
    assert ask.figures() == (2, 1, 0, 0, 0, 1)


# --- what stays behind


def test_decorated_functions_are_let_go(cache):
    """Incarnations of a function in a long-lived cache: the cache keeps none of them."""

    def incarnation():
        @cached(cache=cache)
        def ask(a):
            return a

        ask(1), ask(1)
        return weakref.ref(ask)

    gone = [incarnation() for _ in range(10)]
    cache.sync.clear()
    gc.collect()
    assert [reference() for reference in gone] == [None] * 10
    assert not cache.names._claims


def test_a_default_may_change_while_a_call_is_under_way(default):
    """The answer goes to who asked, and into the cache that was asked."""
    replaced = InMemoryCache()

    @cached
    async def ask(a):
        set_default_cache(replaced)
        return a

    assert asyncio.run(ask(1)) == 1
    assert default.sync.get(ask.key(1)) == 1
    assert replaced.sync.get(ask.key(1)) is None
