"""When not to ask: after a failure nobody tries for a while, then one does."""

import random
import threading
import time
from typing import Final

_FIRST: Final = 0.05
_LONGEST: Final = 2.0


class Breaker:
    """Open after a failure, for a time that doubles with each further one, with jitter; safe under threads.

    Attributes:
        closed: whether everybody may ask; read without the lock.
        opened: how often it opened.
        reason: the last failure, for health reports.
    """

    def __init__(self) -> None:
        self.closed = True
        self.opened = 0
        self.reason: str | None = None
        self._lock = threading.Lock()
        self._failures = 0
        self._until = 0.0
        self._probing_until = 0.0

    @property
    def allows(self) -> bool:
        """Whether it makes sense to ask."""
        return self.closed or time.monotonic() >= max(self._until, self._probing_until)

    def probe(self, seconds: float) -> bool:
        """Take the right to try while it is open, for so long at most; one at a time has it."""
        with self._lock:
            now = time.monotonic()
            if self.closed:
                return True
            if now < self._until or now < self._probing_until:
                return False
            self._probing_until = now + seconds
            return True

    def fail(self, reason: str) -> float:
        """Open, and say for how many seconds."""
        with self._lock:
            if self.closed:
                self.opened += 1
            self.closed = False
            self.reason = reason
            pause: float = min(_FIRST * 2**self._failures, _LONGEST) * random.uniform(0.5, 1.0)  # noqa: S311
            self._failures = min(self._failures + 1, 10)
            self._probing_until = 0.0
            self._until = time.monotonic() + pause
            return pause

    def begin_anew(self) -> None:
        """Close, in a forked child, where a thread of the parent may have held the lock."""
        self._lock = threading.Lock()
        self.succeed()

    def succeed(self) -> None:
        """Close."""
        with self._lock:
            self.closed = True
            self._failures = 0
            self._until = self._probing_until = 0.0
