"""What all event loops of a process share of one cache."""

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from askonce._logging import get_logger
from askonce._types import Entry
from askonce.backends.engine import Fence
from askonce.backends.redis.breaker import Breaker
from askonce.backends.redis.debts import Ledger
from askonce.backends.redis.settings import KeyNames, Settings
from askonce.backends.redis.tokens import Tokens
from askonce.codec.frame import Framing
from askonce.exceptions import BackendError


class Memory(Protocol):
    """The part of the memory store that hears of changes made elsewhere."""

    def drop_copies(self, keys: list[str]) -> None:
        """Drop entries that were changed elsewhere."""
        ...

    def drop_all_copies(self) -> None:
        """Drop all entries: they may have been changed elsewhere."""
        ...

    def drop_tag_copies(self, tags: tuple[str, ...]) -> None:
        """Drop entries with these tags."""
        ...

    def looked(self, fence: Fence) -> bool:
        """From now on changes made elsewhere overtake a fence."""
        ...

    def take_back(self, entry: Entry) -> None:
        """Remove this entry."""
        ...


@dataclass(slots=True)
class Counts:
    """Figures of the tier in Redis."""

    hits: int = 0
    misses: int = 0
    writes: int = 0
    overtaken: int = 0
    failures: int = 0
    undecodable: int = 0
    unencodable: int = 0
    feed_losses: int = 0


class State:
    """What all event loops of a process share of one cache: what is known, what is owed, who listens.

    Attributes:
        feeds: how many connections hear of changes at the moment; without one no copy is trusted.
        run_id: which server process answered last.
    """

    def __init__(self, settings: Settings, framing: Framing, memory: Memory) -> None:
        self.settings: Final = settings
        self.names: Final = KeyNames(settings.namespace)
        self.framing: Final = framing
        self.memory: Final = memory
        self.breaker: Final = Breaker()
        self.ledger: Final = Ledger(settings.queue_size)
        self.tokens: Final = Tokens()
        self.counts: Final = Counts()
        self.feeds = 0
        self.run_id: bytes | None = None
        self._lock = threading.Lock()
        self._told: Final[set[tuple[str, str]]] = set()
        self._waiting: Final[dict[bytes, list[Callable[[], None]]]] = {}

    def feed_began(self) -> None:
        """One more loop hears of changes."""
        with self._lock:
            self.feeds += 1

    def feed_ended(self, *, lost: bool = True) -> None:
        """One loop less hears of changes; no copy is trusted when nobody does, or when one was cut off.

        The others may have been cut off as well, and be too busy to know it.
        """
        with self._lock:
            self.feeds -= 1
            last = self.feeds == 0
        if lost or last:
            self.counts.feed_losses += lost
            self.tokens.forget_all()
            self.memory.drop_all_copies()

    def forget_connections(self) -> None:
        """Begin anew, as a forked child does, with the parent's threads gone and whatever locks they held."""
        self._lock = threading.Lock()
        self.feeds = 0
        for part in (self.breaker, self.ledger, self.tokens):
            part.begin_anew()
        self.memory.drop_all_copies()
        self._waiting.clear()

    def server_is(self, run_id: bytes) -> None:
        """Note which server answers; another one than before may have missed what that was told last."""
        with self._lock:
            before, self.run_id = self.run_id, run_id
        if before is not None and before != run_id:
            self.ledger.owe_recent()

    def when_changed(self, key: bytes, wake: Callable[[], None]) -> Callable[[], None]:
        """Call back at each change of a key; what is answered ends that."""
        with self._lock:
            self._waiting.setdefault(key, []).append(wake)

        def end() -> None:
            with self._lock:
                others = self._waiting.get(key, [])
                if wake in others:
                    others.remove(wake)
                if not others:
                    self._waiting.pop(key, None)

        return end

    def changed(self, keys: list[bytes]) -> None:
        """Wake those who wait for a change of one of these keys."""
        if self._waiting:
            for key in keys:
                for wake in tuple(self._waiting.get(key, ())):
                    wake()

    def failed(self, what: str, error: BaseException) -> None:
        """Count a failure; the log hears of it at a bounded rate."""
        self.counts.failures += 1
        if self.counts.failures in _TOLD or self.counts.failures % 1000 == 0:
            reason = str(error) if isinstance(error, BackendError) else type(error).__name__
            get_logger().warning("redis_failed", step=what, reason=reason, failures=self.counts.failures)

    def cannot(self, event: str, key: str, error: Exception) -> None:
        """Say once per function why a value cannot be stored, or read back.

        Args:
            event: for the log.
            key: of the value.
            error: why.
        """
        made = _MADE.fullmatch(key)
        function = made[1] if made else "by hand"  # such a key may hold anything
        if (event, function) not in self._told and len(self._told) < _MOST_TOLD:
            self._told.add((event, function))
            get_logger().warning(event, function=function, reason=str(error))


_TOLD: Final = frozenset({1, 10, 100})

_MADE: Final = re.compile(r"(.+):[0-9a-f]{32}", re.DOTALL)
"""A key that was made of a function's identity and its arguments."""

_MOST_TOLD: Final = 1000
