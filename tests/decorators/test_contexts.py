"""What calls do inside of ``bypass``, ``refreshing``, ``only_if_cached``, ``fresh`` and ``use_cache``."""

import asyncio

import pytest
from callkit import Body, PlainCache

from askonce import MISS, ConfigurationError, InMemoryCache, NotCachedError, cached, register_cache
from askonce.engine.modes import bypass, fresh, only_if_cached, refreshing, use_cache
from askonce.engine.registry import registry
from askonce.testing import ManualClock


@pytest.fixture
def body():
    return Body(*[f"answer {number}" for number in range(1, 20)])


@pytest.fixture
def ask(form, body, cache):
    return form.cached(body.plain(), cache=cache, ttl=10)


def disabled():
    cache = InMemoryCache()
    cache.engine_store().enabled = False
    return cache


def warmed(ask):
    """A function whose answer for 1 the index has."""
    assert [ask(1), ask(1), ask(1)] == ["answer 1"] * 3
    return ask


def test_a_method_is_meant_like_a_function(form, cache):
    """Through the wrapper of bound methods, whose hits are the index's own before and after."""
    runs = []

    class Service:
        def __cache_key__(self):
            return 1

        def ask(self, value):
            runs.append(value)
            return len(runs)

        ask = cached(cache=cache)(form.function(ask))

    service = Service()
    assert [form.run(service.ask(1)) for _ in range(3)] == [1, 1, 1]
    with bypass():
        assert [form.run(service.ask(1)) for _ in range(2)] == [2, 3]
    assert [form.run(service.ask(1)) for _ in range(2)] == [1, 1]


# --- bypass


def test_what_bypasses_the_cache_finds_and_leaves_nothing_there(ask, body):
    warmed(ask)
    with bypass():
        assert [ask(1), ask(1), ask(2)] == ["answer 2", "answer 3", "answer 4"]
    assert ask.figures() == (2, 4, 0, 0, 0, 1)
    assert [ask(1), ask(1), ask(2)] == ["answer 1", "answer 1", "answer 5"]


def test_what_bypasses_the_cache_needs_no_key(ask, body):
    with bypass():
        assert ask(object()) == "answer 1"
    with fresh(5), pytest.raises(TypeError, match="has no key"):
        ask(object())


@pytest.mark.parametrize(
    "context", [bypass, refreshing, lambda: fresh(5)], ids=["bypass", "refreshing", "fresh"]
)
def test_what_is_computed_without_a_look_needs_no_key(form, body, context):
    ask = form.cached(body.plain(), cache=disabled())
    with context():
        assert [ask(object()), ask(object())] == ["answer 1", "answer 2"]


def test_what_bypasses_the_cache_raises_as_the_function_does(form, cache):
    error = KeyError("its own")
    ask = form.cached(Body(error, error).plain(), cache=cache, stale_if_error=60, ttl=1)
    ask.store("stored", 1)
    with bypass(), pytest.raises(KeyError) as raised:
        ask(1)
    assert raised.value is error


def test_what_bypasses_the_cache_waits_for_nobody(cache):
    runs = []

    async def main():
        go = asyncio.Event()

        @cached(cache=cache)
        async def ask(value):
            runs.append(value)
            if len(runs) == 1:
                await go.wait()
            return len(runs)

        leader = asyncio.create_task(ask(1))
        while not runs:
            await asyncio.sleep(0)
        with bypass():
            assert await ask(1) == 2
        go.set()
        return await leader, await ask(1)

    assert asyncio.run(main()) == (2, 2)
    assert len(runs) == 2


# --- refreshing


def test_each_call_is_computed_anew_once_and_hits_from_then_on(ask, body):
    warmed(ask)
    with refreshing():
        assert [ask(1), ask(1), ask(2), ask(2), ask(1)] == ["answer 2"] * 2 + ["answer 3"] * 2 + ["answer 2"]
    assert [ask(1), ask(2)] == ["answer 2", "answer 3"]
    with refreshing():
        assert [ask(1), ask(1)] == ["answer 4"] * 2


def test_what_was_stored_stays_where_computing_it_anew_fails(form, cache):
    ask = form.cached(Body("first", KeyError("second"), "third").plain(), cache=cache)
    assert ask(1) == "first"
    with refreshing(), pytest.raises(KeyError):
        ask(1)
    assert ask(1) == "first"


