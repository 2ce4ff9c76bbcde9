"""What happens on the way to a server reaches no caller, and nobody is left with old values.

One cache goes through a proxy; the others change what it has, and are well.
"""

import pytest
from load import under_load
from proxy import Proxy
from worker import DEADLINE


@pytest.fixture
def way(fresh_server):
    with Proxy(fresh_server.port) as proxy:
        yield proxy


def on_one_way(server, way, path, fault):
    return under_load(way.url, path, fault, others=(server.url, server.url))


def test_a_network_that_resets_connections(fresh_server, way, tmp_path):
    async def reset(load):
        while await load.goes_on():
            way.cut()
            await load.await_calls(3_000)

    on_one_way(fresh_server, way, tmp_path, reset)


def test_a_network_that_cuts_replies_in_two(fresh_server, way, tmp_path):
    async def cut_replies(load):
        for count in range(20):
            way.limit(50_001 + 13 * count)
            await load.await_calls(2_500)
        way.limit(None)

    on_one_way(fresh_server, way, tmp_path, cut_replies)


@pytest.mark.parametrize("down", [True, False])
def test_a_network_that_closes_connections_by_half(fresh_server, way, tmp_path, down):
    async def closed_by_half(load):
        while await load.goes_on():
            way.half_close(down=down)
            await load.await_calls(10_000)

    on_one_way(fresh_server, way, tmp_path, closed_by_half)


@pytest.mark.parametrize(("up", "down"), [(True, False), (False, True)])
def test_a_network_that_swallows_one_direction(fresh_server, way, tmp_path, up, down):
    """What was sent may arrive long after the cache has given up on it."""

    async def stalled_one_way(load):
        for _ in range(2):
            way.stall(up=up, down=down)
            await load.await_calls(25_000)
            way.flow()
            await load.await_calls(3_000)

    load = on_one_way(fresh_server, way, tmp_path, stalled_one_way)
    assert load.waits < 100, "callers should wait while the fault is found out, and then no more"


@pytest.mark.parametrize("share", [0.4, 0.8])
def test_a_network_that_is_slow(fresh_server, way, tmp_path, share):
    """However many answers a call needs, it takes no longer than the deadline, and its computation."""

    async def late(load):
        way.delay(DEADLINE * share)
        await load.await_calls()
        way.delay(0)

    on_one_way(fresh_server, way, tmp_path, late)
