"""What one cache in Redis was set to, and how its keys are called there."""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal, get_args

from askonce.exceptions import ConfigurationError
from askonce.ttl import parse_age

Feed = Literal["tracking", "pubsub"]

_SLOTS: Final = 16384
_NAMESPACE: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the parts of one cache share; times in seconds, sizes in bytes."""

    namespace: str
    timeout: float
    heartbeat: float
    tombstone_ttl: float
    lease_ttl: float
    max_value_bytes: int
    queue_size: int
    feed: Feed | None
    """How changes made elsewhere are heard of; ``None`` for what fits the kind of server."""

    def __post_init__(self) -> None:
        if not isinstance(self.namespace, str) or not _NAMESPACE.fullmatch(self.namespace):
            raise ConfigurationError(
                f"namespace={self.namespace!r} cannot begin a key; "
                "use 1 to 64 letters, digits, '-', '_' and '.'"
            )
        feeds = get_args(Feed)
        if self.feed not in (None, *feeds):
            raise ConfigurationError(f"feed={self.feed!r} is unknown; give one of {', '.join(feeds)}")
        size = self.queue_size
        if isinstance(size, bool) or not isinstance(size, int) or size < 0:
            raise ConfigurationError(f"recovery_queue_size={size!r} is no whole number from 0 on")


def waiting_time(value: object, name: str) -> float:
    """Seconds that something may take: more than 0, and not for ever.

    Raises:
        ConfigurationError: it is anything else.
    """
    try:
        seconds = parse_age(value, name)
    except ConfigurationError:
        seconds = 0
    if 0 < seconds < math.inf:
        return seconds
    raise ConfigurationError(
        f'{name}={value!r} is no time to wait; give seconds above 0, a timedelta, or text such as "500ms"'
    )


class KeyNames:
    """How things are called in Redis.

    Attributes:
        prefix: with what every key begins.
        generation: the key of the token that every frame bears.
        channel: where changes are published.
    """

    def __init__(self, namespace: str) -> None:
        self.prefix: Final = f"{namespace}:".encode()
        self.data_prefix: Final = self.prefix + b"d:"
        self.tag_prefix: Final = self.prefix + b"t:"
        self.lease_prefix: Final = self.prefix + b"l:"
        self.generation: Final = self.prefix + b"g"
        self.channel: Final = self.prefix + b"feed"

    def data(self, key: str) -> bytes:
        """Where the value of a key is."""
        return self.data_prefix + key.encode("utf-8", "surrogatepass")

    def tag(self, tag: str) -> bytes:
        """Where the token of a tag is."""
        return self.tag_prefix + tag.encode("utf-8", "surrogatepass")

    def stirred(self) -> Iterator[bytes]:
        """Keys under which nothing is, in almost all slots of a cluster."""
        return (b"%bh:%d" % (self.prefix, number) for number in range(_SLOTS * 4))

    def lease(self, key: str) -> bytes:
        """Where the lease of a key is."""
        return self.lease_prefix + key.encode("utf-8", "surrogatepass")
