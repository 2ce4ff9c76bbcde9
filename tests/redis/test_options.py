"""Each argument of ``GenericRedisCache``, by what it does on a real server."""

import asyncio
import threading

import pytest
from patience import until_async
from processes import HOST, free_port
from rediskit import GenericRedisCache, Loop, caches, copies, figures, has_copy

from askonce import FOREVER, MISS, BackendError, ConfigurationError, cached
from askonce.testing import ManualClock

TEXT = "the quick brown fox jumps over the lazy dog " * 50


def stored(server, namespace, key):
    return server.client().get(f"{namespace}:d:{key}")


def test_default_ttl_is_the_life_of_what_is_stored_without_one(redis_server, namespace):
    """In Redis too, where the key expires by itself."""

    async def scenario():
        async with caches(redis_server, namespace=namespace, default_ttl="2m") as cache:
            await cache.set("key", 1)
            assert 100_000 < redis_server.client().pttl(f"{namespace}:d:key") <= 120_000
            await cache.set("key", 1, ttl=FOREVER)
            assert redis_server.client().pttl(f"{namespace}:d:key") == -1

    asyncio.run(scenario())


def test_operation_ttls_are_the_lives_of_what_functions_answer(redis_server, namespace):
    """By the operation that the function names."""

    async def scenario():
        async with caches(redis_server, namespace=namespace, operation_ttls={"sum": "5m"}) as cache:

            @cached(cache=cache, operation="sum")
            async def compute(word):
                return word

            await compute("a")
            assert 200_000 < redis_server.client().pttl(f"{namespace}:d:{compute.key('a')}") <= 300_000

    asyncio.run(scenario())


def test_memory_cache_size_bounds_the_copies_and_not_what_is_cached(redis_server, namespace):
    """What does not fit is read from Redis."""

    async def scenario():
        async with caches(redis_server, namespace=namespace, memory_cache_size=3) as cache:
            values = {f"key {number}": number for number in range(20)}
            await cache.set_many(values)
            assert copies(cache) == 3
            assert await cache.get_many(values) == values
            assert copies(cache) == 3

    asyncio.run(scenario())


def test_memory_cache_bytes_bounds_the_copies_too(redis_server, namespace):
    """A value that is too large for memory is cached in Redis alone."""

    async def scenario():
        options = {"memory_cache_bytes": 20_000, "memory_cache_size": 50}
        async with caches(redis_server, namespace=namespace, **options) as cache:
            await cache.set("large", "x" * 30_000)
            await cache.set_many({f"key {number}": "x" * 1000 for number in range(40)})
            assert cache.get_stats()["bytes"] <= 20_000
            assert 5 < copies(cache) < 40
            assert await cache.get("large") == "x" * 30_000
            assert not has_copy(cache, "large")

    asyncio.run(scenario())


def test_eviction_chooses_which_copies_stay(redis_server, namespace):
    """With "s3fifo" what was used outlives a scan, with "lru" it does not."""

    async def scenario(eviction):
        options = {"eviction": eviction, "memory_cache_size": 20, "namespace": namespace + eviction}
        async with caches(redis_server, **options) as cache:
            for _ in range(3):
                await cache.set("often", 1)
                for number in range(5):
                    await cache.set(f"filler {number}", 1)
                    await cache.get("often")
            for number in range(100):
                await cache.set(f"once {number}", 1)
            assert cache.get_stats()["eviction"] == eviction
            return has_copy(cache, "often")

    assert asyncio.run(scenario("s3fifo"))
    assert not asyncio.run(scenario("lru"))


@pytest.mark.parametrize(("threshold", "compressed"), [(100, True), (len(TEXT) + 2, False)])
def test_compression_threshold_decides_what_is_compressed(redis_server, namespace, threshold, compressed):
    """As the bytes in Redis show; either way the value comes back."""

    async def scenario():
        async with caches(redis_server, namespace=namespace, compression_threshold=threshold) as cache:
            await cache.set("key", TEXT)
        assert (len(stored(redis_server, namespace, "key")) < 500) == compressed
        assert (TEXT.encode() in stored(redis_server, namespace, "key")) == (not compressed)
        async with caches(redis_server, namespace=namespace) as cache:
            assert await cache.get("key") == TEXT

    asyncio.run(scenario())


