"""What cannot work is refused at the earliest moment, in a sentence that names it and the way out."""

import asyncio
import datetime as dt
import math

import pytest
from callkit import Body, PlainCache

from askonce import (
    FOREVER,
    ConfigurationError,
    InMemoryCache,
    KeyBuildError,
    ai_cached,
    cached,
    register_cache,
    set_default_cache,
)


def ask(question, session=None):
    return question


async def coroutine_function(*args):
    return True


async def async_generator_function(*args):
    yield "users"


class Awaited:
    async def __call__(self, *args):
        return ["users"]


# --- options


@pytest.mark.parametrize("decorator", [cached, ai_cached])
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"ttl": 0}, r"ask: ttl=0.*seconds above 0"),
        ({"ttl": -1}, r"ttl=-1"),
        ({"ttl": math.nan}, r"ttl=nan.*not a number"),
        ({"ttl": "soon"}, r"ttl='soon'.*units"),
        ({"ttl": dt.timedelta(0)}, r"ttl="),
        ({"ttl": [60]}, r"ttl=\[60\].*list is not a time"),
        ({"ttl": True}, r"ttl=True.*bool"),
        ({"ttl": coroutine_function}, r"ttl= is a coroutine function.*plain"),
        ({"store_if": True}, r"store_if=True.*callable of the result"),
        ({"store_if": coroutine_function}, r"store_if= is a coroutine function"),
        ({"version": 1.5}, r"version=1\.5.*number nor a text"),
        ({"operation": 5}, r"operation=5"),
        ({"single_flight": "fleet"}, r"single_flight='fleet'.*\"process\".*\"cluster\".*None"),
        ({"single_flight": False}, r"single_flight=False"),
        ({"ignore": "session"}, r"ignore='session'.*\{'session'\}"),
        ({"ignore": 5}, r"ignore=5"),
        ({"ignore": {"sessions"}}, r"ask: ignore names 'sessions'.*question, session"),
        ({"ignore": {"session"}, "key": "{question}"}, r"ignore= has no effect beside key="),
        ({"key": "{questions}"}, r"ask: the template '\{questions\}'.*did you mean 'question'"),
        ({"key": "constant"}, r"no field.*\{parameter\}"),
        ({"key": "{question"}, r"malformed"),
        ({"key": "{}"}, r"without a name"),
        ({"key": 5}, r"ask: key=5.*template nor a callable"),
        ({"key": lambda question: question}, r"ask: key=.*\(question, session\).*too many"),
        ({"key": lambda *, question, session: question}, r"key=.*does not take them"),
        ({"key": coroutine_function}, r"key= is a coroutine function"),
        ({"tags": "users"}, r"ask: tags='users' is one text; write tags=\['users'\]"),
        ({"tags": [5]}, r"ask: tags=\[5\] is no list of texts.*callable of the arguments"),
        ({"tags": ["ok", b"users"]}, r"no list of texts"),
        ({"tags": None}, r"tags=None is no list of texts"),
        ({"tags": ["q:{questions}"]}, r"ask: tags: the template.*question, session; did you mean 'question'"),
        ({"tags": ["q:{question"]}, r"malformed"),
        ({"tags": ["q:{}"]}, r"without a name"),
        ({"tags": lambda question: []}, r"ask: tags=.*\(question, session\).*too many"),
        ({"tags": coroutine_function}, r"tags= is a coroutine function.*plain"),
        ({"tags": Awaited()}, r"tags= is a coroutine function.*plain"),
        ({"tags": async_generator_function}, r"tags= is an async generator function.*plain"),
        ({"stale": -1}, r"stale=-1"),
        ({"stale_if_error": math.nan}, r"stale_if_error=nan"),
        ({"stale_if_error": True}, r"stale_if_error=True"),
        ({"stale": 5, "ttl": FOREVER}, r"stale has no effect with ttl=FOREVER.*drop stale"),
        ({"stale_if_error": 5, "ttl": FOREVER}, r"stale_if_error has no effect with ttl=FOREVER"),
        ({"refresh_ahead": True, "ttl": FOREVER}, r"refresh_ahead has no effect with ttl=FOREVER"),
        ({"jitter": 0.1, "ttl": FOREVER}, r"jitter has no effect with ttl=FOREVER"),
        ({"retry_after": 5}, r"retry_after has no effect.*stale, stale_if_error or refresh_ahead"),
        ({"retry_after": -1, "stale": 5}, r"retry_after=-1"),
        ({"timeout": 0, "stale_if_error": 5}, r"timeout=0 would let nobody wait; use stale"),
        ({"retry_after": FOREVER, "stale": 5}, r"retry_after=FOREVER would never end"),
        ({"refresh_ahead": -1}, r"refresh_ahead=-1 is no weight"),
        ({"refresh_ahead": "yes"}, r"refresh_ahead='yes' is no weight"),
        ({"jitter": -0.1}, r"jitter=-0.1 is no share"),
        ({"isolate": "no"}, r"isolate='no' is neither True nor False"),
        ({"jitter": 2}, r"jitter=2 is no share.*0\.1"),
        ({"jitter": True}, r"jitter=True is no share"),
        ({"timeout": 5}, r"timeout has nothing to serve.*stale_if_error"),
        ({"timeout": 0, "stale_if_error": 5}, r"timeout=0"),
        ({"timeout": 5, "stale_if_error": 5, "single_flight": None}, r"timeout.*single_flight=None"),
        ({"errors": ConnectionError}, r"errors=<class.*names no exceptions.*\{ConnectionError: 30\}"),
        ({"errors": [ConnectionError]}, r"names no exceptions"),
        ({"errors": {}}, r"names no exceptions"),
        ({"errors": {"ConnectionError": 30}}, r"errors: 'ConnectionError' is no exception that can be kept"),
        ({"errors": {KeyError(): 30}}, r"errors: KeyError\(\) is no exception"),
        ({"errors": {(KeyError, OSError): 30}}, r"is no exception"),
        ({"errors": {int: 30}}, r"int.*is no exception"),
        ({"errors": {BaseException: 30}}, r"BaseException.*subclasses of Exception"),
        ({"errors": {asyncio.CancelledError: 30}}, r"CancelledError.*subclasses of Exception"),
        ({"errors": {KeyboardInterrupt: 30}}, r"KeyboardInterrupt"),
        ({"errors": {StopIteration: 30}}, r"StopIteration is how an iterator ends.*leave it out"),
        ({"errors": {StopAsyncIteration: 30}}, r"StopAsyncIteration is how an iterator ends"),
        ({"errors": {KeyError: 0}}, r"errors\[KeyError\]=0.*above 0"),
        ({"errors": {KeyError: None}}, r"errors\[KeyError\]=None"),
        ({"errors": {KeyError: 5, OSError: math.nan}}, r"errors\[OSError\]=nan"),
        ({"each": 5}, r"each=5"),
        ({"cache": 5}, r"cache=5 is no cache.*InMemoryCache\(\)"),
        ({"cache": InMemoryCache}, r"cache=<class.*InMemoryCache'> is no cache.*InMemoryCache\(\)"),
        ({"cache": coroutine_function}, r"cache= is a coroutine function"),
        ({"name": ""}, r"name='' is no name.*'ask'"),
        ({"name": 5}, r"name=5 is no name"),
    ],
    ids=lambda value: str(value)[:30] if isinstance(value, dict) else "",
)  # fmt: skip
def test_options_that_cannot_work_are_refused_at_decoration(decorator, options, words):
    with pytest.raises(ConfigurationError, match=words) as caught:
        decorator(**options)(ask)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    "option", ["cache", "store_if", "version", "single_flight", "retry_after", "timeout", "errors", "each"]
)
def test_what_needs_no_function_is_refused_before_there_is_one(option):
    with pytest.raises(ConfigurationError, match=option):
        cached(**{option: 0.5})