def test_an_entry_past_its_time_does_not_stand_in_for_what_is_wanted_anew(form, cache):
    ask = form.cached(Body("first", KeyError("second")).plain(), cache=cache, ttl=10, stale_if_error=60)
    assert ask(1) == "first"
    with refreshing(), pytest.raises(KeyError):
        ask(1)


def test_cached_functions_that_are_called_inside_are_computed_anew_too(form, cache):
    inner_runs, outer_runs = [], []
    inner = form.cached(lambda value: inner_runs.append(value) or len(inner_runs), cache=cache, name="inner")

    async def awaiting(value):
        outer_runs.append(value)
        return await inner.function(value)

    def calling(value):
        outer_runs.append(value)
        return inner.function(value)

    outer = cached(cache=cache, name="outer")(awaiting if form.kind == "async" else calling)
    assert [form.run(outer(1)) for _ in range(2)] == [1, 1]
    with refreshing():
        assert [form.run(outer(1)) for _ in range(2)] == [2, 2]
    assert (inner(1), len(inner_runs), len(outer_runs)) == (2, 2, 2)


def test_tasks_of_one_refreshing_context_share_the_new_answer(cache):
    """Those who come while it is being computed do not get the old one."""
    runs = []

    @cached(cache=cache)
    async def ask(value):
        runs.append(value)
        await asyncio.sleep(0)
        return len(runs)

    async def main():
        await ask(1)
        with refreshing():
            return await asyncio.gather(*(ask(1) for _ in range(5)))

    assert asyncio.run(main()) == [2] * 5


def test_concurrent_calls_that_join_nobody_do_not_get_the_old_answer_either(cache):
    runs = []

    @cached(cache=cache, single_flight=None)
    async def ask(value):
        runs.append(value)
        await asyncio.sleep(0)
        return len(runs)

    async def main():
        await ask(1)
        with refreshing():
            return await asyncio.gather(*(ask(1) for _ in range(3))), await ask(1)

    answers, after = asyncio.run(main())
    assert 1 not in answers
    assert after != 1
    assert len(runs) == 4


def test_outside_of_the_context_nobody_waits_for_what_it_computes(cache):
    runs = []

    async def main():
        go = asyncio.Event()

        @cached(cache=cache)
        async def ask(value):
            runs.append(value)
            if len(runs) == 2:
                await go.wait()
            return len(runs)

        async def anew():
            with refreshing():
                return await ask(1)

        await ask(1)
        task = asyncio.create_task(anew())
        while len(runs) < 2:
            await asyncio.sleep(0)
        with fresh(1000):
            assert await asyncio.wait_for(ask(1), 10) == 1
        go.set()
        return await task

    assert asyncio.run(main()) == 2


def test_a_call_that_joins_nobody_is_refreshed_once_as_well(form, body, cache):
    ask = form.cached(body.plain(), cache=cache, single_flight=None)
    assert ask(1) == "answer 1"
    with refreshing():
        assert [ask(1), ask(1)] == ["answer 2"] * 2


# --- only_if_cached


def test_what_is_cached_is_served_and_nothing_is_run(ask, body):
    warmed(ask)
    with only_if_cached():
        assert [ask(1), ask(1), ask(1)] == ["answer 1"] * 3
        with pytest.raises(NotCachedError):
            ask(2)
    assert body.calls == [(1, 2)]
    assert ask.figures() == (5, 1, 0, 0, 0, 1)
    assert ask(2) == "answer 2"


@pytest.mark.parametrize(
    ("lose", "why"),
    [
        (lambda ask, clock: None, "never stored"),
        (lambda ask, clock: (ask(1), clock.advance(10)), "expired"),
        (lambda ask, clock: (ask(1), ask.invalidate(1)), "deleted|never stored"),
        (lambda ask, clock: (ask(1), ask.invalidate_all()), "invalidated"),
    ],
    ids=["never", "expired", "deleted", "invalidated"],
)
def test_what_is_not_cached_says_whose_it_is_and_why(ask, clock, lose, why):
    lose(ask, clock)
    with only_if_cached(), pytest.raises(NotCachedError, match=why) as raised:
        ask(1)
    assert "ask" in str(raised.value)
    assert str(ask.key(1)) in str(raised.value)


