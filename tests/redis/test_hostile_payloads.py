"""Whatever stands under our keys in Redis: at worst a miss and a counter, and the next answer repairs it."""

import asyncio
import pickle
import secrets

import brotli
import pytest
from patience import until_async
from rediskit import caches, figures, has_copy

from askonce import MISS, cached
from askonce.codec.frame import Framing, Stamps, tombstone
from askonce.codec.values import Kind


class Bomb:
    """What pickle would run."""

    exploded = []

    def __reduce__(self):
        return Bomb.exploded.append, ("bang",)


def framed(place, payload, *, kind=Kind.TEXT, generation=bytes(8), tags=(), limit=1 << 24, **stamps):
    framing = Framing(max_value_bytes=limit, threshold=1 << 30, level=4)
    times = Stamps(0, 2**64 - 1)._replace(**stamps)
    return framing.pack(place, kind, payload, times, generation, tags)


def changed(data, at, value):
    return data[:at] + value + data[at + len(value) :]


# By name: what stands under the key, made of a good frame of it, with the generation that counts.
PAYLOADS = {
    "pickle": lambda good, place, gen: pickle.dumps(Bomb()),
    "pickle in a frame": lambda good, place, gen: framed(
        place, pickle.dumps(Bomb()), kind=Kind.TAGGED, generation=gen
    ),
    "one byte": lambda good, place, gen: b"\xa5",
    "the magic alone": lambda good, place, gen: good[:3],
    "random": lambda good, place, gen: secrets.token_bytes(300),
    "zeros": lambda good, place, gen: bytes(1000),
    "cut off": lambda good, place, gen: good[:-1],
    "with a tail": lambda good, place, gen: good + b"x",
    "a flipped bit": lambda good, place, gen: good[:-12] + bytes([good[-12] ^ 1]) + good[-11:],
    "of a later version": lambda good, place, gen: changed(good, 2, b"\x02"),
    "of another form": lambda good, place, gen: changed(good, 3, b"\x07"),
    "of another key": lambda good, place, gen: framed(place + b"x", b"wrong", generation=gen),
    "of another namespace": lambda good, place, gen: framed(b"x" + place, b"wrong", generation=gen),
    "of an unknown kind": lambda good, place, gen: framed(place, b"wrong", kind=77, generation=gen),
    "no JSON": lambda good, place, gen: framed(place, b"{", kind=Kind.JSON, generation=gen),
    "JSON too deep": lambda good, place, gen: framed(
        place, b"[" * 100_000 + b"]" * 100_000, kind=Kind.JSON, generation=gen
    ),
    "of a type that nobody allowed": lambda good, place, gen: framed(
        place, b'{"!":"os.system","x":["true"]}', kind=Kind.TAGGED, generation=gen
    ),
    "with ten thousand tags": lambda good, place, gen: changed(good, 25, b"\xff\xff"),
    "declares 4 GB": lambda good, place, gen: changed(good, 31, b"\xff\xff\xff\xff"),
    "expired": lambda good, place, gen: framed(place, b"wrong", generation=gen, fresh=1),
    "of another generation": lambda good, place, gen: framed(place, b"wrong", generation=b"x" * 8),
    "with a tag that was never made": lambda good, place, gen: framed(
        place, b"wrong", generation=gen, tags=[("nobody", b"x" * 8)]
    ),
    "a tombstone and more": lambda good, place, gen: tombstone() + b"x",
    "a bomb": lambda good, place, gen: bomb(place, gen),
    "a lying bomb": lambda good, place, gen: changed(bomb(place, gen), 31, (1000).to_bytes(4, "big")),
}


LOOKS_WELL = {
    "pickle in a frame", "of an unknown kind", "no JSON", "JSON too deep", "of a type that nobody allowed",
    "a bomb", "a lying bomb",
}  # fmt: skip
"""With a right checksum: only whoever wants the value itself sees that there is none."""


def bomb(place, generation):
    """A few hundred bytes that inflate to 64 MB, with a checksum that is right."""
    from xxhash import xxh3_64_digest

    packed = brotli.compress(bytes(64 << 20), quality=5)
    frame = framed(place, packed, generation=generation)
    head = changed(changed(frame[:-8], 21, b"\x01"), 31, (64 << 20).to_bytes(4, "big"))
    return head + xxh3_64_digest(head)


