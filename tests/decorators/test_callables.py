"""What else can be decorated, and what the decorated thing looks like."""

import copy
import functools
import inspect
import math
import operator
import pickle
import typing

import pytest
import shelf
from callkit import Body, Form
from shelf import CALLS, Asker, Service

from askonce import ConfigurationError, KeyBuildError, cached


@pytest.fixture(autouse=True)
def fresh():
    """Nothing cached, nothing called."""
    shelf.CACHE.sync.clear()
    CALLS.clear()


# --- looks


def test_a_decorated_function_looks_like_the_original():
    assert shelf.ask.__name__ == shelf.ask.__qualname__ == "ask"
    assert shelf.ask.__module__ == "shelf"
    assert shelf.ask.__doc__ == "Answer a question."
    assert shelf.ask.__annotations__ == {"question": "str", "loud": "bool", "return": "str"}
    assert typing.get_type_hints(shelf.ask) == {"question": str, "loud": bool, "return": str}
    assert inspect.signature(shelf.ask) == inspect.signature(shelf.ask.__wrapped__)
    assert inspect.isfunction(shelf.ask)
    assert shelf.ask.__wrapped__("q") == "Q"


def test_the_kind_is_that_of_the_original():
    assert inspect.iscoroutinefunction(shelf.ask_later)
    assert not inspect.iscoroutinefunction(shelf.ask)
    coroutine = shelf.ask_later("q")
    assert inspect.iscoroutine(coroutine)
    coroutine.close()


def test_defaults_can_be_seen():
    marker = object()

    def ask(a=marker, *, b=marker): ...

    decorated = cached(ask)
    assert decorated.__defaults__ == ask.__defaults__
    assert decorated.__kwdefaults__ == ask.__kwdefaults__


def test_attributes_of_the_function_are_kept():
    def ask(): ...

    ask.route = "/ask"
    assert cached(ask).route == "/ask"


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_functions_pickle_by_reference(protocol):
    for function in (shelf.ask, shelf.ask_later):
        assert pickle.loads(pickle.dumps(function, protocol)) is function
        assert copy.copy(function) is copy.deepcopy(function) is function


def test_the_decorator_can_be_written_in_three_ways(cache):
    def ask(a):
        return a

    for decorated in (cached(ask), cached()(ask), cached(cache=cache)(ask), cached(ask, cache=cache)):
        assert decorated.__wrapped__ is ask


# --- functions of all kinds


def test_lambdas_answer_for_themselves(cache):
    first, second = cached(cache=cache)(lambda a: [a]), cached(cache=cache)(lambda a: {a})
    for _ in range(3):
        assert (first(1), second(1)) == ([1], {1})


def test_functions_of_one_name_in_two_modules_differ(cache):
    def at(module):
        scope = {"__name__": module}
        exec("def ask(a): return __name__", scope)
        return cached(cache=cache)(scope["ask"])

    one, two = at("one"), at("two")
    for _ in range(3):
        assert (one(1), two(1)) == ("one", "two")


@pytest.mark.parametrize("function", [math.sqrt, operator.neg, abs, pow], ids=repr)
def test_builtins_can_be_cached(cache, function):
    arguments = (9, 2) if function is pow else (9.0,)
    decorated = cached(cache=cache)(function)
    assert [decorated(*arguments) for _ in range(3)] == [function(*arguments)] * 3
    assert decorated.cache_info().hits == 2
    assert decorated.__name__ == function.__name__


def test_the_methods_of_builtin_values_can_be_cached_under_a_name(cache):
    upper, other = (cached(cache=cache, name="join")(text.join) for text in ("-", "+"))
    for _ in range(3):
        assert (upper(["a", "b"]), other(["a", "b"])) == ("a-b", "a+b")


# --- partials


def add(a, b=0, /, *rest, c=0, **more):
    CALLS.append((a, b, rest, c, more))
    return a, b, rest, c, more


PARTIALS = [
    functools.partial(add, 1), functools.partial(add, True), functools.partial(add, 2),
    functools.partial(add, 1, 2), functools.partial(add, 1, c=1), functools.partial(add, 1, x=1),
    functools.partial(add, 1, x=2), functools.partial(add, 1, y=1),
    functools.partial(functools.partial(add, 1), 3), add,
]  # fmt: skip


def test_partials_of_one_function_never_answer_for_each_other(cache):
    decorated = [cached(cache=cache)(partial) for partial in PARTIALS]
    for _ in range(3):
        for function, partial in zip(decorated, PARTIALS, strict=True):
            assert repr(function(7, 8)) == repr(partial(7, 8))
    assert len({function.key(7, 8) for function in decorated}) == len(PARTIALS)


def test_equal_partials_are_one(cache):
    one, two = (cached(cache=cache)(functools.partial(add, 1, x=1)) for _ in range(2))
    for _ in range(3):
        assert one(2) == two(2)
    assert len(CALLS) == 1


