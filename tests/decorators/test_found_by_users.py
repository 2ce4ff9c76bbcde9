"""What a first user stumbled over."""

import functools
import inspect
import sys
import typing

import pytest
from callkit import PlainCache

from askonce import InMemoryCache, cached
from askonce.backends.adapter import engine_store_of


def scaled(factor):
    def decorate(function):
        @functools.wraps(function)
        def wrapper(number):
            return function(number) * factor

        return wrapper

    return decorate


def number_itself(number):
    return number


class Desk:
    def __cache_key__(self):
        return "desk"

    @cached
    def find(self, query: str, limit: "int" = 3) -> list[str]:
        return [query] * limit


def test_functions_that_a_decorator_made_of_one_function_do_not_share():
    """``functools.wraps`` gives both the same name, but each closes over something else."""
    cache = InMemoryCache()
    double, triple = (cached(cache=cache)(scaled(factor)(number_itself)) for factor in (2, 3))
    for _ in range(3):
        assert (double(1), triple(1)) == (2, 3)


def test_a_function_that_calls_itself_gets_deep():
    """Each level of a recursion costs few frames of Python's limit."""

    @cached(cache=InMemoryCache())
    def fibonacci(n):
        return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)

    deep = (sys.getrecursionlimit() - len(inspect.stack())) // 6
    assert fibonacci(deep) == fibonacci.uncached(deep)
    assert fibonacci.cache_info().misses == deep + 1


def test_a_bound_method_shows_what_tools_look_for():
    """Frameworks build forms and schemas from annotations, globals and the underlying function."""
    find = Desk().find
    assert typing.get_type_hints(find) == {"query": str, "limit": int, "return": list[str]}
    assert find.__annotations__ == {"query": str, "limit": "int", "return": list[str]}
    assert find.__func__ is Desk.find
    assert find.__globals__ is globals()


def test_equal_backends_are_two_caches():
    """A backend that compares by value keeps its own answers."""

    class Equal(PlainCache):
        def __eq__(self, other):
            return True

        def __hash__(self):
            return 1

    first, second = Equal(), Equal()
    assert engine_store_of(first) is not engine_store_of(second)
    assert engine_store_of(first) is engine_store_of(first)


def test_a_backend_may_spell_its_ttl_as_users_do():
    """``default_ttl="1h"`` on a backend of one's own means what it means everywhere."""
    cache = PlainCache()
    cache.default_ttl = "1h"
    assert engine_store_of(cache).default_ttl == 3600


def test_caching_twice_is_refused_at_once():
    """Both would have one name in one cache, and the outer wait for the inner for ever."""
    with pytest.raises(TypeError, match=r"number_itself is cached already.*name="):
        cached(cached(number_itself))


def test_options_without_their_names_are_pointed_out():
    with pytest.raises(TypeError, match="give options by name"):
        cached("2h")
