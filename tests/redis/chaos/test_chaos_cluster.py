"""What happens to nodes of a cluster reaches no caller, and the other nodes go on."""

import asyncio

import pytest
from load import under_load
from servers import Cluster


@pytest.fixture
def cluster(redis_cluster):  # first of all, says whether there is a server at all
    with Cluster.start() as cluster:
        yield cluster


@pytest.fixture
def cluster_with_replicas(redis_cluster):
    with Cluster.start(replicas=1) as cluster:
        yield cluster


@pytest.mark.parametrize("feed", ["pubsub", "tracking"])
def test_a_node_that_is_lost_and_replaced(cluster, tmp_path, feed):
    async def node_replaced(load):
        dead = cluster.masters[1]
        await asyncio.to_thread(dead.kill)
        await load.await_calls()
        await asyncio.to_thread(cluster.replace, dead)

    under_load(cluster.url, tmp_path, node_replaced, feed=feed)


def test_a_node_whose_replica_takes_over(cluster_with_replicas, tmp_path):
    cluster = cluster_with_replicas

    async def replica_took_over(load):
        await load.loosen()
        first, second = cluster.masters[:2]
        await asyncio.to_thread(first.kill)
        await asyncio.to_thread(cluster.fail_over, first)
        await asyncio.to_thread(cluster.fail_over, second)
        await load.await_calls()

    under_load(cluster.url, tmp_path, replica_took_over)


def test_slots_that_move_from_node_to_node(cluster, tmp_path):
    async def slots_moved(load):
        source, target, _ = cluster.masters
        while await load.goes_on():
            for name in load.places_of(source)[:10]:
                if cluster.owner(name) is source:  # its slot may have moved with another key
                    await asyncio.to_thread(cluster.move, name, target)
            await load.await_calls(10_000)

    under_load(cluster.url, tmp_path, slots_moved)
