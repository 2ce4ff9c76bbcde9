"""A change of the primary reaches no caller, and what was invalidated stays so."""

import asyncio

import pytest
from load import under_load


@pytest.fixture
def setup(redis_sentinel):
    yield redis_sentinel
    redis_sentinel.heal()


def test_a_primary_that_is_killed(setup, tmp_path):
    """The replica may lack the last that its primary was told, until those who told it do so again."""

    async def primary_killed(load):
        await load.loosen()
        old = setup.kill_master()
        await load.await_calls()
        await asyncio.to_thread(setup.await_successor, old)

    under_load(setup.url, tmp_path, primary_killed)


def test_a_primary_that_changes_places_with_its_replica(setup, tmp_path):
    async def places_changed(load):
        await load.loosen()
        await asyncio.to_thread(setup.failover)
        await load.await_calls()
        await asyncio.to_thread(setup.await_health)

    under_load(setup.url, tmp_path, places_changed)
