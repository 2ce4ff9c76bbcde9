"""The short way to an answer in Redis: what it asks, and that it knows of changes as the long one does."""

import asyncio

import pytest
from rediskit import caches, has_copy

from askonce import cached
from askonce.codec.shapes import NO_SHAPE


class Asked:
    """Counts the questions that a server was asked for values."""

    def __init__(self, server):
        self._client = server.client()
        self._before = self._count()

    def _count(self):
        return self._client.info("commandstats").get("cmdstat_getrange", {"calls": 0})["calls"]

    def since(self):
        before, self._before = self._before, self._count()
        return self._before - before


def function(cache, **options):
    """A cached function, and what it was called with."""
    calls = []

    @cached(cache=cache, name="double", **options)
    async def double(number: int) -> list[int]:
        calls.append(number)
        await asyncio.sleep(0)
        return [number * 2]

    return double, calls


@pytest.mark.parametrize("tags", [[], ["tag", "of {number}"]])
def test_an_answer_costs_one_question_whether_it_is_there_or_not(fresh_server, namespace, tags):
    """A miss goes on with what was read; a hit needs no more than that."""

    async def scenario():
        async with caches(fresh_server, fresh_server, namespace=namespace) as (ours, theirs):
            double, calls = function(ours, tags=tags)
            twin, twin_calls = function(theirs, tags=tags)
            assert await double(0) == await twin(0) == [0]  # tokens of shared tags are known from here on
            asked = Asked(fresh_server)
            assert await double(1) == [2]
            assert asked.since() == 1
            assert await twin(1) == [2]
            assert asked.since() == 1
            assert (calls, twin_calls) == ([0, 1], [])

    asyncio.run(scenario())


def test_a_crowd_at_one_key_asks_for_it_twice_at_most(fresh_server, namespace):
    """One caller takes the short way, the others share a flight."""

    async def scenario():
        async with caches(fresh_server, fresh_server, namespace=namespace) as (ours, theirs):
            double, _ = function(ours)
            twin, calls = function(theirs)
            await double(1)
            asked = Asked(fresh_server)
            assert await asyncio.gather(*(twin(1) for _ in range(100))) == [[2]] * 100
            assert asked.since() <= 2
            assert calls == []

    asyncio.run(scenario())


def test_what_changed_after_it_was_read_is_read_again(redis_server, namespace):
    """A key that somebody replaced between the look and the flight is not taken for absent."""

    async def scenario():
        async with caches(redis_server, redis_server, namespace=namespace) as (ours, theirs):
            store = ours.engine_store()
            await ours.get("key")
            reply = await store.quick.read("key", (), NO_SHAPE, isolates=True)
            await theirs.set("key", "new")
            assert await ours.get("other") is None  # the news came before this answer
            fence = store.open_fence("key")
            fence.note = reply
            found = await store.remote.read(fence, NO_SHAPE)
            store.close_fence(fence)
            assert found.value == "new"

    asyncio.run(scenario())


def test_what_changed_while_it_was_read_is_not_kept(redis_server, namespace):
    """The caller gets what it asked for; memory does not."""

    async def scenario():
        async with caches(redis_server, redis_server, namespace=namespace) as (ours, theirs):
            await theirs.set("key", "old")
            store = ours.engine_store()
            await ours.get("other")
            reading = asyncio.ensure_future(store.quick.read("key", (), NO_SHAPE, isolates=True))
            await asyncio.sleep(0)
            store.drop("key")
            assert (await reading).value == "old"
            assert not has_copy(ours, "key")

    asyncio.run(scenario())


@pytest.mark.parametrize("isolate", [True, False])
def test_a_caller_may_change_its_answer_where_answers_are_isolated(redis_server, namespace, isolate):
    """The copy in memory is its own thing, unless the function says that nobody changes anything."""

    async def scenario():
        async with caches(redis_server, redis_server, namespace=namespace) as (ours, theirs):
            await function(ours, isolate=isolate)[0](1)
            twin, calls = function(theirs, isolate=isolate)
            await twin(0)
            (await twin(1)).append("mine")
            assert await twin(1) == ([2] if isolate else [2, "mine"])
            assert calls == [0]

    asyncio.run(scenario())


def test_a_caller_that_leaves_while_it_reads_leaves_nothing_behind(redis_server, namespace):
    """The next one takes the short way again."""

    async def scenario():
        async with caches(redis_server, namespace=namespace) as cache:
            await cache.get("other")
            store = cache.engine_store()
            reading = asyncio.ensure_future(store.quick.read("key", (), NO_SHAPE, isolates=True))
            await asyncio.sleep(0)
            assert "key" in store.reading
            reading.cancel()
            await asyncio.wait([reading])
            assert "key" not in store.reading

    asyncio.run(scenario())
