"""Fills that a change overtakes, in every order in which replies and news can come."""

import asyncio

import pytest
from patience import until_async
from rediskit import caches, figures, has_copy

from askonce import MISS, cached

CHANGES = {
    "set": lambda cache, key: cache.set(key, "by hand"),
    "delete": lambda cache, key: cache.delete(key),
    "invalidate_tags": lambda cache, key: cache.invalidate_tags("tag"),
    "clear": lambda cache, key: cache.clear(),
}


class Slow:
    """A function that goes on when it is told to."""

    def __init__(self, cache, **options):
        self.made = 0
        self.begun = asyncio.Event()
        self.go_on = asyncio.Event()

        @cached(cache=cache, name="slow", tags=["tag"], **options)
        async def compute(word: str) -> str:
            self.made += 1
            self.begun.set()
            await self.go_on.wait()
            return f"{word}{self.made}"

        self.call = compute
        self.key = compute.key("a")

    async def begin(self):
        self.begun.clear()
        self.go_on.clear()
        task = asyncio.create_task(self.call("a"))
        async with asyncio.timeout(10):
            await self.begun.wait()
        return task


@pytest.fixture(params=["redis_server", "redis_cluster"])
def server(request):
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize("before", ["nothing", "a tombstone", "an entry that was cleared", "another's value"])
@pytest.mark.parametrize("change", CHANGES)
def test_a_fill_that_a_change_overtook_is_kept_nowhere(server, namespace, change, before):
    """The caller has it; neither memory nor Redis does, whatever stood there when the function began."""

    async def scenario():
        async with caches(server, server, namespace=namespace) as (ours, theirs):
            slow = await prepared(Slow, ours, theirs, before)
            task = await slow.begin()
            await CHANGES[change](theirs, slow.key)
            slow.go_on.set()
            assert await task == "a1"
            if server.url.startswith("redis+cluster"):  # news of tags come over another connection
                await until_async(lambda: not has_copy(ours, slow.key))
            assert not has_copy(ours, slow.key)
            stored = "by hand" if change == "set" else MISS
            assert await theirs.get(slow.key, MISS) == stored
            assert await ours.get(slow.key, MISS) == stored
            assert await slow.call("a") == ("by hand" if change == "set" else "a2")

    asyncio.run(scenario())


async def prepared(make, ours, theirs, before):
    slow = make(ours)
    if before == "a tombstone":
        await theirs.delete(slow.key)
    elif before == "an entry that was cleared":
        await theirs.set(slow.key, "old")
        await theirs.clear()
    elif before == "another's value":
        await theirs.set(slow.key, "old", tags=["tag"])
        await theirs.invalidate_tags("tag")
    await until_async(lambda: is_gone(ours, slow.key))
    return slow


async def is_gone(cache, key):
    return await cache.get(key, MISS) is MISS


@pytest.mark.parametrize("change", CHANGES)
def test_a_fill_is_kept_where_the_change_came_before_the_function_began(server, namespace, change):
    """An invalidation does not reach into the future: one computation, and both have it."""

    async def scenario():
        async with caches(server, server, namespace=namespace) as (ours, theirs):
            slow = Slow(ours)
            await CHANGES[change](theirs, "another key")
            await theirs.delete(slow.key)
            await news_of(theirs, ours)
            task = await slow.begin()
            slow.go_on.set()
            assert await task == "a1"
            await until_async(lambda: kept(ours, slow.key))
            assert await theirs.get(slow.key) == "a1"
            assert await slow.call("a") == "a1"
            assert slow.made == 1

    asyncio.run(scenario())


async def news_of(one, other):
    """Whatever the one did up to now, the other has heard of."""
    await other.set("a sign", 0)
    await one.set("a sign", 1)
    await until_async(lambda: not has_copy(other, "a sign"))


async def kept(cache, key):
    await cache.get(key)
    return has_copy(cache, key)