def test_a_keyword_of_a_partial_can_be_overridden_and_ignored(cache):
    decorated = cached(cache=cache, ignore={"client"})(functools.partial(_with_client, client=object()))
    for _ in range(3):
        assert (decorated(1), decorated(1, client=object()), decorated(2)) == (1, 1, 2)
    assert len(CALLS) == 2


def _with_client(a, *, client):
    CALLS.append(a)
    return a


def test_what_is_bound_in_a_partial_counts_as_it_is_at_the_call(cache):
    rows = [1]
    decorated = cached(cache=cache)(functools.partial(sum, rows))
    assert [decorated(), decorated(), decorated()] == [1] * 3
    rows.append(2)
    assert [decorated(), decorated(), decorated()] == [3] * 3


def test_a_partial_of_something_without_a_key_is_refused_at_once(cache):
    with pytest.raises(KeyBuildError, match="object"):
        cached(cache=cache)(functools.partial(add, object()))


def test_a_partial_looks_like_one(cache):
    decorated = cached(cache=cache)(functools.partial(add, 1))
    assert "partial of add" in decorated.__name__
    assert inspect.signature(decorated) == inspect.signature(functools.partial(add, 1))


def test_a_cached_function_may_be_bound_in_part():
    loud = functools.partial(shelf.ask, loud=True)
    assert [loud("q"), loud("q"), loud("q")] == ["Q"] * 3
    assert CALLS == [("ask", "q")]


# --- bound methods and callable objects


def test_bound_methods_can_be_cached(cache):
    one, two = (cached(cache=cache)(Asker(name).__call__) for name in "ab")
    for _ in range(3):
        assert (one("q"), two("q")) == ("a: q", "b: q")
    assert len(CALLS) == 2


def test_callable_objects_keep_their_attributes(cache):
    asker = cached(cache=cache)(Asker("a"))
    assert [asker("q"), asker("q"), asker(question="q", loud=False)] == ["a: q"] * 3
    assert (asker.name, isinstance(asker, Asker)) == ("a", True)
    assert len(CALLS) == 1
    assert asker.peek("q") == "a: q"
    assert asker.invalidate("q") is True
    assert asker.cache_info().hits == 2


def test_callable_objects_are_known_by_what_they_say(cache):
    one, same, two = (cached(cache=cache)(Asker(name)) for name in ("a", "a", "b"))
    for _ in range(3):
        assert (one("q"), same("q"), two("q")) == ("a: q", "a: q", "b: q")
    assert len(CALLS) == 2


def test_a_callable_object_that_changes_asks_anew(cache):
    """As an instance does whose method is cached."""
    asker = cached(cache=cache)(Asker("a"))
    assert [asker("q") for _ in range(3)] == ["a: q"] * 3
    asker.name = "b"
    assert [asker("q") for _ in range(3)] == ["b: q"] * 3


def test_a_copy_of_a_cached_callable_is_the_same(cache):
    asker = cached(cache=cache)(Asker("a"))
    assert copy.copy(asker) is copy.deepcopy(asker) is asker


def test_a_callable_object_that_does_not_say_who_it_is_is_refused(cache):
    class Nameless:
        def __call__(self, question): ...

        def ask(self, question): ...

    for target in (Nameless(), Nameless().ask):
        with pytest.raises(TypeError, match=r"Nameless.*__cache_key__"):
            cached(cache=cache)(target)


def test_an_async_callable_object_is_awaited(cache):
    class Later(Asker):
        async def __call__(self, question):
            CALLS.append(question)
            return question

    later = cached(cache=cache)(Later("a"))
    run = Form("async").run
    assert [run(later("q")) for _ in range(3)] == ["q"] * 3
    assert run(later.peek("q")) == "q"
    assert len(CALLS) == 1


# --- decorated twice, redefined


def test_a_function_may_be_defined_again(cache):
    """A notebook cell, a reload: the name stays its own."""
    for answer in ("first", "second"):
        scope = {"__name__": "notebook"}
        exec(f"def ask(a): return {answer!r}", scope)
        decorated = cached(cache=cache)(scope["ask"])
    assert decorated(1) == "second"


def test_cached_methods_can_be_cached_once_more_under_another_name(cache):
    outer = cached(cache=cache, name="outer")(Service("a").ask)
    assert [outer("q") for _ in range(3)] == ["Service a: q"] * 3
    assert len(CALLS) == 1


def test_a_function_without_a_module_needs_a_name(cache):
    ask = Body().plain()
    ask.__module__ = None
    with pytest.raises(ConfigurationError, match="name="):
        cached(cache=cache)(ask)
    decorated = cached(cache=cache, name="ask")(ask)
    assert [decorated(1) for _ in range(3)] == [(1, 2)] * 3
