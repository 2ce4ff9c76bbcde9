"""What a cached function says about its own answer while it runs."""

import asyncio
import contextvars
import threading
from datetime import timedelta

import pytest
from callkit import Body

from askonce import FOREVER, MISS, ConfigurationError, InMemoryCache, KeyBuildError, cached
from askonce.engine.modes import bypass, refreshing
from askonce.engine.record import current_call


@pytest.fixture
def saying(form, cache):
    """Decorate a function that says something of its answer and answers how often it ran."""

    def saying(say, *said, **options):
        runs = []

        def ask(value):
            runs.append(value)
            say(current_call(), *said)
            return len(runs)

        return form.cached(ask, cache=cache, **options)

    return saying


# --- what it knows


def test_it_knows_the_key_and_the_operation(saying):
    seen = []
    ask = saying(lambda call: seen.append((call.key, call.keys, call.operation)), operation="summarize")
    ask(1), ask(2)
    assert seen == [(str(ask.key(value)), (str(ask.key(value)),), "summarize") for value in (1, 2)]


def test_a_function_without_an_operation_has_none(saying):
    seen = []
    saying(lambda call: seen.append(call.operation))(1)
    assert seen == [None]


def test_what_the_function_calls_and_begins_knows_it_too(cache):
    async def key():
        return current_call().key

    @cached(cache=cache)
    async def ask(value):
        in_thread = await asyncio.to_thread(lambda: current_call().key)
        return [await key(), await asyncio.create_task(key()), in_thread]

    assert asyncio.run(ask(1)) == [str(ask.key(1))] * 3


def test_a_cached_function_inside_another_is_a_call_of_its_own(form, cache):
    seen = []
    inner = cached(cache=cache, name="inner")(form.function(lambda value: seen.append(current_call().key)))

    async def awaiting(value):
        seen.append(current_call().key)
        await inner(value)
        seen.append(current_call().key)

    def calling(value):
        seen.append(current_call().key)
        inner(value)
        seen.append(current_call().key)

    outer = cached(cache=cache, name="outer")(awaiting if form.kind == "async" else calling)
    form.run(outer(1))
    mine, its = (str(function.key(1)) for function in (outer, inner))
    assert seen == [mine, its, mine]


def test_concurrent_calls_know_their_own(cache):
    async def main():
        both = asyncio.Barrier(3)

        @cached(cache=cache)
        async def ask(value):
            await both.wait()
            return current_call().key

        return await asyncio.gather(*(ask(value) for value in range(3))), [str(ask.key(n)) for n in range(3)]

    answers, keys = asyncio.run(main())
    assert answers == keys
    assert len(set(keys)) == 3


# --- what it says


def test_the_answer_lives_as_long_as_it_says(saying, clock):
    ask = saying(lambda call: call.set_ttl(5), ttl=50)
    assert [ask(1), ask(1)] == [1, 1]
    clock.advance(4.5)
    assert ask(1) == 1
    clock.advance(0.5)
    assert [ask(1), ask(1)] == [2, 2]


@pytest.mark.parametrize(
    ("ttl", "seconds"),
    [("2m", 120), (timedelta(hours=1), 3600), (0.5, 0.5), (FOREVER, FOREVER)],
    ids=["text", "timedelta", "number", "forever"],
)
def test_a_time_to_live_is_said_as_everywhere(saying, cache, ttl, seconds):
    ask = saying(lambda call: call.set_ttl(ttl))
    ask(1)
    assert cache.sync.get_ttl(ask.key(1)) == seconds


@pytest.mark.parametrize("ttl", [0, -1, -0.5, 0.0, -FOREVER, timedelta(0), timedelta(-1)])
def test_no_time_to_live_is_not_stored(saying, ttl):
    ask = saying(lambda call: call.set_ttl(ttl))
    assert [ask(1), ask(1)] == [1, 2]
    assert ask.peek(1) is MISS


