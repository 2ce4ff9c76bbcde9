"""One event loop's access to the servers: connecting, watching, and coming back after a loss.

The order in which a connection comes into use: the old one is killed, changes are heard of, what is owed
is told, copies in memory are dropped, and only then what Redis has is believed.
"""

import asyncio
import functools
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any, Final

from askonce._logging import get_logger
from askonce.backends.redis.address import Address
from askonce.backends.redis.dial import Dialer, preload
from askonce.backends.redis.feed import Feed, ask_generation
from askonce.backends.redis.fleet import Fleet, Solo, Swarm, ask_all
from askonce.backends.redis.link import Link, LinkLost, LinkTimeout, OnReply, Refused, checked
from askonce.backends.redis.patience import within
from askonce.backends.redis.pulse import Pulse
from askonce.backends.redis.replay import replay
from askonce.backends.redis.state import State
from askonce.backends.redis.warmth import Warmth
from askonce.backends.redis.wire import STIR, pack
from askonce.exceptions import BackendError
from askonce.security import SecurityConfig

_RETRY: Final = 0.2  # seconds up to the next try to reach a part of a cluster
_SOON: Final = 0.02  # seconds up to looking for who has the keys of a server that has them no more
_SHORT_LIFE: Final = 1.0  # seconds: a connection that ends sooner counts as a failure to connect


