"""A real cluster: masters, replicas if wanted, and what can happen to it."""

from typing import NamedTuple

from patience import until
from processes import HOST, free_port
from proxy import Proxy
from standalone import Server, stopped_on_failure

SLOTS = 16_384
NODE = (
    "--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf", "--cluster-node-timeout", "1000",
    "--cluster-require-full-coverage", "no", "--repl-diskless-sync-delay", "0",
)  # fmt: skip
READY = 30.0
"""Seconds that a cluster may take to agree. It takes 2: no master of a new cluster takes writes earlier."""


class Cluster:
    """Nodes that have met and agree on who owns which slots.

    Attributes:
        nodes: All of them, `Server` each, the masters of the beginning first.
        masters: Those that owned slots in the beginning, or took the place of one.
        proxies: Where `start` was told so, the `Proxy` before each node.
    """

    @classmethod
    def start(cls, *, masters=3, replicas=0, proxied=False, args=()):
        """Start a cluster and wait until every node takes commands.

        Args:
            masters: How many share the slots.
            replicas: How many stand behind each master; they take over when it is gone for a second.
            proxied: Put a proxy before each node. It is what the cluster names to its clients.
            args: More arguments for every node.
        """
        cluster = cls((*NODE, *args), proxied)
        with stopped_on_failure(cluster):
            for _ in range(masters * (1 + replicas)):
                cluster._add()
            cluster.masters = cluster.nodes[:masters]
            cluster._share_slots()
            cluster._meet(cluster.nodes)
            cluster._attach(cluster.nodes[masters:])
            cluster.await_agreement()
        return cluster

    def __init__(self, arguments, proxied):
        self.nodes = []
        self.masters = []
        self.proxies = {}
        self._arguments = arguments
        self._proxied = proxied
        self._client = None
        self._ids = {}

    @property
    def url(self):
        ports = [self.proxies.get(node, node).port for node in self.nodes]
        return "redis+cluster://" + ",".join(f"{HOST}:{port}" for port in ports)

    @property
    def alive(self):
        """The nodes that would answer."""
        return [node for node in self.nodes if node.alive and not node.paused]

    def client(self):
        """Return a synchronous client of the whole cluster; it goes through the proxies, if there are any."""
        import redis

        if self._client is None:
            self._client = redis.RedisCluster(HOST, self.alive[0].port, socket_timeout=5, driver_info=None)
        return self._client

    def id_of(self, node):
        """Return the id of a node, also of one that is dead."""
        return self._ids[node]

    def slot(self, key):
        from redis.crc import key_slot

        return key_slot(key.encode() if isinstance(key, str) else key)

    def owner(self, key):
        """Return the node that owns a key, dead or alive, as the first that is alive sees it."""
        slot = self.slot(key)
        return self._at(next(entry for entry in view(self.alive[0]) if entry.owns(slot)))

    def replace(self, dead):
        """Let a new, empty node take the slots of one that was killed; answer the new one."""
        gone = self.id_of(dead)
        slots = self._slots_of(gone)
        new = self._add()
        self._meet([new, *(node for node in self.alive if node is not new)])
        # First of all: a claim of an older epoch than the dead one's is overruled by the others.
        new.client().execute_command("CLUSTER BUMPEPOCH")
        self._give(slots, new)
        for node in self.alive:
            if gone in {entry.id for entry in view(node)}:
                node.client().execute_command("CLUSTER FORGET", gone)
        self.masters[self.masters.index(dead)] = new
        self._remove(dead)
        self.await_agreement()
        return new

    def move(self, key, target):
        """Move the slot of a key, with all that is in it, to another master."""
        slot, source = self.slot(key), self.owner(key)
        target.client().execute_command("CLUSTER SETSLOT", slot, "IMPORTING", self.id_of(source))
        source.client().execute_command("CLUSTER SETSLOT", slot, "MIGRATING", self.id_of(target))
        while keys := source.client().execute_command("CLUSTER GETKEYSINSLOT", slot, 100):
            source.client().execute_command("MIGRATE", HOST, target.port, "", 0, 5000, "KEYS", *keys)
        self._give([slot], target)
        until(lambda: all(self._sees(node, slot, target) for node in self.alive))

    def fail_over(self, master):
        """Let a replica take the place of its master, dead or alive; answer the new master."""
        own = self.id_of(master)
        slot = self._slots_of(own)[0]
        heir = self._at(next(entry for entry in view(self.alive[0]) if entry.master == own))
        heir.client().execute_command("CLUSTER FAILOVER", *(() if master.alive else ("TAKEOVER",)))
        until(lambda: all(self._sees(node, slot, heir) for node in self.alive), READY, what="no new master")
        self.masters[self.masters.index(master)] = heir
        self.await_agreement()
        return heir

    def await_loss(self, dead):
        """Wait until all others hold a node for dead; it takes them a second."""
        own = self.id_of(dead)
        until(
            lambda: all("fail" in self._said_of(own, node) for node in self.alive),
            READY,
            what="they see it alive",
        )

    def await_agreement(self):
        """Wait until every node that is alive knows all the others and takes commands."""
        until(lambda: all(self._is_ready(node) for node in self.alive), READY, what="the nodes do not agree")

    def stop(self):
        if self._client is not None:
            self._client.close()
        for node in list(self.nodes):
            self._remove(node)

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.stop()

    def _add(self):
        """Start one more node, that knows nobody yet."""
        if self._proxied:
            proxy = Proxy(free_port())
            with stopped_on_failure(proxy):
                named = ("--cluster-announce-port", str(proxy.port))
                node = Server.start(port=proxy.target[1], args=(*self._arguments, *named))
            self.proxies[node] = proxy
        else:
            node = Server.start(args=self._arguments)
        self.nodes.append(node)
        self._ids[node] = node.client().execute_command("CLUSTER MYID").decode()
        return node

    def _remove(self, node):
        self.nodes.remove(node)
        if node in self.proxies:
            self.proxies.pop(node).stop()
        node.stop()

    def _share_slots(self):
        count = len(self.masters)
        for number, master in enumerate(self.masters):
            slots = range(number * SLOTS // count, (number + 1) * SLOTS // count)
            master.client().execute_command("CLUSTER ADDSLOTS", *slots)
        for number, node in enumerate(self.nodes, 1):
            node.client().execute_command("CLUSTER SET-CONFIG-EPOCH", number)

    def _meet(self, nodes):
        """Have the first greet all others, and wait until each has heard of each."""
        for node in nodes[1:]:
            nodes[0].client().execute_command("CLUSTER MEET", HOST, node.port)
        until(lambda: all(self._knows_all(node) for node in nodes), READY, what="the nodes have not met")

    def _knows_all(self, node):
        known = {entry.id for entry in view(node) if not entry.flags & {"handshake", "noaddr"}}
        return known >= {self.id_of(each) for each in self.alive}

    def _attach(self, replicas):
        for number, replica in enumerate(replicas):
            master = self.masters[number % len(self.masters)]
            replica.client().execute_command("CLUSTER REPLICATE", self.id_of(master))
            until(lambda: replica.client().info("replication").get("master_link_status") == "up", READY)

    def _is_ready(self, node):
        return node.client().execute_command("CLUSTER INFO")["cluster_state"] == "ok" and self._knows_all(
            node
        )

    def _give(self, slots, owner):
        """Tell the new owner first: it would otherwise send callers away who were sent to it."""
        for node in [owner, *(node for node in self.alive if node is not owner)]:
            pipeline = node.client().pipeline(transaction=False)
            for slot in slots:
                pipeline.execute_command("CLUSTER SETSLOT", slot, "NODE", self.id_of(owner))
            pipeline.execute()

    def _slots_of(self, node_id):
        ranges = next(entry.ranges for entry in view(self.alive[0]) if entry.id == node_id)
        return [slot for first, last in ranges for slot in range(first, last + 1)]

    def _said_of(self, own, node):
        return next(entry.flags for entry in view(node) if entry.id == own)

    def _sees(self, node, slot, owner):
        return any(entry.id == self.id_of(owner) and entry.owns(slot) for entry in view(node))

    def _at(self, entry):
        return next(node for node in self.nodes if self.id_of(node) == entry.id)


class Entry(NamedTuple):
    """What a node says of a node."""

    id: str
    flags: set[str]
    master: str
    ranges: list[tuple[int, int]]

    def owns(self, slot):
        return any(first <= slot <= last for first, last in self.ranges)


def view(node):
    """Return what a node says of the cluster, an `Entry` for each node that it knows."""
    said = node.client().execute_command("CLUSTER NODES")
    return [_entry(fields) for fields in said.values()]


def _entry(fields):
    ranges = [(int(slots[0]), int(slots[-1])) for slots in fields["slots"]]
    return Entry(fields["node_id"], set(fields["flags"].split(",")), fields["master_id"], ranges)
