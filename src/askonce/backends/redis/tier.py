"""Redis as the tier behind memory: what the engine asks of it, for tasks and for threads.

What stands under a key is nothing, a frame, or a tombstone. Who looks remembers which of these it saw; who
fills does so only if that very thing is still there. Whoever invalidates writes a tombstone, so that fills
that began before find something else than they saw, in every process and whatever the order.

No method raises what Redis or the way to it does wrong: the methods of ``strict`` do.
"""

import asyncio
import atexit
import contextlib
import os
import threading
import time
import weakref
from collections.abc import Coroutine, Sequence
from dataclasses import asdict
from typing import Any, Final, TypeVar

from askonce._types import FOREVER
from askonce.backends.engine import Answer, Fence, Found, Lease, Sight, Written
from askonce.backends.redis.address import Address
from askonce.backends.redis.client import Client
from askonce.backends.redis.closing import Ticket
from askonce.backends.redis.lease import take_lease
from askonce.backends.redis.link import checked
from askonce.backends.redis.looking import Look, Looks, Question, Reply, Unreachable
from askonce.backends.redis.patience import within
from askonce.backends.redis.stamps import end_of, found_of
from askonce.backends.redis.state import State
from askonce.backends.redis.storing import Stores
from askonce.backends.sync import run_blocking
from askonce.codec.frame import FOREVER_MS, Frame, Glance, Header
from askonce.codec.offload import offload
from askonce.codec.shapes import Shape
from askonce.codec.values import decode
from askonce.exceptions import BackendError, CodecError
from askonce.security import SecurityConfig

T = TypeVar("T")

Asked = tuple[Client, Question]
"""A question that was sent, and over whose connections."""

_TRIES: Final = 5
_PARTING: Final = 1.0  # seconds for other loops to close their connections; one that rests would never do it
_SLOW: Final = 0.1  # share of the deadline beyond which an answer is a slow one
_WARY: Final = 10.0  # seconds after a slow answer during which each call is timed
_BIG: Final = 200_000  # bytes of a payload whose decoding may take more than a millisecond


