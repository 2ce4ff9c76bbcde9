"""Servers that are not in charge any more, or have forgotten what they were told."""

import asyncio

import pytest
from patience import until_async
from servers import Cluster

from askonce import GenericRedisCache


@pytest.fixture
def own_cluster(redis_cluster):  # which says whether there is a server at all
    with Cluster.start() as cluster:
        yield cluster


def test_a_slot_that_moved_is_looked_for_at_once(own_cluster, namespace):
    """Not at the next heartbeat, nor when an invalidation has failed."""

    async def run():
        cache = GenericRedisCache(own_cluster.url, namespace=namespace, heartbeat=60, l1_ttl=0.001)
        await cache.set("a", 1)
        name = f"{namespace}:d:a"
        owner = own_cluster.owner(name)
        target = next(node for node in own_cluster.masters if node is not owner)
        await asyncio.to_thread(own_cluster.move, name, target)

        async def is_found():
            return await cache.get("a") == 1

        await until_async(is_found)
        assert cache.get_stats()["redis"]["feed_losses"] == 0
        await cache.disconnect()

    asyncio.run(run())


def test_a_server_that_became_a_replica_is_given_up(start_server, namespace):
    """Its old connections stay, and it would answer reads: of what it had, for as long as it is asked."""
    server, other = start_server(), start_server()

    async def run():
        cache = GenericRedisCache(server.url, namespace=namespace, heartbeat=60)
        await cache.set("a", 1)
        server.client().replicaof("127.0.0.1", other.port)
        await cache.set("a", 2)
        assert cache.get_stats()["redis"]["state"] != "connected"
        assert cache.get_stats()["redis"]["owed"] == 1
        server.client().replicaof("NO", "ONE")
        await until_async(lambda: cache.get_stats()["redis"]["state"] == "connected")
        assert cache.get_stats()["redis"]["owed"] == 0
        await cache.disconnect()

    asyncio.run(run())


def test_a_server_that_has_forgotten_a_clear_is_told_again(start_server, namespace):
    server = start_server()

    async def run():
        cache, other = (GenericRedisCache(server.url, namespace=namespace) for _ in range(2))
        await other.set("a", 1)
        await other.disconnect()
        await asyncio.to_thread(server.client().save)
        await cache.clear()
        await asyncio.to_thread(server.restart)
        assert server.client().exists(f"{namespace}:d:a")
        await until_async(lambda: cache.get_stats()["redis"]["feed_losses"] == 1)
        await until_async(lambda: cache.get_stats()["redis"]["state"] == "connected")
        assert await cache.get("a") is None
        await cache.disconnect()

    asyncio.run(run())
