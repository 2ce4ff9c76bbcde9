"""Answers come back in other processes as what they were, or not at all."""

import asyncio
import dataclasses

import pytest
import typedkit
from patience import until_async
from rediskit import OtherProcess, caches, figures, has_copy

from askonce import MISS, cached

ARGUMENTS = {"user": "Ada", "order": 7, "several": "x", "plain": 3, "in_threads": 5}


def test_another_process_answers_what_this_one_computed(redis_server, namespace):
    """The same types, deep inside too, without calling the functions again."""

    async def scenario():
        async with caches(redis_server, namespace=namespace) as cache:
            ours = typedkit.functions(cache)
            expected = {}
            for name, argument in ARGUMENTS.items():
                if name == "in_threads":
                    await asyncio.to_thread(ours["values"]()[name], argument)
                expected[name] = await ours[name](argument)
            with OtherProcess(redis_server, namespace) as other:
                for name, argument in ARGUMENTS.items():
                    assert other.do(name, argument) == expected[name]
                assert other.do("calls") == 0
                other.do("invalidate_tags", "typed")
                await until_async(lambda: not has_copy(cache, ours["values"]()["user"].key("Ada")))
                assert other.do("user", "Ada") == expected["user"]
                assert other.do("calls") == 1
            calls = ours["calls"]()
            assert await ours["user"]("Ada") == expected["user"]
            assert ours["calls"]() == calls

    asyncio.run(scenario())


@pytest.mark.parametrize("name", ["user", "order", "several", "plain"])
def test_a_hit_from_redis_equals_the_first_answer_and_may_be_changed(redis_server, namespace, name):
    """What a caller does to it, no other caller sees."""

    async def scenario():
        async with caches(redis_server, redis_server, namespace=namespace) as (one, two):
            first = await typedkit.functions(one)["values"]()[name](ARGUMENTS[name])
            function = typedkit.functions(two)["values"]()[name]
            found = await function(ARGUMENTS[name])
            assert found == first
            assert type(found) is type(first)
            spoil(found)
            assert await function(ARGUMENTS[name]) == first
            assert figures(two)["hits"] == 1

    asyncio.run(scenario())


def spoil(value):
    if isinstance(value, dict):
        value.clear()
    elif isinstance(value, typedkit.User):
        value.addresses.clear()
    else:
        value.notes.clear()


def test_what_cannot_be_stored_stays_in_memory_and_the_log_says_once_what_to_do(
    redis_server, namespace, caplog
):
    """The function is called once in this process; nothing of it reaches Redis."""

    async def scenario():
        async with caches(redis_server, namespace=namespace) as cache:
            functions = typedkit.functions(cache)
            for number in (1, 1, 2, 2):
                await functions["of_local_type"](number)
            assert functions["calls"]() == 2
            key = functions["values"]()["of_local_type"].key(1)
            assert has_copy(cache, key)
            assert redis_server.client().get(f"{namespace}:d:{key}") is None
            assert figures(cache)["unencodable"] == 2

    asyncio.run(scenario())
    said = [record.message for record in caplog.records if "value_not_encodable" in record.message]
    assert len(said) == 1
    assert "cannot be stored" in said[0]


def test_what_cannot_be_stored_leaves_nothing_older_behind(redis_server, namespace):
    """A refresh that answers something else: the others do not go on with the old value."""

    async def scenario():
        async with caches(redis_server, redis_server, namespace=namespace) as (one, two):
            answers = iter([1, object(), 3, 4])

            async def compute(word):
                return next(answers)

            ours = cached(cache=one, name="f")(compute)
            theirs = cached(cache=two, name="f")(compute)
            assert await ours("a") == 1 == await theirs("a")
            strange = await ours.refresh("a")
            assert await ours("a") is strange
            await until_async(lambda: not has_copy(two, theirs.key("a")))
            assert await theirs("a") == 3

    asyncio.run(scenario())


@dataclasses.dataclass
class Narrow:
    name: str


@dataclasses.dataclass
class Wide:
    name: str


def test_a_value_of_a_type_that_the_annotation_does_not_reach_is_a_miss(redis_server, namespace, caplog):
    """Two versions of a program that disagree: each computes, none gets the other's type."""

    async def scenario():
        async with caches(redis_server, redis_server, namespace=namespace) as (one, two):

            async def old(word) -> Narrow:
                return Narrow(word)

            async def new(word) -> Wide:
                return Wide(word)

            first = cached(cache=one, key="f:{word}")(old)
            second = cached(cache=two, key="f:{word}")(new)
            await first("a")
            data = redis_server.client().get(f"{namespace}:d:{first.key('a')}")
            assert data
            assert type(await second("a")) is Wide
            assert type(await first("a")) is Narrow

    asyncio.run(scenario())


def test_as_type_rebuilds_what_was_put_in_by_hand(redis_server, namespace):
    """In a process that never saw it; without it, a class that nobody registered is not built."""

    async def scenario():
        async with caches(redis_server, redis_server, namespace=namespace) as (one, two):
            user = await typedkit.user("Ada")
            await one.set("user", user)
            await one.set("as a dict", user.model_dump(mode="json"))
            assert await two.get("user", as_type=typedkit.User) == user
            assert await two.get("as a dict", as_type=typedkit.User) == user
            assert await two.get("user", MISS, as_type=typedkit.Order) is MISS
            assert (await two.get_many(["user"], as_type=typedkit.User)) == {"user": user}

    asyncio.run(scenario())
