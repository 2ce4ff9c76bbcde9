"""The servers of one cache as one event loop sees them: which of them has a key, and how they are reached."""

import asyncio
from collections.abc import Callable
from typing import Any, Final, Protocol

from askonce.backends.redis.address import Node
from askonce.backends.redis.dial import Dialer
from askonce.backends.redis.link import Link, LinkLost, Refused
from askonce.backends.redis.state import State
from askonce.backends.redis.wire import pack

Prepare = Callable[[Link], Any]


class Fleet(Protocol):
    """The connections of one event loop."""

    async def open(self) -> None:
        """Connect to what can be reached.

        Raises:
            BackendError: nothing can.
        """
        ...

    def route(self, key: bytes) -> Link | None:
        """The connection to the server that has a key, if there is one."""
        ...

    def links(self) -> list[Link]:
        """All connections."""
        ...

    def is_whole(self) -> bool:
        """Whether every key can be reached."""
        ...

    def has(self, node: Node, key: bytes) -> bool:
        """Whether a key is the matter of a server."""
        ...


class Solo:
    """One server, or the one that the sentinels call the primary.

    Args:
        dialer: opens connections.
        make: makes a link.
        prepare: makes a link ready for use.
        sentinel: whether sentinels have to be asked.
    """

    def __init__(self, dialer: Dialer, make: Callable[[], Link], prepare: Prepare, *, sentinel: bool) -> None:
        self._dialer: Final = dialer
        self._make: Final = make
        self._prepare: Final = prepare
        self._sentinel: Final = sentinel
        self._link: Link | None = None

    async def open(self) -> None:
        """Connect to the server, unless the connection lives."""
        if self.is_whole():
            return
        node = await self._dialer.primary() if self._sentinel else None
        link = await self._dialer.dial(node, self._make)
        try:
            await self._prepare(link)
        except BaseException:
            link.lose(LinkLost("the connection to Redis could not be prepared"))
            raise
        self._link = link

    def route(self, key: bytes) -> Link | None:
        """The connection, if it lives."""
        link = self._link
        return link if link is not None and link.alive else None

    def links(self) -> list[Link]:
        """The connection, if it lives."""
        return [] if self._link is None or not self._link.alive else [self._link]

    def is_whole(self) -> bool:
        """Whether the server can be reached."""
        return bool(self.links())

    def has(self, node: Node, key: bytes) -> bool:
        """Whether a key is the matter of a server: there is no other."""
        return True