@pytest.mark.parametrize("name", PAYLOADS)
def test_what_cannot_be_believed_is_a_miss_and_replaced_by_the_next_answer(redis_server, namespace, name):
    """By hand and by a decorated function, and no class is built of it."""
    client = redis_server.client()

    async def scenario():
        async with caches(redis_server, redis_server, namespace=namespace) as (ours, theirs):
            await spoil(ours, client, namespace, "key", name)
            assert await theirs.get("key", MISS) is MISS
            if name not in LOOKS_WELL:
                assert await theirs.get_ttl("key") is None
                assert await theirs.touch("key") is False
            assert await theirs.set("key", "mended") is True
            assert await ours.get("key") == "mended"

            @cached(cache=theirs, name="f")
            async def compute() -> str:
                return "computed"

            bad = await spoil(ours, client, namespace, compute.key(), name)
            assert await compute() == "computed"
            assert client.get(f"{namespace}:d:{compute.key()}") != bad
            assert await ours.get(compute.key()) == "computed"
            assert figures(theirs)["state"] == "connected"
            assert figures(theirs)["failures"] == 0

    asyncio.run(scenario())
    assert Bomb.exploded == []


async def spoil(cache, client, namespace, key, name):
    """Put something where a good value was; answer what."""
    place = f"{namespace}:d:{key}".encode()
    await cache.set(key, "good")
    bad = PAYLOADS[name](client.get(place), place, client.get(f"{namespace}:g"))
    client.set(place, bad)
    await cache.exists("a key that nobody has")  # and has heard of it
    return bad


UNBELIEVABLE = [name for name in PAYLOADS if not name.startswith(("expired", "of another gen", "with a tag"))]


@pytest.mark.parametrize("name", UNBELIEVABLE)
def test_what_cannot_be_read_is_counted(redis_server, namespace, name):
    """Once for each look."""
    client = redis_server.client()

    async def scenario():
        async with caches(redis_server, namespace=namespace) as cache:
            await spoil(cache, client, namespace, "key", name)
            before = figures(cache)["undecodable"]
            assert await cache.get("key", MISS) is MISS
            assert figures(cache)["undecodable"] == before + 1

    asyncio.run(scenario())


def test_a_bomb_costs_no_memory(redis_server, namespace):
    """64 MB in a few hundred bytes are not unpacked."""
    import tracemalloc

    client = redis_server.client()

    async def scenario():
        async with caches(redis_server, namespace=namespace, max_value_bytes=1 << 20) as cache:
            await spoil(cache, client, namespace, "key", "a bomb")
            tracemalloc.start()
            assert await cache.get("key", MISS) is MISS
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            assert peak < 4 << 20

    asyncio.run(scenario())


WRONG_TYPES = {
    "list": lambda client, name: client.rpush(name, b"x" * 8),
    "hash": lambda client, name: client.hset(name, "a", "b"),
    "set": lambda client, name: client.sadd(name, "a"),
    "stream": lambda client, name: client.xadd(name, {"a": "b"}),
}


@pytest.mark.parametrize("kind", WRONG_TYPES)
def test_a_key_of_another_type_is_a_miss_until_it_is_replaced(redis_server, namespace, kind):
    """Functions answer all the same; what is put in by hand takes its place, and so does an invalidation."""
    client = redis_server.client()

    async def scenario():
        async with caches(redis_server, redis_server, namespace=namespace) as (ours, theirs):

            @cached(cache=ours, name="f")
            async def compute(word):
                return word

            for name in ("key", "gone", compute.key("a")):
                WRONG_TYPES[kind](client, f"{namespace}:d:{name}")
            assert await compute("a") == "a"
            assert await ours.get("key", MISS) is MISS
            assert await ours.touch("key") is False
            assert await ours.get_ttl("key") is None
            assert await ours.set("key", 1) is True
            assert await ours.delete("gone") is False
            assert await ours.set("gone", 2) is True
            assert await theirs.get_many(["key", "gone"]) == {"key": 1, "gone": 2}
            await compute.invalidate("a")
            assert await compute("a") == "a"
            assert await theirs.get(compute.key("a")) == "a"
            assert figures(ours)["state"] == "connected"

    asyncio.run(scenario())


