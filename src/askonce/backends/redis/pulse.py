"""Whether news still come over a connection that has been silent: something is done there that must be heard.

The first connection that finds the feed silent makes the news that all others hear, so that this costs a
command per heartbeat and namespace, and none where something changes anyway.
"""

import math
import time
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
        self._stirred = math.inf

    def is_silent(self) -> bool:
        """Whether nothing was heard since the last time that this was asked."""
        before, self._heard = self._heard, self._link.heard
        if before != self._heard:
            self._stirred = math.inf
        return before == self._heard

    def is_gone(self, sent: float) -> bool:
        """Whether nothing is heard although something happened.

        A server answers all that it has read before it tells news: only what was asked after the answer to
        the stirring is answered after the news.

        Args:
            sent: ``time.monotonic`` when the question was sent whose answer just came.
        """
        return self._stirred < sent and self._heard == self._link.heard

    def stirred(self, reply: Any) -> None:
        """Take the answer to what was done in order to be heard."""
        if not isinstance(reply, Exception):
            self._stirred = time.monotonic()
