"""One connection to one server: requests, replies, and what the server says unasked, in one order.

Nothing waits for a free connection, and a reply is never taken for another's: what is cancelled is still
read. All commands of one turn of the event loop leave as one write.
"""

import asyncio
import contextlib
import re
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from askonce.backends.redis.wire import Script, pack
from askonce.exceptions import BackendError, BackendTimeout

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Future

_SLACK: Final = (
    1 << 20
)  # of a reply beyond the largest value: what frames add, and a chunk that was just read
_SLICE: Final = 1 << 14  # bytes: after each large reply the parser moves all that it has not read yet
_UNKNOWN_SCRIPT: Final = "NOSCRIPT"

OnReply = Callable[[Any], None]


class LinkLost(BackendError):
    """The connection ended before the answer came."""


class LinkTimeout(BackendTimeout, LinkLost):
    """The server did not answer in time, so that the connection was given up."""


class Refused(BackendError):
    """The server answered with an error."""


class Link(asyncio.Protocol):
    """A connection that many callers share.

    Attributes:
        deadline: seconds within which the oldest request must be answered.
        offset: the server's clock less ``time.monotonic``, in seconds.
        node: host and port of the server.
        alive: whether requests can be sent.
        version: of the server.
        id: the server's number of this connection.
        heard: how much the server has said unasked.
    """

    def __init__(
        self,
        loop: "AbstractEventLoop",
        *,
        deadline: float,
        limit: int,
        on_push: Callable[["Link", Sequence[Any]], None],
        on_lost: Callable[["Link", Exception], None],
        on_error: Callable[["Link", Exception], None],
    ) -> None:
        import hiredis

        self.deadline: Final = deadline
        self.offset = 0.0
        self.node: tuple[str, int] = ("", 0)
        self.alive = True
        self.version: tuple[int, ...] = ()
        self.id: int | None = None
        self.heard = 0
        self._loop: Final = loop
        self._limit: Final = limit + _SLACK
        self._on_push: Final = on_push
        self._on_lost: Final = on_lost
        self._on_error: Final = on_error
        self._push_type: Final = hiredis.PushNotification
        self._error_types: Final = (hiredis.ReplyError,)
        self._protocol_error: Final = hiredis.ProtocolError
        self._reader: Final = hiredis.Reader(notEnoughData=_NOT_ENOUGH)
        self._transport: asyncio.Transport | None = None
        self._held: Any = None
        self._out: list[bytes] = []
        self._pending: Final[deque[tuple[Future[Any] | None, float, OnReply | None]]] = deque()
        self._watch: asyncio.TimerHandle | None = None
        self._last_chance = False

    def take_over(self, transport: asyncio.Transport, held: Any, unread: bytes = b"") -> None:
        """Go on with a connection that somebody else opened.

        Args:
            transport: of the connection.
            held: what has to live as long as the connection.
            unread: bytes that came already.
        """
        self._transport = transport
        self._held = held
        transport.set_protocol(self)
        if unread:
            self.data_received(unread)

    @property
    def now(self) -> float:
        """The server's clock, in seconds."""
        return time.monotonic() + self.offset

    # --- asking

    def send(self, command: bytes, on_reply: OnReply | None = None) -> "Future[Any]":
        """Send a packed command; the answer is what it replies, an error included (see ``checked``).

        Args:
            command: as ``wire.pack`` makes it.
            on_reply: called in the order in which replies and pushes came, before anybody wakes; also with
                the error that ended the connection.
        """
        future = self._loop.create_future()
        # As ``_enqueue`` does it, without its calls: every read comes along here.
        if not self.alive:
            raise LinkLost("the connection to Redis is closed")
        out = self._out
        if not out:
            self._loop.call_soon(self._flush)
        out.append(command)
        self._pending.append((future, time.monotonic(), on_reply))
        if self._watch is None:
            self._watch = self._loop.call_later(self.deadline, self._check)
        return future

    def tell(self, command: bytes, on_reply: OnReply | None = None) -> None:
        """Send a packed command for whose answer nobody waits."""
        self._enqueue(command, None, on_reply)

    async def subscribe(self, channel: bytes) -> None:
        """Hear what is published; the server confirms that unasked, before it answers what comes after.

        Raises:
            BackendError: it refused.
        """
        self._write(pack((b"SUBSCRIBE", channel)))
        await self.ask(b"PING")

    async def ask(self, *arguments: Any) -> Any:
        """Send a command and wait for what it replies.

        Raises:
            BackendError: the server refused it, or the connection was lost.
        """
        return checked(await self.send(pack(arguments)))

    async def run(self, script: Script, key: bytes, *arguments: Any) -> Any:
        """Run a script on one key.

        Raises:
            BackendError: as for ``ask``.
        """
        reply = await self.send(pack((b"EVALSHA", script.sha, 1, key, *arguments)))
        if self.is_error(reply) and str(reply).startswith(_UNKNOWN_SCRIPT):
            reply = await self.send(pack((b"EVAL", script.text, 1, key, *arguments)))
        return checked(reply)

    def is_error(self, reply: Any) -> bool:
        """Whether a reply is an error."""
        return isinstance(reply, self._error_types)

    def _enqueue(self, command: bytes, future: "Future[Any] | None", on_reply: OnReply | None) -> None:
        self._write(command)
        self._pending.append((future, time.monotonic(), on_reply))
        if self._watch is None:
            self._watch = self._loop.call_later(self.deadline, self._check)

    def _write(self, command: bytes) -> None:
        if not self.alive:
            raise LinkLost("the connection to Redis is closed")
        if not self._out:
            self._loop.call_soon(self._flush)
        self._out.append(command)

    def _flush(self) -> None:
        out, self._out = self._out, []
        if self._transport is not None and self.alive:
            self._transport.write(b"".join(out))

    # --- being answered

    def data_received(self, data: bytes) -> None:
        """Hand out what came."""
        reader, pending, push = self._reader, self._pending, self._push_type
        gets, refusal = reader.gets, self._error_types[0]
        try:
            for start in range(0, len(data), _SLICE):
                reader.feed(data, start, min(_SLICE, len(data) - start))
                while (reply := gets()) is not _NOT_ENOUGH:
                    if type(reply) is push:
                        self.heard += 1
                        self._on_push(self, reply)
                        continue
                    future, _, on_reply = pending.popleft()
                    self._last_chance = False  # that of the next one; news alone are no answer
                    if type(reply) is refusal:
                        self._on_error(self, reply)
                    if on_reply is not None:
                        on_reply(reply)
                    if future is not None and not future.done():
                        future.set_result(reply)
        except (self._protocol_error, IndexError, MemoryError) as error:
            self.lose(LinkLost(f"Redis sent what cannot be a reply: {type(error).__name__}"))
        else:
            if reader.len() > self._limit:
                self.lose(LinkLost("Redis began a reply beyond max_value_bytes"))

    def eof_received(self) -> bool:
        """Close: nothing will be answered any more."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell everybody."""
        self.lose(LinkLost("the connection to Redis was lost"))

    def _check(self) -> None:
        """See whether the oldest request is overdue; after a loop that was blocked give it one more turn."""
        self._watch = None
        if not self._pending or not self.alive:
            return
        left = self._pending[0][1] + self.deadline - time.monotonic()
        if left <= 0 and self._last_chance:
            self.lose(LinkTimeout(f"Redis did not answer within {self.deadline:g} s"))
            return
        self._last_chance = left <= 0
        self._watch = self._loop.call_later(max(left, 0.01), self._check)

    def lose(self, error: Exception) -> None:
        """End the connection at once; whoever waits gets the error. May be called again."""
        if not self.alive:
            return
        self.alive = False
        if self._watch is not None:
            self._watch.cancel()
        if self._transport is not None:
            _end(self._transport, self._loop)
        pending = list(self._pending)
        self._pending.clear()
        self._on_lost(self, error)
        for future, _, on_reply in pending:
            if on_reply is not None:
                on_reply(error)
            if future is not None and not future.done() and not self._loop.is_closed():
                future.set_exception(error)
                future.exception()  # those who were cancelled retrieve nothing