@pytest.mark.parametrize("ttl", [float("nan"), "soon", "0s", None, [], True, False])
def test_what_is_no_time_is_refused_inside_the_function(saying, ttl):
    with pytest.raises(ConfigurationError, match="set_ttl"):
        saying(lambda call: call.set_ttl(ttl))(1)


def test_what_was_said_last_counts(saying, cache):
    for first, last in ((5, 7), (0, 7), (7, 0)):
        ask = saying(lambda call, *ttls: [call.set_ttl(ttl) for ttl in ttls], first, last)
        ask(1)
        assert cache.sync.get_ttl(ask.key(1)) == (last or None)


def test_a_time_to_live_does_not_undo_declining(saying):
    ask = saying(lambda call: (call.skip_store(), call.set_ttl(5)))
    assert [ask(1), ask(1)] == [1, 2]


@pytest.mark.parametrize(
    "rule", [lambda answer: 50, lambda answer: 0, lambda answer: 1 / 0], ids=["50", "0", "raises"]
)
def test_what_it_says_goes_before_a_rule_of_the_decorator(saying, cache, rule):
    ask = saying(lambda call: call.set_ttl(5), ttl=rule)
    ask(1)
    assert cache.sync.get_ttl(ask.key(1)) == 5


def test_what_it_says_does_not_undo_store_if(saying):
    ask = saying(lambda call: call.set_ttl(5), store_if=lambda answer: answer > 1)
    assert [ask(1), ask(1), ask(1)] == [1, 2, 2]


def test_the_windows_begin_where_the_time_that_it_says_ends(saying, clock):
    ask = saying(lambda call: call.set_ttl(5), ttl=50, stale_if_error=10)
    ask(1)
    clock.advance(5)
    assert ask.explain(1).hit is False
    assert "stands in" in ask.explain(1).reason


def test_an_answer_that_is_declined_is_returned_and_not_stored(saying):
    ask = saying(lambda call: call.skip_store())
    assert [ask(1), ask(1)] == [1, 2]
    assert ask.figures()[-1] == 0


def test_all_who_wait_get_an_answer_that_is_declined(cache):
    runs = []

    async def main():
        go = asyncio.Event()

        @cached(cache=cache)
        async def ask(value):
            runs.append(value)
            current_call().skip_store()
            await go.wait()
            return len(runs)

        tasks = [asyncio.create_task(ask(1)) for _ in range(3)]
        while not runs:
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        go.set()
        return await asyncio.gather(*tasks), await ask(1)

    assert asyncio.run(main()) == ([1, 1, 1], 2)


def test_what_one_call_says_is_nothing_to_the_next(form, cache):
    """Nor to another key of the same function."""

    def ask(value):
        if value == 1:
            current_call().skip_store()
        return value

    ask = form.cached(ask, cache=cache)
    ask(1), ask(2)
    assert (ask.peek(1), ask.peek(2)) == (MISS, 2)


def test_tags_that_it_adds_invalidate_the_answer(saying, cache):
    ask = saying(lambda call: call.add_tags("users", "user:5"), tags=["own"])
    for tag in ("users", "user:5", "own"):
        before = ask(1)
        assert ask(1) == before
        cache.sync.invalidate_tags(tag)
        assert ask(1) == before + 1
    cache.sync.invalidate_tags("others")
    assert ask(1) == before + 1


def test_tags_add_up(saying):
    ask = saying(lambda call: (call.add_tags("a"), call.add_tags("b")))
    ask(1)
    assert set(ask.explain(1).tags) == {"a", "b"}


@pytest.mark.parametrize("tag", [5, None, b"users"])
def test_a_tag_that_is_no_text_is_refused_inside_the_function(saying, tag):
    with pytest.raises(TypeError):
        saying(lambda call: call.add_tags(tag))(1)


