"""Whether news still come over a connection that has been silent: something is done there that must be heard.

The first connection that finds the feed silent makes the news that all others hear, so that this costs a
command per heartbeat and namespace, and none where something changes anyway.
"""

from typing import Any, Final

from askonce.backends.redis.link import Link


class Pulse:
    """Watches over what is heard on one connection, from heartbeat to heartbeat.

    Args:
        link: the connection.
    """

    __slots__ = ("_heard", "_link", "_stirred")

    def __init__(self, link: Link) -> None:
        self._link: Final = link
        self._heard = -1
        self._stirred = False

    def is_silent(self) -> bool:
        """Whether nothing was heard since the last time that this was asked."""
        before, self._heard = self._heard, self._link.heard
        if before != self._heard:
            self._stirred = False
        return before == self._heard

    def is_gone(self) -> bool:
        """Whether nothing is heard although something happened."""
        return self._stirred and self._heard == self._link.heard

    def stirred(self, reply: Any) -> None:
        """Take the answer to what was done in order to be heard."""
        self._stirred = not isinstance(reply, Exception)
