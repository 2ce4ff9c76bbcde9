"""What one cache changes, no other goes on serving."""

import asyncio
import threading

import pytest
from patience import until, until_async
from rediskit import Loop, OtherProcess, caches, copies, figures, has_copy

from askonce import MISS, cached

PLACES = ["standalone", "standalone-pubsub", "cluster", "cluster-tracking", "sentinel"]


@pytest.fixture(params=PLACES)
def place(request):
    """A server and options: all ways in which news travel."""
    kind, _, feed = request.param.partition("-")
    fixture = {"standalone": "redis_server", "cluster": "redis_cluster", "sentinel": "redis_sentinel"}[kind]
    return request.getfixturevalue(fixture), {"feed": feed} if feed else {}


CHANGES = {
    "set": lambda cache: cache.set("key", "new"),
    "set_many": lambda cache: cache.set_many({"key": "new", "other": 1}),
    "delete": lambda cache: cache.delete("key"),
    "touch": lambda cache: cache.touch("key", 5),
    "invalidate_tags": lambda cache: cache.invalidate_tags("tag"),
    "clear": lambda cache: cache.clear(),
}


def test_a_change_by_hand_is_seen_wherever_a_copy_was(place, namespace):
    """The copy goes, and what is read then is what the other made."""
    server, options = place

    async def scenario():
        async with caches(server, server, namespace=namespace, **options) as (ours, theirs):
            for name, change in CHANGES.items():
                await ours.set("key", "old", ttl=60, tags=["tag"])
                await until_async(lambda: copied(theirs, "old"), what=name)
                await change(ours)
                await until_async(lambda: not has_copy(theirs, "key"), what=f"the copy lives after {name}")
                expected = {"set": "new", "set_many": "new", "touch": "old"}.get(name)
                await until_async(lambda: answers(theirs, expected), what=f"the old value after {name}")
                if name == "touch":
                    assert await theirs.get_ttl("key") < 6

    asyncio.run(scenario())


async def answers(cache, value):
    return await cache.get("key") == value


async def copied(cache, value):
    """Whether it has this value in memory by now: news of how it was stored may still be on their way."""
    return await cache.get("key") == value and has_copy(cache, "key")


def test_what_a_decorated_function_is_told_is_seen_by_its_twin(place, namespace):
    """``invalidate``, ``store``, ``refresh`` and ``invalidate_all`` on one cache, the other follows."""
    server, options = place

    async def scenario():
        async with caches(server, server, namespace=namespace, **options) as (ours, theirs):
            answers = iter(range(100))

            async def compute(word):
                return next(answers)

            here = cached(cache=ours, name="f", tags=["all-{word}"])(compute)
            there = cached(cache=theirs, name="f", tags=["all-{word}"])(compute)

            async def both_have(value):
                return await here("a") == value == await there("a")

            assert await both_have(0)
            await here.invalidate("a")
            await until_async(lambda: not has_copy(theirs, there.key("a")))
            assert await both_have(1)
            await here.store(50, "a")
            await until_async(lambda: both_have(50))
            assert await here.refresh("a") == 2
            await until_async(lambda: both_have(2))
            await theirs.invalidate_tags("all-a")
            await until_async(lambda: both_have(3))
            await there.invalidate_all()
            await until_async(lambda: both_have(4))
            assert next(answers) == 5

    asyncio.run(scenario())


@pytest.mark.parametrize("options", [{}, {"feed": "pubsub"}], ids=["tracking", "pubsub"])
def test_a_process_sees_what_another_process_changed(redis_server, namespace, options):
    """Its own copy goes."""
    server = redis_server

    async def scenario():
        async with caches(server, namespace=namespace, **options) as cache:
            with OtherProcess(server, namespace, **options) as other:
                for change in (
                    ("set", "key", 1),
                    ("delete", "key"),
                    ("invalidate_tags", "tag"),
                    ("clear",),
                ):
                    await cache.set("key", 0, tags=["tag"])
                    assert has_copy(cache, "key")
                    other.do(*change)
                    await until_async(lambda: not has_copy(cache, "key"), what=change[0])
                    assert await cache.get("key") == (1 if change[0] == "set" else None)

    asyncio.run(scenario())


