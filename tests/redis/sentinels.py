"""A master, its replica, and three sentinels that watch them."""

import secrets

from patience import until
from processes import HOST, free_port
from standalone import Server, stopped_on_failure

NAME = "mm"
READY = 30.0
AT_ONCE = ("--repl-diskless-sync-delay", "0")
PERIODS = {"ping": 250, "info": 300, "ask": 200, "publish": 300, "min-link-reconnect": 100}
"""Milliseconds. By default sentinels reconnect after a second at the earliest: with half a second of silence
as the sign of death, each switch would bring about the next. A replica of a dead master
tells its state once a second and can be elected for five pings after that: below 200, not always."""


class SentinelSetup:
    """Sentinels that agree on a master, and what can happen to it.

    Attributes:
        servers: The two that hold data, the master of the beginning first.
        sentinels: The three that watch.
    """

    @classmethod
    def start(cls, *, args=()):
        """Start all five and wait until the sentinels can hold a vote.

        Args:
            args: More arguments for the servers that hold data.
        """
        setup = cls()
        with stopped_on_failure(setup):
            master = setup._add(args=args)
            replica = setup._add(args=("--replicaof", f"{HOST} {master.port}", *args))
            setup._add_sentinels(master, replica)
            setup._quicken()
            setup.await_health()
        return setup

    def __init__(self):
        self.servers = []
        self.sentinels = []

    @property
    def url(self):
        return f"redis+sentinel://{','.join(each.address for each in self.sentinels)}/{NAME}"

    @property
    def master(self):
        """The server that the sentinels name."""
        return until(self._agreed, READY, what="the sentinels do not agree")

    @property
    def replica(self):
        return next(server for server in self.servers if server is not self.master)

    def failover(self):
        """Have the sentinels exchange master and replica, both alive; answer the new master.

        The old one takes writes until the sentinels put it behind the new one: here for a second or two, in
        production for ten.
        """
        old = self.master
        until(self._exchange, READY, what="the sentinels do not begin")
        return self.await_successor(old)

    def kill_master(self):
        """Kill the master and do not wait; answer the dead one."""
        old = self.master
        old.kill()
        return old

    def await_successor(self, old):
        """Wait until the sentinels name another master, and it takes writes; answer it."""
        until(lambda: self._agreed() not in (None, old), READY, what="no new master")
        new = self.master
        until(lambda: _role(new) == "master", READY, what="the new master is still a replica")
        return new

    def heal(self):
        """Start what was killed and wait until the sentinels have put it behind the master."""
        for server in self.servers:
            if not server.alive:
                server.launch()
        self.await_health()

    def await_health(self):
        """Wait until the replica follows and the sentinels could elect another master."""
        until(self._is_healthy, READY, what="the sentinels have no quorum")

    def stop(self):
        for server in [*self.sentinels, *self.servers]:
            server.stop()

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.stop()

    def _add(self, args):
        self.servers.append(Server.start(args=(*AT_ONCE, *args)))
        return self.servers[-1]

    def _add_sentinels(self, master, replica):
        ports = {secrets.token_hex(20): free_port() for _ in range(3)}
        for own, port in ports.items():
            others = {other: where for other, where in ports.items() if other != own}
            files = {"sentinel.conf": _configuration(own, others, master, replica)}
            self.sentinels.append(Server.start(port=port, files=files, args=("--sentinel",)))

    def _quicken(self):
        """Let them look more often, where they can be told to (since 7.0)."""
        periods = [part for name, period in PERIODS.items() for part in (f"{name}-period", period)]
        for sentinel in self.sentinels:
            _done(sentinel.client(), "SENTINEL DEBUG", *periods)

    def _is_healthy(self):
        if (master := self._agreed()) is None or not all(server.alive for server in self.servers):
            return False
        behind = self.servers[1 - self.servers.index(master)].client().info("replication")
        return behind.get("master_link_status") == "up" and all(map(self._can_vote, self.sentinels))

    def _can_vote(self, sentinel):
        client = sentinel.client()
        if not _done(client, "SENTINEL CKQUORUM", NAME) or client.sentinel_master(NAME)["flags"] != "master":
            return False
        return any(
            seen["flags"] == "slave" and seen.get("master-link-status") == "ok"
            for seen in client.sentinel_slaves(NAME)
        )

    def _exchange(self):
        return _done(self.sentinels[0].client(), "SENTINEL FAILOVER", NAME)

    def _agreed(self):
        ports = {self._named_by(sentinel) for sentinel in self.sentinels if sentinel.alive}
        return self._at(ports.pop()) if len(ports) == 1 else None

    def _named_by(self, sentinel):
        return int(sentinel.client().execute_command("SENTINEL GET-MASTER-ADDR-BY-NAME", NAME)[1])

    def _at(self, port):
        return next(server for server in self.servers if server.port == port)


def _done(client, *command):
    """Say whether a server did what it was told."""
    import redis

    try:
        client.execute_command(*command)
    except redis.ResponseError:
        return False
    return True


def _role(server):
    return server.client().info("replication")["role"]


def _configuration(own, others, master, replica):
    """Write down what sentinels would tell each other in their first two seconds."""
    lines = [
        f"sentinel myid {own}",
        f"sentinel monitor {NAME} {HOST} {master.port} 2",
        f"sentinel down-after-milliseconds {NAME} 500",
        f"sentinel failover-timeout {NAME} 3000",
        f"sentinel known-replica {NAME} {HOST} {replica.port}",
        *(f"sentinel known-sentinel {NAME} {HOST} {port} {other}" for other, port in others.items()),
    ]
    return "\n".join([*lines, ""])
