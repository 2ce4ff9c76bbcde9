"""The servers of the tests do what the tests need of them, and none is left behind."""

import os
import signal
import socket
import ssl
import subprocess
import sys
from pathlib import Path

import pytest
import redis
from certificates import Certificates
from patience import until
from processes import free_port, home, server_binary
from servers import Cluster, NoServer, SentinelSetup, Server


def test_a_killed_server_is_gone_and_comes_back_empty_at_its_port(fresh_server):
    fresh_server.client().set("a", 1)
    port, pid = fresh_server.port, fresh_server.pid
    fresh_server.kill()
    assert not fresh_server.alive
    assert "SIGTERM" not in fresh_server.log()  # it had no time for a farewell
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
    fresh_server.restart()
    assert (fresh_server.port, fresh_server.client().get("a")) == (port, None)
    assert fresh_server.pid != pid


def test_a_paused_server_takes_connections_and_says_nothing_until_it_goes_on(fresh_server):
    fresh_server.pause()
    with socket.create_connection(("127.0.0.1", fresh_server.port), timeout=0.05) as late:
        late.sendall(b"PING\r\n")
        with pytest.raises(TimeoutError):
            late.recv(1)
        fresh_server.resume()
        late.settimeout(10)
        assert late.recv(7) == b"+PONG\r\n"


def test_a_server_at_a_socket_listens_at_no_port(start_server):
    server = start_server(unix=True)
    assert server.port is None
    client = redis.Redis.from_url(server.url, driver_info=None)
    assert client.config_get("port")["port"] == "0"
    client.close()


def test_users_may_do_what_their_line_says(start_server):
    server = start_server(acl=["user default off", "user app on >s:e/cr@t ~app:* &* +@all"])
    with pytest.raises(redis.AuthenticationError):
        ask(f"redis://{server.address}", "PING")
    url = server.url_as("app", "s:e/cr@t")
    assert ask(url, "SET", "app:x", "1")
    with pytest.raises(redis.exceptions.NoPermissionError):
        ask(url, "SET", "other:x", "1")
    assert server.client().get("app:x") == b"1"


def test_arguments_win_over_ours(start_server):
    server = start_server(args=["--maxmemory", "3mb", "--maxmemory-policy", "noeviction"])
    with pytest.raises(redis.ResponseError, match="OOM|maxmemory"):
        server.client().set("big", b"x" * 4_000_000)
        server.client().set("more", b"x")


def test_a_taken_port_is_not_taken_for_the_server_that_was_to_start_there(fresh_server):
    """Else a test would talk to another's server and call it its own."""
    with pytest.raises(Exception, match=str(fresh_server.port)):
        Server.start(port=fresh_server.port)


def test_what_a_server_says_of_a_wrong_option_is_told():
    with pytest.raises(RuntimeError, match="(?i)no-such-option"):
        Server.start(args=["--no-such-option", "yes"])


def test_tls_is_spoken_with_the_certificate_of_the_authority(redis_tls, certificates, wrong_certificates):
    assert redis_tls.url.startswith("rediss://")
    assert redis_tls.client().ping()
    for ca, refused in ((certificates.ca, False), (wrong_certificates.ca, True)):
        context = ssl.create_default_context(cafile=ca)
        with socket.create_connection(("127.0.0.1", redis_tls.port), timeout=10) as plain:
            if refused:
                with pytest.raises(ssl.SSLCertVerificationError):
                    context.wrap_socket(plain, server_hostname="localhost")
            else:
                context.wrap_socket(plain, server_hostname="localhost").close()


def test_a_client_without_a_certificate_is_sent_away_where_one_is_asked_for(redis_mutual_tls, certificates):
    assert redis_mutual_tls.client().ping()
    with pytest.raises(redis.ConnectionError):
        ask(redis_mutual_tls.url, "PING", ssl_ca_certs=str(certificates.ca))