def test_a_stale_answer_counts_as_cached_and_is_not_refreshed(form, body, cache, clock):
    ask = form.cached(body.plain(), cache=cache, ttl=10, stale=10)
    assert ask(1) == "answer 1"
    clock.advance(15)
    with only_if_cached():
        assert [ask(1), ask(1)] == ["answer 1"] * 2
    assert len(body.calls) == 1
    clock.advance(5)
    with only_if_cached(), pytest.raises(NotCachedError):
        ask(1)


def test_an_answer_kept_for_errors_alone_does_not_count_as_cached(form, body, cache, clock):
    ask = form.cached(body.plain(), cache=cache, ttl=10, stale_if_error=10)
    assert ask(1) == "answer 1"
    clock.advance(10)
    with only_if_cached(), pytest.raises(NotCachedError):
        ask(1)


def test_nobodys_computation_is_waited_for(cache):
    async def main():
        go, begun = asyncio.Event(), asyncio.Event()

        @cached(cache=cache)
        async def ask(value):
            begun.set()
            await go.wait()
            return value

        leader = asyncio.create_task(ask(1))
        await begun.wait()
        with only_if_cached(), pytest.raises(NotCachedError):
            await asyncio.wait_for(ask(1), 10)
        go.set()
        await leader
        with only_if_cached():
            return await ask(1)

    assert asyncio.run(main()) == 1


def test_a_cache_that_is_off_has_nothing_cached(form, body):
    ask = form.cached(body.plain(), cache=disabled())
    with only_if_cached(), pytest.raises(NotCachedError, match="disabled") as raised:
        ask(1)
    assert str(ask.key(1)) in str(raised.value)
    assert body.calls == []


def test_generators_and_lists_have_nothing_cached_there_either(form):
    """The two other kinds of functions, in the same cache that is off."""
    runs = []

    @cached(cache=disabled())
    def items(value):
        runs.append(value)
        yield value

    def each(values):
        runs.append(values)
        return values

    ask = form.cached(each, cache=disabled(), each="values")
    with only_if_cached():
        with pytest.raises(NotCachedError):
            list(items(1))
        with pytest.raises(NotCachedError):
            ask([1, 2])
    assert runs == []


def test_what_a_plain_backend_holds_counts_as_cached(form, body):
    ask = form.cached(body.plain(), cache=PlainCache())
    with only_if_cached(), pytest.raises(NotCachedError):
        ask(1)
    assert ask(1) == "answer 1"
    with only_if_cached():
        assert ask(1) == "answer 1"


# --- fresh


def test_an_older_answer_is_computed_anew_for_all(ask, clock):
    warmed(ask)
    clock.advance(5)
    with fresh(max_age=6):
        assert [ask(1), ask(1)] == ["answer 1"] * 2
    with fresh(max_age=4):
        assert [ask(1), ask(1)] == ["answer 2"] * 2
    assert [ask(1), ask(1)] == ["answer 2"] * 2


def test_an_age_of_0_takes_only_what_is_computed_for_the_caller(ask):
    with fresh(max_age=0):
        assert [ask(1), ask(1)] == ["answer 1", "answer 2"]
    assert ask(1) == "answer 2"


def test_no_answer_lives_longer_for_a_context(ask, clock):
    warmed(ask)
    clock.advance(10)
    with fresh(max_age=1000):
        assert [ask(1), ask(1)] == ["answer 2"] * 2
    clock.advance(9)
    assert ask(1) == "answer 2"


def test_an_answer_that_is_too_old_does_not_stand_in_for_an_error(form, cache, clock):
    ask = form.cached(
        Body("first", KeyError("second"), KeyError("third")).plain(), cache=cache, ttl=10, stale_if_error=100
    )
    assert ask(1) == "first"
    clock.advance(20)
    with fresh(max_age=15), pytest.raises(KeyError):
        ask(1)
    clock.advance(10)
    with fresh(max_age=50):
        assert ask(1) == "first"