def test_an_invalidation_before_a_tag_was_added_counts(saying, cache):
    """The call was under way: what it read may be what was invalidated."""
    ask = saying(lambda call: (cache.sync.invalidate_tags("users"), call.add_tags("users")))
    assert [ask(1), ask(1)] == [1, 2]


def test_an_invalidation_after_a_tag_was_added_counts(saying, cache):
    ask = saying(lambda call: (call.add_tags("users"), cache.sync.invalidate_tags("users")))
    assert [ask(1), ask(1)] == [1, 2]


def test_refresh_and_a_refreshing_context_hear_it_too(saying, cache):
    ask = saying(lambda call: call.set_ttl(5), ttl=50)
    ask.refresh(1)
    assert cache.sync.get_ttl(ask.key(1)) == 5
    cache.sync.set(ask.key(1), 0, 50)
    with refreshing():
        ask(1)
    assert cache.sync.get_ttl(ask.key(1)) == 5


def test_a_call_that_joins_nobody_hears_it_too(saying, cache):
    ask = saying(lambda call: call.set_ttl(5), single_flight=None)
    ask(1)
    assert cache.sync.get_ttl(ask.key(1)) == 5


# --- where there is none


def test_outside_of_cached_functions_there_is_none():
    with pytest.raises(RuntimeError, match="inside"):
        current_call()


def test_after_the_function_there_is_none(form, saying):
    saying(lambda call: None)(1)

    def ask():
        return current_call()

    with pytest.raises(RuntimeError, match="no cached function"):
        form.run(form.function(ask)())


def test_an_uncached_run_may_speak_and_is_heard_by_nobody(saying):
    """The function need not know how it is run."""

    def say(call):
        call.set_ttl(5), call.add_tags("a"), call.skip_store()
        seen.append((call.keys, call.operation))

    seen = []
    ask = saying(say, operation="qa")
    assert ask.uncached(1) == 1
    assert seen == [((str(ask.key(1)),), "qa")]
    with pytest.raises(RuntimeError, match="no cached function"):
        current_call()


def test_an_uncached_run_inside_a_cached_function_does_not_speak_for_it(form, saying, cache):
    inner = saying(lambda call: call.skip_store(), name="inner").function

    async def awaiting(value):
        return await inner.uncached(value)

    outer = cached(cache=cache)(awaiting if form.kind == "async" else lambda value: inner.uncached(value))
    assert [form.run(outer(1)) for _ in range(2)] == [1, 1]


def test_after_a_function_that_raised_there_is_none(form, cache):
    ask = form.cached(Body(KeyError()).plain(), cache=cache)
    with pytest.raises(KeyError):
        ask(1)
    with pytest.raises(RuntimeError):
        current_call()


def test_a_function_that_bypasses_the_cache_knows_the_key_it_would_have(saying):
    """What it says is heard by nobody, and is no error: the function need not know."""
    seen = []

    def say(call):
        call.set_ttl(5), call.add_tags("a"), call.skip_store()
        seen.append((call.key, call.keys))

    ask = saying(say)
    with bypass():
        assert ask(1) == 1
    key = str(ask.key(1))
    assert seen == [(key, (key,))]


def test_a_call_without_a_key_may_bypass_the_cache_unless_the_function_asks_for_it(cache, form):
    asks = []

    def ask(value):
        return current_call().key if asks else "did not ask"

    ask = form.cached(ask, cache=cache)
    with bypass():
        assert ask(object()) == "did not ask"
        asks.append(True)
        with pytest.raises(KeyBuildError, match="'value'"):
            ask(object())


def test_a_function_in_a_cache_that_is_off_knows_the_key_it_would_have(form):
    """As one that bypasses the cache, and with ``uncached``."""
    cache, seen = InMemoryCache(), []
    cache.engine_store().enabled = False

    def ask(value):
        current_call().set_ttl(5), current_call().add_tags("a"), current_call().skip_store()
        seen.append(current_call().key)
        return value

    ask = form.cached(ask, cache=cache)
    assert (ask(1), ask.refresh(2), ask.uncached(3)) == (1, 2, 3)
    assert seen == [str(ask.key(value)) for value in (1, 2, 3)]


