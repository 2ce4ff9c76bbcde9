"""The memory in front of Redis."""

from collections.abc import Callable
from typing import Any

from askonce._types import Entry, Windows
from askonce.backends.engine import Fence, RemoteTier
from askonce.backends.memory import InMemoryCache


class Copies(InMemoryCache):
    """A memory cache whose entries are copies of what is in Redis.

    Attributes:
        longest: seconds that a copy may live, or ``None`` for as long as what it is a copy of.
    """

    longest: float | None = None
    remote: RemoteTier | None = None

    def fill(
        self,
        fence: Fence,
        value: Any,
        ttl: float,
        tags: tuple[str, ...] = (),
        copy: Callable[[Any], Any] | None = None,
        windows: Windows | None = None,
        age: float = 0.0,
    ) -> Entry | None:
        """Store a value whose fence held, for as long as a copy may live.

        A copy that ends before its time has no windows: whoever comes then asks Redis, which has them.
        """
        longest = self.longest
        if longest is not None and ttl > longest:
            ttl, windows = longest, None
        return super().fill(fence, value, ttl, tags, copy, windows, age)
