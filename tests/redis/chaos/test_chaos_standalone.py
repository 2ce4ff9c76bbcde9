"""What happens to one server reaches no caller."""

import asyncio

import pytest
from load import under_load
from worker import DEADLINE


@pytest.mark.parametrize("single_flight", ["process", "cluster"])
def test_a_server_that_is_killed_and_comes_back_empty(fresh_server, tmp_path, single_flight):
    async def killed_and_restarted(load):
        await asyncio.to_thread(fresh_server.kill)
        await load.await_calls()
        await asyncio.to_thread(fresh_server.launch)

    under_load(fresh_server.url, tmp_path, killed_and_restarted, single_flight=single_flight)


def test_a_server_that_is_killed_and_comes_back_with_what_it_had_earlier(fresh_server, tmp_path):
    """So does a replica that was behind: all that it was told last it is told once more."""

    async def restored(load):
        await load.loosen()
        await asyncio.to_thread(fresh_server.client().save)
        await load.await_calls(5_000)
        await asyncio.to_thread(fresh_server.kill)
        await load.await_calls()
        await asyncio.to_thread(fresh_server.launch)

    under_load(fresh_server.url, tmp_path, restored)


def test_a_server_that_is_stopped_for_longer_than_the_deadline(fresh_server, tmp_path):
    async def stopped(load):
        fresh_server.pause()
        await load.await_calls()
        fresh_server.resume()

    under_load(fresh_server.url, tmp_path, stopped)


def test_a_server_that_stops_again_and_again_for_less_than_the_deadline(fresh_server, tmp_path):
    async def stopped_for_moments(load):
        while await load.goes_on():
            fresh_server.pause()
            await asyncio.sleep(DEADLINE / 3)
            fresh_server.resume()
            await load.await_calls(5_000)

    under_load(fresh_server.url, tmp_path, stopped_for_moments)


def test_connections_that_are_killed_again_and_again(fresh_server, tmp_path):
    async def connections_killed(load):
        look_in = fresh_server.client()
        while await load.goes_on():
            await asyncio.to_thread(look_in.client_kill_filter, _type="normal", skipme=True)
            await load.await_calls(3_000)

    under_load(fresh_server.url, tmp_path, connections_killed)


def test_a_server_that_is_flushed_again_and_again(fresh_server, tmp_path):
    async def flushed(load):
        while await load.goes_on():
            await asyncio.to_thread(fresh_server.client().flushall)
            await load.await_calls(3_000)

    under_load(fresh_server.url, tmp_path, flushed)


def test_a_full_server_that_evicts_nothing(fresh_server, tmp_path):
    """It takes no entry, but learns of what is out of date."""

    async def full(load):
        look_in = fresh_server.client()
        used = look_in.info("memory")["used_memory"]
        look_in.config_set("maxmemory-policy", "noeviction")
        look_in.config_set("maxmemory", used // 2)
        await load.await_calls()
        look_in.config_set("maxmemory", 0)

    under_load(fresh_server.url, tmp_path, full)


def test_a_server_that_is_busy_with_one_command_for_a_while(fresh_server, tmp_path):
    async def busy(load):
        other = fresh_server.client(socket_timeout=30)
        spin = "local i = 0 while i < tonumber(ARGV[1]) do i = i + 1 end return i"
        while await load.goes_on():
            await asyncio.to_thread(other.eval, spin, 0, 8_000_000)
            await load.await_calls(5_000)

    under_load(fresh_server.url, tmp_path, busy)
