"""A full server evicts what is cold: what all entries depend on must not look so while it is in use."""

import asyncio

import pytest
from patience import until_async
from rediskit import caches, has_copy

from askonce import cached


def test_what_entries_depend_on_is_as_warm_as_they_are(start_server, namespace):
    """Tokens are read once and known from then on, so that they are read for their own sake."""
    server = start_server(args=["--maxmemory-policy", "allkeys-lfu", "--lfu-log-factor", "0"])

    def read_often(name):
        return server.client().object("freq", f"{namespace}:{name}") > 12

    async def scenario():
        async with caches(server, namespace=namespace, heartbeat=0.02) as cache:

            @cached(cache=cache, name="f", tags=[f"tag-{n}" for n in range(40)])
            async def f(x):
                return x

            await f(1)
            for name in ("g", "t:askonce.function:f", "t:tag-0", "t:tag-39"):
                await until_async(lambda name=name: read_often(name), what=name)

    asyncio.run(scenario())


@pytest.mark.parametrize("lost", ["g", "t:askonce.function:f"])
def test_a_cluster_that_lost_what_entries_depend_on_shares_again(redis_cluster, namespace, lost):
    """Nobody publishes an eviction or a flush, and who knew the old token must not go on with it."""
    calls = []

    async def f(x):
        calls.append(x)
        return x

    def knows_what_is_there(cache):
        there = redis_cluster.client().get(f"{namespace}:{lost}")
        tokens = cache._tier.state.tokens
        return (tokens.generation if lost == "g" else tokens.get(lost[2:])) in (None, there)

    async def scenario():
        options = {"namespace": namespace, "heartbeat": 0.02}
        async with caches(redis_cluster, redis_cluster, **options) as (one, other):
            ours, theirs = (cached(cache=cache, name="f")(f) for cache in (one, other))
            await ours(0)
            redis_cluster.client().delete(f"{namespace}:{lost}")
            await until_async(lambda: not has_copy(one, ours.key(0)))
            await until_async(lambda: knows_what_is_there(one) and knows_what_is_there(other))
            for x in (1, 2, 3):
                assert await ours(x) == await theirs(x) == x

    asyncio.run(scenario())
    assert calls == [0, 1, 2, 3]