@pytest.mark.parametrize("before", ["nothing", "a tombstone", "an entry that was cleared"])
@pytest.mark.parametrize("change", ["set", "delete"])
def test_the_server_itself_refuses_a_fill_that_was_overtaken(proxy, redis_server, namespace, change, before):
    """Even where news of the change never came."""

    async def scenario():
        async with caches(proxy, redis_server, namespace=namespace) as (ours, theirs):
            slow = await prepared(Slow, ours, theirs, before)
            task = await slow.begin()
            proxy.drop_pushes()
            await CHANGES[change](theirs, slow.key)
            slow.go_on.set()
            assert await task == "a1"
            assert proxy.kept_back >= 1
            assert figures(ours)["overtaken"] == 1
            assert not has_copy(ours, slow.key)
            assert await theirs.get(slow.key, MISS) == ("by hand" if change == "set" else MISS)

    asyncio.run(scenario())


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_between_the_write_and_the_news_of_it_leaves_no_copy(proxy, redis_server, namespace, change):
    """The write was taken, then the key changed, and both are learned at once."""

    async def scenario():
        async with caches(proxy, redis_server, namespace=namespace, timeout=5) as (ours, theirs):
            slow = Slow(ours)
            task = await slow.begin()
            proxy.stall(up=False)
            slow.go_on.set()
            client = redis_server.client()
            await until_async(lambda: client.exists(f"{namespace}:d:{slow.key}"))
            await CHANGES[change](theirs, slow.key)
            proxy.flow()
            assert await task == "a1"
            await ours.exists("a key that nobody has")
            assert not has_copy(ours, slow.key)
            assert await ours.get(slow.key, MISS) == ("by hand" if change == "set" else MISS)

    asyncio.run(scenario())


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_between_the_read_and_its_reply_leaves_no_copy(proxy, redis_server, namespace, change):
    """The server answered with the old value, then it changed: the old value is not kept in memory."""

    async def scenario():
        async with caches(proxy, redis_server, namespace=namespace, timeout=5) as (ours, theirs):
            await theirs.set("key", "old", tags=["tag"])
            await ours.get("other")
            proxy.stall(up=False)
            before = reads(redis_server)
            reading = asyncio.create_task(ours.get("key"))
            await until_async(lambda: reads(redis_server) > before)
            await CHANGES[change](theirs, "key")
            proxy.flow()
            await reading
            await ours.exists("a key that nobody has")
            assert await ours.get("key", MISS) == ("by hand" if change == "set" else MISS)

    asyncio.run(scenario())


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_between_a_functions_look_and_the_reply_leaves_no_copy(
    proxy, redis_server, namespace, change
):
    """What is found in Redis was right when it was read; the next call has what counts then."""

    async def scenario():
        async with caches(proxy, redis_server, namespace=namespace, timeout=5) as (ours, theirs):
            ours_slow, slow = Slow(ours), Slow(theirs)
            slow.go_on.set()
            ours_slow.go_on.set()
            await slow.call("a")
            await ours.exists("a key that nobody has")
            proxy.stall(up=False)
            before = reads(redis_server)
            calling = asyncio.create_task(ours_slow.call("a"))
            await until_async(lambda: reads(redis_server) > before)
            await CHANGES[change](theirs, slow.key)
            proxy.flow()
            assert await calling in ("a1", "by hand")
            await ours.exists("a key that nobody has")
            expected = "by hand" if change == "set" else MISS
            assert await theirs.get(slow.key, MISS) in (expected, "a1")
            assert await ours.get(slow.key, MISS) == await theirs.get(slow.key, MISS)

    asyncio.run(scenario())


def reads(server):
    """How often GETRANGE was called at all, so that a stalled proxy's request is known to have arrived."""
    return server.client().info("commandstats").get("cmdstat_getrange", {"calls": 0})["calls"]


def test_two_flights_of_one_key_in_two_processes_leave_one_value(server, namespace):
    """Whoever is second serves what it computed, and then what the first one stored."""

    async def scenario():
        async with caches(server, server, namespace=namespace) as (ours, theirs):
            first, second = Slow(ours), Slow(theirs)
            one = await first.begin()
            two = await second.begin()
            second.made = 10
            second.go_on.set()
            assert await two == "a10"
            first.go_on.set()
            assert await one == "a1"
            assert await first.call("a") == await second.call("a") == "a10"

    asyncio.run(scenario())


def test_a_change_in_the_same_process_overtakes_a_flight_in_another_loop(redis_server, namespace):
    """One cache object, two loops: the fence is broken at once."""
    from rediskit import GenericRedisCache, Loop

    cache = GenericRedisCache(redis_server.url, namespace=namespace)
    slow = None

    async def begin():
        nonlocal slow
        slow = Slow(cache)
        return await slow.begin()

    async def end(task):
        slow.go_on.set()
        return await task

    with Loop() as first, Loop() as second:
        for change in (lambda: second.run(cache.delete(slow.key)), lambda: cache.sync.clear()):
            task = first.run(begin())
            change()
            assert first.run(end(task)) == "a1"
            assert second.run(cache.get(slow.key)) is None is cache.sync.get(slow.key)
        first.run(cache.disconnect())


def test_store_and_refresh_by_hand_win_over_a_flight_elsewhere(server, namespace):
    """What somebody says the value is stays, whenever the slow answer comes."""

    async def scenario():
        async with caches(server, server, namespace=namespace) as (ours, theirs):
            slow, other = Slow(ours), Slow(theirs)
            task = await slow.begin()
            await other.call.store("said", "a")
            slow.go_on.set()
            assert await task == "a1"
            assert await slow.call("a") == "said" == await other.call("a")
            refreshing = asyncio.create_task(slow.call.refresh("a"))
            await refreshing
            await until_async(lambda: answers(other, "a2"))

    asyncio.run(scenario())


async def answers(slow, value):
    return await slow.call("a") == value


def test_a_value_from_before_the_last_nine_tenths_of_a_tombstones_life_is_not_stored(redis_server, namespace):
    """An invalidation that it missed may be forgotten by now, so that it stays in its own memory."""

    async def scenario():
        options = {"namespace": namespace, "tombstone_ttl": 0.1}
        async with caches(redis_server, redis_server, **options) as (ours, theirs):
            slow = Slow(ours)
            task = await slow.begin()
            begun = asyncio.get_running_loop().time()
            await until_async(lambda: asyncio.get_running_loop().time() > begun + 0.1)
            slow.go_on.set()
            assert await task == "a1"
            assert await theirs.get(slow.key) is None
            assert await slow.call("a") == "a1"

    asyncio.run(scenario())