def test_a_batch_that_bypasses_the_cache_knows_the_keys_of_its_items(form, cache):
    ask = form.cached(lambda values: [current_call().keys] * len(values), cache=cache, each="values")
    with bypass():
        assert ask([1, 2]) == [(str(ask.key([1])), str(ask.key([2])))] * 2


def test_what_a_factory_says_counts_too(cache):
    def make():
        current_call().set_ttl(5)
        current_call().add_tags("users")
        return current_call().key, current_call().operation

    assert cache.sync.get_or_set("by hand", make, 50) == ("by hand", None)
    assert cache.sync.get_ttl("by hand") == 5
    cache.sync.invalidate_tags("users")
    assert cache.sync.get("by hand") is None


def test_a_batch_speaks_for_all_items_that_it_computes(form, cache):
    """The keys of the items that are not there yet, in their order."""
    seen = []

    def ask(items: list):
        call = current_call()
        seen.append(call.keys)
        call.set_ttl(5), call.add_tags("batch")
        with pytest.raises(RuntimeError, match=r"2 keys at once; use current_call\(\)\.keys"):
            call.key  # noqa: B018
        return items

    ask = form.cached(ask, cache=cache, each="items", ttl=50)
    ask.store([1], [1])
    assert ask([1, 2, 3]) == [1, 2, 3]
    assert seen == [(str(ask.key([2])), str(ask.key([3])))]
    assert [cache.sync.get_ttl(ask.key([item])) for item in (1, 2)] == [50, 5]
    cache.sync.invalidate_tags("batch")
    assert [cache.sync.exists(ask.key([item])) for item in (1, 2, 3)] == [True, False, False]


def test_a_second_try_begins_with_nothing_said(cache):
    """The first one was cancelled by its own doing, and its caller has the work done again."""
    runs = []

    @cached(cache=cache, ttl=50)
    async def ask(value):
        runs.append(current_call())
        if len(runs) == 1:
            current_call().skip_store(), current_call().add_tags("first"), current_call().set_ttl(5)
            asyncio.current_task().cancel()
            await asyncio.sleep(0)
        return value

    async def main():
        return await ask(1), await ask.explain(1)

    answer, seen = asyncio.run(main())
    assert (answer, len(set(runs))) == (1, 2)
    assert (seen.hit, seen.remaining, seen.tags) == (True, 50, ())


@pytest.mark.parametrize(
    "say",
    [lambda call: call.set_ttl(5), lambda call: call.add_tags("a"), lambda call: call.skip_store()],
    ids=["set_ttl", "add_tags", "skip_store"],
)
def test_once_the_call_has_been_answered_it_is_too_late(saying, say):
    kept = []
    ask = saying(kept.append)
    ask(1)
    with pytest.raises(RuntimeError, match="before the function returns"):
        say(kept[0])
    assert kept[0].key == str(ask.key(1))


def test_a_task_that_outlives_the_call_is_told_so(cache):
    async def main():
        over, tasks = asyncio.Event(), []

        async def late():
            await over.wait()
            current_call().set_ttl(5)

        @cached(cache=cache)
        async def ask(value):
            tasks.append(asyncio.create_task(late()))
            return value

        await ask(1)
        over.set()
        with pytest.raises(RuntimeError, match="before the function returns"):
            await tasks[0]

    asyncio.run(main())


def test_another_thread_has_none(form, cache):
    seen = []

    def elsewhere():
        with pytest.raises(RuntimeError):
            current_call()
        seen.append(True)

    def ask(value):
        thread = threading.Thread(target=contextvars.Context().run, args=(elsewhere,))
        thread.start()
        thread.join()

    form.cached(ask, cache=cache)(1)
    assert seen == [True]
