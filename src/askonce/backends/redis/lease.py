"""The right to compute a key while other processes wait: a key in Redis that somebody holds for a while."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

from askonce.backends.engine import Fence, Found
from askonce.backends.redis.client import Client
from askonce.backends.redis.link import Link, checked
from askonce.backends.redis.looking import Note, Unreachable
from askonce.backends.redis.state import State
from askonce.backends.redis.tokens import new_token
from askonce.backends.redis.wire import PROLONG, RELEASE, pack

_POLL: Final = 0.2
"""Seconds between looks while somebody else computes, in case that no news come."""

Read = Callable[[], Awaitable[Found | None]]


class HeldLease:
    """A lease that is ours, prolonged at a third of its time until it is released.

    If it is lost all the same (a loop that was blocked, a server that went away), somebody else computes too:
    the fill compares what it saw, so that this costs only the computation.
    """

    def __init__(self, state: State, client: Client, name: bytes, token: bytes) -> None:
        self._state = state
        self._client = client
        self._name = name
        self._token = token
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._released = False
        self._again()

    def release(self) -> None:
        """Let the next one have it; may be called from any thread, and again."""
        if self._released:
            return
        self._released = True
        try:
            self._loop.call_soon_threadsafe(self._give_back)
        except RuntimeError:  # the loop is closed: the lease ends by itself
            return

    def _again(self) -> None:
        self._timer = self._loop.call_later(self._state.settings.lease_ttl / 3, self._prolong)

    def _prolong(self) -> None:
        if not self._released:
            lives = str(int(self._state.settings.lease_ttl * 1000)).encode()
            self._tell((b"EVAL", PROLONG.text, 1, self._name, self._token, lives))
            self._again()

    def _give_back(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._tell((b"EVAL", RELEASE.text, 1, self._name, self._token))

    def _tell(self, command: tuple[Any, ...]) -> None:
        link = self._client.route(self._name)
        if link is not None:
            link.tell(pack(command))


async def take_lease(
    state: State, client: Client, fence: Fence, read: Read, *, wait: bool
) -> HeldLease | Found | None:
    """Take the lease of a fence's key, or take what its holder stored.

    Args:
        state: of the cache.
        client: of the running loop.
        fence: of the flight; it has looked.
        read: looks again.
        wait: whether to wait for a holder. Nobody waits for longer than a tombstone lives, which is longer
            than any function runs: holders in two processes that wait for each other end so.

    Raises:
        BackendError: Redis cannot be asked.
    """
    names = state.names
    keys = (names.lease(fence.key), names.data(fence.key))
    deadline = time.monotonic() + state.settings.tombstone_ttl
    while time.monotonic() < deadline:
        news = _News(state, keys)
        try:
            lease = await _try(state, client, keys[0])
            if lease is None and not wait:
                return None
            found = await _newer(fence, read, lease)
            if found is not None or lease is not None:
                return found or lease
            fence.looking = True  # what the holder stores is no reason to keep nothing of it
            await news.wait()
        finally:
            news.end()
    return None


class _News:
    """Changes of some keys."""

    def __init__(self, state: State, keys: tuple[bytes, ...]) -> None:
        self._loop = asyncio.get_running_loop()
        self._came = asyncio.Event()
        self._ends = [state.when_changed(key, self._wake) for key in keys]

    def _wake(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self._came.set)
        except RuntimeError:  # the loop is closed, and nobody waits
            return

    async def wait(self) -> None:
        """Until something changed, or it is time to look again."""
        try:
            async with asyncio.timeout(_POLL):
                await self._came.wait()
        except TimeoutError:
            return

    def end(self) -> None:
        """Hear no more."""
        for end in self._ends:
            end()


async def _try(state: State, client: Client, name: bytes) -> HeldLease | None:
    link = client.route(name)
    if link is None:
        raise Unreachable("the server of the lease cannot be reached")
    token = new_token()
    lives = str(int(state.settings.lease_ttl * 1000)).encode()
    return HeldLease(state, client, name, token) if await _asked(link, name, token, lives) else None


async def _asked(link: Link, name: bytes, token: bytes, lives: bytes) -> bool:
    answer = link.send(pack((b"SET", name, token, b"NX", b"PX", lives)))
    try:
        return checked(await answer) is not None
    except asyncio.CancelledError:  # it may be ours all the same
        if link.alive:
            link.tell(pack((b"EVAL", RELEASE.text, 1, name, token)))
        raise


async def _newer(fence: Fence, read: Read, lease: HeldLease | None) -> Found | None:
    """What somebody stored since the fence looked, while it is fresh; the lease is not needed then."""
    before = fence.note.seen if isinstance(fence.note, Note) else None
    found: Found | None = None
    try:
        found = await read()
        if found is not None and (found.ttl <= 0 or fence.note.seen == before):
            found = None
        if lease is not None and found is not None:
            lease.release()
    except BaseException:
        if lease is not None:
            lease.release()
        raise
    return found
