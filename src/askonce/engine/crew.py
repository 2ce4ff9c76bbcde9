"""Threads that refresh plain functions behind their callers."""

import contextlib
import os
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Hashable
from typing import Final, NamedTuple

from askonce._logging import get_logger
from askonce.engine.notes import Rate

LIMIT: Final = 32
"""Threads at most; what comes beyond waits for its turn."""

QUEUE: Final = 10_000
"""How much work may wait; what comes beyond is dropped."""

Work = Callable[[], None]


class _Job(NamedTuple):
    """What is to be done, for whom."""

    place: Hashable
    work: Work
    group: str | None


class Crew:
    """A bounded number of daemon threads, there only while there is work.

    No group may have more of the threads, or of the queue, than it leaves free: however many refreshes of one
    function hang, there are some left for those of others, and when these hang too, still some.

    Daemons, since a program that ends should not wait for a refresh that nobody waits for.
    """

    def __init__(self, limit: int = LIMIT, queue: int = QUEUE) -> None:
        self._limit: Final = limit
        self._queue: Final = queue
        self._reset()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._reset)  # its threads are not there

    def _reset(self) -> None:
        # Reentrant: a finalizer that the collector runs in here may call a function that is stale.
        self._lock = threading.RLock()
        self._waiting: dict[str | None, deque[_Job]] = {}
        self._places: set[Hashable] = set()
        self._busy: Counter[str | None] = Counter()
        self._overflows = Rate()

    def __contains__(self, place: Hashable) -> bool:
        """Whether such work waits already."""
        return place in self._places

    def send(self, place: Hashable, work: Work, group: str | None = None) -> None:
        """Have work done, unless the same is about to begin; where too much waits, it is not done at all.

        Args:
            place: what makes it the same.
            work: reports by itself what it raises.
            group: the function whose work it is.
        """
        with self._lock:
            fits = place in self._places or self._put(_Job(place, work, group))
            held_back = None if fits else self._overflows.next(time.monotonic())
        self._staff()
        if held_back is not None:
            more = {"held_back": held_back} if held_back else {}
            get_logger().warning("refreshes_waiting", function=group, **more)

    def _put(self, job: _Job) -> bool:
        waiting = self._waiting.get(job.group, ())
        if len(waiting) >= self._queue - len(self._places):
            return False
        self._waiting.setdefault(job.group, deque()).append(job)
        self._places.add(job.place)
        return True

    def _take(self) -> _Job | None:
        """The next that may begin, from each group in turn."""
        free = self._limit - self._busy.total()
        for group, waiting in self._waiting.items():
            if self._busy[group] < free:
                del self._waiting[group]
                job = waiting.popleft()
                if waiting:
                    self._waiting[group] = waiting
                self._busy[group] += 1
                return job
        return None

    def _staff(self) -> None:
        """Have threads begin all that may."""
        while True:
            with self._lock:
                job = self._take()
            if job is None:
                return
            try:
                threading.Thread(target=self._serve, args=(job,), name="askonce refresh", daemon=True).start()
            except RuntimeError:  # no more threads, or the interpreter is ending; whoever asks next sends it
                self._begin(job)
                self._end(job)
                return

    def _serve(self, job: _Job | None) -> None:
        while job is not None:
            self._begin(job)
            with contextlib.suppress(BaseException):  # else it would cost the crew a thread for good
                job.work()
            job = self._end(job, goes_on=True)
            self._staff()  # one thread less for this group may be one more for two others

    def _begin(self, job: _Job) -> None:
        with self._lock:
            self._places.discard(job.place)

    def _end(self, job: _Job, *, goes_on: bool = False) -> _Job | None:
        with self._lock:
            self._busy[job.group] -= 1
            if not self._busy[job.group]:
                del self._busy[job.group]
            return self._take() if goes_on else None


crew: Final = Crew()
"""The crew of this process."""