def test_compression_level_trades_time_for_bytes(redis_server, namespace):
    """A higher one makes less of the same text."""
    import random

    words = ["".join(random.Random(n).choices("abcdefgh", k=6)) for n in range(300)]
    text = " ".join(random.Random(0).choices(words, k=4000))

    async def scenario(level):
        async with caches(redis_server, namespace=namespace, compression_level=level) as cache:
            await cache.set("key", text)
            return len(stored(redis_server, namespace, "key"))

    assert asyncio.run(scenario(9)) < asyncio.run(scenario(0))
    with pytest.raises(ConfigurationError, match="compression_level"):
        GenericRedisCache(compression_level=12)


def test_namespaces_share_a_server_and_nothing_else(redis_server, namespace):
    """Neither values nor tags, nor ``clear``, also where one name begins with the other."""

    async def scenario():
        one = GenericRedisCache(redis_server.url, namespace=namespace)
        two = GenericRedisCache(redis_server.url, namespace=f"{namespace}.2")
        async with one, two:
            for number, cache in enumerate((one, two)):
                await cache.set("key", number, tags=["tag"])
                await cache.set("other", number)
            for change in (one.invalidate_tags("tag"), one.delete("other"), one.clear()):
                await change
                await two.exists("a key that nobody has")
                assert has_copy(two, "key")
                assert has_copy(two, "other")
            assert await one.get_many(["key", "other"]) == {}
            two.engine_store().drop_all_copies()
            assert await two.get_many(["key", "other"]) == {"key": 1, "other": 1}

    asyncio.run(scenario())


@pytest.mark.parametrize("namespace", ["", "a b", "a:b", "a*", "a{b}", "ü", "x" * 65])
def test_a_namespace_that_keys_could_not_be_told_apart_by_is_refused(namespace):
    """Letters, digits and a few signs."""
    with pytest.raises(ConfigurationError, match="namespace"):
        GenericRedisCache(namespace=namespace)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("timeout", 0), ("timeout", "soon"), ("heartbeat", None), ("tombstone_ttl", FOREVER),
        ("lease_ttl", -1), ("drain", -1), ("l1_ttl", 0), ("feed", "poll"), ("recovery_queue_size", -1),
        ("recovery_queue_size", "10"), ("memory_cache_size", 0), ("memory_cache_bytes", 0),
        ("namespace", None), ("operation_ttls", ["sum"]), ("security_config", {"use_tls": True}),
        ("eviction", "fifo"), ("max_value_bytes", "16 MB"),
    ],
)  # fmt: skip
def test_what_an_option_cannot_be_is_refused_by_its_name(option, value):
    """When the cache is made, not at the first outage."""
    with pytest.raises(ConfigurationError, match=f"^{option}\\b"):
        GenericRedisCache(**{option: value})


def test_no_time_to_drain_is_a_time(redis_server, namespace):
    """Who cannot wait for what runs behind says 0."""

    async def scenario():
        async with caches(redis_server, namespace=namespace, drain=0) as cache:
            assert await cache.set("key", 1)

    asyncio.run(scenario())


def test_max_value_bytes_bounds_what_is_stored(redis_server, namespace):
    """More stays in memory, and what was there before does not come back."""

    async def scenario():
        options = {"namespace": namespace, "max_value_bytes": 5000}
        async with caches(redis_server, redis_server, **options) as (ours, theirs):
            assert await ours.set("key", "small")
            assert await ours.set("key", "x" * 6000) is False
            assert await ours.get("key") == "x" * 6000
            assert await theirs.get("key", MISS) is MISS
            assert figures(ours)["unencodable"] == 1
            assert await ours.set("key", "x" * 4000)
            assert await theirs.get("key") == "x" * 4000

    asyncio.run(scenario())


def test_max_value_bytes_bounds_what_is_read_and_unpacked(redis_server, namespace):
    """A value that others may store is a miss for who allows less, whether it is long or becomes so."""

    async def scenario():
        async with caches(redis_server, namespace=namespace) as generous:
            await generous.set("long", bytes(range(256)) * 100)
            await generous.set("packed", "x" * 100_000)
        assert len(stored(redis_server, namespace, "packed")) < 1000
        async with caches(redis_server, namespace=namespace, max_value_bytes=20_000) as strict:
            assert await strict.get_many(["long", "packed"]) == {}
            assert figures(strict)["undecodable"] == 2

    asyncio.run(scenario())


