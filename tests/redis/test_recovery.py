"""Redis goes away and comes back: what happened meanwhile is told first, and believed is only what counts."""

import asyncio

import pytest
from patience import until_async
from rediskit import GenericRedisCache, caches, copies, figures, has_copy

from askonce import MISS, cached
from askonce.backends.redis.debts import Ledger

AWAY = {
    "delete": lambda cache: cache.delete("key"),
    "set": lambda cache: cache.set("key", "new"),
    "invalidate_tags": lambda cache: cache.invalidate_tags("tag"),
    "clear": lambda cache: cache.clear(),
}


async def lose(proxy, cache):
    """Cut a cache off from its server."""
    proxy.refuse()
    proxy.cut()
    await until_async(lambda: figures(cache)["feed"] == "silent")


async def back(proxy, cache):
    proxy.accept()
    await until_async(lambda: figures(cache)["state"] == "connected")


@pytest.mark.parametrize("change", AWAY)
@pytest.mark.parametrize("feed", ["tracking", "pubsub"])
def test_what_was_invalidated_while_away_counts_nowhere_afterwards(
    proxy, redis_server, namespace, change, feed
):
    """Redis is told before it is believed, and the others drop their copies."""

    async def scenario():
        async with caches(proxy, redis_server, namespace=namespace, feed=feed) as (far, near):
            await near.set("key", "old", tags=["tag"])
            assert await far.get("key") == "old"
            await lose(proxy, far)
            assert await AWAY[change](far) in (False, None)
            assert await far.get("key") == ("new" if change == "set" else None)
            assert has_copy(near, "key")
            await back(proxy, far)
            assert await far.get("key", MISS) is MISS
            await until_async(lambda: is_gone(near, "key"))
            assert figures(far)["owed"] == 0
            assert await near.set("key", "newer", tags=["tag"])
            assert await far.get("key") == "newer"

    asyncio.run(scenario())


async def is_gone(cache, key):
    return await cache.get(key, MISS) is MISS


def test_what_a_decorated_function_is_told_while_away_is_told_to_redis(proxy, redis_server, namespace):
    """``invalidate``, ``store`` and ``refresh``: the old value does not come back, and is computed once."""

    async def scenario():
        async with caches(proxy, redis_server, namespace=namespace) as (far, near):
            made = []

            async def compute(word):
                made.append(word)
                return f"{word}{len(made)}"

            ours, theirs = (cached(cache=cache, name="f")(compute) for cache in (far, near))
            for word in "abc":
                await ours(word)
            await lose(proxy, far)
            await ours.invalidate("a")
            await ours.store("stored", "b")
            await ours.refresh("c")
            assert [await ours(word) for word in "abc"] == ["a5", "stored", "c4"]
            await back(proxy, far)
            for word in "abc":
                await until_async(lambda: not has_copy(near, theirs.key(word)))
                answer = await theirs(word)
                assert answer not in ("a1", "b2", "c3")
                assert await ours(word) == answer
            assert len(made) <= 5 + 3

    asyncio.run(scenario())


def test_an_invalidation_is_told_before_anything_is_read(proxy, redis_server, namespace):
    """Callers who come while it is told find nothing, however often they ask."""

    async def scenario():
        async with caches(proxy, redis_server, namespace=namespace) as (far, near):
            names = [f"key {number}" for number in range(300)]
            await near.set_many(dict.fromkeys(names, "old"))
            await lose(proxy, far)
            await far.delete_many(names)
            seen = set()

            async def ask():
                while figures(far)["state"] != "connected":
                    for name in names[::10]:
                        seen.add(await far.get(name, MISS))
                    await asyncio.sleep(0)
                seen.update((await far.get_many(names)).values())

            asking = asyncio.create_task(ask())
            await back(proxy, far)
            await asking
            assert seen == {MISS}

    asyncio.run(scenario())