@pytest.mark.parametrize(
    ("options", "reason"), [({"host": "elsewhere.test"}, "mismatch"), ({"expired": True}, "expired")]
)
def test_certificates_can_be_wrong_in_other_ways(start_tls_server, tmp_path, options, reason):
    made = Certificates.make(tmp_path, **options)
    with pytest.raises(redis.ConnectionError, match=reason):
        ask(start_tls_server(made).url.replace("127.0.0.1", "localhost"), "PING", ssl_ca_certs=str(made.ca))


def test_a_server_without_tls_is_no_server_for_it(certificates, monkeypatch):
    monkeypatch.setattr("standalone.has_tls", lambda binary: False)
    with pytest.raises(NoServer, match="without TLS"):
        Server.start(tls=certificates)


def test_a_server_that_is_named_but_not_there_is_not_replaced_by_another(monkeypatch):
    monkeypatch.setenv("REDIS_SERVER_BIN", "/nowhere/redis-server")
    with pytest.raises(NoServer, match="/nowhere/redis-server"):
        server_binary.__wrapped__()


@pytest.mark.parametrize(("ci", "outcome"), [(None, "1 skipped"), ("1", "1 error")])
def test_where_there_is_no_server_a_test_is_skipped_but_in_ci_it_fails(ci, outcome):
    demands = {"ASKONCE_CI": ci} if ci else {}
    answer = trial("test_a_killed_server", {"REDIS_SERVER_BIN": "/nowhere", **demands})
    assert outcome in answer
    assert "REDIS_SERVER_BIN names /nowhere" in answer


def test_tls_that_ci_can_do_without_is_skipped_there(tmp_path):
    """One of the servers that CI runs the tests with has none."""
    fake = tmp_path / "server"
    fake.write_text("#!/bin/sh\necho Failed finding TLS support\n")
    fake.chmod(0o755)
    demands = {"REDIS_SERVER_BIN": str(fake), "ASKONCE_CI": "1"}
    assert "1 error" in trial("test_tls_is_spoken", demands)
    assert "1 skipped" in trial("test_tls_is_spoken", demands | {"ASKONCE_REDIS_WITHOUT_TLS": "1"})


def test_nothing_is_left_of_a_process_that_is_killed(tmp_path):
    """A test run that is killed takes its servers along, also stopped ones, whatever children outlive it."""
    script = tmp_path / "script.py"
    script.write_text(
        "import os, signal\n"
        "from servers import Server\n"
        "from processes import home\n"
        "one, two = Server.start(), Server.start(unix=True)\n"
        "two.pause()\n"
        "child = os.fork() or signal.pause()\n"
        "print(one.pid, two.pid, child, home(), flush=True)\n"
        "signal.pause()\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    with subprocess.Popen(
        [sys.executable, script], stdout=subprocess.PIPE, text=True, env=environment
    ) as child:
        one, two, grandchild, place = child.stdout.readline().split()
        assert runs(one)
        assert runs(two)
        child.send_signal(signal.SIGKILL)
        until(lambda: not Path(place).exists())
        until(lambda: not runs(one) and not runs(two))
        assert runs(grandchild)
        os.kill(int(grandchild), signal.SIGKILL)