class Client:
    """The connections of one event loop to the servers of one cache.

    Attributes:
        up: whether what the servers have is believed.
    """

    def __init__(
        self, state: State, address: Address, security: SecurityConfig | None, loop: asyncio.AbstractEventLoop
    ) -> None:
        self.up = False
        self._state: Final = state
        self._loop: Final = loop
        self._topology: Final = address.topology
        self._feed: Final = Feed(state)
        self._kind: Final = state.settings.feed or ("pubsub" if address.topology == "cluster" else "tracking")
        preload()
        dialer = Dialer(address, security, state.settings.timeout)
        self._fleet: Fleet
        if address.topology == "cluster":
            self._fleet = Swarm(dialer, self._link, self._prepare, address.nodes, state)
        else:
            sentinel = address.topology == "sentinel"
            self._fleet = Solo(dialer, self._link, self._prepare, sentinel=sentinel)
        self._listening: set[Link] = set()
        self._pulses: dict[Link, Pulse] = {}
        self._warmth: Final = Warmth(state)
        self._is_stirred = self._kind == "pubsub"  # whether this kind of server tells of what we do for it
        self._feeding = self._was_cut_off = False
        self._ids: dict[tuple[str, int], tuple[int, bytes]] = {}
        self._opening: asyncio.Task[None] | None = None
        self._patient = True
        self._astray = False
        self._opened_at = 0.0
        self._closed = False
        self._beat_timer: asyncio.TimerHandle | None = None
        self._reopen_timer: asyncio.TimerHandle | None = None
        self._ending: AsyncGenerator[None, None] | None = None

    # --- for those who ask

    async def ready(self) -> bool:
        """Whether the servers can be asked; waits for a first connection as long as for a command."""
        if self.up:
            return True
        if self._closed:
            return False
        if self._opening is None and not self._begin():
            return False
        opening = self._opening
        if not self._patient or opening is None:
            return False
        try:
            async with within(self._state.settings.timeout):
                await asyncio.shield(opening)
        except TimeoutError:
            self._patient = False
        except BackendError:
            return False
        return self.up

    def route(self, key: bytes) -> Link | None:
        """The connection to the server that has a key."""
        return self._fleet.route(key)

    @property
    def closed(self) -> bool:
        """Whether it must not be used again."""
        return self._closed

    @property
    def hears(self) -> bool:
        """Whether changes made elsewhere are heard of over these connections."""
        return self._feeding

    @property
    def in_order(self) -> bool:
        """Whether news of a key come over the connection that it is read over, and over no other."""
        return self._kind == "tracking" and self._state.feeds <= 1

    def publish(self, message: bytes, lost: Callable[[], None]) -> None:
        """Tell other processes of a change, where their servers do not.

        Args:
            message: what changed.
            lost: called where nobody may have been told.
        """
        if self._kind != "pubsub":
            return

        def published(reply: Any) -> None:
            if isinstance(reply, LinkLost):
                lost()

        for link in self._fleet.links():
            link.tell(pack((b"PUBLISH", self._state.names.channel, message)), published)
            return
        lost()

    @property
    def feed(self) -> Feed:
        """Makes the messages for ``publish``."""
        return self._feed

    # --- opening

    def _begin(self) -> bool:
        """Try to connect, unless that was in vain a moment ago; whether something is under way."""
        if self._opening is not None:
            return True
        breaker = self._state.breaker
        self._patient = breaker.closed
        if not breaker.probe(self._state.settings.timeout * 4):
            return False
        self._opening = self._loop.create_task(self._open(), name="askonce redis")
        self._opening.add_done_callback(self._retrieve)
        return True

    def _retrieve(self, task: "asyncio.Task[None]") -> None:
        if not task.cancelled():
            task.exception()
        if self._opening is task:
            self._opening = None

    async def _open(self) -> None:
        try:
            await self._watch_the_loop()
            self._astray = False
            async with asyncio.timeout(self._state.settings.timeout * 3):
                await self._fleet.open()
                await self._go_up()
        except Exception as error:
            if self._loop.is_closed():  # its end is what went wrong, and nobody waits
                return
            reason = type(error).__name__ if not isinstance(error, BackendError) else str(error)
            if self.up and self._fleet.links():  # of a cluster there is still a part
                self._reopen_in(_RETRY)
            else:
                self._fail(reason)
            raise LinkLost(reason) from error

    async def _go_up(self) -> None:
        """Hear, tell, drop, then believe."""
        heard_before = self._feeding
        await self._subscribe()
        self._listen()
        await replay(self._state, self._fleet, self)
        link = self._fleet.route(self._state.names.generation)
        if link is not None:
            ask_generation(self._state, link)
            await link.ask(b"PING")
        if not heard_before and (self._was_cut_off or self._state.feeds <= 1):  # else others listened
            self._was_cut_off = False
            self._state.memory.drop_all_copies()
        self._opened_at = time.monotonic()
        if not self.up:
            self.up = True
            self._beat_in(self._state.settings.heartbeat)
            if self._state.breaker.opened:
                get_logger().info("redis_back", topology=self._topology)
        self._state.breaker.succeed()
        if not self._fleet.is_whole():
            self._reopen_in(_RETRY)

    def _link(self) -> Link:
        settings = self._state.settings
        return Link(
            self._loop,
            deadline=settings.timeout,
            limit=settings.max_value_bytes,
            on_push=self._feed.hear,
            on_lost=self._lost,
            on_error=self._refused,
        )

    async def _prepare(self, link: Link) -> None:
        """Learn who answers, end what an earlier connection may still write, and have changes told."""
        asked = time.monotonic()
        hello, info, now = await ask_all(link, (b"HELLO", 3), (b"INFO", b"server"), (b"TIME",))
        greeting = checked(hello)
        if greeting.get(b"role", b"master") != b"master":
            raise LinkLost("the server is a replica, which cannot be written to")
        link.version = tuple(int(part) for part in greeting[b"version"].split(b".")[:2])
        if greeting.get(b"server") == b"valkey":
            link.version = max(link.version, (7, 2))
        link.id = greeting.get(b"id")
        run_id = b"" if link.is_error(info) else _run_id(info)
        self._sync(link, checked(now), asked, time.monotonic())
        before = self._ids.get(link.node)
        if before is not None and run_id and before[1] == run_id:
            await ask_all(link, (b"CLIENT", b"KILL", b"ID", before[0]))
        if link.id is not None:
            self._ids[link.node] = (link.id, run_id)
        if run_id and self._topology != "cluster":
            self._state.server_is(run_id)
        if self._kind == "tracking":
            await self._track(link)
            await self._feel(link)
            self._listening.add(link)

    async def _track(self, link: Link) -> None:
        prefix = self._state.names.prefix
        command = (b"CLIENT", b"TRACKING", b"ON", b"BCAST", b"PREFIX", prefix, b"NOLOOP")
        [reply] = await ask_all(link, command)
        try:
            checked(reply)
        except Refused as error:
            raise Refused(f'{error}; feed="pubsub" does without CLIENT TRACKING') from None

    async def _feel(self, link: Link) -> None:
        """See whether news come over a new connection, as they do from most servers."""
        before = link.heard
        stirred = await self._stir(link)
        await link.ask(b"PING")  # the news come after the answer, and before the next one
        if link.heard > before:
            self._is_stirred = True
        elif self._is_stirred and not link.is_error(stirred):
            raise LinkLost("the server does not tell of changes any more")

    def _stir(self, link: Link, on_reply: OnReply | None = None) -> "asyncio.Future[Any]":
        """Do something that must be heard."""
        names = self._state.names
        if self._kind == "pubsub":
            return link.send(pack((b"PUBLISH", names.channel, self._feed.of_nothing())), on_reply)
        key = next((key for key in names.stirred() if self._fleet.has(link.node, key)), names.prefix)
        return link.send(pack((b"EVAL", STIR[link.version < (7,)].text, 1, key)), on_reply)

    async def _subscribe(self) -> None:
        """Hear what other processes publish, over one of the connections."""
        if self._kind != "pubsub" or any(link.alive for link in self._listening):
            return
        for link in self._fleet.links():
            await link.subscribe(self._state.names.channel)
            await self._feel(link)
            self._listening.add(link)
            return

    def _listen(self) -> None:
        """Note whether all changes are heard of now."""
        self._listening = {link for link in self._listening if link.alive}
        wanted = set(self._fleet.links()) if self._kind == "tracking" else self._listening
        hears = bool(self._listening) and wanted <= self._listening
        if self._kind == "tracking":
            hears = hears and self._fleet.is_whole()
        if hears and not self._feeding:
            self._feeding = True
            self._state.feed_began()
        elif not hears and self._feeding:
            self._feeding, self._was_cut_off = False, True
            self._state.feed_ended(lost=not self._closed)

    # --- watching

    def _beat(self) -> None:
        """Ask every server for its time: that it answers is what matters, the clocks are set by the way."""
        if not self.up or self._closed:
            return
        for link in self._fleet.links():
            link.tell(pack((b"TIME",)), functools.partial(self._beaten, link, time.monotonic()))
        for key in self._warmth.next():
            if (owner := self._fleet.route(key)) is not None:
                owner.tell(pack((b"GET", key)), self._feed.checking(owner, key))
        self._beat_in(self._state.settings.heartbeat)
        if len(self._state.ledger):
            self._reopen()

    def _beaten(self, link: Link, sent: float, reply: Any) -> None:
        if isinstance(reply, Exception):
            return
        self._sync(link, reply, sent, time.monotonic())
        if self._is_stirred and link in self._listening:
            self._listen_for(link, sent)

    def _listen_for(self, link: Link, sent: float) -> None:
        """Give up a connection over which nothing is heard any more; where it is quiet, stir."""
        pulse = self._pulses.setdefault(link, Pulse(link))
        if pulse.is_gone(sent):
            link.lose(LinkLost("the server does not tell of changes any more"))
        elif pulse.is_silent():
            self._stir(link, pulse.stirred)

    def _sync(self, link: Link, reply: Sequence[bytes], sent: float, came: float) -> None:
        took = came - sent
        if link.offset and took > 0.05:  # the loop was busy: an older, closer look is better
            return
        link.offset = int(reply[0]) + int(reply[1]) / 1e6 - (sent + came) / 2

    def _lost(self, link: Link, error: Exception) -> None:
        """A connection ended: what was kept under its news is dropped; try at once to come back."""
        self._listening.discard(link)
        self._pulses.pop(link, None)
        self._listen()
        if self._closed or self._loop.is_closed() or not self.up:
            return
        if self._fleet.links():  # of a cluster there is still a part
            self._reopen_in(_RETRY)
            return
        self.up = False
        lived = time.monotonic() - self._opened_at
        if isinstance(error, LinkTimeout) or lived < _SHORT_LIFE:
            self._fail(str(error))
        else:
            self._begin()

    def _refused(self, link: Link, error: Exception) -> None:
        """A server refused a command: if it is not in charge any more, look for the one that is."""
        code = str(error).partition(" ")[0]
        if code == "READONLY":
            link.lose(LinkLost("the server has become a replica"))
        elif code == "MOVED" and not self._astray and not self._follow(link, str(error)):
            self._astray = True
            self._reopen_in(_SOON)

    def _follow(self, link: Link, error: str) -> bool:
        """Go where ``MOVED slot host:port`` says, if a connection leads there; no host means its own."""
        try:
            _, slot, place = error.split(" ")[:3]
            host, _, port = place.rpartition(":")
            node = (host or link.node[0], int(port))
            return not isinstance(self._fleet, Swarm) or self._fleet.moved(int(slot), node)
        except (ValueError, IndexError):  # no server of a cluster says so
            return True

    def _fail(self, reason: str) -> None:
        first = self._state.breaker.closed
        pause = self._state.breaker.fail(reason)
        if first:
            get_logger().warning("redis_unavailable", reason=reason)
        self._reopen_in(pause)

    def _reopen(self) -> None:
        if self._closed or self._opening is not None:
            return
        if self.up and self._fleet.is_whole() and not self._astray and not len(self._state.ledger):
            return  # somebody was quicker
        if not self._begin() and not self.up:
            self._reopen_in(_RETRY)

    def _reopen_in(self, seconds: float) -> None:
        if self._reopen_timer is not None:
            self._reopen_timer.cancel()
        if not self._closed and not self._loop.is_closed():
            self._reopen_timer = self._loop.call_later(seconds, self._reopen)

    def _beat_in(self, seconds: float) -> None:
        if self._beat_timer is not None:
            self._beat_timer.cancel()
        if not self._closed and not self._loop.is_closed():
            self._beat_timer = self._loop.call_later(seconds, self._beat)

    # --- the end

    async def _watch_the_loop(self) -> None:
        """Close with the loop: it closes its asynchronous generators when it ends, whoever runs it."""
        if self._ending is None:
            self._ending = self._until_the_loop_ends()
            await anext(self._ending)

    async def _until_the_loop_ends(self) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            self.close()

    def close(self) -> None:
        """Let go of the connections; not to be used again."""
        self._closed = True
        self.up = False
        if self._opening is not None and not self._loop.is_closed():
            self._opening.cancel()
        for timer in (self._beat_timer, self._reopen_timer):
            if timer is not None:
                timer.cancel()
        for link in self._fleet.links():
            link.lose(LinkLost("the cache was disconnected"))
        self._listening.clear()
        self._listen()


def _run_id(info: bytes) -> bytes:
    for line in info.splitlines():
        if line.startswith(b"run_id:"):
            return line[7:].strip()
    return b""
