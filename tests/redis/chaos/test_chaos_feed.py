"""The news of changes are lost, and nothing else is: that is noticed, and nobody is left with old values."""

import pytest
from load import under_load
from proxy import Proxy


@pytest.fixture
def way(fresh_server):
    with Proxy(fresh_server.port) as proxy:
        yield proxy


@pytest.mark.parametrize("feed", ["tracking", "pubsub"])
def test_news_that_do_not_come(fresh_server, way, tmp_path, feed):
    async def news_lost(load):
        way.drop_pushes()
        await load.await_calls()
        way.pass_pushes()

    under_load(way.url, tmp_path, news_lost, others=(fresh_server.url, fresh_server.url), feed=feed)
    assert way.kept_back