def test_an_unpaid_debt_survives_a_server_that_goes_away_again(proxy, redis_server, namespace):
    """The connection is lost while it is told: it is told again."""

    async def scenario():
        async with caches(proxy, redis_server, namespace=namespace, timeout=0.3) as (far, near):
            names = [f"key {number}" for number in range(50)]
            await near.set_many(dict.fromkeys(names, "old"))
            await lose(proxy, far)
            await far.delete_many(names)
            proxy.limit(1500)  # enough to greet, too little to tell
            proxy.accept()
            accepted = proxy.accepted
            await until_async(lambda: proxy.accepted >= accepted + 2)
            assert figures(far)["owed"] > 0
            proxy.limit(None)
            await until_async(lambda: figures(far)["state"] == "connected")
            assert await far.get_many(names) == {} == await near.get_many(names)

    asyncio.run(scenario())


def test_a_server_that_was_killed_and_comes_back_empty_is_used_again(fresh_server, namespace):
    """Functions answer all the time; afterwards each key is computed at most once more."""

    async def scenario():
        async with caches(fresh_server, fresh_server, namespace=namespace) as (one, two):
            made = []

            async def compute(word):
                made.append(word)
                return word

            ours, theirs = (cached(cache=cache, name="f", tags=["t"])(compute) for cache in (one, two))
            assert await ours("a") == await theirs("a") == "a"
            fresh_server.kill()
            await until_async(lambda: copies(one) == copies(two) == 0)
            assert await ours("a") == await theirs("a") == "a"
            fresh_server.restart()
            for cache in (one, two):
                await until_async(lambda cache=cache: figures(cache)["state"] == "connected")
            made.clear()
            for _ in range(3):
                assert await ours("a") == await theirs("a") == "a"
            assert made == ["a"]

    asyncio.run(scenario())


def counting(cache):
    made = []

    @cached(cache=cache, name="counting")
    async def compute(word):
        made.append(word)
        return f"{word}{len(made)}"

    return compute


def test_an_old_snapshot_brings_nothing_back_that_was_just_invalidated(start_server, namespace):
    """A server that restarts from its last snapshot: what this process told it of late is told again."""
    server = start_server(args=["--dbfilename", "dump.rdb"])

    async def scenario():
        async with caches(server, namespace=namespace) as cache:
            await cache.set("deleted", "old")
            await cache.set("replaced", "old")
            await cache.set("tagged", "old", tags=["tag"])
            compute = counting(cache)
            await compute("kept")
            server.client().save()
            await cache.delete("deleted")
            await cache.set("replaced", "new")
            await cache.invalidate_tags("tag")
            server.kill()
            await until_async(lambda: figures(cache)["feed"] == "silent")
            server.launch()
            assert server.client().dbsize(), "the snapshot was not loaded"
            await until_async(lambda: figures(cache)["state"] == "connected")
            assert await cache.get_many(["deleted", "replaced", "tagged"]) == {}
            assert await compute("kept") == "kept1"

    asyncio.run(scenario())


def test_a_snapshot_from_before_a_clear_brings_nothing_back(start_server, namespace):
    """The generation is told again, too."""
    server = start_server(args=["--dbfilename", "dump.rdb"])

    async def scenario():
        async with caches(server, namespace=namespace) as cache:
            compute = counting(cache)
            await compute("a")
            server.client().save()
            await cache.clear()
            server.kill()
            await until_async(lambda: figures(cache)["feed"] == "silent")
            server.launch()
            await until_async(lambda: figures(cache)["state"] == "connected")
            assert await compute("a") == "a2"

    asyncio.run(scenario())


def test_a_stopped_server_is_noticed_and_used_again_when_it_goes_on(fresh_server, namespace):
    """Nothing that was done meanwhile is lost."""

    async def scenario():
        options = {"namespace": namespace, "timeout": 0.2, "heartbeat": 0.05}
        async with caches(fresh_server, **options) as cache:
            await cache.set("key", "old")
            fresh_server.pause()
            assert await cache.delete("key") is False
            assert await cache.get("key") is None
            assert figures(cache)["owed"] == 1
            fresh_server.resume()
            await until_async(lambda: figures(cache)["state"] == "connected")
            assert await cache.get("key", MISS) is MISS

    asyncio.run(scenario())


