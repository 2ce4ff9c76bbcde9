"""Tags in Redis: one token each, that lives as long as what bears it."""

import asyncio

import pytest
from rediskit import caches, figures

from askonce import FOREVER

DAY = 86_400


@pytest.mark.parametrize("ttl", [60, 30 * DAY, FOREVER])
def test_a_token_lives_at_least_as_long_as_the_entries_that_bear_it(redis_server, namespace, ttl):
    """An entry whose token expired before it would be lost."""

    async def scenario():
        async with caches(redis_server, namespace=namespace) as cache:
            await cache.set("short", 1, ttl=1, tags=["tag"])
            await cache.set("key", 1, ttl=ttl, tags=["tag"])
            await cache.exists("all that was sent before is answered by now")
            left = redis_server.client().pttl(f"{namespace}:t:tag")
            assert left == -1 if ttl == FOREVER else left > ttl * 1000 - 5000

    asyncio.run(scenario())


def test_entries_with_known_tags_cost_one_command_each(redis_server, namespace):
    """The token is neither read nor prolonged again for each of them."""

    async def scenario():
        async with caches(redis_server, namespace=namespace) as cache:
            await cache.set("first", 1, ttl=30 * DAY, tags=["tag"])
            before = commands(redis_server)
            for number in range(50):
                await cache.set(f"key {number}", 1, ttl=20 * DAY, tags=["tag"])
            assert commands(redis_server) - before < 60

    asyncio.run(scenario())


def commands(server):
    stats = server.client().info("commandstats")
    return sum(
        stats.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in ("set", "get", "eval", "evalsha")
    )


@pytest.mark.parametrize("server", ["redis_server", "redis_cluster"])
def test_invalidating_a_tag_is_one_command_however_many_entries_bear_it(request, server, namespace):
    """On a cluster, too, where they are on different nodes."""
    server = request.getfixturevalue(server)

    async def scenario():
        async with caches(server, server, namespace=namespace, memory_cache_size=500) as (ours, theirs):
            names = [f"key {number}" for number in range(200)]
            await theirs.set_many(dict.fromkeys(names, 1), tags=["tag", "other"])
            await theirs.set("untagged", 2)
            nodes = getattr(server, "masters", [server])
            before = sum(unlinked(node) for node in nodes)
            await ours.invalidate_tags("tag")
            assert sum(unlinked(node) for node in nodes) - before == 1
            assert await ours.get_many([*names, "untagged"]) == {"untagged": 2}

    asyncio.run(scenario())


def unlinked(server):
    return server.client().info("commandstats").get("cmdstat_unlink", {"calls": 0})["calls"]


def test_a_tag_whose_token_was_evicted_makes_its_entries_count_no_more(redis_server, namespace):
    """What is lost never brings anything back."""

    async def scenario():
        async with caches(redis_server, redis_server, namespace=namespace) as (ours, theirs):
            await ours.set("key", 1, tags=["tag"])
            redis_server.client().delete(f"{namespace}:t:tag")
            assert await theirs.get("key") is None
            assert await ours.get("key") is None
            await theirs.set("key", 2, tags=["tag"])
            assert await ours.get("key") == 2

    asyncio.run(scenario())


def test_tags_that_a_function_adds_while_it_runs_count_as_those_before(redis_server, namespace):
    """In every process, and for entries found in Redis."""
    from askonce import cached, current_call

    async def scenario():
        async with caches(redis_server, redis_server, namespace=namespace) as (ours, theirs):
            made = []

            async def compute(word):
                made.append(word)
                current_call().add_tags(f"found-{word}")
                return word

            one, two = (cached(cache=cache, name="f", tags=["all"])(compute) for cache in (ours, theirs))
            await one("a")
            assert await two("a") == "a"
            assert made == ["a"]
            await theirs.invalidate_tags("found-a")
            await one("a")
            assert await two("a") == "a"
            assert made == ["a", "a"]
            assert figures(ours)["overtaken"] == 0

    asyncio.run(scenario())
