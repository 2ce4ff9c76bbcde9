"""What a hostile reading of the code found: wrong answers, hangs, and odd but legal functions."""

import asyncio
import dataclasses
import functools
import threading
from collections import namedtuple
from enum import Enum

import pytest

from askonce import InMemoryCache, cached


@dataclasses.dataclass(frozen=True)
class Inner:
    def __cache_key__(self):
        return "inner"


@dataclasses.dataclass(frozen=True)
class Tenant:
    inner: Inner
    name: str

    def __getattr__(self, name):
        return getattr(self.inner, name)

    @cached
    def secret(self):
        return f"secret of {self.name}"


def test_a_delegating_instance_is_not_taken_for_what_it_delegates_to():
    """Python looks special methods up on the class; an instance that forwards attributes has none."""
    a, b = Tenant(Inner(), "a"), Tenant(Inner(), "b")
    for _ in range(3):
        assert (a.secret(), b.secret()) == ("secret of a", "secret of b")


def test_named_tuples_with_other_fields_differ():
    """Rows of one class name, as databases make them, are told apart by their columns."""

    @cached(cache=InMemoryCache())
    def first(row):
        return row.a

    rows = namedtuple("Row", "a b")(1, 2), namedtuple("Row", "b a")(1, 2)
    assert [first(row) for _ in range(3) for row in rows] == [1, 2] * 3


def test_rows_of_a_class_that_is_made_anew_each_time_hit():
    """Libraries make the class of their rows at every query: fields and items are all there is to them."""

    @cached(cache=InMemoryCache())
    def total(row):
        return sum(row)

    assert [total(namedtuple("Row", "a b")(1, 2)) for _ in range(3)] == [3, 3, 3]
    assert total.cache_info().misses == 1


def test_values_of_local_classes_are_told_apart():
    """Each run of a function that defines a class defines another one."""

    def make(factor):
        @dataclasses.dataclass(frozen=True)
        class Scale:
            by: int

            def times(self):
                return self.by * factor

        return Scale

    @cached(cache=InMemoryCache())
    def scaled(scale):
        return scale.times()

    scales = make(2)(1), make(3)(1)
    assert [scaled(scale) for _ in range(3) for scale in scales] == [2, 3] * 3


def test_partials_with_a_mapping_and_with_a_keyword_differ():
    def show(*args, **kwargs):
        return args, kwargs

    cache = InMemoryCache()
    by_position = cached(cache=cache, name="show")(functools.partial(show, {"x": 1}))
    by_keyword = cached(cache=cache, name="show")(functools.partial(show, x=1))
    assert (by_position(), by_keyword()) == ((({"x": 1},), {}), ((), {"x": 1}))


def test_an_enum_whose_key_changes_is_asked_again():
    class Mode(Enum):
        FAST = 1

        def __cache_key__(self):
            return epoch[0]

    epoch, runs = [1], []

    @cached(cache=InMemoryCache())
    def run(mode):
        runs.append(epoch[0])
        return epoch[0]

    assert [run(Mode.FAST) for _ in range(3)] == [1, 1, 1]
    epoch[0] = 2
    assert [run(Mode.FAST) for _ in range(3)] == [2, 2, 2]


def test_a_coroutine_that_cancels_itself_is_not_run_for_ever():
    """A home-made timeout cancels the task that it runs in: the caller gets the cancellation."""
    runs = []

    @cached(cache=InMemoryCache())
    async def ask():
        runs.append(1)
        asyncio.get_running_loop().call_soon(asyncio.current_task().cancel)
        await asyncio.Event().wait()

    async def call():
        with pytest.raises(asyncio.CancelledError):
            await ask()

    asyncio.run(asyncio.wait_for(call(), 30))
    assert len(runs) == 2


def test_a_function_that_refreshes_itself_is_stopped():
    @cached(cache=InMemoryCache())
    async def ask(question):
        return await ask.refresh(question)

    with pytest.raises(RecursionError, match="refreshes itself"):
        asyncio.run(asyncio.wait_for(ask("why"), 30))


def test_a_finalizer_may_ask_a_cached_function_while_the_cache_is_written_to():
    """A displaced value's ``__del__`` calls a cached function while other threads have misses."""
    cache = InMemoryCache(max_size=2)
    outcome = []

    @cached(cache=cache)
    def ask(number):
        return number

    class Loud:
        def __del__(self):
            ask(1)

    def write():
        for number in range(300):
            cache.sync.set(str(number), Loud())

    def read():
        outcome.extend(ask(number) for number in range(300))

    threads = [threading.Thread(target=target, daemon=True) for target in (write, read, read)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    assert len(outcome) == 600


def test_a_wrapper_with_keywords_only_can_be_called():
    """A decorator's wrapper has the signature that it has, whatever it wraps."""

    def keywords_only(function):
        @functools.wraps(function)
        def wrapper(**kwargs):
            return function(**kwargs)

        return wrapper

    @cached(cache=InMemoryCache())
    @keywords_only
    def show(a, b=2):
        return a, b

    assert [show(a=1), show(a=1), show(a=1)] == [(1, 2)] * 3


def test_a_partial_of_an_async_callable_is_awaited():
    class Ask:
        async def __call__(self, question, *, loud):
            return question.upper() if loud else question

        def __cache_key__(self):
            return "ask"

    ask = cached(cache=InMemoryCache(), name="ask")(functools.partial(Ask(), loud=True))
    assert asyncio.run(ask("why")) == "WHY"


def test_a_client_may_be_an_answer():
    """An object with ``__await__`` that can be used many times is shared like any object."""

    class Client:
        def __await__(self):
            yield

    @cached(cache=InMemoryCache())
    def connect():
        return Client()

    assert connect() is connect() is connect()


def test_a_strange_return_annotation_does_no_harm():
    class Anything(type):
        def __getattr__(cls, name):
            return "whatever"

    class Row(metaclass=Anything):
        pass

    @cached(cache=InMemoryCache())
    def load(number) -> Row:
        return number

    assert [load(1), load(1)] == [1, 1]