FOREIGN = {
    "DEL": lambda client, key: client.delete(key),
    "SET": lambda client, key: client.set(key, b"something else"),
    "APPEND": lambda client, key: client.append(key, b"x"),
    "RENAME": lambda client, key: client.rename(key, key + b"-elsewhere"),
    "PEXPIRE": lambda client, key: client.pexpire(key, 1),
    "FLUSHDB": lambda client, key: client.flushdb(),
    "FLUSHALL": lambda client, key: client.flushall(),
}


@pytest.mark.parametrize("command", FOREIGN)
def test_what_any_other_program_does_to_a_key_is_seen(fresh_server_of_all, namespace, command):
    """With the server's own news, nobody has to publish anything."""
    server = fresh_server_of_all

    async def scenario():
        async with caches(server, namespace=namespace) as cache:
            await cache.set("key", 1)
            await cache.get("key")
            FOREIGN[command](server.client(), f"{namespace}:d:key".encode())
            await until_async(lambda: not has_copy(cache, "key"))
            assert await cache.get("key", MISS) is MISS
            assert await cache.set("key", 2)
            assert await cache.get("key") == 2

    asyncio.run(scenario())


@pytest.fixture(scope="module")
def fresh_server_of_all():
    """A server that may be flushed."""
    from servers import Server

    with Server.start() as server:
        yield server


def test_after_a_flush_entries_with_tags_are_computed_anew_once(fresh_server_of_all, namespace):
    """Tokens and the generation went too, and new ones are made."""
    server = fresh_server_of_all

    async def scenario():
        async with caches(server, server, namespace=namespace) as (ours, theirs):
            made = []

            async def compute(word):
                made.append(word)
                return word

            functions = [cached(cache=cache, name="f", tags=["t"])(compute) for cache in (ours, theirs)]
            for _ in range(2):
                for function in functions:
                    assert await function("a") == "a"
                    assert await function("a") == "a"
                server.client().flushall()
                await until_async(lambda: copies(ours) == copies(theirs) == 0)
            assert made == ["a", "a"]
            assert await functions[1]("a") == "a"
            await ours.invalidate_tags("t")
            await until_async(lambda: not has_copy(theirs, functions[1].key("a")))
            await functions[1]("a")
            assert len(made) == 4

    asyncio.run(scenario())


def test_one_cache_in_two_loops_and_a_thread_is_one_cache(place, namespace):
    """Whatever loop changed something, all read the same."""
    server, options = place
    from askonce.backends.redis.cache import GenericRedisCache

    cache = GenericRedisCache(server.url, namespace=namespace, **options)
    with Loop() as first, Loop() as second:
        for number, writer in enumerate([first, second] * 2):
            assert writer.run(cache.set("key", number, tags=["tag"]))
            for reader in (first, second):
                assert reader.run(cache.get("key")) == number
            assert cache.sync.get("key") == number
        cache.sync.invalidate_tags("tag")
        assert first.run(cache.get("key")) is None is second.run(cache.get("key"))
        cache.sync.set("key", 7)
        assert first.run(cache.get("key")) == 7 == second.run(cache.get("key"))
        assert second.run(cache.delete("key"))
        assert cache.sync.get("key") is None is first.run(cache.get("key"))
        first.run(cache.disconnect())


def test_the_end_of_one_loop_leaves_the_copies_of_the_others(redis_server, namespace):
    """While another connection hears of changes, a copy is trusted."""
    from askonce.backends.redis.cache import GenericRedisCache

    cache = GenericRedisCache(redis_server.url, namespace=namespace)
    with Loop() as first:
        first.run(cache.set("key", 1))
        with Loop() as second:
            assert second.run(cache.get("key")) == 1
            until(lambda: first.run(cache.get("key")) and has_copy(cache, "key"))
        assert has_copy(cache, "key")
        assert figures(cache)["feed"] == "heard"
        redis_server.client().delete(f"{namespace}:d:key")
        until(lambda: not has_copy(cache, "key"))
        first.run(cache.disconnect())
    assert figures(cache)["feed"] == "silent"


