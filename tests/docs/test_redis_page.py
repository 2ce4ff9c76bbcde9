"""What the page about Redis lists is what there is: options, figures, the rights of a user."""

import asyncio
import inspect
import re
import sys
from pathlib import Path

import pytest

from askonce import FOREVER, GenericRedisCache, cached

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "redis.md").read_text("utf-8")


def table(heading):
    """The names in the first column of the tables of one section."""
    section = PAGE[PAGE.index(f"\n## {heading}\n") :][1:].split("\n## ")[0]
    cells = re.findall(r"^\| (`.+?) \|", section, re.MULTILINE)
    return {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}


def test_every_option_is_listed():
    assert table("Options") == set(inspect.signature(GenericRedisCache).parameters)


def test_every_figure_is_listed():
    assert table("What to watch") == set(GenericRedisCache().get_stats()["redis"])


@pytest.fixture
def start_server():
    sys.path.insert(0, str(ROOT / "tests" / "redis"))
    try:
        from servers import NoServer, Server, server_binary
    finally:
        sys.path.pop(0)
    try:
        server_binary()
    except NoServer as reason:
        pytest.skip(str(reason))  # where that is a failure, the examples fail
    return Server.start


@pytest.mark.parametrize("feed", ["tracking", "pubsub"])
def test_the_rights_that_are_listed_are_enough(start_server, feed):
    """A user with these rights, and with those for publish/subscribe, does all that a cache does."""
    rule = re.search(r"^user app .*", PAGE, re.MULTILINE)[0]
    more = re.search(r"`(&askonce:feed [^`]*)`", PAGE)[1] if feed == "pubsub" else ""
    with start_server(acl=["user default off", f"{rule} {more}"]) as server:
        url = f"{server.url_as('app', 'password')}/1"
        asyncio.run(use_all_of(GenericRedisCache(url, raise_errors=True, feed=feed, heartbeat=0.02)))
        assert server.client().acl_log() == []


async def use_all_of(cache):
    async with cache:

        @cached(cache=cache, name="f", tags=["tag"], single_flight="cluster")
        async def compute(x):
            return x

        assert await compute("a") == await compute.refresh("a") == "a"
        await cache.set("key", 1, tags=["tag"], ttl="30d")
        await cache.set("key", 1, tags=["tag"], ttl=FOREVER)
        assert await cache.touch("key", 60)
        await cache.invalidate_tags("tag")
        await compute.invalidate("a")
        await cache.delete("key")
        await cache.clear()
        assert await compute("a") == "a"
        figures = cache.get_stats()["redis"]
        assert (figures["state"], figures["feed"], figures["failures"]) == ("connected", "heard", 0)
