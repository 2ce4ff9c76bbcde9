"""Threads that refresh plain functions behind their callers."""

import contextlib
import os
import threading
from collections import deque
from collections.abc import Callable, Hashable
from typing import Final

LIMIT: Final = 32
"""Threads at most; what comes beyond waits for its turn."""

Work = Callable[[], None]


class Crew:
    """A bounded number of daemon threads, there only while there is work.

    Daemons, since a program that ends should not wait for a refresh that nobody waits for.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit: Final = limit
        self._reset()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._reset)  # its threads are not there

    def _reset(self) -> None:
        # Reentrant: a finalizer that the collector runs in here may call a function that is stale.
        self._lock = threading.RLock()
        self._waiting: deque[tuple[Hashable, Work]] = deque()
        self._places: set[Hashable] = set()
        self._threads = 0

    def send(self, place: Hashable, work: Work) -> None:
        """Have work done, unless the same is waiting or under way already.

        Args:
            place: what makes it the same.
            work: reports by itself what it raises.
        """
        with self._lock:
            if place in self._places:
                return
            self._places.add(place)
            self._waiting.append((place, work))
            if self._threads >= self._limit:
                return
            self._threads += 1
        try:
            threading.Thread(target=self._serve, name="askonce refresh", daemon=True).start()
        except RuntimeError:  # no more threads, or the interpreter is ending
            self._retire(place)

    def _serve(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._threads -= 1
                    return
                place, work = self._waiting.popleft()
            with contextlib.suppress(BaseException):  # else it would cost the crew a thread for good
                work()
            with self._lock:
                self._places.discard(place)

    def _retire(self, place: Hashable) -> None:
        """Forget what cannot be done; whoever asks next sends it again."""
        with self._lock:
            self._threads -= 1
            self._places.discard(place)
            self._waiting = deque(item for item in self._waiting if item[0] != place)


crew: Final = Crew()
"""The crew of this process."""
