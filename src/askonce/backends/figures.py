"""Figures of decorated functions, taken into those of their cache."""

from typing import Final
from weakref import ref

from askonce.backends.engine import HitSource


class HitSources:
    """The hits and misses of functions that may die: what one had counted when last read stays in the sum."""

    __slots__ = ("_limit", "_past_hits", "_past_misses", "_sources")

    def __init__(self) -> None:
        self._sources: list[_Source] = []
        self._past_hits = self._past_misses = 0.0
        self._limit = 64

    def __len__(self) -> int:
        return len(self._sources)

    def add(self, source: HitSource) -> None:
        """Count with a function's figures from now on; a second time changes nothing."""
        if any(known.ref() is source for known in self._sources):
            return
        if len(self._sources) >= self._limit:
            self.totals()
            self._limit = max(64, 2 * len(self._sources))
        self._sources.append(_Source(source))

    def totals(self) -> tuple[float, float]:
        """All hits and all misses."""
        alive = [source for source in self._sources if source.read()]
        if len(alive) < len(self._sources):
            gone = [source for source in self._sources if source not in alive]
            self._past_hits += sum(source.hits for source in gone)
            self._past_misses += sum(source.misses for source in gone)
            self._sources = alive
        hits = sum((source.hits for source in alive), self._past_hits)
        return hits, sum((source.misses for source in alive), self._past_misses)


class _Source:
    """One function's figures as last read."""

    __slots__ = ("hits", "misses", "ref")

    def __init__(self, source: HitSource) -> None:
        self.ref: Final = ref(source)
        self.hits = self.misses = 0.0

    def read(self) -> bool:
        source = self.ref()
        if source is None:
            return False
        self.hits = source.hits()
        self.misses = source.misses()
        return True