def test_a_huge_value_under_our_key_is_a_miss_that_costs_no_memory(proxy, redis_server, namespace):
    """The server is asked for so many bytes and not more."""

    async def scenario():
        async with caches(proxy, namespace=namespace, max_value_bytes=100_000) as cache:
            redis_server.client().set(f"{namespace}:d:key", b"x" * 20_000_000)
            await cache.exists("a key that nobody has")
            before = proxy.passed[1]
            assert await cache.get("key", MISS) is MISS
            assert proxy.passed[1] - before < 110_000
            assert figures(cache)["state"] == "connected"

    asyncio.run(scenario())


def test_l1_ttl_is_the_longest_life_of_a_copy(redis_server, namespace):
    """After it Redis is asked, which still has the value with all of its life."""

    async def scenario():
        clock = ManualClock()
        options = {"namespace": namespace, "l1_ttl": 10, "clock": clock}
        async with caches(redis_server, redis_server, **options) as (ours, theirs):
            await ours.set("key", 1, ttl=3600)
            await theirs.get("key")
            for cache in (ours, theirs):
                await cache.get("key")
                clock.advance(9.9)
                hits = figures(cache)["hits"]
                assert await cache.get("key") == 1
                assert figures(cache)["hits"] == hits
                clock.advance(0.2)
                assert await cache.get("key") == 1
                assert figures(cache)["hits"] == hits + 1
                assert await cache.get_ttl("key") > 3500

    asyncio.run(scenario())


def test_a_copy_never_outlives_what_it_is_a_copy_of(redis_server, namespace):
    """It takes the remaining life along, and no new one."""

    async def scenario():
        async with caches(redis_server, redis_server, namespace=namespace) as (ours, theirs):
            await ours.set("key", 1, ttl=0.3)
            assert await theirs.get("key") == 1
            assert await theirs.get_ttl("key") <= 0.3
            loop = asyncio.get_running_loop()
            end = loop.time() + 0.32
            await until_async(lambda: loop.time() > end)
            assert not has_copy(theirs, "key")
            assert await ours.get("key", MISS) is MISS is await theirs.get("key", MISS)

    asyncio.run(scenario())


def test_timeout_is_how_long_a_call_waits_for_redis(proxy, namespace):
    """Then the function is called; and while Redis says nothing nobody waits again."""

    async def scenario():
        async with caches(proxy, namespace=namespace, timeout=0.3, heartbeat=60) as cache:
            await until_async(lambda: figures(cache)["state"] == "connected")
            compute = cached(cache=cache, name="f")(same)
            proxy.stall()
            async with asyncio.timeout(10):
                assert await compute("a") == "a"
            assert figures(cache)["breaker_opened"] == 1
            failures = figures(cache)["failures"]
            assert await compute("b") == "b"
            assert figures(cache)["failures"] == failures
            proxy.flow()
            await until_async(lambda: figures(cache)["state"] == "connected")

    asyncio.run(scenario())


async def same(word):
    return word


def test_heartbeat_is_how_often_the_server_is_asked_whether_it_lives(redis_server, namespace):
    """Nobody calls anything, and still it is asked again and again; with a long one it is not."""

    async def scenario():
        async with caches(redis_server, namespace=namespace, heartbeat=0.01):
            before = asked_for_time(redis_server)
            await until_async(lambda: asked_for_time(redis_server) >= before + 5)

    asyncio.run(scenario())


def asked_for_time(server):
    return server.client().info("commandstats")["cmdstat_time"]["calls"]


def test_tombstone_ttl_is_how_long_an_invalidation_is_remembered(redis_server, namespace):
    """By then every computation that it overtook has to be over."""

    async def scenario():
        async with caches(redis_server, namespace=namespace, tombstone_ttl=30) as cache:
            await cache.set("key", 1)
            await cache.delete("key")
            assert stored(redis_server, namespace, "key").startswith(b"\xa5\x1c\x01\xff")
            assert 25_000 < redis_server.client().pttl(f"{namespace}:d:key") <= 30_000

    asyncio.run(scenario())


