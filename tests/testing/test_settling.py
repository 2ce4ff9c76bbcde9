"""Waiting for what runs behind the callers."""

import asyncio
import threading

import pytest

from askonce import cached
from askonce.testing import settle, settle_blocking


def counter(awaited, clock, began=None, go=None):
    """A cached function that answers how often it ran; later runs wait for leave."""
    runs = []

    def sync():
        runs.append(1)
        if len(runs) > 1 and go is not None:
            began.set()
            assert go.wait(10)
        return len(runs)

    async def coroutine():
        runs.append(1)
        await asyncio.sleep(0)
        return len(runs)

    return cached(ttl=60, stale=600)(coroutine if awaited else sync)


def test_after_it_the_refreshed_answer_is_there(clock):
    """In threads, for plain functions."""
    count = counter(False, clock)
    count()
    clock.advance(61)
    assert count() == 1
    settle_blocking()
    assert count() == 2


@pytest.mark.parametrize("awaited", [True, False])
def test_a_task_may_wait_for_both(clock, awaited):
    """Tasks of its loop and threads."""
    count = counter(awaited, clock)

    async def ask():
        answer = count()
        return await answer if awaited else answer

    async def main():
        await ask()
        clock.advance(61)
        assert await ask() == 1
        await settle()
        assert await ask() == 2

    asyncio.run(main())


@pytest.mark.parametrize("wait", [settle_blocking, lambda patience: asyncio.run(settle(patience))])
def test_what_hangs_is_named(clock, wait):
    """A test that waits for ever says nothing."""
    began, go = threading.Event(), threading.Event()
    count = counter(False, clock, began, go)
    count()
    clock.advance(61)
    count()
    began.wait(10)
    with pytest.raises(TimeoutError, match="askonce refresh"):
        wait(0)
    go.set()
    wait(10)


def test_a_task_that_hangs_is_named(clock):
    async def main():
        first = True

        @cached(ttl=60, stale=600)
        async def hangs():
            if not first:
                await asyncio.Event().wait()

        await hangs()
        first = False
        clock.advance(61)
        await hangs()
        with pytest.raises(TimeoutError, match="askonce refresh"):
            await settle(0)

    asyncio.run(main())


def test_a_run_that_its_caller_left_is_waited_for(clock):
    """``timeout`` serves stale; the run goes on."""
    go = threading.Event()
    runs = []

    @cached(ttl=60, stale_if_error=600, timeout=0.001)
    def slow():
        runs.append(1)
        if len(runs) > 1:
            assert go.wait(10)
        return len(runs)

    assert slow() == 1
    clock.advance(61)
    assert slow() == 1
    with pytest.raises(TimeoutError, match="askonce"):
        settle_blocking(0)
    go.set()
    settle_blocking()
    assert slow.peek() == 2


def test_with_nothing_behind_there_is_nothing_to_wait_for():
    settle_blocking(0)
    asyncio.run(settle(0))
