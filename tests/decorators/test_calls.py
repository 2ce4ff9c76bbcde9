"""What a call of a decorated function answers, for both kinds of functions."""

import asyncio
import dataclasses
import itertools

import pytest
from callkit import Body

from askonce import MISS, InMemoryCache, cached


def test_a_call_is_computed_once_and_then_answered_from_the_cache(form, cache, body):
    ask = form.cached(body.plain(), cache=cache)
    assert [ask("q", b=7) for _ in range(4)] == [("q", 7)] * 4
    assert body.calls == [("q", 7)]


def test_other_arguments_are_another_call(form, cache, body):
    ask = form.cached(body.plain(), cache=cache)
    for _ in range(3):
        assert (ask(1), ask(2), ask(1, 3)) == ((1, 2), (2, 2), (1, 3))
    assert len(body.calls) == 3


def test_all_spellings_of_a_call_are_one(form, cache, body):
    """Positional, by keyword, default left out or given."""
    ask = form.cached(body.plain(), cache=cache)
    for _ in range(3):
        for answer in (ask(1), ask(1, 2), ask(1, b=2), ask(a=1), ask(a=1, b=2), ask(b=2, a=1)):
            assert answer == (1, 2)
    assert len(body.calls) == 1


def test_a_default_is_the_very_object_that_the_function_has(form, cache):
    marker = ("default",)

    def ask(a=marker, *, b=marker):
        return a is marker and b is marker

    assert form.cached(ask, cache=cache, isolate=False)()


@pytest.mark.parametrize("answer", [None, 0, "", False, 0.0, (), [], {}], ids=repr)
def test_falsy_answers_are_cached(form, cache, answer):
    body = Body(answer)
    ask = form.cached(body.plain(), cache=cache)
    assert [ask(1) for _ in range(3)] == [answer] * 3
    assert ask.peek(1) == answer
    assert len(body.calls) == 1


def test_keywords_count_whatever_their_order(form, cache):
    calls = itertools.count()
    ask = form.cached(lambda **options: next(calls), cache=cache)
    assert [ask(a=1, b=2), ask(b=2, a=1), ask(a=1), ask(), ask(a=1, b=2)] == [0, 0, 1, 2, 0]


def test_arguments_of_args_are_not_one_tuple(form, cache):
    ask = form.cached(lambda *args: args, cache=cache)
    for _ in range(3):
        assert ask() == ()
        assert ask(1, 2) == (1, 2)
        assert ask((1, 2)) == ((1, 2),)


def test_an_exception_is_not_cached_and_passes_unchanged(form, cache):
    error = LookupError("gone")
    body = Body(error, "found")
    ask = form.cached(body.plain(), cache=cache)
    with pytest.raises(LookupError) as caught:
        ask(1)
    assert caught.value is error
    assert ask.peek(1) is MISS
    assert [ask(1), ask(1), ask(1)] == ["found"] * 3


def test_an_exception_that_a_lookup_could_swallow_reaches_the_caller(form, cache):
    """The fast index answers KeyError and TypeError of its own; the function's are not among them."""
    body = Body(KeyError("k"), TypeError("t"), AttributeError("a"), "answer")
    ask = form.cached(body.plain(), cache=cache)
    for expected in (KeyError, TypeError, AttributeError):
        with pytest.raises(expected):
            ask(1)
    assert ask(1) == "answer"
    assert len(body.calls) == 4


def test_a_wrong_call_is_reported_as_python_would(form, cache, body):
    ask = form.cached(body.plain(), cache=cache)
    with pytest.raises(TypeError, match=r"ask\(\) missing 1 required positional argument: 'a'"):
        ask()
    with pytest.raises(TypeError, match="unexpected keyword argument 'c'"):
        ask(1, c=3)
    assert ask.figures() == (0, 0, 0, 0, 0, 0)


def test_figures_count_each_call_once(form, cache):
    body = Body("one", ValueError(), "two")
    ask = form.cached(body.plain(), cache=cache)
    for _ in range(4):
        ask(1)
    assert ask.figures() == (3, 1, 0, 0, 0, 1)
    with pytest.raises(ValueError):
        ask(2)
    assert ask.figures() == (3, 2, 0, 0, 1, 1)
    ask(2)
    assert ask.figures() == (3, 3, 0, 0, 1, 2)
    assert ask.cache_info().hit_ratio == 0.5


def test_figures_of_a_function_count_in_its_cache(form, cache, body):
    ask = form.cached(body.plain(), cache=cache)
    for _ in range(5):
        ask(1)
    stats = cache.get_stats()
    assert (stats["hits"], stats["misses"]) == (4, 1)


# --- isolation


def nested():
    return {"rows": [[1], [2]], "by": {"x": {"y"}}}


