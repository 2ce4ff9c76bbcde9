"""A replica of a cluster that takes over may have missed the last of what its primary was told."""

import asyncio

import pytest
from patience import until_async
from rediskit import caches, figures
from servers import Cluster


@pytest.fixture(scope="module")
def replicated(redis_server):  # which says whether there is a server at all
    with Cluster.start(replicas=1) as cluster:
        yield cluster


def test_what_was_invalidated_a_moment_ago_is_told_to_the_new_primary(replicated, namespace):
    """Its keys and tags alone; what other primaries have is left in peace."""
    names = [f"key-{n}" for n in range(30)]

    def data(name):
        return f"{namespace}:d:{name}"

    async def scenario():
        async with caches(replicated, namespace=namespace, heartbeat=0.1) as cache:
            for name in names:
                await cache.set(name, 1)
                await cache.delete(name)
            before = {name: replicated.client().get(data(name)) for name in names}
            old = replicated.owner(data(names[0]))
            theirs = [name for name in names if replicated.owner(data(name)) is old]
            await asyncio.to_thread(replicated.fail_over, old)

            async def all_told():
                return all(replicated.client().get(data(name)) != before[name] for name in theirs)

            await cache.get(names[0])  # whoever asks finds out
            await until_async(all_told)
            await until_async(lambda: figures(cache)["owed"] == 0)
            others = [name for name in names if name not in theirs]
            assert others
            assert all(replicated.client().get(data(name)) == before[name] for name in others)

    asyncio.run(scenario())