def test_a_forked_child_neither_ends_nor_keeps_the_servers_of_its_parent(fresh_server):
    child = os.fork()
    if not child:
        os._exit(0 if home() else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert fresh_server.client().ping()


def test_a_port_is_free_and_so_is_that_of_the_bus_of_a_cluster(monkeypatch):
    port, bus_taken, taken = free_port(), free_port(), free_port()
    monkeypatch.setattr("processes.PORTS", [taken, bus_taken, port])
    with socket.create_server(("127.0.0.1", taken)), socket.create_server(("127.0.0.1", bus_taken + 10_000)):
        assert {free_port() for _ in range(30)} == {port}


def test_the_masters_of_a_cluster_share_the_keys(redis_cluster, namespace):
    keys = [f"{namespace}:{number}" for number in range(60)]
    for key in keys:
        redis_cluster.client().set(key, key)
    owners = {redis_cluster.owner(key) for key in keys}
    assert owners == set(redis_cluster.masters)
    assert redis_cluster.url == "redis+cluster://" + ",".join(node.address for node in redis_cluster.nodes)


def test_a_slot_can_move_while_a_cluster_serves(redis_cluster, namespace):
    redis_cluster.client().set(namespace, "kept")
    old = redis_cluster.owner(namespace)
    new = next(master for master in redis_cluster.masters if master is not old)
    redis_cluster.move(namespace, new)
    assert redis_cluster.owner(namespace) is new
    with pytest.raises(redis.ResponseError, match=f"MOVED .*:{new.port}|{new.port}"):
        old.client().get(namespace)
    assert new.client().get(namespace) == b"kept"
    redis_cluster.move(namespace, old)


def test_a_node_that_is_lost_can_be_replaced_by_an_empty_one(namespace):
    with Cluster.start() as cluster:
        cluster.client().set(namespace, "lost")
        dead = cluster.owner(namespace)
        dead.pause()
        others = [key for key in map(str, range(50)) if cluster.owner(key) is not dead]
        cluster.await_loss(dead)
        assert all(answers(cluster.owner(key), key) for key in others)
        dead.kill()
        new = cluster.replace(dead)
        assert cluster.owner(namespace) is new
        assert cluster.client().get(namespace) is None
        assert cluster.client().set(namespace, "again")


def test_a_cluster_behind_proxies_is_reached_through_them(namespace):
    """The nodes name the proxies to their clients, so that a fault on the way to one of them can be had."""
    with Cluster.start(proxied=True) as cluster:
        owner = cluster.owner(namespace)
        assert str(owner.port) not in cluster.url
        assert cluster.client().set(namespace, "stored")
        assert owner.client().get(namespace) == b"stored"
        cluster.proxies[owner].corrupt(lambda data: data.replace(b"stored", b"spoilt"))
        assert cluster.client().get(namespace) == b"spoilt"


def test_a_replica_takes_over_when_it_is_told_or_when_its_master_dies(namespace):
    with Cluster.start(replicas=1) as cluster:
        first = cluster.owner(namespace)
        second = cluster.fail_over(first)
        assert cluster.owner(namespace) is second
        cluster.await_agreement()
        second.kill()
        until(lambda: cluster.owner(namespace) is first)
        until(lambda: answers(first, namespace))


def test_sentinels_name_another_master_when_told_and_when_it_dies():
    with SentinelSetup.start() as setup:
        first = setup.master
        second = setup.failover()
        assert second is setup.master is not first
        setup.heal()
        assert setup.replica is first
        assert setup.kill_master() is second
        assert setup.await_successor(second) is first
        first.client().set("a", "1")
        setup.heal()
        until(lambda: second.client().get("a") == b"1")


def test_the_sentinels_of_all_tests_are_ready_to_vote(redis_sentinel):
    assert redis_sentinel.url.startswith("redis+sentinel://127.0.0.1:")
    assert redis_sentinel.url.endswith("/mm")
    redis_sentinel.await_health()


def trial(name, demands):
    """Run one test of this file in a run of its own; answer what it says."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ASKONCE_")}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__, "-k", name]
    run = subprocess.run(command, env={**kept, **demands}, capture_output=True, text=True, timeout=60)
    return run.stdout


def ask(url, *command, **options):
    """Ask one thing through a client of its own."""
    with redis.Redis.from_url(url, retry=None, driver_info=None, **options) as client:
        return client.execute_command(*command)


def answers(node, key):
    try:
        node.client().get(key)
    except redis.RedisError:
        return False
    return True


def runs(pid):
    """Say whether a process runs; one that nobody has asked about yet (a zombie) does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