def test_a_caller_that_changes_its_answer_changes_nobody_elses(form, cache):
    body = Body(nested())
    ask = form.cached(body.plain(), cache=cache)
    for _ in range(4):
        answer = ask(1)
        assert answer == nested()
        answer["rows"][0].append("mine")
        answer["by"]["x"].clear()
    assert ask.peek(1) == nested()
    assert len(body.calls) == 1


def test_an_argument_that_is_changed_later_leaves_its_answer(form, cache):
    ask = form.cached(lambda rows: rows, cache=cache)
    rows = [1]
    assert ask(rows) == [1]
    rows.append(2)
    assert ask(rows) == [1, 2]
    assert ask([1]) == [1]


def test_a_function_that_changes_its_argument_is_stored_under_what_it_was_asked(form, cache):
    calls = []

    def drain(rows):
        calls.append(len(rows))
        return [rows.pop() for _ in range(len(rows))]

    ask = form.cached(drain, cache=cache)
    assert [ask([1, 2]), ask([1, 2]), ask([1, 2])] == [[2, 1]] * 3
    assert ask([]) == []
    assert calls == [2, 0]


def test_isolate_false_shares_the_very_object(form, cache):
    answer = nested()
    ask = form.cached(Body(answer).plain(), cache=cache, isolate=False)
    assert all(ask(1) is answer for _ in range(3))


def test_objects_that_are_no_data_are_shared_as_they_are(form, cache):
    class Client: ...

    @dataclasses.dataclass
    class Answer:
        client: Client
        rows: list

    client = Client()
    ask = form.cached(Body(Answer(client, [1])).plain(), cache=cache)
    first, second, third = ask(1), ask(1), ask(1)
    assert first.client is second.client is third.client is client
    assert second.rows is not third.rows
    assert second == third


def test_callers_that_join_get_answers_of_their_own(cache):
    """Ten callers of one cold key: one call, ten lists."""
    calls = []

    @cached(cache=cache)
    async def ask(q):
        calls.append(q)
        await asyncio.sleep(0)
        return [q]

    async def main():
        return await asyncio.gather(*(ask(1) for _ in range(10)))

    answers = asyncio.run(main())
    assert answers == [[1]] * 10
    assert len({id(answer) for answer in answers}) == 10
    assert calls == [1]
    info = ask.cache_info()
    assert (info.hits, info.misses, info.joined) == (0, 1, 9)


# --- what a function may do while it runs


def test_a_function_that_asks_itself_the_same_is_told_so(form, cache):
    """It would wait for itself for ever."""
    if form.kind == "sync":

        @cached(cache=cache)
        def ask(a):
            return ask(a)
    else:

        @cached(cache=cache)
        async def ask(a):
            return await ask(a)

    for _ in range(2):
        with pytest.raises(RecursionError, match="uncached"):
            form.run(ask(1))


def test_a_function_may_ask_itself_something_else(cache):
    @cached(cache=cache)
    def fib(n):
        return n if n < 2 else fib(n - 1) + fib(n - 2)

    assert fib(30) == 832040
    assert fib.cache_info().misses == 31
    assert fib(30) == 832040


def test_a_function_may_run_itself_past_the_cache(cache):
    calls = []

    @cached(cache=cache)
    def ask(a):
        calls.append(a)
        return ask.uncached(a) + 1 if len(calls) == 1 else 0

    assert [ask(1), ask(1), ask(1)] == [1, 1, 1]
    assert calls == [1, 1]


def test_without_single_flight_every_caller_computes(cache):
    calls = []

    @cached(cache=cache, single_flight=None)
    async def ask(q):
        calls.append(q)
        await asyncio.sleep(0)
        return q

    async def main():
        return await asyncio.gather(*(ask(1) for _ in range(3)))

    assert asyncio.run(main()) == [1, 1, 1]
    assert len(calls) == 3
    assert asyncio.run(main()) == [1, 1, 1]
    assert len(calls) == 3


def test_without_single_flight_answers_are_cached_and_counted_alike(form, cache):
    body = Body(ValueError(), [1])
    ask = form.cached(body.plain(), cache=cache, single_flight=None)
    with pytest.raises(ValueError):
        ask(1)
    for _ in range(3):
        answer = ask(1)
        assert answer == [1]
        answer.clear()
    assert ask.figures() == (2, 2, 0, 0, 1, 1)


def test_a_full_cache_forgets_answers_and_computes_them_again(form, clock):
    body = Body()
    ask = form.cached(body.plain(), cache=InMemoryCache(max_size=2, clock=clock))
    for _ in range(3):
        assert ask(1) == (1, 2)
    for a in (2, 3, 1):
        assert ask(a) == (a, 2)
    assert [a for a, _ in body.calls] == [1, 2, 3, 1]
