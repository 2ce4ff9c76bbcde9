"""More faults that a review found."""

import asyncio
import datetime as dt

import numpy as np
import orjson
import pydantic
import pytest
from processes import HOST, free_port
from rediskit import caches, figures

from askonce.backends.redis.address import parse_address
from askonce.backends.redis.cache import GenericRedisCache
from askonce.codec.shapes import NO_SHAPE, Shape
from askonce.codec.values import Kind, decode, encode
from askonce.exceptions import CodecError, ConfigurationError


class Event(pydantic.BaseModel):
    at: dt.datetime


class Counts(pydantic.BaseModel):
    by_name: dict[str, int]


def document(root, header=()):
    text = orjson.dumps([list(header), root])
    return len(text).to_bytes(4, "big") + text


@pytest.mark.parametrize("dtype", ["|S0", "<U0"])
def test_an_array_of_texts_without_characters_allocates_nothing(dtype):
    """A few bytes would become gigabytes."""
    np.dtype(dtype)  # it is one
    with pytest.raises(CodecError, match="another size"):
        decode(Kind.TAGGED, document(["na", 0, dtype, [10**4]]), NO_SHAPE)


@pytest.mark.parametrize("kind", ["S", "fs", "d", "od", "ct"])
def test_keys_that_were_made_to_have_one_hash_are_refused(kind):
    """To compare each with all would stop the process for hours."""
    keys = [["i", f"{number * (2**61 - 1):x}"] for number in range(20, 400)]
    with pytest.raises(CodecError, match="same hash"):
        decode(Kind.TAGGED, document([kind, *keys]), NO_SHAPE)


def test_many_keys_of_usual_hashes_are_read():
    """Also such as -1 and -2, whose hashes are the same."""
    value = {(x, y): 1 for x in range(-30, 30) for y in range(-30, 30)}
    assert decode(*encode(value, NO_SHAPE), NO_SHAPE) == value


@pytest.mark.parametrize("name", ["x" * 2000, "a:b\nforged line"])
def test_a_name_that_no_class_has_is_not_shown(name):
    with pytest.raises(CodecError, match="none is called") as caught:
        decode(Kind.TAGGED, document(None, [[name]]), NO_SHAPE)
    assert name not in str(caught.value)


@pytest.mark.parametrize("text", ["2026-01-01T00:00:00Z", "2026-01-01T00:00:00-05:30"])
def test_times_that_pydantic_parsed_are_stored_with_their_zones(text):
    """Most models with times have such ones."""
    event = Event.model_validate({"at": text})
    again = decode(*encode(event, Shape.of(Event)), Shape.of(Event))
    assert again == event
    assert repr(again) == repr(event)


def test_a_refused_model_does_not_show_the_keys_of_its_dictionaries():
    payload = document(
        ["@", 0, None, None, None, {"secret": "no number"}], [[f"{__name__}:Counts", "by_name"]]
    )
    with pytest.raises(CodecError, match=r"ValidationError at by_name\)") as caught:
        decode(Kind.TAGGED, payload, Shape.of(Counts))
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "redis://user:12/hidden@host:6379/0",
        "redis://user:12#hidden@host",
        "redis://:12?hidden=x@host",
        "redis+sentinel://user:12/hidden@host/name",
        "redis://host/0?pass=hidden",
    ],
)
def test_a_password_that_is_not_written_as_urls_want_it_is_refused_and_not_shown(url):
    with pytest.raises(ConfigurationError) as caught:
        parse_address(url)
    assert "hidden" not in str(caught.value)


def test_a_cache_that_is_disabled_is_no_error_and_has_nothing(redis_server, namespace):
    """Redis is not asked."""

    async def scenario():
        async with caches(redis_server, redis_server, namespace=namespace, raise_errors=True) as (one, other):
            await other.set("key", 1)
            one.enabled = False
            assert await one.get("key", "default") == "default"
            assert await one.get_many(["key"]) == {}
            assert await one.get_or_set("key", lambda: 2) == 2
            assert not await one.exists("key")
            assert figures(one)["failures"] == 0

    asyncio.run(scenario())


class Unknown:
    """Nothing that can be stored elsewhere."""


def test_a_value_that_only_memory_has_can_be_touched(redis_server, namespace):
    """As one of a memory cache; it does not leave."""

    async def scenario():
        async with caches(redis_server, namespace=namespace, l1_ttl=1000) as cache:
            value = Unknown()
            assert not await cache.set("key", value, 10)
            assert await cache.touch("key", 2000)
            assert await cache.get("key") is value
            left = await cache.engine_store().get_ttl("key")
            assert 10 < left <= 1000

    asyncio.run(scenario())


def test_a_value_is_touched_in_memory_while_redis_is_away(namespace):
    async def scenario():
        async with GenericRedisCache(f"redis://{HOST}:{free_port()}", namespace=namespace) as cache:
            await cache.set("key", 1, 10)
            assert await cache.touch("key", 50)
            assert await cache.get("key") == 1
            assert await cache.get_ttl("key") > 10

    asyncio.run(scenario())
