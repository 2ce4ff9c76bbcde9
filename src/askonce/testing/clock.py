"""A clock to turn by hand."""

import math
from datetime import timedelta

from askonce._types import Ttl
from askonce.ttl import parse_age


class ManualClock:
    """A clock that stands still until it is advanced.

    Example:
        >>> clock = ManualClock()
        >>> cache = InMemoryCache(clock=clock)
        >>> clock.advance("15m")

    Args:
        now: the instant at which it stands first.
    """

    def __init__(self, now: float = 1000.0) -> None:
        self._now = now

    def __call__(self) -> float:
        """The instant, in seconds."""
        return self._now

    def advance(self, seconds: Ttl) -> None:
        """Let time pass.

        Args:
            seconds: how much of it: a number, a ``timedelta``, or text such as ``"90s"`` or ``"15m"``.

        Raises:
            ValueError: for a negative or endless time, and for what is no time.
        """
        if isinstance(seconds, timedelta):
            seconds = seconds.total_seconds()
        if isinstance(seconds, (int, float)) and not 0 <= seconds < math.inf:
            raise ValueError(
                f"a monotonic clock does not go back or on for ever; {seconds} is neither 0 nor more"
            )
        self._now += parse_age(seconds, "advance")