class Swarm:
    """The primaries of a cluster.

    Args:
        dialer: opens connections.
        make: makes a link.
        prepare: makes a link ready for use.
        seeds: nodes to begin with.
        state: of the cache.
    """

    def __init__(
        self,
        dialer: Dialer,
        make: Callable[[], Link],
        prepare: Prepare,
        seeds: tuple[Node, ...],
        state: State,
    ) -> None:
        self._dialer: Final = dialer
        self._make: Final = make
        self._prepare: Final = prepare
        self._seeds: Final = seeds
        self._state: Final = state
        self._links: dict[Node, Link] = {}
        self._slots: list[tuple[int, int, Node]] = []
        self._owners: list[Node | None] = []

    async def open(self) -> None:
        """Learn who has which keys, and connect to all who can be reached."""
        self._links = {node: link for node, link in self._links.items() if link.alive}
        await self._learn()
        primaries = {node for _, _, node in self._slots}
        for node in self._links.keys() - primaries:
            self._links.pop(node).lose(LinkLost("the node has no keys any more"))
        absent = [node for node in primaries if node not in self._links]
        opened = await asyncio.gather(*map(self._connect, absent), return_exceptions=True)
        for outcome in opened:
            if isinstance(outcome, asyncio.CancelledError):
                raise outcome
        if not self._links:
            raise LinkLost("no node of the cluster can be reached")

    def is_whole(self) -> bool:
        """Whether every key can be reached."""
        covered = sum(end - start + 1 for start, end, node in self._slots if self._lives(node))
        return covered == _SLOTS

    def _lives(self, node: Node) -> bool:
        link = self._links.get(node)
        return link is not None and link.alive

    async def _connect(self, node: Node) -> None:
        link = await self._dialer.dial(node, self._make)
        try:
            await self._prepare(link)
        except BaseException:
            link.lose(LinkLost("the connection to a node could not be prepared"))
            raise
        self._links[node] = link

    async def _learn(self) -> None:
        for link in list(self._links.values()):
            try:
                self._read_slots(await link.ask(b"CLUSTER", b"SLOTS"), link.node)
            except (LinkLost, Refused):
                continue
            else:
                return
        known = dict.fromkeys((*(node for _, _, node in self._slots), *self._seeds))
        reason = "none is known"
        for node in known:
            try:
                link = await self._dialer.dial(node, self._make)
            except LinkLost as error:
                reason = str(error)
                continue
            try:
                self._read_slots(await link.ask(b"CLUSTER", b"SLOTS"), node)
            except (LinkLost, Refused) as error:
                reason = f"{error} (CLUSTER SLOTS; is it a cluster?)"
                continue
            else:
                return
            finally:
                link.lose(LinkLost("the connection served to learn the cluster's layout"))
        raise LinkLost(f"no node of the cluster answers: {reason}")

    def _read_slots(self, reply: list[Any], asked: Node) -> None:
        if not reply:
            raise LinkLost("the node knows no layout of its cluster")
        owners: list[Node | None] = [None] * _SLOTS
        slots: list[tuple[int, int, Node]] = []
        for start, end, primary, *_ in reply:
            host = primary[0].decode() if primary[0] else asked[0]
            node = (host if host != "?" else asked[0], int(primary[1]))
            slots.append((int(start), int(end), node))
            owners[int(start) : int(end) + 1] = [node] * (int(end) - int(start) + 1)
        before, self._slots, self._owners = self._owners, slots, owners
        if before and before != owners:
            self._doubt_heirs(before, owners)

    def _doubt_heirs(self, before: list[Node | None], owners: list[Node | None]) -> None:
        """Owe anew what was told last of keys whose primary is none any more: its heir may have missed it.

        A primary that still is one gave the slot away with all that is in it.
        """
        from redis.crc import key_slot

        names, primaries = self._state.names, set(owners)

        def orphaned(key: bytes) -> bool:
            return before[key_slot(key)] not in primaries

        self._state.ledger.owe_recent(
            lambda name, is_tag: orphaned(names.tag(name) if is_tag else names.data(name)),
            everything=orphaned(names.generation),
        )

    def moved(self, slot: int, node: Node) -> bool:
        """Note who has a slot now, as its last owner said; whether that one is known.

        The others may hear of it only later: whoever asks them now would be sent to the last owner again.
        """
        if not self._owners or not self._lives(node):
            return False
        self._owners[slot] = node
        return True

    def has(self, node: Node, key: bytes) -> bool:
        """Whether a node is the primary of a key."""
        from redis.crc import key_slot

        return bool(self._owners) and self._owners[key_slot(key)] == node

    def route(self, key: bytes) -> Link | None:
        """The connection to the primary of a key, if it lives."""
        from redis.crc import key_slot

        if not self._owners:
            return None
        node = self._owners[key_slot(key)]
        link = None if node is None else self._links.get(node)
        return link if link is not None and link.alive else None

    def links(self) -> list[Link]:
        """The connections that live."""
        return [link for link in self._links.values() if link.alive]


_SLOTS: Final = 16384


async def ask_all(link: Link, *commands: tuple[Any, ...]) -> list[Any]:
    """Send several commands at once; the replies, errors included.

    Raises:
        LinkLost: the connection ended.
    """
    futures = [link.send(pack(command)) for command in commands]
    return [await future for future in futures]
