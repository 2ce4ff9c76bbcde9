"""``SecurityConfig`` against servers that insist on it."""

import asyncio
import logging

import pytest
from certificates import KEY_PASSWORD
from patience import until_async
from rediskit import GenericRedisCache, caches, figures

from askonce import FOREVER, MISS, BackendError, cached
from askonce.security import SecurityConfig, generate_key

SECRET = "hunter2-do-not-show"

RULE = (
    "+ping +info +time +client|tracking +client|kill +getrange +get +set +unlink +del +eval +evalsha +type "
    "+pttl +pexpire +persist"
)
"""All that a cache needs at one server, beside its keys; a channel more where writers publish the news."""


async def works(url, namespace, **options):
    """Whether a cache can be used: it says so, and Redis has the value."""
    async with GenericRedisCache(url, namespace=namespace, **options) as cache:
        stored = await cache.set("key", 1, tags=["tag"])
        return stored and figures(cache)["state"] == "connected"


def test_tls_with_an_authority_of_ones_own(redis_tls, certificates, namespace):
    """Named by ``ca_file``; the URL or ``use_tls`` ask for TLS."""

    async def scenario():
        for url, options in (
            (redis_tls.url, {}),
            (redis_tls.url.replace("rediss", "redis"), {"use_tls": True}),
        ):
            config = SecurityConfig(ca_file=certificates.ca, **options)
            assert await works(url, namespace, security_config=config)

    asyncio.run(scenario())


def test_a_server_that_the_authority_does_not_vouch_for_gets_nothing(
    redis_tls, wrong_certificates, start_tls_server, certificates, tmp_path, namespace
):
    """The wrong authority, none at all, and the wrong name; unless that is what was asked for."""
    from certificates import Certificates

    other_host = Certificates.make(tmp_path, host="elsewhere.example")
    stranger = start_tls_server(other_host)

    async def scenario():
        wrong = SecurityConfig(ca_file=wrong_certificates.ca)
        assert not await works(redis_tls.url, namespace, security_config=wrong)
        assert not await works(redis_tls.url, namespace)
        assert redis_tls.client().keys(f"{namespace}:*") == []
        strict = SecurityConfig(ca_file=other_host.ca)
        assert not await works(stranger.url, namespace, security_config=strict)
        chain = SecurityConfig(ca_file=other_host.ca, verify="chain")
        assert await works(stranger.url, namespace, security_config=chain)
        assert await works(stranger.url, namespace, security_config=SecurityConfig(verify=False))

    asyncio.run(scenario())


def test_a_server_that_wants_a_certificate_gets_ones_own(redis_mutual_tls, certificates, namespace):
    """Also where its key is locked; without one nothing works."""
    own = certificates.client

    async def scenario():
        url = redis_mutual_tls.url
        for key in ({"key_file": own.key}, {"key_file": own.locked_key, "key_password": KEY_PASSWORD}):
            config = SecurityConfig(ca_file=certificates.ca, cert_file=own.cert, **key)
            assert await works(url, namespace, security_config=config)
        assert not await works(url, namespace, security_config=SecurityConfig(ca_file=certificates.ca))

    asyncio.run(scenario())


def test_plain_redis_is_not_spoken_to_a_server_with_tls(redis_tls, namespace):
    """It fails as any other server that is not there, and the cache goes on in memory."""

    async def scenario():
        cache = GenericRedisCache(redis_tls.url.replace("rediss", "redis"), namespace=namespace, timeout=0.3)
        async with cache:
            assert await cache.set("key", 1) is False
            assert await cache.get("key") == 1

    asyncio.run(scenario())


@pytest.fixture(scope="module")
def guarded():
    """A server that knows one user, who may do what a cache needs and nothing else."""
    from servers import Server

    lines = [
        "user default off",
        f"user app on >{SECRET} ~app:* resetchannels {RULE}",
        f"user feeder on >{SECRET} ~app:* resetchannels &app:feed {RULE} +subscribe +publish",
    ]
    with Server.start(acl=lines) as server:
        yield server


