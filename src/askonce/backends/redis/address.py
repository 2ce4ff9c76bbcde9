"""Where the servers are: the forms of URL, and what must not be shown of them."""

import re
from dataclasses import dataclass, field
from typing import Any, Final, Literal
from urllib.parse import parse_qsl, unquote, urlsplit

from askonce.exceptions import ConfigurationError
from askonce.security import SecurityConfig

Topology = Literal["standalone", "cluster", "sentinel"]
Node = tuple[str, int]

_FORMS: Final = (
    "redis://host:6379/0, rediss://host:6380, unix:///path/to/socket, redis+cluster://a:1,b:2 or "
    "redis+sentinel://a:1,b:2/name (with rediss+ in place of redis+ for TLS)"
)
_PORTS: Final = {"cluster": 6379, "sentinel": 26379}


@dataclass(frozen=True, slots=True)
class Address:
    """Servers, as a URL names them.

    Attributes:
        topology: how they work together.
        nodes: those to begin with; for Sentinel the sentinels; none for one server.
        service: Sentinel's name of the primary.
        options: what redis-py's connection takes: host, port, path, db, username, password.
        tls: whether the connection is encrypted.
        shown: the URL without its secrets.
    """

    topology: Topology
    nodes: tuple[Node, ...]
    service: str
    options: dict[str, Any] = field(repr=False)
    tls: bool
    shown: str


def parse_address(url: str, security: SecurityConfig | None = None) -> Address:
    """Read a URL.

    Raises:
        ConfigurationError: it has none of the known forms; its secrets are not in the message.
    """
    if not isinstance(url, str):
        raise ConfigurationError(f"redis_url is a text, not {type(url).__name__}; use one of {_FORMS}")
    try:
        return _parsed(url, security)
    except ConfigurationError:
        raise
    except (ValueError, TypeError):
        problem = "a part of it cannot be read (a port that is no number, or a bracket)"
    raise ConfigurationError(f"redis_url={masked(url)!r}: {problem}; use one of {_FORMS}")


def masked(url: str) -> str:
    """A URL for people: passwords read ``***``, also in the query, or where it is not well formed."""
    before, separator, rest = url.partition("://") if "://" in url else ("", "", url)
    login, at, place = rest.rpartition("@")
    user = re.split(r"[:/?#]", login, maxsplit=1)[0]
    if at:  # whatever follows the user up to the last "@" may be a password with signs that it must not have
        rest = f"{user}{':***' if login != user else ''}@{place}"
    place, mark, query = rest.partition("?")
    return f"{before}{separator}{place}{mark}{'&'.join(map(_masked_part, query.split('&')))}"


_SECRETS: Final = ("pass", "pwd", "secret", "token", "auth", "key")


def _masked_part(part: str) -> str:
    name, equals, _ = part.partition("=")
    is_secret = any(word in unquote(name).lower() for word in _SECRETS)
    return f"{name}{equals}***" if is_secret else part


def _parsed(url: str, security: SecurityConfig | None) -> Address:
    scheme, _, rest = url.partition("://")
    family, _, kind = scheme.partition("+")
    if not rest or family not in ("redis", "rediss", "unix") or kind not in ("", "cluster", "sentinel"):
        raise ConfigurationError(f"redis_url={masked(url)!r} has an unknown form; use one of {_FORMS}")
    if family == "unix" and kind:
        raise ConfigurationError(f"redis_url={masked(url)!r} has an unknown form; use one of {_FORMS}")
    parts = urlsplit(url)
    if family != "unix" and "@" in parts.path + parts.fragment:
        raise ConfigurationError(
            f"redis_url={masked(url)!r}: signs like / ? # in a password are written %2F %3F %23"
        )
    tls = (security or SecurityConfig()).uses_tls(family == "rediss")
    if kind:
        topology: Topology = "cluster" if kind == "cluster" else "sentinel"
        return _several(url, topology, tls, security)
    from redis.asyncio.connection import parse_url

    options: dict[str, Any] = dict(parse_url(url))
    options.pop("connection_class", None)
    _keep_known(options, url)
    database = parts.path.strip("/")
    if family != "unix" and database and not database.isdecimal():  # redis-py takes it for 0
        raise ConfigurationError(f"redis_url={masked(url)!r}: the database {database!r} is no number")
    if family != "unix":
        options.setdefault("host", "localhost")
        options.setdefault("port", 6379)
    return Address("standalone", (), "", _with_login(options, security), tls, masked(url))


def _several(url: str, topology: Topology, tls: bool, security: SecurityConfig | None) -> Address:
    parts = urlsplit(url)
    login, _, hosts = parts.netloc.rpartition("@")
    nodes = tuple(_node(text, _PORTS[topology]) for text in hosts.split(",") if text)
    path = [unquote(part) for part in parts.path.split("/") if part]
    options: dict[str, Any] = dict(parse_qsl(parts.query))
    _keep_known(options, url)
    if login:
        username, colon, password = login.partition(":")
        options |= {"username": unquote(username) or None, "password": unquote(password) if colon else None}
    if topology == "sentinel":
        if not path:
            raise ConfigurationError(
                f"redis_url={masked(url)!r} names no primary; write redis+sentinel://host:26379/mymaster"
            )
        options["db"] = int(options.get("db", path[1] if len(path) > 1 else 0))
    elif path and path != ["0"]:
        raise ConfigurationError(f"redis_url={masked(url)!r}: a cluster has database 0 only")
    if not nodes:
        raise ConfigurationError(f"redis_url={masked(url)!r} names no server; use one of {_FORMS}")
    service = path[0] if topology == "sentinel" else ""
    return Address(topology, nodes, service, _with_login(options, security), tls, masked(url))


def _node(text: str, default: int) -> Node:
    parts = urlsplit(f"//{text}")
    return parts.hostname or "localhost", parts.port or default


_KNOWN: Final = frozenset({"host", "port", "path", "db", "username", "password", "client_name"})


def _keep_known(options: dict[str, Any], url: str) -> None:
    unknown = sorted(options.keys() - _KNOWN)
    if unknown:
        # With an "@" behind them they may be the end of a password that has a "?" in it.
        names = "what stands" if "@" in urlsplit(url).query else ", ".join(unknown)
        raise ConfigurationError(
            f"redis_url={masked(url)!r}: {names} in the query would have no effect; known are "
            f"{', '.join(sorted(_KNOWN))}, the rest are arguments of the cache or of SecurityConfig"
        )


def _with_login(options: dict[str, Any], security: SecurityConfig | None) -> dict[str, Any]:
    """A login given in ``SecurityConfig`` goes before one in the URL."""
    if security is not None:
        username, password = security.login()
        if username is not None or password is not None:
            options["username"], options["password"] = username, password
    return {name: value for name, value in options.items() if value is not None}