@pytest.mark.parametrize("given", [{}, {"function": ask}])
def test_an_unknown_option_is_refused_with_the_nearest_one(given):
    arguments = tuple(given.values())
    with pytest.raises(TypeError, match=r"cached\(\) has no option 'ttls'; did you mean 'ttl'\?"):
        cached(*arguments, ttls=5)
    with pytest.raises(TypeError, match=r"ai_cached\(\) has no option 'modell'; did you mean 'model'\?"):
        ai_cached(*arguments, modell="x")
    for wrong, right in (
        ("tag", "tags"),
        ("error", "errors"),
        ("stale_on_error", "stale_if_error"),
        ("stale_while_revalidate", "stale"),  # other caches call it so
        ("grace", "stale_if_error"),
        ("expire", "ttl"),
        ("key_builder", "key"),
    ):
        with pytest.raises(TypeError, match=rf"no option '{wrong}'; did you mean '{right}'\?"):
            cached(*arguments, **{wrong: 5})
    with pytest.raises(TypeError, match="no option 'zzz'; its options are operation, name, ttl"):
        cached(*arguments, zzz=5)


@pytest.mark.parametrize("name", ["model", "prompt_version", "parts", "operation_ttls"])
def test_cached_does_not_have_the_options_of_others(name):
    with pytest.raises(TypeError, match=f"no option '{name}'"):
        cached(**{name: "x"})


def test_ai_options_that_have_no_key_are_refused_at_decoration():
    for name in ("model", "prompt_version"):
        with pytest.raises(ConfigurationError, match=name):
            ai_cached(**{name: object()})


# --- what is decorated


@pytest.mark.parametrize("target", [5, "15m", object(), [ask]], ids=repr)
def test_what_cannot_be_called_is_refused(target):
    with pytest.raises(TypeError, match="cannot be cached; decorate a function"):
        cached(target)


def test_a_class_is_refused():
    with pytest.raises(TypeError, match="Body.*decorate a function.* that makes instances"):
        cached(Body)