def test_a_stale_answer_that_is_young_enough_is_served(form, body, cache, clock):
    ask = form.cached(body.plain(), cache=cache, ttl=10, stale=100)
    assert ask(1) == "answer 1"
    clock.advance(20)
    with fresh(max_age=25), only_if_cached():
        assert ask(1) == "answer 1"
    with fresh(max_age=15), only_if_cached(), pytest.raises(NotCachedError, match="older than"):
        ask(1)
    with fresh(max_age=15):
        assert ask(1) == "answer 2"


def test_a_computation_under_way_is_young_enough(cache):
    runs = []

    async def main():
        go = asyncio.Event()

        @cached(cache=cache)
        async def ask(value):
            runs.append(value)
            await go.wait()
            return len(runs)

        leader = asyncio.create_task(ask(1))
        while not runs:
            await asyncio.sleep(0)
        with fresh(0):
            joiner = asyncio.create_task(ask(1))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            go.set()
            return await joiner, await leader

    assert asyncio.run(main()) == (1, 1)


# --- use_cache


@pytest.fixture
def other(clock):
    return InMemoryCache(default_ttl=100, clock=clock)


def test_another_cache_is_used_for_as_long_as_the_block_is_open(ask, other):
    warmed(ask)
    with use_cache(other):
        assert [ask(1), ask(1), ask(1)] == ["answer 2"] * 3
    assert [ask(1), ask(1)] == ["answer 1"] * 2
    with use_cache(other):
        assert [ask(1), ask(1)] == ["answer 2"] * 2
    assert other.sync.exists(ask.key(1))


def test_the_verbs_are_about_the_chosen_cache(ask, other):
    warmed(ask)
    with use_cache(other):
        assert ask.peek(1) is MISS
        assert ask.explain(1).reason
        assert ask.store("put", 1)
        assert (ask.peek(1), ask(1), ask.explain(1).reason) == ("put", "put", None)
        assert ask.refresh(1) == "answer 2"
        assert ask.invalidate(1) is True
        assert ask.peek(1) is MISS
        ask.warm([(1,), (2,)])
        assert (ask.peek(1), ask.peek(2)) == ("answer 3", "answer 4")
        ask.invalidate_all()
        assert ask.peek(1) is MISS
    assert (ask.peek(1), ask.peek(2)) == ("answer 1", MISS)


def test_an_answer_of_the_chosen_cache_never_enters_the_index(ask, other):
    with use_cache(other):
        assert [ask(1), ask(1), ask(1)] == ["answer 1"] * 3
    index = ask.function.key.__self__._function.path.index
    assert index == {}
    assert other.engine_store().look(ask.key(1)).index_key is None
    assert [ask(1), ask(1), ask(1)] == ["answer 2"] * 3
    assert len(index) == 1
    with use_cache(other):
        assert ask(1) == "answer 1"


def test_a_chosen_cache_is_used_by_functions_whose_own_is_not_there(form, body, other):
    """The name of their own cache is asked for when it is needed."""
    ask = form.cached(body.plain(), cache="not registered")
    with use_cache(other):
        assert [ask(1), ask(1)] == ["answer 1"] * 2
    with pytest.raises(ConfigurationError, match="no cache is registered"):
        ask(1)


def test_a_chosen_cache_goes_before_a_callable(form, body, cache, other):
    ask = form.cached(body.plain(), cache=lambda: cache)
    assert ask(1) == "answer 1"
    with use_cache(other):
        assert [ask(1), ask(1)] == ["answer 2"] * 2
    assert ask(1) == "answer 1"


def test_a_registered_name_chooses_its_cache(ask, other):
    register_cache("other", other)
    try:
        with use_cache("other"):
            assert ask(1) == "answer 1"
    finally:
        registry.set("other", None)
    with use_cache(other):
        assert ask.peek(1) == "answer 1"


def test_any_backend_can_be_chosen(ask):
    plain = PlainCache()
    with use_cache(plain):
        assert [ask(1), ask(1)] == ["answer 1"] * 2
        assert ask.peek(1) == "answer 1"
    assert len(plain.kept) == 1


def test_two_functions_of_one_name_meet_in_the_chosen_cache(form, other):
    """Each has its own cache, where the name is its own; in one cache they would answer for each other."""

    def one(value):
        return "one"

    def two(value):
        return "two"

    first = form.cached(one, cache=InMemoryCache(), name="same")
    second = form.cached(two, cache=InMemoryCache(), name="same")
    assert (first(1), second(1)) == ("one", "two")
    with use_cache(other):
        assert first(1) == "one"
        with pytest.raises(ConfigurationError, match="both claim the name 'same'"):
            second(1)