async def all_of_it(one, two):
    """Everything that a cache does."""

    @cached(cache=one, name="f", tags=["tag"], single_flight="cluster")
    async def compute(word):
        return word

    assert await compute("a") == "a" == await two.get(compute.key("a"))
    assert await one.set("key", 1, tags=["tag"], ttl=10)
    assert await one.set("key", 2, tags=["tag"], ttl=10**7)
    assert await two.get("key") == 2
    assert await two.touch("key", 10**8)
    assert await two.get_ttl("key") > 9 * 10**7
    assert await one.set("for ever", 2, tags=["tag"], ttl=FOREVER)
    await two.invalidate_tags("tag")
    assert await compute.refresh("a") == "a"
    await compute.invalidate("a")
    assert await one.set("key", 3)
    assert await two.delete("key")
    await two.clear()
    await compute("a")
    for cache in (one, two):
        await cache.exists("all that was sent before is answered by now")
    assert figures(one)["failures"] == figures(two)["failures"] == 0


async def comes_back(server, cache, user):
    """A connection is lost, and the next one has to end what that may still write."""
    connections = {each["id"] for each in server.client().client_list() if each["user"] == user}
    server.client().client_kill_filter(_id=min(connections, key=int))
    await until_async(lambda: is_back(server, cache, user, connections))


def is_back(server, cache, user, before):
    now = {each["id"] for each in server.client().client_list() if each["user"] == user}
    return len(now - before) == 1 and len(now) == len(before) and figures(cache)["state"] == "connected"


@pytest.mark.parametrize(("user", "feed"), [("app", "tracking"), ("feeder", "pubsub")])
def test_a_user_with_the_least_rights_is_enough(guarded, user, feed):
    """For all that a cache does; the server refused nothing."""

    async def scenario():
        guarded.client().acl_log_reset()
        config = SecurityConfig(username=user, password=SECRET)
        options = {"namespace": "app", "feed": feed, "heartbeat": 0.02, "lease_ttl": 0.1}
        async with caches(guarded.url, guarded.url, security_config=config, **options) as both:
            await all_of_it(*both)
            await comes_back(guarded, both[0], user)
        assert [entry["object"] for entry in guarded.client().acl_log()] == []

    asyncio.run(scenario())


def test_each_of_these_rights_is_needed(guarded):
    """Without any one of the commands something is refused, so that the rule is no longer than it must be."""
    client = guarded.client()

    async def refused(missing):
        rights = [right for right in RULE.split() if right != missing]
        client.acl_setuser("less", enabled=True, reset=True, passwords=[f"+{SECRET}"], keys=["app:*"],
                           commands=rights)  # fmt: skip
        client.acl_log_reset()
        config = SecurityConfig(username="less", password=SECRET)
        options = {"namespace": "app", "lease_ttl": 0.05, "security_config": config, "timeout": 0.2}
        try:
            async with caches(guarded.url, guarded.url, patient=False, **options) as both:
                await all_of_it(*both)
                await comes_back(guarded, both[0], "less")
        except AssertionError:
            return True
        return bool(client.acl_log())

    needless = [right for right in RULE.split() if not asyncio.run(refused(right))]
    assert needless == []


def test_a_namespace_that_the_user_may_not_touch_is_no_reason_to_raise(guarded):
    """Functions answer; figures and health say why nothing is shared."""

    async def scenario():
        config = SecurityConfig(username="app", password=SECRET)
        async with GenericRedisCache(guarded.url, namespace="other", security_config=config) as cache:

            @cached(cache=cache, name="f")
            async def compute(word):
                return word

            assert await compute("a") == "a"
            assert await cache.set("key", 1) is False
            assert await cache.get("key") == 1
            assert figures(cache)["failures"] > 0

    asyncio.run(scenario())


def urls(server):
    yield server.url_as("app", SECRET), None
    yield server.url, SecurityConfig(username="app", password=SECRET)
    yield server.url_as("app", "wrong"), SecurityConfig(username="app", password=SECRET)
    yield server.url + f"?username=app&password={SECRET}", None


def test_a_login_stands_in_the_url_or_in_the_security_config(guarded):
    """The latter goes before; without one, or with a wrong one, nobody is let in."""

    async def scenario():
        for url, config in urls(guarded):
            assert await works(url, "app", security_config=config), url
        for url in (guarded.url, guarded.url_as("app", "wrong"), guarded.url_as("nobody", SECRET)):
            assert not await works(url, "app")

    asyncio.run(scenario())