TOKENS = {
    "too short": lambda client, name: client.set(name, b"short"),
    "too long": lambda client, name: client.set(name, b"x" * 9),
    "empty": lambda client, name: client.set(name, b""),
    "huge": lambda client, name: client.set(name, b"x" * 1_000_000),
    **WRONG_TYPES,
}


@pytest.mark.parametrize("kind", TOKENS)
def test_a_tag_whose_token_cannot_be_read_makes_nothing_count_and_heals_by_being_invalidated(
    redis_server, namespace, kind
):
    """An entry with that tag is never served from Redis; after ``invalidate_tags`` it is as ever."""
    client = redis_server.client()

    async def scenario():
        async with caches(redis_server, redis_server, namespace=namespace) as (ours, theirs):
            await ours.set("old", 1, tags=["tag"])
            client.delete(f"{namespace}:t:tag")
            TOKENS[kind](client, f"{namespace}:t:tag")

            @cached(cache=theirs, name="f", tags=["tag"])
            async def compute(word):
                return word

            assert await theirs.get("old", MISS) is MISS
            assert await compute("a") == "a"
            await theirs.set("new", 2, tags=["tag"])
            await theirs.invalidate_tags("tag")
            assert await ours.get_many(["old", "new"]) == {}
            assert await theirs.set("new", 3, tags=["tag"]) is True
            assert await ours.get("new") == 3
            assert await compute("a") == "a"
            assert figures(theirs)["state"] == "connected"

    asyncio.run(scenario())


@pytest.mark.parametrize("kind", TOKENS)
def test_a_generation_that_cannot_be_read_makes_nothing_count_and_heals_by_clearing(
    redis_server, namespace, kind
):
    """Functions answer from memory meanwhile."""
    client = redis_server.client()

    async def scenario():
        async with caches(redis_server, redis_server, namespace=namespace) as (ours, theirs):
            await ours.set("old", 1)
            client.delete(f"{namespace}:g")
            TOKENS[kind](client, f"{namespace}:g")
            made = []

            @cached(cache=theirs, name="f")
            async def compute(word):
                made.append(word)
                return word

            assert await theirs.get("old", MISS) is MISS
            assert await compute("a") == "a"
            await theirs.clear()
            assert await ours.get("old", MISS) is MISS
            assert await theirs.set("new", 3) is True
            assert await ours.get("new") == 3
            assert figures(theirs)["state"] == "connected"

    asyncio.run(scenario())


def test_garbage_on_the_channel_of_news_is_no_error(redis_server, namespace):
    """Anybody may publish; at worst copies are dropped."""
    client = redis_server.client()

    async def scenario():
        async with caches(redis_server, namespace=namespace, feed="pubsub") as cache:
            await cache.set("key", 1)
            for message in (b"", b"k", b"k12345678", b"k12345678\xff\xff\xff\xff", b"k12345678\0\0\0\1\xff",
                            b"t12345678\0\0\0\2x", b"?12345678", secrets.token_bytes(50)):  # fmt: skip
                assert client.publish(f"{namespace}:feed", message) == 1
            client.publish(f"{namespace}:feed", b"k12345678\0\0\0\3key")
            await until_async(lambda: not has_copy(cache, "key"))
            assert await cache.get("key") == 1
            assert figures(cache)["state"] == "connected"
            assert figures(cache)["feed_losses"] == 0

    asyncio.run(scenario())


def test_foreign_keys_in_the_namespace_are_no_error(redis_server, namespace):
    """News of them, whatever bytes their names have, are passed over."""
    client = redis_server.client()

    async def scenario():
        async with caches(redis_server, namespace=namespace) as cache:
            await cache.set("key", 1)
            for tail in (b"", b"\xff\xfe", b"d:\xff\xfe", b"t:\xff", b"d:", b"t:", b"l:\xff", b"x" * 10_000):
                client.set(f"{namespace}:".encode() + tail, b"x")
            await cache.exists("a key that nobody has")
            assert await cache.get("key") == 1
            assert figures(cache)["state"] == "connected"
            assert figures(cache)["feed_losses"] == 0

    asyncio.run(scenario())
