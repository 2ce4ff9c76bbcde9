"""Faults that a review found."""

import asyncio
import itertools
import threading

import pydantic
import pytest
from patience import PATIENCE, until_async
from rediskit import Loop, caches, figures, has_copy

from askonce import cached, current_call


async def news_of(one, other):
    """Wait until all that was changed so far has been heard of."""
    await one.set("marker", 1)
    assert await other.get("marker") == 1
    await one.set("marker", 2)
    await until_async(lambda: not has_copy(other, "marker"))


def test_a_tag_that_nobody_bears_yet_is_invalidated_as_well(redis_server, namespace):
    """Who takes it in a function that ran meanwhile keeps its answer nowhere."""
    counter, values = itertools.count(1), []

    async def scenario():
        async with caches(redis_server, redis_server, namespace=namespace) as (one, other):
            begun, go = asyncio.Event(), asyncio.Event()

            @cached(cache=one, name="f")
            async def function():
                values.append(next(counter))
                begun.set()
                await go.wait()
                current_call().add_tags("tag")
                return values[-1]

            flight = asyncio.create_task(function())
            await begun.wait()
            await other.invalidate_tags("tag")
            await news_of(other, one)
            go.set()
            assert await flight == 1
            assert await function() == 2
            assert await function() == 2

    asyncio.run(scenario())


@pytest.mark.parametrize("ends", ["cancelled", "a tag of it is invalidated"])
def test_what_was_read_before_a_set_that_kept_no_copy_does_not_stay(redis_server, namespace, ends):
    """The old value was in Redis up to then, so that memory has it from there."""

    async def scenario():
        async with caches(redis_server, redis_server, namespace=namespace) as (cache, other):
            await other.set("key", "old")
            setting = asyncio.create_task(cache.set("key", "new", tags=["tag"]))
            await asyncio.sleep(0)  # the token of the tag is asked for
            assert await cache.get("key") == "old"
            assert has_copy(cache, "key")
            if ends == "cancelled":
                setting.cancel()
            else:
                cache.engine_store().drop_tags(("tag",))
            await asyncio.gather(setting, return_exceptions=True)
            assert not has_copy(cache, "key")

    asyncio.run(scenario())


def test_a_loop_that_noticed_no_loss_does_not_vouch_for_one_that_did(proxy, redis_server, namespace):
    """Copies are dropped although a loop of the process that was busy still seems to be connected."""

    async def scenario():
        busy, free = threading.Event(), threading.Event()

        async def be_busy():
            busy.set()
            free.wait(PATIENCE)

        async with caches(proxy, redis_server, namespace=namespace) as (far, near):
            with Loop() as loop:
                loop.run(far.connect())
                await near.set("key", "old")
                await far.set("tagged", "old", tags=["tag"])
                assert await far.get("key") == "old"
                blocked = asyncio.get_running_loop().run_in_executor(None, loop.run, be_busy())
                await asyncio.to_thread(busy.wait)
                proxy.refuse()
                proxy.cut()
                await until_async(lambda: figures(far)["breaker_opened"])
                assert await far.get_or_set("made meanwhile", lambda: "old") == "old"
                for key in ("key", "made meanwhile", "sign"):
                    await near.set(key, "new")
                await near.invalidate_tags("tag")
                proxy.accept()
                await until_async(lambda: far.get("sign"))
                there = await far.get_many(["key", "made meanwhile", "tagged"])
                assert there == {"key": "new", "made meanwhile": "new"}
                free.set()
                await blocked

    asyncio.run(scenario())


def test_a_slow_read_by_hand_does_not_replace_what_was_set_meanwhile(redis_server, namespace):
    """A copy of the old value would not be dropped: nobody reports a change to who made it."""

    async def scenario():
        async with caches(redis_server, redis_server, namespace=namespace) as (cache, other):
            await other.set("key", ["old" * 200] * 4000)  # takes a while to be decoded, in a thread
            setting = asyncio.create_task(cache.set("key", "new", tags=["tag"]))
            await asyncio.sleep(0)  # the token of the tag is asked for, and the key is read before it is set
            reading = asyncio.create_task(cache.get("key"))
            await asyncio.gather(setting, reading)
            assert await cache.get("key") == "new"

    asyncio.run(scenario())


def test_a_tag_that_a_server_would_not_let_go_of_at_first_is_forgotten_with_the_debt(fresh_server, namespace):
    """What bears it counts no more in the process that invalidated it either."""

    async def scenario():
        admin = fresh_server.client()
        async with caches(fresh_server, namespace=namespace, heartbeat=0.1) as cache:
            await cache.set("key", "old", tags=["tag"])
            admin.execute_command("ACL", "SETUSER", "default", "-unlink")
            await cache.invalidate_tags("tag")
            assert figures(cache)["owed"] == 1
            admin.execute_command("ACL", "SETUSER", "default", "+unlink")
            await until_async(lambda: not figures(cache)["owed"])
            assert await cache.get("key") is None

    asyncio.run(scenario())


def test_who_comes_after_the_news_does_not_get_what_was_read_before_them(redis_server, namespace):
    """A large value takes a while to be decoded, and others join those who wait for it."""
    decoding, go_on = threading.Event(), threading.Event()

    class Report(pydantic.BaseModel):
        text: str

        @pydantic.field_validator("text")
        @classmethod
        def slow(cls, text):
            if text[0] == "o" and threading.current_thread() is not threading.main_thread():
                decoding.set()
                go_on.wait(PATIENCE)
            return text

    async def make() -> Report:
        return Report(text="new")

    async def scenario():
        plain = {"namespace": namespace, "compression_threshold": 1 << 30}
        async with caches(redis_server, redis_server, **plain) as (one, other):
            report = cached(make, cache=one, name="report", stale=1)
            elsewhere = cached(make, cache=other, name="report")
            await elsewhere.store(Report(text="old" * 100_000))
            early = asyncio.create_task(report())
            await asyncio.to_thread(decoding.wait, PATIENCE)
            await elsewhere.invalidate()
            await news_of(other, one)
            late = asyncio.create_task(report())
            await asyncio.sleep(0)
            go_on.set()
            await early
            assert (await late).text == "new"
            assert (await report()).text == "new"

    asyncio.run(scenario())


@pytest.mark.parametrize("reply", [b":5\r\n", b"_\r\n", b"*1\r\n:1\r\n", b"%0\r\n"])
def test_an_answer_of_another_kind_is_a_miss(proxy, redis_server, namespace, reply):
    """No exception, neither by hand nor for callers of decorated functions."""

    async def scenario():
        async with caches(proxy, namespace=namespace, heartbeat=60) as cache:

            @cached(cache=cache, name="function")
            async def function():
                return "computed"

            for ask in (
                lambda: cache.get("key"),
                lambda: cache.get("key", as_type=str),
                lambda: cache.get_ttl("key"),
                lambda: cache.touch("key"),
                lambda: cache.delete("key"),
                lambda: cache.invalidate_tags("tag"),
                function,
                function.invalidate,
            ):
                await until_async(lambda: figures(cache)["state"] == "connected")
                proxy.corrupt(lambda _: reply)
                assert await ask() in (None, False, True, "computed")  # memory has what was computed
                proxy.corrupt(None)

    asyncio.run(scenario())
