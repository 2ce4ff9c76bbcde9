"""What the log says of Redis: what happened and where, at a bounded rate, and never a key or a value."""

import asyncio
import dataclasses

import pytest
from patience import until_async
from processes import HOST, free_port
from rediskit import GenericRedisCache, caches, figures

from askonce import BackendError, cached
from askonce.backends.redis.link import checked
from askonce.security import SecurityConfig

KEY = "alice@example.com:session"


@dataclasses.dataclass
class Unknown:
    """Nobody registered it."""

    a: int


def events(caplog, name):
    return [record for record in caplog.records if getattr(record, "event", None) == name]


def test_an_answer_that_redis_cannot_take_is_named_once_with_the_way_out(redis_server, namespace, caplog):
    """It stays in memory; the line names the function."""

    async def scenario():
        async with caches(redis_server, namespace=namespace) as cache:

            @cached(cache=cache, name="reports.daily")
            async def report(day):
                return object()

            for day in range(3):
                await report(day)
            assert figures(cache)["unencodable"] == 3

    asyncio.run(scenario())
    [line] = events(caplog, "value_not_encodable")
    assert line.function == "reports.daily"
    assert "Return" in line.reason


@pytest.mark.parametrize("event", ["value_not_encodable", "value_not_decodable"])
def test_keys_given_by_hand_are_not_in_the_log(redis_server, namespace, caplog, event):
    """They may hold anything: names, addresses, prompts."""

    async def scenario():
        async with caches(redis_server, namespace=namespace) as cache:
            if event == "value_not_encodable":
                await cache.set(KEY, object())
            else:
                await cache.set(KEY, Unknown(1))
                cache.engine_store().drop_all_copies()
                assert await cache.get(KEY) is None

    asyncio.run(scenario())
    [line] = events(caplog, event)
    assert line.function == "by hand"
    assert "alice" not in caplog.text


def test_an_outage_is_two_lines_however_long_it_lasts(fresh_server, namespace, caplog):
    """One when Redis goes, one when it is back."""
    caplog.set_level("INFO", "askonce")

    async def scenario():
        async with caches(fresh_server, namespace=namespace) as cache:
            fresh_server.kill()
            await until_async(lambda: figures(cache)["state"] == "away")
            for _ in range(5):
                assert await cache.get("a") is None
            fresh_server.launch()
            await until_async(lambda: figures(cache)["state"] == "connected")

    asyncio.run(scenario())
    assert [record.event for record in caplog.records if record.event.startswith("redis_")] == [
        "redis_unavailable",
        "redis_back",
    ]


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("redis://localhost:{free}", "connecting to localhost:{free}"),
        ("redis://me:secret@{server}", "AuthenticationError: invalid username-password pair"),
        ("redis://{server}/999", "DB index is out of range"),
        ("redis+cluster://{server}", "is it a cluster?"),
        ("rediss://{server}", "a-file-that-is-not-there"),
    ],
)
def test_a_cache_that_cannot_connect_says_why(redis_server, namespace, caplog, url, reason):
    """In the log, in the figures, and in what is raised by hand: enough to mend it, and no password."""
    places = {"server": f"{HOST}:{redis_server.port}", "free": free_port()}
    security = SecurityConfig(ca_file="a-file-that-is-not-there") if url.startswith("rediss") else None

    async def scenario():
        cache = GenericRedisCache(
            url.format(**places), namespace=namespace, security_config=security, raise_errors=True
        )
        with pytest.raises(BackendError) as raised:
            await cache.get("key")
        said = [str(raised.value), figures(cache)["reason"], events(caplog, "redis_unavailable")[0].reason]
        await cache.disconnect()
        for text in said:
            assert reason.format(**places) in text
            assert "secret" not in text

    asyncio.run(scenario())


@pytest.mark.parametrize("quoted", [b"`HELLO`, with args beginning with: `3`, `AUTH`, `me`, `sec", b"secret"])
def test_a_server_that_quotes_the_login_does_not_bring_it_into_the_log(namespace, caplog, quoted):
    """Servers before Redis 6 answer with the beginning of what they do not know."""

    async def refuse(reader, writer):
        await reader.read(1)
        writer.write(b"-ERR unknown command " + quoted + b"\r\n")
        await reader.read()
        writer.close()

    async def scenario():
        server = await asyncio.start_server(refuse, HOST, 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            cache = GenericRedisCache(f"redis://me:secret@{HOST}:{port}", namespace=namespace)
            await cache.connect()
            reason = figures(cache)["reason"]
            await cache.disconnect()
        assert "unknown command" in reason
        assert "sec" not in reason + caplog.text

    asyncio.run(scenario())


def test_a_user_that_may_not_do_what_it_takes_is_told_what(fresh_server, namespace, caplog):
    """The command, or that it is the keys; the names of keys are not in the log."""
    for name, rights in {"few": f"~{namespace}:* +ping", "elsewhere": "~other:* &* +@all"}.items():
        fresh_server.client().execute_command("ACL", "SETUSER", name, "on", ">pw", *rights.split())
    reasons = {}

    async def scenario(user):
        url = f"redis://{user}:pw@{HOST}:{fresh_server.port}"
        async with caches(url, patient=False, namespace=namespace) as cache:
            await cache.get(KEY)
            reasons[user] = [line.reason for line in caplog.records if line.event.startswith("redis_")][-1]

    for user in ("few", "elsewhere"):
        asyncio.run(scenario(user))
    assert "this user may not run time" in reasons["few"]
    assert "this user may not use these keys" in reasons["elsewhere"]
    assert "alice" not in caplog.text


def test_a_service_that_forbids_tracking_is_told_of_the_other_feed(fresh_server, namespace):
    """Some managed services do; with publish/subscribe they will do."""
    rights = "on >pw ~* &* +@all -client|tracking"
    fresh_server.client().execute_command("ACL", "SETUSER", "managed", *rights.split())
    url = f"redis://managed:pw@{HOST}:{fresh_server.port}"

    async def reason(feed):
        async with caches(url, patient=feed == "pubsub", namespace=namespace, feed=feed) as cache:
            return figures(cache)["reason"]

    assert 'feed="pubsub"' in asyncio.run(reason("tracking"))
    assert asyncio.run(reason("pubsub")) is None


@pytest.mark.parametrize("mark", "'`")
def test_a_command_that_a_server_does_not_know_is_named_and_what_it_is_about_is_not(mark):
    """Old servers, and those on which it was renamed, quote keys along with it."""
    reply = Exception(f"ERR unknown command {mark}EVAL{mark}, with args beginning with: {mark}alice{mark}")
    with pytest.raises(BackendError, match="does not know EVAL$") as refused:
        checked(reply)
    assert "alice" not in str(refused.value)