def test_the_clock_of_the_chosen_cache_decides_there(ask, clock):
    """And that of its own cache decides in the index afterwards."""
    mine = ManualClock()
    other = InMemoryCache(clock=mine)
    warmed(ask)
    with use_cache(other):
        assert ask(1) == "answer 2"
        clock.advance(9)
        assert ask(1) == "answer 2"
        mine.advance(10)
        assert ask(1) == "answer 3"
    assert [ask(1), ask(1)] == ["answer 1"] * 2
    clock.advance(1)
    assert ask(1) == "answer 4"


def test_contexts_of_all_kinds_combine(ask, other, clock):
    warmed(ask)
    with use_cache(other):
        with only_if_cached(), pytest.raises(NotCachedError):
            ask(1)
        with bypass():
            assert ask(1) == "answer 2"
        assert ask.peek(1) is MISS
        with refreshing():
            assert [ask(1), ask(1)] == ["answer 3"] * 2
        clock.advance(5)
        with fresh(4):
            assert [ask(1), ask(1)] == ["answer 4"] * 2
    assert ask(1) == "answer 1"


def test_what_is_refreshed_behind_goes_where_its_caller_looked(clock):
    """The entry of the chosen cache is replaced; what the function calls uses the chosen cache as well."""
    own, other = (InMemoryCache(clock=clock) for _ in range(2))
    runs = []

    async def main():
        refreshed = asyncio.Event()

        @cached(cache=own)
        async def inner(value):
            return value

        @cached(cache=own, ttl=10, stale=10)
        async def outer(value):
            runs.append(value)
            await inner(len(runs))
            if len(runs) == 2:
                refreshed.set()
            return len(runs)

        with use_cache(other), fresh(1000):
            assert await outer(1) == 1
            clock.advance(15)
            assert await outer(1) == 1
            await refreshed.wait()
            while await outer.peek(1) != 2:
                await asyncio.sleep(0)
            assert (await inner.peek(1), await inner.peek(2)) == (1, 2)
        return await outer.peek(1), await inner.peek(1), await inner.peek(2)

    assert asyncio.run(main()) == (MISS, MISS, MISS)


def test_a_flight_outlives_the_context_of_the_caller_who_left(cache, other):
    """Whoever joined it goes on waiting; what the function calls still uses the cache that was chosen."""

    async def main():
        go, begun = asyncio.Event(), asyncio.Event()

        @cached(cache=cache)
        async def inner(value):
            return value

        @cached(cache=cache)
        async def outer(value):
            begun.set()
            await go.wait()
            return await inner(value)

        async def leaves():
            with use_cache(other):
                await outer(1)

        async def stays():
            with use_cache(other):
                return await outer(1)

        leader = asyncio.create_task(leaves())
        await begun.wait()
        joiner = asyncio.create_task(stays())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        leader.cancel()
        await asyncio.wait([leader])
        go.set()
        assert await inner.peek(1) is MISS
        with use_cache(other):
            return await joiner, await inner.peek(1)

    assert asyncio.run(main()) == (1, 1)


def test_a_flight_that_outlives_its_leaders_block_goes_on_in_the_cache_of_that_block(cache):
    """The leader is cancelled and its block ends; who joined it gets nothing of another tenant's."""
    tenants = {"ann": InMemoryCache(), "bob": cache}
    owner = "bob"

    @cached(cache=cache)
    async def settings():
        return owner

    @cached(cache=cache)
    async def page(begun, go):
        begun.set()
        await go.wait()
        return f"page of {await settings()}"

    async def visit(*events):
        with use_cache(tenants["ann"]):
            return await page(*events)

    async def main():
        nonlocal owner
        await settings()
        owner = "ann"
        begun, go = Event(), Event()
        leader, joiner = (asyncio.create_task(visit(begun, go)) for _ in range(2))
        await begun.wait()
        leader.cancel()
        await asyncio.wait({leader})
        go.set()
        return await joiner

    assert asyncio.run(main()) == "page of ann"


class Event(asyncio.Event):
    """May be part of a key."""

    def __cache_key__(self):
        return "event"