def test_a_set_whose_reply_never_came_leaves_no_old_value(proxy, redis_server, namespace):
    """Nobody knows whether it was stored: either the new value counts or none."""

    async def scenario():
        async with caches(proxy, redis_server, namespace=namespace, timeout=0.3) as (far, near):
            await near.set("key", "old")
            proxy.stall(down=False)
            assert await far.set("key", "new") is False
            assert await far.get("key") == "new"
            proxy.cut()
            proxy.flow()
            await until_async(lambda: figures(far)["state"] == "connected")
            assert await far.get("key", MISS) in ("new", MISS)
            await until_async(lambda: is_gone(near, "key"))

    asyncio.run(scenario())


def test_a_cache_that_begins_without_a_server_finds_it_later(start_server, namespace):
    """What was put in meanwhile is in memory, and Redis is used as soon as it is there."""
    from processes import free_port

    async def scenario():
        port = free_port()
        async with GenericRedisCache(f"redis://127.0.0.1:{port}", namespace=namespace) as cache:
            assert await cache.set("key", 1) is False
            assert await cache.get("key") == 1
            assert figures(cache)["state"] == "away"
            server = start_server(port=port)
            await until_async(lambda: figures(cache)["state"] == "connected")
            assert await cache.set("key", 2) is True
            assert server.client().exists(f"{namespace}:d:key")

    asyncio.run(scenario())


def test_disconnecting_ends_the_attempts_to_reconnect(proxy, namespace):
    """Nobody knocks any more."""

    async def scenario():
        async with caches(proxy, namespace=namespace) as cache:
            await lose(proxy, cache)
        proxy.accept()
        before = proxy.accepted
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert proxy.accepted == before

    asyncio.run(scenario())


# --- the queue by itself


def test_debts_are_paid_unless_they_were_made_again():
    """What was noted once more while it was told stays owed."""
    ledger = Ledger(10)
    ledger.owe_key("a")
    ledger.owe_key("b")
    ledger.owe_tags(("t",))
    debts = ledger.owed()
    ledger.owe_key("a")
    ledger.paid(debts)
    assert set(ledger.owed().keys) == {"a"}
    assert not ledger.doubts_key("b")
    assert not ledger.doubts_tags(["t"])
    assert len(ledger) == 1


def test_debts_beyond_the_bound_are_one_debt_of_everything():
    """Which is paid like any other, and again unless it was made again."""
    ledger = Ledger(2)
    for key in "aab":
        ledger.owe_key(key)
    assert ledger.overflows == 0
    ledger.owe_key("c")
    assert ledger.overflows == 1
    assert len(ledger) == 1
    assert ledger.doubts_key("anything")
    assert ledger.doubts_tags(["any"])
    debts = ledger.owed()
    ledger.owe_key("d")
    ledger.paid(debts)
    assert ledger.doubts_key("anything")
    ledger.paid(ledger.owed())
    assert len(ledger) == 0
    assert not ledger.doubts_key("d")


def test_what_was_told_of_late_is_owed_to_another_server():
    """Keys and tags; nothing that nobody told."""
    ledger = Ledger(10)
    ledger.told("a")
    ledger.told_tag("t")
    assert len(ledger) == 0
    ledger.owe_recent()
    assert ledger.doubts_key("a")
    assert ledger.doubts_tags(["x", "t"])
    assert not ledger.doubts_key("t")


def test_what_is_owed_is_not_believed_even_while_connected_and_told_with_the_next_heartbeat(
    redis_server, namespace
):
    """As after a command of another loop that failed: keys and tags alike."""

    async def scenario():
        async with caches(redis_server, redis_server, namespace=namespace, heartbeat=0.5) as (ours, theirs):
            await theirs.set("key", "old")
            await theirs.set("tagged", "old", tags=["tag"])
            assert await ours.get_many(["key", "tagged"]) == {"key": "old", "tagged": "old"}
            ours.engine_store().remote.owe("key")
            ours._tier.state.ledger.owe_tags(("tag",))
            ours.engine_store().drop_all_copies()
            assert await ours.get_many(["key", "tagged"]) == {}
            assert await ours.get_ttl("key") is None
            await until_async(lambda: figures(ours)["owed"] == 0)
            for key in ("key", "tagged"):
                await until_async(lambda key=key: is_gone(theirs, key))

    asyncio.run(scenario())
