"""Deadlines."""

import asyncio
import time

import pytest

from askonce.backends.redis.patience import within


def test_what_takes_too_long_is_ended():
    """As with asyncio's own timeout: the body is cancelled, and the caller sees a TimeoutError."""

    async def main():
        with pytest.raises(TimeoutError):
            async with within(0.01):
                await asyncio.Event().wait()
        assert asyncio.current_task().cancelling() == 0

    asyncio.run(main())


def test_an_answer_that_came_while_the_loop_was_blocked_counts():
    """The program's own long computation is not taken for a server that does not answer."""

    async def main():
        loop = asyncio.get_running_loop()
        reader, writer = await asyncio.open_connection(sock=ours)

        def block():
            theirs.send(b"answer")
            time.sleep(0.15)  # the fault itself: a coroutine that computes

        loop.call_soon(block)
        async with within(0.05):
            assert await reader.read(6) == b"answer"
        writer.close()

    import socket

    ours, theirs = socket.socketpair()
    with theirs:
        asyncio.run(main())


def test_a_cancellation_from_outside_stays_one():
    """Whoever cancels the caller does not meet a TimeoutError."""

    async def body():
        async with within(10):
            await asyncio.Event().wait()

    async def main():
        task = asyncio.create_task(body())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
