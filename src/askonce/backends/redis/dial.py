"""Opening connections: redis-py connects and authenticates, then a ``Link`` takes over."""

import asyncio
import re
import ssl
from collections.abc import Callable
from typing import Any, Final

from askonce.backends.redis.address import Address, Node
from askonce.backends.redis.link import Link, LinkLost
from askonce.exceptions import ConfigurationError
from askonce.security import SecurityConfig

_FAREWELL: Final = 0.2  # seconds for closing what did not become a link
_LONGEST_REASON: Final = 200
_ECHO: Final = re.compile(r",? with args beginning with:.*", re.DOTALL)
"""How old servers quote a command that they do not know: the login is in it."""


def preload() -> None:
    """Import what connecting takes, which blocks the event loop, before anything is timed."""
    import hiredis  # noqa: F401  # pyright: ignore[reportUnusedImport]
    import redis.asyncio  # noqa: F401  # pyright: ignore[reportUnusedImport]


class Dialer:
    """Opens connections to the servers of one cache.

    Args:
        address: where they are and how to log in.
        security: certificates.
        timeout: seconds for each connection.
    """

    def __init__(self, address: Address, security: SecurityConfig | None, timeout: float) -> None:
        self._address = address
        self._security = security
        self._timeout = timeout
        self._context: ssl.SSLContext | None = None

    async def dial(self, node: Node | None, make: Callable[[], Link]) -> Link:
        """Connect, log in, and hand over.

        Args:
            node: host and port, or ``None`` for the only server.
            make: makes the link that takes over.

        Raises:
            LinkLost: there is no server, it does not answer, or it does not let us in.
        """
        connection = self._connection(node)
        try:
            async with asyncio.timeout(2 * self._timeout):  # longer than a caller waits
                await connection.connect()
        except TimeoutError:
            await self._drop(connection)
            raise LinkLost("Redis did not accept a connection in time") from None
        except asyncio.CancelledError:
            await self._drop(connection)
            raise
        except Exception as error:
            await self._drop(connection)
            raise LinkLost(f"no connection to Redis: {self._why(error)}") from error
        link = make()
        link.node = node or (str(getattr(connection, "host", "")), int(getattr(connection, "port", 0)))
        reader, writer = connection._reader, connection._writer
        connection._reader = connection._writer = None  # it would close what is no longer its own
        unread = bytes(reader._buffer)
        link.take_over(writer.transport, (reader, writer), unread)
        return link

    async def primary(self) -> Node:
        """Ask the sentinels where the primary is.

        Raises:
            LinkLost: none of them knows.
        """
        from redis.asyncio.retry import Retry
        from redis.asyncio.sentinel import Sentinel
        from redis.backoff import NoBackoff

        address = self._address
        own = self._tls_options()
        options: dict[str, Any] = {
            "socket_timeout": self._timeout,
            "socket_connect_timeout": self._timeout,
            "retry": Retry(NoBackoff(), 0),
            **own,
        }
        sentinel: Any = Sentinel(list(address.nodes), sentinel_kwargs=options)  # type: ignore[no-untyped-call]
        try:
            async with asyncio.timeout(self._timeout * 2):
                host, port = await sentinel.discover_master(address.service)
        except Exception as error:
            raise LinkLost(
                f"no sentinel knows the primary {address.service!r}: {type(error).__name__}"
            ) from error
        else:
            return str(host), int(port)
        finally:
            for client in sentinel.sentinels:
                await client.aclose()

    def _connection(self, node: Node | None) -> Any:
        from redis.asyncio.connection import Connection, UnixDomainSocketConnection
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff
        from redis.maint_notifications import MaintNotificationsConfig

        options = dict(self._address.options)
        if node is not None:
            options["host"], options["port"] = node
        options |= {
            "protocol": 3,
            "retry": Retry(NoBackoff(), 0),
            "socket_timeout": self._timeout,
            "health_check_interval": 0,
            "driver_info": None,
            "decode_responses": False,
        }
        if "path" in options:
            return UnixDomainSocketConnection(**options)
        options["socket_connect_timeout"] = self._timeout
        options["maint_notifications_config"] = MaintNotificationsConfig(enabled=False)
        return Connection(**options) if not self._address.tls else _tls_connection(self._tls(), options)

    def _why(self, error: Exception) -> str:
        """What redis-py or the server says, without the login that a server may quote."""
        text = _ECHO.sub("", str(error))
        if password := self._address.options.get("password"):
            text = text.replace(password, "***")
        return f"{type(error).__name__}: {' '.join(text.split())[:_LONGEST_REASON]}"

    def _tls(self) -> ssl.SSLContext:
        """One context for all connections: each costs a few milliseconds of a blocked loop.

        Raises:
            LinkLost: a file that the settings name cannot be used.
        """
        if self._context is None:
            try:
                self._context = (self._security or SecurityConfig()).ssl_context()
            except ConfigurationError as error:
                raise LinkLost(str(error)) from error
        return self._context

    def _tls_options(self) -> dict[str, Any]:
        if not self._address.tls:
            return {}
        context = self._tls()

        def connect(**options: Any) -> Any:
            return _tls_connection(context, options)

        return {"connection_class": connect}

    async def _drop(self, connection: Any) -> None:
        writer = connection._writer
        connection._reader = connection._writer = None
        if writer is not None:
            writer.transport.abort()
            await asyncio.sleep(0)


def _tls_connection(context: ssl.SSLContext, options: dict[str, Any]) -> Any:
    from redis.asyncio.connection import SSLConnection

    connection = SSLConnection(**options)
    connection.ssl_context.context = context
    return connection