def test_no_secret_shows_anywhere(guarded, caplog):
    """In ``repr``, figures, errors, tracebacks of errors and the log, also where logging in fails."""
    import traceback

    key = generate_key()
    shown = []
    caplog.set_level(logging.DEBUG)

    async def scenario():
        for user, url in (
            ("app", guarded.url_as("app", SECRET)),
            ("nobody", guarded.url_as("nobody", SECRET)),
        ):
            config = SecurityConfig(username=user, password=SECRET, encryption_keys=key)
            cache = GenericRedisCache(url, namespace="app", security_config=config, raise_errors=True)
            try:
                await cache.set("key", "a value of the user")
            except BackendError as error:
                shown.append("".join(traceback.format_exception(error)))
            shown.extend([repr(cache), str(cache.get_stats()), repr(config), repr(cache._tier.address)])
            await cache.disconnect()

    asyncio.run(scenario())
    assert len(shown) == 9
    shown.append(caplog.text)
    assert SECRET not in "".join(shown)
    assert key not in "".join(shown)


def test_what_is_encrypted_cannot_be_read_in_redis(redis_server, namespace):
    """Neither the value nor parts of it."""

    async def scenario():
        config = SecurityConfig(encryption_keys=generate_key())
        async with caches(redis_server, redis_server, namespace=namespace, security_config=config) as (
            one,
            two,
        ):
            await one.set("key", "a very private text")
            data = redis_server.client().get(f"{namespace}:d:key")
            assert b"private" not in data
            assert await two.get("key") == "a very private text"

    asyncio.run(scenario())


def test_keys_rotate(redis_server, namespace):
    """The new one encrypts, the old one still reads; once it is gone, what it encrypted is a miss."""
    old, new = generate_key(), generate_key()

    def with_keys(**keys):
        return caches(redis_server, namespace=namespace, security_config=SecurityConfig(encryption_keys=keys))

    async def scenario():
        async with with_keys(k1=old) as cache:
            await cache.set("old", 1)
        async with with_keys(k2=new, k1=old) as cache:
            assert await cache.get("old") == 1
            await cache.set("new", 2)
        async with with_keys(k2=new) as cache:
            assert await cache.get_many(["old", "new"]) == {"new": 2}
            assert figures(cache)["undecodable"] == 1
        async with with_keys(k1=old) as cache:
            assert await cache.get("new", MISS) is MISS

    asyncio.run(scenario())


def test_plain_values_are_not_believed_where_encrypted_ones_are_expected_nor_the_other_way(
    redis_server, namespace
):
    """Whoever may write to Redis could do without the key otherwise."""

    async def scenario():
        config = SecurityConfig(encryption_keys=generate_key())
        async with caches(redis_server, namespace=namespace) as plain:
            await plain.set("key", "forged")
            async with caches(redis_server, namespace=namespace, security_config=config) as secret:
                assert await secret.get("key", MISS) is MISS
                assert figures(secret)["undecodable"] == 1
                await secret.set("key", "true")
                assert await secret.get("key") == "true"
            assert await plain.get("key", MISS) is MISS

    asyncio.run(scenario())


def test_what_was_encrypted_for_one_key_or_namespace_counts_under_no_other(redis_server, namespace):
    """A copied frame is a miss."""
    client = redis_server.client()

    async def scenario():
        config = SecurityConfig(encryption_keys=generate_key())
        async with caches(redis_server, namespace=namespace, security_config=config) as cache:
            await cache.set("mine", "secret")
            data = client.get(f"{namespace}:d:mine")
            client.set(f"{namespace}:d:yours", data)
            client.set(f"{namespace}2:d:mine", data)
            client.set(f"{namespace}2:g", client.get(f"{namespace}:g"))
            assert await cache.get("yours", MISS) is MISS
        async with caches(redis_server, namespace=f"{namespace}2", security_config=config) as cache:
            assert await cache.get("mine", MISS) is MISS

    asyncio.run(scenario())


def test_what_the_server_refuses_to_be_told_stays_owed(start_server):
    """And does not keep the rest from being told."""
    server = start_server(acl=[f"user app on >{SECRET} ~app:g ~app:d:may resetchannels {RULE}"])

    async def scenario():
        config = SecurityConfig(username="app", password=SECRET)
        options = {"namespace": "app", "heartbeat": 0.05, "security_config": config}
        async with caches(server, **options) as cache:
            await cache.set("may", 1)
            for key in ("may not", "may"):
                cache.engine_store().remote.owe(key)
            await until_async(lambda: figures(cache)["owed"] == 1)
            cache.engine_store().drop_all_copies()
            assert await cache.get("may", MISS) is MISS
            server.client().acl_setuser("app", keys=["app:*"])
            await until_async(lambda: figures(cache)["owed"] == 0)

    asyncio.run(scenario())
