"""What the log says of Redis: what happened and where, at a bounded rate, and never a key or a value."""

import asyncio
import dataclasses

import pytest
from patience import until_async
from rediskit import caches, figures

from askonce import cached

KEY = "alice@example.com:session"


@dataclasses.dataclass
class Unknown:
    """Nobody registered it."""

    a: int


def events(caplog, name):
    return [record for record in caplog.records if getattr(record, "event", None) == name]


def test_an_answer_that_redis_cannot_take_is_named_once_with_the_way_out(redis_server, namespace, caplog):
    """It stays in memory; the line names the function."""

    async def scenario():
        async with caches(redis_server, namespace=namespace) as cache:

            @cached(cache=cache, name="reports.daily")
            async def report(day):
                return object()

            for day in range(3):
                await report(day)
            assert figures(cache)["unencodable"] == 3

    asyncio.run(scenario())
    [line] = events(caplog, "value_not_encodable")
    assert line.function == "reports.daily"
    assert "Return" in line.reason


@pytest.mark.parametrize("event", ["value_not_encodable", "value_not_decodable"])
def test_keys_given_by_hand_are_not_in_the_log(redis_server, namespace, caplog, event):
    """They may hold anything: names, addresses, prompts."""

    async def scenario():
        async with caches(redis_server, namespace=namespace) as cache:
            if event == "value_not_encodable":
                await cache.set(KEY, object())
            else:
                await cache.set(KEY, Unknown(1))
                cache.engine_store().drop_all_copies()
                assert await cache.get(KEY) is None

    asyncio.run(scenario())
    [line] = events(caplog, event)
    assert line.function == "by hand"
    assert "alice" not in caplog.text


def test_an_outage_is_two_lines_however_long_it_lasts(fresh_server, namespace, caplog):
    """One when Redis goes, one when it is back."""
    caplog.set_level("INFO", "askonce")

    async def scenario():
        async with caches(fresh_server, namespace=namespace) as cache:
            fresh_server.kill()
            await until_async(lambda: figures(cache)["state"] == "away")
            for _ in range(5):
                assert await cache.get("a") is None
            fresh_server.launch()
            await until_async(lambda: figures(cache)["state"] == "connected")

    asyncio.run(scenario())
    assert [record.event for record in caplog.records if record.event.startswith("redis_")] == [
        "redis_unavailable",
        "redis_back",
    ]
