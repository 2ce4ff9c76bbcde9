"""Whatever its caller does, a cached generator answers as the bare one would."""

import asyncio
import inspect

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from askonce import InMemoryCache, cached


class Own(Exception):
    """Raised by the function."""


class Foreign(Exception):
    """Thrown in by the caller."""


def scripted(script, heard):
    """A generator function that plays a script: at each step it yields, raises or returns.

    Args:
        script: what it does, step by step, and whether it catches what is thrown at it then.
        heard: takes down what it is sent and thrown.
    """

    def play():
        try:
            for action, value, catches in script:
                if action == "raise":
                    raise Own(value)
                if action == "return":
                    return value
                try:
                    heard.append((yield value))
                except Foreign as error:
                    heard.append(repr(error))
                    if not catches:
                        raise
                except GeneratorExit:
                    heard.append("exit")
                    if not catches:
                        raise
                    return value
        finally:
            heard.append("closed")

    return play


def scripted_later(script, heard):
    """The same as an async generator function, with something to await before each step."""

    async def play():
        try:
            for action, value, catches in script:
                await asyncio.sleep(0)
                if action == "raise":
                    raise Own(value)
                if action == "return":
                    return
                try:
                    heard.append((yield value))
                except Foreign as error:
                    heard.append(repr(error))
                    if not catches:
                        raise
                except GeneratorExit:
                    heard.append("exit")
                    if not catches:
                        raise
                    return
        finally:
            await asyncio.sleep(0)
            heard.append("closed")

    return play


async def answers(source, moves):
    """What comes of each move of a caller: an item, an end, or an exception."""
    seen = []
    prefix = "a" if inspect.isasyncgen(source) else ""
    for name, value in moves:
        try:
            answer = getattr(source, prefix + name)(*value)
            answer = await answer if inspect.isawaitable(answer) else answer
            seen.append(("item", None if name == "close" else answer))  # from 3.13 on it answers something
        except StopIteration as end:
            seen.append(("end", end.value))
        except StopAsyncIteration:
            seen.append(("end", None))
        except Exception as error:
            # Python names the kind of frame in which a wrong use was found.
            seen.append((type(error), None if isinstance(error, RuntimeError) else str(error)))
    return seen


SCRIPTS = st.lists(
    st.tuples(st.sampled_from(["yield"] * 5 + ["raise", "return"]), st.integers(0, 2), st.booleans()),
    max_size=5,
)
MOVES = st.lists(
    st.one_of(
        st.just(("send", (None,))),
        st.just(("send", (None,))),
        st.tuples(st.just("send"), st.tuples(st.integers(0, 2))),
        st.just(("throw", (Foreign("f"),))),
        st.just(("close", ())),
    ),
    max_size=8,
)


@pytest.mark.parametrize("make", [scripted, scripted_later])
@settings(max_examples=200, deadline=None)
@given(script=SCRIPTS, moves=MOVES)
def test_a_first_run_is_the_bare_generator(make, script, moves):
    """Sent, thrown, closed in any order: same answers, and the function hears the same."""
    cache = InMemoryCache()

    async def main():
        heard, heard_bare = [], []
        function = cached(cache=cache)(make(script, heard))
        source, bare = function(), make(script, heard_bare)()
        assert await answers(source, moves) == await answers(bare, moves)
        assert heard == heard_bare
        for one in (source, bare):
            await answers(one, [("close", ())])
        assert heard == heard_bare

    asyncio.run(main())
    assert len(cache.engine_store()._fences) == 0


@pytest.mark.parametrize("make", [scripted, scripted_later])
@settings(max_examples=200, deadline=None)
@given(script=SCRIPTS, moves=MOVES)
def test_only_a_run_that_nobody_interfered_with_is_stored(make, script, moves):
    heard = []
    function = cached(cache=InMemoryCache())(make(script, heard))

    async def main():
        source = function()
        seen = await answers(source, moves)
        await answers(source, [("close", ())])
        return seen

    seen = asyncio.run(main())
    asked_only = heard[-1:] == ["closed"] and set(heard[:-1]) <= {None}
    failed = Own in [kind for kind, _ in seen]
    assert function.cache_info().stored == (asked_only and not failed)