# --- answers


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: coroutine_function(), "coroutine.*async def"),
        (lambda: iter([1]), "list_iterator.*list"),
        (lambda: (n for n in [1]), "generator.*list"),
        (lambda: map(str, [1]), "map.*list"),
    ],
)
def test_an_answer_that_can_be_used_once_is_refused(form, cache, make, words):
    driven = form.cached(lambda: make(), cache=cache)
    for _ in range(2):
        with pytest.raises(TypeError, match=rf"lambda> returned a {words}"):
            driven()
    assert driven.figures() == (0, 2, 0, 0, 2, 0)


def test_an_async_iterator_is_refused_as_an_answer(form, cache):
    async def later():
        yield 1

    with pytest.raises(TypeError, match="async_generator"):
        form.cached(lambda: later(), cache=cache)()


# --- arguments


@pytest.mark.parametrize(
    "arguments", [(object(),), (1, object()), ([{"a": object()}],), (lambda: 1,)], ids=repr
)
def test_an_argument_without_a_key_is_refused_by_its_parameter(form, cache, arguments):
    """And the function does not run: it is never silently uncached."""
    body = Body()
    driven = form.cached(body.plain(), cache=cache)
    parameter = "ab"[len(arguments) - 1]
    for call in (driven, driven.refresh, driven.key, driven.peek, driven.explain, driven.invalidate):
        with pytest.raises(KeyBuildError, match=rf"ask: parameter '{parameter}' has no key.*ignore="):
            call(*arguments)
    assert body.calls == []
    assert driven.figures() == (0, 0, 0, 0, 0, 0)


def test_an_argument_that_contains_itself_is_refused(form, cache):
    rows = []
    rows.append(rows)
    with pytest.raises(KeyBuildError, match="parameter 'a'.*contains itself"):
        form.cached(Body().plain(), cache=cache)(rows)


def test_what_a_key_callable_answers_must_have_a_key(form, cache):
    with pytest.raises(KeyBuildError, match="ask: what key= answered has no key"):
        form.cached(Body().plain(), cache=cache, key=lambda a, b: object())(1)


def test_what_a_key_callable_raises_reaches_the_caller(form, cache):
    def key(a, b):
        raise LookupError("no tenant")

    with pytest.raises(LookupError, match="no tenant"):
        form.cached(Body().plain(), cache=cache, key=key)(1)


# --- names


def first(a): ...


def second(a): ...


def caches():
    """Every way in which the cache can be known."""
    register_cache("of names", InMemoryCache())
    return [InMemoryCache(), PlainCache(), "of names", "not there yet", None]


@pytest.mark.parametrize("which", range(5), ids=["object", "plain", "named", "unregistered", "default"])
def test_two_functions_of_one_name_in_one_cache_are_refused_at_decoration(which):
    """They would answer for each other."""
    set_default_cache(None)
    cache = caches()[which]
    name = f"names {which}"
    cached(cache=cache, name=name)(first)
    with pytest.raises(ConfigurationError, match=rf"second and .*first both claim the name '{name}'.*name="):
        cached(cache=cache, name=name)(second)
    cached(cache=cache, name=name)(first)
    set_default_cache(None)


def test_the_default_counts_by_name_and_by_object(default):
    cached(cache=default, name="twice")(first)
    with pytest.raises(ConfigurationError, match="'twice'"):
        cached(name="twice")(second)


def test_names_that_meet_in_one_cache_later_are_refused_at_the_call():
    """Each alone was fine; then the default became the cache of the other."""
    set_default_cache(None)
    cache = InMemoryCache()
    cached(cache=cache, name="met")(first)
    other = cached(name="met")(second)
    set_default_cache(cache)
    with pytest.raises(ConfigurationError, match="'met'"):
        other(1)
    set_default_cache(None)
    other(1)


def test_names_that_meet_through_a_callable_are_refused_at_the_call(cache):
    cached(cache=cache, name="met")(first)
    with pytest.raises(ConfigurationError, match="'met'"):
        cached(cache=lambda: cache, name="met")(second)(1)


def test_one_name_in_two_caches_is_fine():
    for function in (first, second):
        cached(cache=InMemoryCache(), name="same")(function)(1)


def test_a_name_is_free_again_under_a_new_default():
    set_default_cache(InMemoryCache())
    cached(name="again")(first)
    set_default_cache(InMemoryCache())
    cached(name="again")(second)(1)
    set_default_cache(None)


# --- registering


def test_what_is_no_cache_cannot_be_registered():
    for register in (set_default_cache, lambda cache: register_cache("odd", cache)):
        with pytest.raises(ConfigurationError, match=r"5 is no cache.*InMemoryCache\(\)"):
            register(5)


def test_a_refused_call_leaves_the_function_usable(cache):
    """Also the async one: nothing is left under way."""

    @cached(cache=cache)
    async def later(a):
        return a

    with pytest.raises(KeyBuildError):
        asyncio.run(later(object()))
    assert [asyncio.run(later(1)) for _ in range(3)] == [1, 1, 1]
    assert len(cache.flights) == 0