def test_lease_ttl_is_how_long_a_lease_stands_without_its_holder(redis_server, namespace):
    """It is prolonged meanwhile, and given back at the end."""

    async def scenario():
        async with caches(redis_server, namespace=namespace, lease_ttl=0.3) as cache:
            lives = []
            client = redis_server.client()

            @cached(cache=cache, name="f", single_flight="cluster")
            async def compute(word):
                name = f"{namespace}:l:{compute.key('a')}"
                lives.append(client.pttl(name))
                await until_async(lambda: client.pttl(name) < 240)
                await until_async(lambda: client.pttl(name) > 240)
                return word

            await compute("a")
            assert 200 < lives[0] <= 300
            await until_async(lambda: not client.exists(f"{namespace}:l:{compute.key('a')}"))

    asyncio.run(scenario())


def test_recovery_queue_size_bounds_what_is_remembered_and_beyond_it_nothing_counts(
    proxy, redis_server, namespace
):
    """Four invalidations fit, five make all that Redis holds count no more."""

    async def scenario(gone):
        options = {"namespace": namespace, "recovery_queue_size": 4}
        async with caches(proxy, redis_server, **options) as (far, near):
            await near.set_many({f"key {number}": number for number in range(10)})
            proxy.refuse()
            proxy.cut()
            await until_async(lambda: figures(far)["feed"] == "silent")
            await far.delete_many(f"key {number}" for number in range(gone))
            owed = figures(far)["owed"], figures(far)["overflows"]
            proxy.accept()
            await until_async(lambda: figures(far)["state"] == "connected")
            assert figures(far)["owed"] == 0
            left = {f"key {number}": number for number in range(gone, 10)} if gone <= 4 else {}
            await until_async(lambda: holds(near, left))
            assert await far.get_many(f"key {number}" for number in range(10)) == left
            return owed

    assert asyncio.run(scenario(4)) == (4, 0)
    assert asyncio.run(scenario(5)) == (1, 1)


async def holds(cache, values):
    return await cache.get_many(f"key {number}" for number in range(10)) == values


@pytest.mark.parametrize("server", ["redis_server", "redis_cluster"])
@pytest.mark.parametrize("feed", ["tracking", "pubsub"])
def test_feed_is_how_changes_are_heard_of(request, server, namespace, feed):
    """From the servers, or from a channel that only pubsub subscribes to."""
    server = request.getfixturevalue(server)

    async def scenario():
        async with caches(server, namespace=namespace, feed=feed):
            nodes = getattr(server, "masters", [server])
            subscribed = sum(
                count for node in nodes for _, count in node.client().pubsub_numsub(f"{namespace}:feed")
            )
            assert subscribed == (feed == "pubsub")

    asyncio.run(scenario())


BY_HAND = {
    "get": lambda cache: cache.get("other"),
    "set": lambda cache: cache.set("key", 1),
    "delete": lambda cache: cache.delete("other"),
    "get_ttl": lambda cache: cache.get_ttl("other"),
    "touch": lambda cache: cache.touch("other"),
    "invalidate_tags": lambda cache: cache.invalidate_tags("tag"),
    "clear": lambda cache: cache.clear(),
    "connect": lambda cache: cache.connect(),
}


def test_methods_by_hand_answer_a_miss_or_false_where_there_is_no_redis(namespace):
    """As if nothing was there; what is put in is in memory."""
    expected = {"set": False, "delete": False, "touch": False}

    async def scenario():
        async with GenericRedisCache(f"redis://{HOST}:{free_port()}", namespace=namespace) as cache:
            for name, call in BY_HAND.items():
                assert await call(cache) == expected.get(name), name
            assert await cache.set("key", 1) is False
            assert await cache.get("key") == 1
            assert figures(cache)["failures"] > 0

    asyncio.run(scenario())


def test_raise_errors_makes_methods_by_hand_say_so_and_no_decorated_function(namespace):
    """Each of them, at each try."""

    async def scenario():
        url = f"redis://{HOST}:{free_port()}"
        cache = GenericRedisCache(url, namespace=namespace, raise_errors=True)
        for _ in range(2):
            for name, call in BY_HAND.items():
                with pytest.raises(BackendError):
                    pytest.fail(f"{name} answered {await call(cache)}")
        assert await cached(cache=cache, name="f")(same)("a") == "a"
        await cache.disconnect()

    asyncio.run(scenario())