def test_ones_own_writes_and_tags_cost_no_copy_and_no_computation(redis_server, namespace):
    """The echo of what a process did itself is not taken for somebody else's change."""

    async def scenario():
        async with caches(redis_server, namespace=namespace, memory_cache_size=500) as cache:
            made = []

            @cached(cache=cache, name="f", tags=["one", "of-{number}"])
            async def compute(number):
                made.append(number)
                return number

            await asyncio.gather(*map(compute, range(100)))
            await cache.set_many({f"by hand {number}": number for number in range(100)}, tags=["two"])
            await round_trip(cache)
            assert copies(cache) == 200
            await asyncio.gather(*map(compute, range(100)))
            assert sorted(made) == list(range(100))

    asyncio.run(scenario())


async def round_trip(cache):
    """All news up to now were heard."""
    await cache.exists("a key that nobody has")


def test_tags_that_another_process_makes_cost_nobody_a_computation(place, namespace):
    """Eight tags, made wherever they are first used, in both at once: each key is computed once."""
    server, options = place

    async def scenario():
        options["memory_cache_size"] = 500
        async with caches(server, server, namespace=namespace, **options) as both:
            made = []

            async def compute(number):
                made.append(number)
                await asyncio.sleep(0)
                return number

            ours, theirs = (
                cached(cache=cache, name="f", tags=lambda n: [f"t{n % 8}"])(compute) for cache in both
            )
            await asyncio.gather(*map(ours, range(60)), *map(theirs, range(60, 120)))
            for _ in range(2):
                assert await asyncio.gather(*map(ours, range(120))) == list(range(120))
                assert await asyncio.gather(*map(theirs, range(120))) == list(range(120))
            assert sorted(made) == list(range(120))
            assert figures(both[0])["overtaken"] == figures(both[1])["overtaken"] == 0

    asyncio.run(scenario())


async def kept(cache, *keys):
    """Whether all of them are in memory by now."""
    await cache.get_many(keys)
    return all(has_copy(cache, key) for key in keys)


def test_copies_go_when_the_feed_is_lost_and_stay_away_until_it_is_back(proxy, redis_server, namespace):
    """What was deleted meanwhile is not served again."""

    async def scenario():
        async with caches(proxy, redis_server, namespace=namespace) as (far, near):
            await near.set_many({"gone": 1, "kept": 2})
            assert await far.get_many(["gone", "kept"]) == {"gone": 1, "kept": 2}
            await until_async(lambda: kept(far, "gone", "kept"))
            proxy.refuse()
            proxy.cut()
            await until_async(lambda: figures(far)["feed"] == "silent")
            assert copies(far) == 0
            assert figures(far)["feed_losses"] == 1
            await near.delete("gone")
            assert await far.get("gone") is None
            proxy.accept()
            await until_async(lambda: figures(far)["state"] == "connected")
            assert await far.get_many(["gone", "kept"]) == {"kept": 2}
            assert has_copy(far, "kept")

    asyncio.run(scenario())


def test_a_server_that_says_nothing_loses_the_feed_by_the_heartbeat_alone(proxy, redis_server, namespace):
    """Nobody asks anything: a stopped server sends no event, and copies must not be served for long."""

    async def scenario():
        options = {"namespace": namespace, "heartbeat": 0.05, "timeout": 0.1}
        async with caches(proxy, **options) as cache:
            await cache.set("key", 1)
            proxy.stall()
            await until_async(lambda: not has_copy(cache, "key"))
            assert figures(cache)["feed"] == "silent"
            redis_server.client().delete(f"{namespace}:d:key")
            proxy.flow()
            await until_async(lambda: figures(cache)["state"] == "connected")
            assert await cache.get("key") is None

    asyncio.run(scenario())


def test_a_loop_that_was_blocked_does_not_take_its_server_for_dead(redis_server, namespace):
    """The replies are there, the loop just had no time to read them."""

    async def scenario():
        options = {"namespace": namespace, "heartbeat": 0.02, "timeout": 0.05}
        async with caches(redis_server, **options) as cache:
            await cache.set("key", 1)
            for _ in range(3):
                waiting = asyncio.create_task(cache.exists("other"))
                await asyncio.sleep(0.02)
                threading.Event().wait(0.15)  # blocks the loop, as a careless program does
                assert await waiting is False
            assert has_copy(cache, "key")
            assert figures(cache)["breaker_opened"] == 0 == figures(cache)["feed_losses"]

    asyncio.run(scenario())
