"""Waiting ends when it is time, with an answer or with a name."""

import asyncio
import itertools

import pytest
from patience import until, until_async


def test_it_looks_until_there_is_an_answer():
    answers = iter([None, 0, "", "there"])
    assert until(lambda: next(answers)) == "there"


def test_what_never_comes_is_named():
    with pytest.raises(TimeoutError, match="not within 0.01 s: the moon"):
        until(lambda: False, 0.01, what="the moon")
    with pytest.raises(TimeoutError, match=r"test_what_never_comes_is_named.*, line \d+"):
        until(lambda: False, 0.01)


@pytest.mark.parametrize("kind", ["plain", "coroutine"])
def test_a_task_waits_while_its_loop_goes_on(kind):
    """A condition that depends on another task of the loop comes true."""

    async def main():
        count = itertools.count()
        reached = []

        async def another():
            while next(count) < 3:
                await asyncio.sleep(0)
            reached.append(True)

        async def asked():
            return reached

        task = asyncio.ensure_future(another())
        assert await until_async(asked if kind == "coroutine" else lambda: reached) == [True]
        with pytest.raises(TimeoutError, match="the sun"):
            await until_async(lambda: False, 0.01, what="the sun")
        await task

    asyncio.run(main())