class Behind:
    """A function that answers at once, and after that only when it is told to: its refreshes run behind."""

    def __init__(self, cache, **options):
        self.go_on, self.begun, self.ended = asyncio.Event(), [], []

        @cached(cache=cache, name="f", **options)
        async def compute(word):
            self.begun.append(word)
            try:
                if len(self.begun) > 1:
                    await self.go_on.wait()
            except asyncio.CancelledError:
                self.ended.append("cancelled")
                raise
            self.ended.append("answered")
            return word

        self.call = compute


CANNOT_YET = pytest.mark.xfail(
    strict=True, reason="a refresh behind its callers has no handle to cancel it by"
)


@pytest.mark.parametrize(("drain", "end"), [(10, "answered"), (0.05, "cancelled")])
def test_drain_is_how_long_a_disconnect_waits_for_work_behind(redis_server, namespace, drain, end):
    """A refresh that is not over by then is cancelled."""

    async def scenario():
        cache = GenericRedisCache(redis_server.url, namespace=namespace, drain=drain)
        behind = Behind(cache, ttl=0.01, stale=100)
        await behind.call("a")
        await until_async(lambda: refreshes(behind))
        leaving = asyncio.create_task(cache.disconnect())
        if end == "answered":
            await asyncio.sleep(0)
            behind.go_on.set()
        async with asyncio.timeout(5):
            await leaving
        assert behind.ended == ["answered", end]

    asyncio.run(scenario())


async def refreshes(behind):
    await behind.call("a")
    return len(behind.begun) > 1


def test_a_disconnect_leaves_a_caller_who_waits_alone(redis_server, namespace):
    """The computation is neither cancelled nor begun again, and its caller has the answer."""

    async def scenario():
        cache = GenericRedisCache(redis_server.url, namespace=namespace, drain=0.02)
        behind = Behind(cache)
        await behind.call("first")
        calling = asyncio.create_task(behind.call("a"))
        await until_async(lambda: len(behind.begun) == 2)
        await cache.disconnect()
        behind.go_on.set()
        assert await calling == "a"
        assert behind.begun == ["first", "a"]
        await cache.disconnect()

    asyncio.run(scenario())


def test_clock_is_that_of_the_memory(redis_server, namespace):
    """An injected one moves the copies' lives, and the server's own clock those in Redis."""

    async def scenario():
        clock = ManualClock()
        async with caches(redis_server, namespace=namespace, clock=clock) as cache:
            await cache.set("key", 1, ttl=100)
            clock.advance(101)
            assert not has_copy(cache, "key")
            assert await cache.get("key") == 1

    asyncio.run(scenario())


def test_connecting_early_or_late_makes_no_difference_and_one_connection(fresh_server, namespace):
    """Many at once connect once, for each loop; ``disconnect`` leaves none."""

    async def scenario():
        cache = GenericRedisCache(fresh_server.url, namespace=namespace)
        await asyncio.gather(*(cache.get(f"key {number}") for number in range(50)), cache.connect())
        assert ours(fresh_server) == 1
        with Loop() as other:
            await asyncio.to_thread(other.run, cache.set("key", 1))
            assert ours(fresh_server) == 2
            await cache.disconnect()
            await until_async(lambda: ours(fresh_server) == 0)
        assert await cache.get("key") == 1
        assert ours(fresh_server) == 1
        await cache.disconnect()
        await until_async(lambda: ours(fresh_server) == 0)

    asyncio.run(scenario())
    assert threading.active_count() >= 1


def ours(server):
    """How many connections there are beside the one that looks on."""
    return len(server.client().client_list()) - 1


def test_a_loop_that_ends_takes_its_connection_along(fresh_server, namespace):
    """Without any ``disconnect``, as a test client's loop for each request does."""
    cache = GenericRedisCache(fresh_server.url, namespace=namespace)
    for number in range(3):
        asyncio.run(cache.set("key", number))
        asyncio.run(until_async(lambda: ours(fresh_server) == 0))
    assert cache.sync.get("key") == 2


def test_a_password_in_the_address_shows_nowhere():
    """Neither in ``repr`` nor in errors about the address."""
    assert repr(GenericRedisCache("redis://me:hunter2@h/0")) == "GenericRedisCache('redis://me:***@h/0')"
    for url in (
        "http://me:hunter2@h",
        "redis://me:hunter2@h:x",
        "redis+sentinel://me:hunter2@h",
        "redis://h?q=hunter2",
    ):
        with pytest.raises(ConfigurationError) as refused:
            GenericRedisCache(url)
        assert "hunter2" not in str(refused.value) or "q=" in url
