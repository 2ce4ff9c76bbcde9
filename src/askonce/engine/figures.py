"""What happened to one decorated function so far."""

from collections.abc import Callable


class Figures:
    """Counters of one function.

    The generated wrapper counts the hits of its index itself, as a float (see ``hitpath``); the rest
    happens off the hit path. On free-threaded Python two threads may now and then count one event
    together: figures may then be a little low, never high.

    Attributes:
        looked_up: hits that were found by key.
        computed: calls that ran the function.
        joined: calls that waited for the run of another.
        stale: calls that were served a value past its time.
        errors: runs that raised, and rules of the user's that failed.
        stored: answers that were stored.
        refreshed: runs of the function behind its callers, which no call waited for.
        unrecorded: runs of a generator that were too long to be stored.
        unruled: answers that were not stored since a rule of the user's failed.
    """

    def __init__(self, indexed_hits: Callable[[], float]) -> None:
        self._indexed_hits = indexed_hits
        self.looked_up = 0
        self.computed = 0
        self.joined = 0
        self.stale = 0
        self.errors = 0
        self.stored = 0
        self.refreshed = 0
        self.unrecorded = 0
        self.unruled = 0

    def hits(self) -> int:
        """Calls that were served from the cache."""
        return int(self._indexed_hits()) + self.looked_up

    def misses(self) -> int:
        """Calls that found nothing: those that ran the function, and those that waited for such a run."""
        return self.computed + self.joined
