"""Addresses of servers: what each form means, and what is refused."""

import asyncio

import pytest
from rediskit import GenericRedisCache, caches, figures

from askonce import ConfigurationError
from askonce.backends.redis.address import masked, parse_address
from askonce.security import SecurityConfig

FORMS = {
    "redis://localhost": ("standalone", (), {"host": "localhost", "port": 6379}, False),
    "redis://h:1/3": ("standalone", (), {"host": "h", "port": 1, "db": 3}, False),
    "redis://me:p%40ss@h": (
        "standalone", (), {"host": "h", "port": 6379, "username": "me", "password": "p@ss"}, False,
    ),
    "rediss://h:2": ("standalone", (), {"host": "h", "port": 2}, True),
    "redis://[::1]:7": ("standalone", (), {"host": "::1", "port": 7}, False),
    "unix:///a/s.sock?db=2": ("standalone", (), {"path": "/a/s.sock", "db": 2}, False),
    "redis+cluster://a:1,b": ("cluster", (("a", 1), ("b", 6379)), {}, False),
    "rediss+cluster://me:x@a:1": ("cluster", (("a", 1),), {"username": "me", "password": "x"}, True),
    "redis+sentinel://a:1,b/mine/4": ("sentinel", (("a", 1), ("b", 26379)), {"db": 4}, False),
    "redis+sentinel://:x@a/mine": ("sentinel", (("a", 26379),), {"db": 0, "password": "x"}, False),
}  # fmt: skip


@pytest.mark.parametrize("url", FORMS)
def test_each_form_says_where_the_servers_are(url):
    """Hosts, ports, database, login and TLS; ports that are left out are the usual ones."""
    address = parse_address(url)
    assert (address.topology, address.nodes, address.options, address.tls) == FORMS[url]
    assert address.service == ("mine" if address.topology == "sentinel" else "")


@pytest.mark.parametrize(
    "url",
    [
        "", "localhost", "http://h", "redis:", "redis://", "redis+other://h", "unix+cluster:///s", "redis://h:port",
        "redis://[::1", "redis+cluster://", "redis+cluster://a:1/3", "redis+sentinel://a:1", "redis://h?timeout=3",
        "redis+sentinel://a/mine/x", "redis://h/x", "redis://h/-1", "redis://h/0/1", b"redis://h", None,
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused_with_the_forms_that_are(url):
    """At once, when the cache is made."""
    if url == "redis://":
        assert parse_address("redis://localhost").options["host"] == "localhost"
        return
    with pytest.raises(ConfigurationError, match=r"redis_url"):
        GenericRedisCache(url)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://me:secret@h:1/2", "redis://me:***@h:1/2"),
        ("redis://:secret@h", "redis://:***@h"),
        ("redis+cluster://me:secret@a:1,b:2", "redis+cluster://me:***@a:1,b:2"),
        ("unix:///s?password=secret&db=1", "unix:///s?password=***&db=1"),
        ("redis://h?PassWord=secret", "redis://h?PassWord=***"),
        ("redis://me:sec@ret@h", "redis://me:***@h"),
        ("redis://me:secret@[bad", "redis://me:***@[bad"),
        ("redis://me:sec/ret@h", "redis://me:***@h"),
        ("redis://me:sec#ret@h/1", "redis://me:***@h/1"),
        ("redis://:sec?ret@h", "redis://:***@h"),
        ("redis://h?password=sec@ret", "redis://h:***@ret"),
        ("redis://h?pass%77ord=secret", "redis://h?pass%77ord=***"),
        ("me:secret@h", "me:***@h"),
        ("redis://me@h", "redis://me@h"),
    ],
)
def test_passwords_are_masked(url, shown):
    """Wherever they stand, also where the rest cannot be read."""
    assert masked(url) == shown


@pytest.mark.parametrize("sign", "/?#[]@:% ")
def test_no_error_shows_a_password_whatever_signs_it_has(sign):
    """One that should have been escaped makes the URL mean something else."""
    for form in ("redis://me:hun{}ter2@h:6379x", "redis+sentinel://me:hun{}ter2@h", "other://me:hun{}ter2@h"):
        with pytest.raises(ConfigurationError) as refused:
            GenericRedisCache(form.format(sign))
        for part in ("hun", "ter2"):
            assert part not in str(refused.value)


def test_a_login_of_the_security_config_goes_before_that_of_the_url():
    """User and password together: a mixture of both would be nobody's."""
    options = parse_address("redis://me:one@h", SecurityConfig(password="two")).options
    assert options["password"] == "two"
    assert "username" not in options


@pytest.mark.parametrize("database", [1, 15])
def test_databases_are_kept_apart(redis_server, namespace, database):
    """And the invalidations in one are heard of in it."""

    async def scenario():
        async with caches(redis_server.url, f"{redis_server.url}/{database}", namespace=namespace) as (
            zero,
            other,
        ):
            await zero.set("key", 0)
            await other.set("key", 1)
            assert (await zero.get("key"), await other.get("key")) == (0, 1)
            assert redis_server.client(db=database).exists(f"{namespace}:d:key")
            await other.delete("key")
            assert await zero.get("key") == 0

    asyncio.run(scenario())


def test_one_node_of_a_cluster_leads_to_all(redis_cluster, namespace):
    """Also where others of those named are not there."""
    from processes import free_port

    async def scenario():
        node = redis_cluster.masters[1].address
        url = f"redis+cluster://127.0.0.1:{free_port()},{node}"
        async with caches(url, namespace=namespace) as cache:
            values = {f"key {number}": number for number in range(30)}
            assert await cache.set_many(values)
            owners = {redis_cluster.owner(f"{namespace}:d:{name}") for name in values}
            assert len(owners) == 3
            cache.engine_store().drop_all_copies()
            assert await cache.get_many(values) == values

    asyncio.run(scenario())


def test_figures_say_what_happened(redis_server, namespace):
    """Hits and misses of both tiers together, each look-up once; the figures of Redis by themselves."""

    async def scenario():
        async with caches(redis_server, redis_server, namespace=namespace) as (ours, theirs):
            assert ours.get_stats()["hit_ratio"] == 0.0
            await theirs.set("key", 1)
            for key in ("key", "key", "key", "none"):
                await ours.get(key)
            stats = ours.get_stats()
            assert (stats["hits"], stats["misses"], stats["hit_ratio"]) == (3, 1, 0.75)
            redis = figures(ours)
            assert (redis["hits"], redis["misses"], redis["writes"]) == (1, 1, 0)
            assert figures(theirs)["writes"] == 1
            assert (redis["state"], redis["feed"], redis["reason"]) == ("connected", "heard", None)
        assert figures(ours)["state"] == "not connected"

    asyncio.run(scenario())
