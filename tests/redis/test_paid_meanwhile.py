"""What was read before Redis was told of a change, and is looked at after that."""

import asyncio

from rediskit import caches

from askonce.backends.engine import Fence
from askonce.codec.shapes import NO_SHAPE


def test_what_was_read_before_a_debt_was_paid_is_read_again(redis_server, namespace):
    """Another connection of the process told Redis in between: the old value is not believed for that."""

    async def main():
        async with caches(redis_server, redis_server, namespace=namespace) as (cache, other):
            await other.set("key", "old")
            tier, ledger = cache._tier, cache._tier.state.ledger
            client = await tier.client()
            fence = Fence("key", (), 0)
            question = tier._looks.ask(client, fence)
            data = await question.answer
            assert b"old" in data
            ledger.owe_key("key")  # invalidated while this connection was away
            await tier.bury("key")
            ledger.paid(ledger.owed())
            assert tier._looks.glance(question, fence, data) is None
            assert await tier.judge(client, fence, question, data, NO_SHAPE) is None

    asyncio.run(main())
