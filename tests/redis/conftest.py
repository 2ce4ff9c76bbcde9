"""Real servers for the tests here: each started when a test first asks for it, one of a kind per run."""

import contextlib
import functools
import os
import secrets

import pytest
from certificates import Certificates
from proxy import Proxy
from servers import Cluster, NoServer, SentinelSetup, Server, server_binary


def demanded(name):
    return os.environ.get(name, "") not in ("", "0")


def unavailable(reason):
    """Skip what no server at hand can do. In CI that is a failure."""
    if demanded("ASKONCE_CI"):
        pytest.fail(f"in CI this must run: {reason}", pytrace=False)
    pytest.skip(str(reason))


def or_unavailable(start):
    """Start servers, or say why there are none."""

    @functools.wraps(start)
    def started(*args, **kwargs):
        try:
            server_binary()
        except NoServer as reason:
            unavailable(reason)
        return start(*args, **kwargs)

    return started


@or_unavailable
def start_with_tls(certificates, **options):
    try:
        return Server.start(tls=certificates, **options)
    except NoServer as reason:
        if demanded("ASKONCE_REDIS_WITHOUT_TLS"):
            pytest.skip(str(reason))
        unavailable(reason)


@pytest.fixture(scope="session")
def redis_server():
    """A server for all tests: what they write stands in a namespace of their own."""
    with or_unavailable(Server.start)() as server:
        yield server


@pytest.fixture(scope="session")
def redis_cluster():
    """Three masters for all tests. A test that breaks one starts a cluster of its own."""
    with or_unavailable(Cluster.start)() as cluster:
        yield cluster


@pytest.fixture(scope="session")
def redis_sentinel():
    """A master, a replica and three sentinels for all tests; after a fault, `heal()`."""
    with or_unavailable(SentinelSetup.start)() as setup:
        yield setup


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    """What an authority of this run has given out."""
    return Certificates.make(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session")
def wrong_certificates(tmp_path_factory):
    """What another authority has given out, that nobody here trusts."""
    return Certificates.make(tmp_path_factory.mktemp("wrong-certificates"))


@pytest.fixture(scope="session")
def redis_tls(certificates):
    """A server that speaks TLS only, to whoever comes."""
    with start_with_tls(certificates) as server:
        yield server


@pytest.fixture(scope="session")
def redis_mutual_tls(certificates):
    """A server that speaks TLS only, to those with a certificate of its authority."""
    with start_with_tls(certificates, client_certificates="yes") as server:
        yield server


@pytest.fixture
def start_tls_server():
    """Start more servers with TLS: `start_tls_server(certificates, acl=[...])`; they end with the test."""
    with contextlib.ExitStack() as started:
        yield lambda certificates, **options: started.enter_context(start_with_tls(certificates, **options))


@pytest.fixture
def fresh_server():
    """A server of this test alone, to be killed, stopped, filled or flushed."""
    with or_unavailable(Server.start)() as server:
        yield server


@pytest.fixture
def start_server():
    """Start more servers: `start_server(acl=[...])`, as `Server.start`; they end with the test."""
    with contextlib.ExitStack() as started:
        yield lambda **options: started.enter_context(or_unavailable(Server.start)(**options))


@pytest.fixture
def proxy(redis_server):
    """A proxy of this test before the server of all tests."""
    with Proxy(redis_server.port) as proxy:
        yield proxy


@pytest.fixture
def namespace():
    """A namespace that no other test has."""
    return f"test-{secrets.token_hex(6)}"
