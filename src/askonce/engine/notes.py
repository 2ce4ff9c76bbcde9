"""What one function has to say to the log, at a bounded rate."""

import threading
import time
from typing import Final

from askonce._logging import get_logger

BURST: Final = 5
"""Lines of one event that are written as they come ..."""

PERIOD: Final = 10.0
"""... within so many seconds; what is more is counted, and the next line says how many there were."""


class Rate:
    """How often an event came in this period, and how often nobody was told; used under a lock."""

    __slots__ = ("began", "held_back", "lines")

    def __init__(self) -> None:
        self.began = -PERIOD
        self.lines = 0
        self.held_back = 0

    def next(self, now: float) -> int | None:
        """How many went unsaid before this one, or ``None`` where this one does, too."""
        if now - self.began >= PERIOD:
            self.began, self.lines = now, 0
        if self.lines >= BURST:
            self.held_back += 1
            return None
        self.lines += 1
        held_back, self.held_back = self.held_back, 0
        return held_back


class Notes:
    """Warnings of one function.

    Args:
        function: its identity.
    """

    def __init__(self, function: str) -> None:
        self._function = function
        self._lock = threading.RLock()  # a handler of the log may call the function
        self._events: dict[str, Rate] = {}

    def warn(self, event: str, error: BaseException) -> None:
        """Write a line about an exception: its class, never what it says, which may hold arguments."""
        with self._lock:
            count = self._events.setdefault(event, Rate())
            held_back = count.next(time.monotonic())
        if held_back is None:
            return
        more = {"held_back": held_back} if held_back else {}
        get_logger().warning(event, function=self._function, error=type(error).__name__, **more)