def _end(transport: asyncio.Transport, loop: "AbstractEventLoop") -> None:
    """Close a connection at once, also one whose loop was closed before it."""
    if not loop.is_closed():
        transport.abort()
        return
    with contextlib.suppress(RuntimeError):  # the loop takes no more calls, so that the socket stays open
        transport.abort()
    encryption: Any = getattr(transport, "_ssl_protocol", None)
    plain: Any = transport if encryption is None else encryption._transport
    socket = getattr(plain, "_sock", None)
    if socket is not None:
        socket.close()
        plain._sock = None


class _NotEnough:
    """What the reader answers where a reply is not complete."""


_NOT_ENOUGH: Final = _NotEnough()


def checked(reply: Any) -> Any:
    """The reply, unless it is an error.

    Raises:
        Refused: it is one.
    """
    if isinstance(reply, Exception):
        raise Refused(f"Redis refused a command: {_named(str(reply))}")
    return reply


_FORBIDDEN: Final = re.compile(r"NOPERM\b.*'([a-z|._-]{1,40})' command")
_UNKNOWN: Final = re.compile(r"ERR unknown command ['`]([A-Z]{1,20})['`]")


def _named(error: str) -> str:
    """What an error is called, and which command is meant; the rest may hold keys."""
    code = error.partition(" ")[0]
    if unknown := _UNKNOWN.match(error):
        return f"{code}, this server does not know {unknown[1]}"
    if code != "NOPERM":
        return code
    command = _FORBIDDEN.match(error)
    what = f"run {command[1]}" if command else "use these keys or channels"
    return f"NOPERM, this user may not {what}"
