"""How long somebody waits for another process."""

import asyncio

from askonce import GenericRedisCache, cached


def test_nobody_waits_for_ever_for_a_lease(redis_server, namespace):
    """A holder that never ends, and never lets go, costs the others a computation and no more."""

    async def main():
        async with GenericRedisCache(redis_server.url, namespace=namespace, tombstone_ttl="300ms") as cache:

            @cached(cache=cache, name="slow", single_flight="cluster")
            async def slow(number):
                return 2 * number

            key = await slow.key(1)
            redis_server.client().set(f"{namespace}:l:{key}", "of somebody else", px=600_000)
            assert await asyncio.wait_for(slow(1), 30) == 2

    asyncio.run(main())


def test_what_the_holder_stored_is_kept_by_those_who_waited(redis_server, namespace):
    """The news of it come while they wait: their memory has it afterwards, without asking again."""

    async def main():
        one = GenericRedisCache(redis_server.url, namespace=namespace)
        other = GenericRedisCache(redis_server.url, namespace=namespace)
        began, go = asyncio.Event(), asyncio.Event()

        def function(cache):
            @cached(cache=cache, name="slow", single_flight="cluster")
            async def slow(number):
                began.set()
                await go.wait()
                return 2 * number

            return slow

        holder, waiter = function(one), function(other)
        async with one, other:
            first = asyncio.create_task(holder(1))
            await began.wait()
            second = asyncio.create_task(waiter(1))
            while other.get_stats()["redis"]["misses"] < 2:  # it has looked, and found the lease taken
                await asyncio.sleep(0.01)
            go.set()
            assert await first == await second == 2
            assert other.get_stats()["size"] == 1

    asyncio.run(main())
