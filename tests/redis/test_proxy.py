"""The proxy's faults, each seen from a client. A fault that did nothing would make all chaos tests green."""

import socket

import pytest
import redis
from patience import until
from processes import HOST
from proxy import Proxy


class Talker:
    """A plain socket that speaks a few commands."""

    def __init__(self, proxy):
        self.socket = socket.create_connection((HOST, proxy.port), timeout=10)
        self.file = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.file.close()
        self.socket.close()

    def say(self, *words):
        sized = "".join(f"${len(word)}\r\n{word}\r\n" for word in words)
        self.socket.sendall(f"*{len(words)}\r\n{sized}".encode())

    def hear(self, size):
        return self.file.read(size)

    def ping(self):
        self.say("PING")
        return self.hear(7)

    def hears_nothing(self):
        """Nothing arrives for a while. Too short a while makes the test weaker, never red."""
        self.socket.settimeout(0.05)
        try:
            return self.socket.recv(1) is None
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(10)


@pytest.fixture
def talker(proxy):
    with Talker(proxy) as talker:
        assert talker.ping() == b"+PONG\r\n"
        yield talker


def test_it_forwards_both_ways_and_counts(proxy, talker):
    talker.say("ECHO", "x" * 300_000)
    assert talker.hear(300_011) == b"$300000\r\n" + b"x" * 300_000 + b"\r\n"
    assert (proxy.accepted, proxy.open) == (1, 1)
    assert min(proxy.passed) > 300_000
    talker.socket.shutdown(socket.SHUT_RDWR)
    proxy.await_open(0)


def test_a_delay_keeps_the_order(proxy, talker):
    proxy.delay(0.05)
    talker.say("ECHO", "first")
    proxy.delay(0)
    talker.say("ECHO", "second")
    assert talker.hear(11 + 12) == b"$5\r\nfirst\r\n$6\r\nsecond\r\n"


def test_a_delay_is_felt(proxy, talker):
    proxy.delay(60)
    talker.say("PING")
    assert talker.hears_nothing()


@pytest.mark.parametrize("ways", [{"up": False}, {"down": False}, {}])
def test_a_stall_holds_what_comes_and_flow_lets_it_go(proxy, talker, redis_server, ways):
    """Stalled upwards the server does not even hear of it; stalled downwards it does."""
    redis_server.client().delete("stalled")
    proxy.stall(**ways)
    talker.say("SET", "stalled", "1")
    assert talker.hears_nothing()
    if ways == {"up": False}:
        until(lambda: redis_server.client().exists("stalled"))
    else:
        assert not redis_server.client().exists("stalled")
    with Talker(proxy) as another:
        another.say("PING")
        assert another.hears_nothing()
        proxy.flow()
        assert talker.hear(5) == b"+OK\r\n"
        assert another.hear(7) == b"+PONG\r\n"


def test_a_cut_resets_all_connections_on_both_sides(proxy, talker, redis_server):
    talker.say("CLIENT", "SETNAME", "to-be-cut")
    assert talker.hear(5) == b"+OK\r\n"
    proxy.cut()
    with pytest.raises(ConnectionResetError):
        talker.hear(1)
    until(lambda: "to-be-cut" not in [each["name"] for each in redis_server.client().client_list()])
    with Talker(proxy) as another:
        assert another.ping() == b"+PONG\r\n"


def test_a_half_close_ends_one_direction_only(proxy, talker, redis_server, namespace):
    proxy.half_close()
    assert talker.hear(1) == b""
    talker.say("SET", namespace, "1")
    until(lambda: redis_server.client().exists(namespace))


def test_a_half_close_towards_the_server_ends_what_it_hears(proxy, talker, redis_server):
    """Redis hangs up on those who say no more."""
    talker.say("CLIENT", "SETNAME", "half-closed")
    assert talker.hear(5) == b"+OK\r\n"
    proxy.half_close(down=False)
    until(lambda: "half-closed" not in [each["name"] for each in redis_server.client().client_list()])
    assert talker.hear(1) == b""


def test_refused_clients_cannot_connect_until_accepted_again(proxy, talker):
    proxy.refuse()
    with pytest.raises(ConnectionRefusedError):
        Talker(proxy)
    assert talker.ping() == b"+PONG\r\n"
    proxy.accept()
    with Talker(proxy) as another:
        assert another.ping() == b"+PONG\r\n"


def test_a_limit_cuts_a_reply_in_its_middle(proxy, talker):
    proxy.limit(8)
    talker.say("ECHO", "abcdefgh")
    assert talker.socket.recv(100) == b"$8\r\nabcd"
    with pytest.raises(ConnectionResetError):
        talker.socket.recv(1)
    proxy.limit(None)
    with Talker(proxy) as another:
        assert another.ping() == b"+PONG\r\n"


def test_a_limit_can_leave_a_client_waiting_for_the_rest(proxy, talker):
    proxy.limit(8, then_reset=False)
    talker.say("ECHO", "abcdefgh")
    assert talker.hear(8) == b"$8\r\nabcd"
    assert talker.hears_nothing()


def test_replies_can_be_spoilt(proxy, talker):
    proxy.corrupt(lambda data: data.replace(b"PONG", b"PANG"))
    assert talker.ping() == b"+PANG\r\n"
    proxy.corrupt(None)
    assert talker.ping() == b"+PONG\r\n"


def test_the_feed_alone_can_be_lost(proxy, redis_server, namespace):
    """Replies pass, invalidations do not; later ones do again."""
    with Talker(proxy) as talker:
        client = redis_server.client()
        talker.say("HELLO", "3")
        talker.say("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", namespace)
        talker.say("ECHO", "ready")
        until(lambda: talker.file.readline() == b"ready\r\n")
        proxy.drop_pushes()
        client.set(f"{namespace}:lost", 1)
        until(lambda: proxy.kept_back == 1)
        assert talker.ping() == b"+PONG\r\n"
        proxy.pass_pushes()
        client.set(f"{namespace}:seen", 1)
        push = f">2\r\n$10\r\ninvalidate\r\n*1\r\n${len(namespace) + 5}\r\n{namespace}:seen\r\n"
        assert talker.hear(len(push)) == push.encode()


def test_new_connections_go_where_it_is_told(proxy, fresh_server):
    proxy.retarget(fresh_server.port)
    with Talker(proxy) as talker:
        talker.say("SET", "here", "1")
        assert talker.hear(5) == b"+OK\r\n"
    assert fresh_server.client().exists("here")


def test_what_it_cannot_read_it_forwards_all_the_same(redis_tls, certificates):
    """TLS passes: all faults but those of single messages are there for it too."""
    with (
        Proxy(redis_tls.port) as proxy,
        redis.Redis(port=proxy.port, ssl=True, ssl_ca_certs=str(certificates.ca), driver_info=None) as client,
    ):
        proxy.drop_pushes()
        assert client.echo("x" * 100_000) == b"x" * 100_000


def test_a_server_that_is_gone_is_felt_through_it(proxy, fresh_server):
    proxy.retarget(fresh_server.port)
    with Talker(proxy) as talker:
        assert talker.ping() == b"+PONG\r\n"
        fresh_server.kill()
        assert talker.hear(1) == b""
    with pytest.raises(ConnectionResetError), Talker(proxy) as another:
        another.hear(1)