class RedisTier:
    """The servers of one cache.

    Args:
        state: what all event loops share.
        address: where the servers are.
        security: how to log in.
    """

    def __init__(self, state: State, address: Address, security: SecurityConfig | None) -> None:
        self.state: Final = state
        self.address: Final = address
        self._security: Final = security
        self._looks: Final = Looks(state, state.settings.max_value_bytes)
        self._stores: Final = Stores(state, self._looks)
        self._clients: Final[dict[asyncio.AbstractEventLoop, Client]] = {}
        self._lock = threading.Lock()
        self._last: tuple[asyncio.AbstractEventLoop, Client] | None = None
        self._slow_until = 0.0
        _tiers.add(self)

    @property
    def reachable(self) -> bool:
        """Whether it makes sense to ask at the moment."""
        breaker = self.state.breaker
        return breaker.closed or breaker.allows

    # --- what raises

    async def client(self) -> Client:
        """The connections of the running loop, ready for use.

        Raises:
            Unreachable: there is no server to ask.
        """
        loop = asyncio.get_running_loop()
        last = self._last
        client = last[1] if last is not None and last[0] is loop else self._client_of(loop)
        if client.up or await client.ready():
            return client
        raise Unreachable(f"Redis cannot be reached: {self.state.breaker.reason or 'not connected yet'}")

    async def look(self, fence: Fence) -> tuple[Client, Look]:
        """What stands under the fence's key."""
        fence.looking = True  # coming into contact drops all copies, which is no reason to break this fence
        try:
            client = await self.client()
            return client, await self._looks.look(client, fence)
        finally:
            if fence.looking:
                self.state.memory.looked(fence)

    async def fetch(self, fence: Fence, shape: Shape) -> Found | None:
        """The value under the fence's key, if it counts.

        What changed while it was decoded is read again: callers who came after the news may wait for it.
        """
        found = await self._fetched(fence, shape)
        return await self._fetched(fence, shape) if found is not None and fence.dirty else found

    async def _fetched(self, fence: Fence, shape: Shape) -> Found | None:
        reply = fence.note
        fence.note, fence.dirty, fence.looking = None, False, True  # see ``look``
        try:
            if type(reply) is Reply and reply.client.up and reply.take():
                return await self.judge(reply.client, fence, reply.question, reply.data, shape)
            client = self._up() or await self.client()
            question = self._looks.ask(client, fence)
            data = checked(await question.answer)
            glance = self._looks.glance(question, fence, data)
            if glance is None:
                return await self.judge(client, fence, question, data, shape)
            return await self._glanced(glance, fence, client, question.link.now, shape)
        finally:
            if fence.looking:
                self.state.memory.looked(fence)

    async def _glanced(
        self, glance: Glance, fence: Fence, client: Client, now: float, shape: Shape
    ) -> Found | None:
        kind, born, fresh, payload = glance
        try:
            if len(payload) > _BIG:
                value = await offload(decode, kind, payload, shape)
            else:
                value = decode(kind, payload, shape)
        except CodecError as error:
            self._strange(fence.key, error)
            return None
        self.state.counts.hits += 1
        ttl = FOREVER if fresh == FOREVER_MS else min(fresh / 1000 - now, (fresh - born) / 1000)
        age = max(now - born / 1000, 0.0)
        return Found(value, ttl, age, fence.tags, None, client.hears and not fence.dirty)

    async def judge(
        self, client: Client, fence: Fence, question: Question, data: bytes, shape: Shape
    ) -> Found | None:
        """The value that was read, if it counts, however it was stored."""
        look = await self._looks.judge(client, fence, question, data)
        if look.frame is None:
            self.state.counts.misses += 1
            return None
        try:
            value = await self._value(look.frame, shape)
        except CodecError as error:
            self._strange(fence.key, error)
            return None
        self.state.counts.hits += 1
        keeps = client.hears and not fence.dirty
        return found_of(look.frame.stamps, value, look.tags, look.link.now, keeps=keeps)

    def _strange(self, key: str, error: CodecError) -> None:
        self.state.counts.undecodable += 1
        self.state.counts.misses += 1
        self.state.cannot("value_not_decodable", key, error)

    def question(self, key: str) -> Asked | None:
        """Ask for a key without a fence, if that can be done at once."""
        client = self._up()
        if client is None or self.state.tokens.generation is None:
            return None
        return client, self._looks.question(client, key)

    def plain(
        self, client: Client, question: Question, data: Any, tags: tuple[str, ...], shape: Shape
    ) -> Found | None:
        """What was asked without a fence, if it is as common as can be; else ``judge`` has to look closer."""
        glance = self._looks.glance_at(question, tags, data)
        if glance is None:
            return None
        kind, born, fresh, payload = glance
        now = question.link.now
        ttl = fresh / 1000 - now
        if ttl <= 0 or len(payload) > _BIG:
            return None
        try:
            value = decode(kind, payload, shape)
        except CodecError:
            return None
        self.state.counts.hits += 1
        ttl = FOREVER if fresh == FOREVER_MS else min(ttl, (fresh - born) / 1000)
        return Found(value, ttl, max(now - born / 1000, 0.0), tags, None, client.hears)

    def _up(self) -> Client | None:
        """The connections of the running loop, if they can be used at once."""
        last = self._last
        if last is not None and last[0] is asyncio.get_running_loop() and last[1].up:
            return last[1]
        return None

    async def store(self, fence: Fence, answer: Answer) -> Written:
        """Store an answer unless something overtook it."""
        return await self._stores.store(await self.client(), fence, answer)

    async def bury(self, key: str) -> bool:
        """Invalidate a key; whether there was something that counted."""
        client = await self.client()
        head = await self._stores.bury(client, key)
        return self._counted(key, head, client)

    async def touch(self, fence: Fence, ttl: float) -> bool:
        """Let what counts under a key live so long from now, without windows; whether there was something."""
        for _ in range(_TRIES):
            client, look = await self.look(fence)
            if (
                look.frame is None
                or found_of(look.frame.stamps, None, (), look.link.now, keeps=False).ttl <= 0
            ):
                return False
            if await self._stores.restamp(client, fence, look, ttl):
                return True
        return False

    async def revoke(self, tags: tuple[str, ...]) -> None:
        """Invalidate what bears one of these tags."""
        await self._stores.revoke(await self.client(), tags)

    async def renew_generation(self) -> None:
        """Invalidate everything."""
        await self._stores.renew_generation(await self.client())

    async def _value(self, frame: Frame, shape: Shape) -> Any:
        framing = self.state.framing
        if framing.body_is_slow(frame) or frame.size > _BIG:
            return await offload(lambda: decode(frame.kind, framing.body(frame), shape))
        return decode(frame.kind, framing.body(frame), shape)

    def _counted(self, key: str, head: bytes, client: Client) -> bool:
        """Whether what was buried would have been served."""
        state = self.state
        name = state.names.data(key)
        header: Header | None = state.framing.header_of(head, name)
        link = client.route(name)
        if header is None or link is None or header.generation != state.tokens.generation:
            return False
        if end_of(header.stamps) <= link.now:
            return False
        return all(state.tokens.get(tag) in (None, token) for tag, token in header.tags)

    def figures(self) -> dict[str, Any]:
        """What happened so far, for statistics and health."""
        state = self.state
        breaker = state.breaker
        with self._lock:
            connected = any(client.up for client in self._clients.values())
        return {
            "state": "connected" if connected else "away" if not breaker.closed else "not connected",
            "reason": None if breaker.closed else breaker.reason,
            "feed": "heard" if state.feeds else "silent",
            "owed": len(state.ledger),
            "overflows": state.ledger.overflows,
            "breaker_opened": breaker.opened,
            **asdict(state.counts),
        }

    # --- what the engine asks

    async def read(self, fence: Fence, shape: Shape) -> Found | None:
        """What is stored under the fence's key."""
        began, connected = time.monotonic(), self._up() is not None
        try:
            if not fence.spent and began > self._slow_until and connected:
                return await self.fetch(fence, shape)
            async with self._what_is_left(fence):
                return await self.fetch(fence, shape)
        except (BackendError, TimeoutError) as error:
            self.note_failure("read", error)
            return None
        finally:
            self._spend(fence, began, timed=connected)

    async def read_many(self, fences: Sequence[Fence], shape: Shape) -> Sequence[Found | None]:
        """``read`` for several keys at once."""
        return await _together([self.read(fence, shape) for fence in fences])

    async def observe(self, fences: Sequence[Fence]) -> None:
        """Have fences remember what is there."""
        await _together([self._observe(fence) for fence in fences])

    async def _observe(self, fence: Fence) -> None:
        began = time.monotonic()
        try:
            async with self._what_is_left(fence):
                await self.look(fence)
        except (BackendError, TimeoutError) as error:
            self.note_failure("observe", error)
        finally:
            self._spend(fence, began)

    async def write(self, fence: Fence, answer: Answer) -> Written:
        """Store an answer unless its fence broke or the key changed since the fence looked."""
        try:
            async with self._what_is_left(fence):
                return await self.store(fence, answer)
        except (BackendError, TimeoutError) as error:
            self.note_failure("write", error)
            if answer.replaces or (fence.note is not None and fence.note.held):
                self.owe(fence.key)
            return Written.FAILED

    async def write_many(self, answers: Sequence[tuple[Fence, Answer]]) -> Sequence[Written]:
        """``write`` for several keys at once."""
        return await _together([self.write(fence, answer) for fence, answer in answers])

    async def remove(self, key: str) -> bool:
        """Drop the key and say whether there was something to drop."""
        try:
            async with within(self.state.settings.timeout):
                return await self.bury(key)
        except (BackendError, TimeoutError) as error:
            self.note_failure("remove", error)
            self.owe(key)
            return False

    async def invalidate_tags(self, tags: tuple[str, ...]) -> None:
        """Make every entry with one of these tags count no more."""
        try:
            async with within(self.state.settings.timeout):
                await self.revoke(tags)
        except (BackendError, TimeoutError) as error:
            self.note_failure("invalidate_tags", error)
            self.state.ledger.owe_tags(tags)

    async def sight(self, key: str) -> Sight:
        """What ``explain`` says of a key that is not in memory."""
        try:
            return await self.looked_at(Fence(key, (), 0))
        except BackendError:
            return Sight(None, None, None, (), f"not in memory, and {self._away()}")

    async def looked_at(self, fence: Fence) -> Sight:
        """What stands under a key, for people."""
        _, look = await self.look(fence)
        if look.frame is None:
            return Sight(None, None, None, (), f"not in memory, and {look.reason}")
        found = found_of(look.frame.stamps, None, look.tags, look.link.now, keeps=False)
        state = "fresh" if found.ttl > 0 else "stale"
        return Sight("redis", found.age, found.ttl, found.tags, None, state)

    async def lease(self, fence: Fence, shape: Shape, *, wait: bool) -> Lease | Found | None:
        """Take the right to compute a key, or what somebody else stored."""
        try:
            client = await self.client()
            return await take_lease(self.state, client, fence, lambda: self.fetch(fence, shape), wait=wait)
        except BackendError as error:
            self.note_failure("lease", error)
            return None

    def owe(self, key: str) -> None:
        """Remember that the value of a key was replaced while Redis could not be told."""
        self.state.ledger.owe_key(key)

    def _what_is_left(self, fence: Fence) -> within:
        """Ends what takes longer than one call may wait for Redis, all its commands together."""
        return within(max(self.state.settings.timeout - fence.spent, 0.0))

    def _spend(self, fence: Fence, began: float, *, timed: bool = False) -> None:
        now = time.monotonic()
        fence.spent += now - began
        if timed and now - began > self.state.settings.timeout * _SLOW:
            self._slow_until = now + _WARY

    def note_failure(self, what: str, error: Exception) -> None:
        """Count a failure, unless nobody was asked."""
        if not isinstance(error, Unreachable):
            self.state.failed(what, error)

    def _away(self) -> str:
        return f"Redis cannot be reached: {self.state.breaker.reason or 'not connected yet'}"

    # --- the same for threads

    def read_blocking(self, fence: Fence, shape: Shape) -> Found | None:
        """``read`` for threads."""
        return run_blocking(self.read(fence, shape))

    def read_many_blocking(self, fences: Sequence[Fence], shape: Shape) -> Sequence[Found | None]:
        """``read_many`` for threads."""
        return run_blocking(self.read_many(fences, shape))

    def observe_blocking(self, fences: Sequence[Fence]) -> None:
        """``observe`` for threads."""
        run_blocking(self.observe(fences))

    def write_blocking(self, fence: Fence, answer: Answer) -> Written:
        """``write`` for threads."""
        return run_blocking(self.write(fence, answer))

    def write_many_blocking(self, answers: Sequence[tuple[Fence, Answer]]) -> Sequence[Written]:
        """``write_many`` for threads."""
        return run_blocking(self.write_many(answers))

    def remove_blocking(self, key: str) -> bool:
        """``remove`` for threads."""
        return run_blocking(self.remove(key))

    def invalidate_tags_blocking(self, tags: tuple[str, ...]) -> None:
        """``invalidate_tags`` for threads."""
        run_blocking(self.invalidate_tags(tags))

    def sight_blocking(self, key: str) -> Sight:
        """``sight`` for threads."""
        return run_blocking(self.sight(key))

    def lease_blocking(self, fence: Fence, shape: Shape, *, wait: bool) -> Lease | Found | None:
        """``lease`` for threads."""
        return run_blocking(self.lease(fence, shape, wait=wait))

    # --- its connections

    def _client_of(self, loop: asyncio.AbstractEventLoop) -> Client:
        with self._lock:
            client = self._clients.get(loop)
            if client is None or client.closed:
                self._leave_closed_loops()
                client = self._clients[loop] = Client(self.state, self.address, self._security, loop)
            self._last = (loop, client)
            return client

    def leave_closed_loops(self) -> None:
        """Close the connections of loops that were closed without an end to what ran on them."""
        with self._lock:
            self._leave_closed_loops()

    def _leave_closed_loops(self) -> None:
        for loop in [loop for loop in self._clients if loop.is_closed()]:
            self._clients.pop(loop).close()

    async def disconnect(self) -> None:
        """Close all connections, those of other loops from within these."""
        own = asyncio.get_running_loop()
        with self._lock:
            clients, self._last = dict(self._clients), None
            self._clients.clear()
        elsewhere: list[asyncio.Event] = []
        for loop, client in clients.items():
            if loop is own or loop.is_closed():
                client.close()
                continue
            try:
                elsewhere.append(_close_there(loop, client))
            except RuntimeError:  # it was closed just now
                client.close()
        await asyncio.sleep(0)  # the transports close in a turn of their own
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PARTING):
                for closed in elsewhere:
                    await closed.wait()

    def abandon(self) -> None:
        """Close what nobody will use any more; the collector calls this in any thread, without a lock."""
        for loop, client in list(self._clients.items()):
            with contextlib.suppress(RuntimeError):  # the loop is closed, and its connections are too
                loop.call_soon_threadsafe(client.close)

    def begin_anew(self) -> None:
        """Leave the parent's connections alone, in a forked child."""
        self._lock = threading.Lock()
        _parents.append(dict(self._clients))
        self._clients.clear()
        self._last = None
        self.state.forget_connections()


def _close_there(loop: asyncio.AbstractEventLoop, client: Client) -> asyncio.Event:
    """Close the connections of a loop that may run in another thread; set when that is done."""
    ticket = Ticket(asyncio.get_running_loop())

    def close() -> None:
        client.close()
        loop.call_soon(ticket.wake)  # the transports have closed by then

    loop.call_soon_threadsafe(close)
    return ticket.woken


async def _together(calls: list[Coroutine[Any, Any, T]]) -> list[T]:
    if len(calls) == 1:
        return [await calls[0]]
    return await asyncio.gather(*calls)


_tiers: "weakref.WeakSet[RedisTier]" = weakref.WeakSet()
_parents: list[Any] = []
"""Of a forked child: never let go of, since closing them would reach into the parent's event loop."""


@atexit.register
def _at_exit() -> None:
    for tier in list(_tiers):
        tier.leave_closed_loops()


def _after_fork() -> None:
    for tier in list(_tiers):
        tier.begin_anew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
