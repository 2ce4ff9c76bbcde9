"""What is kept of a generator: the items of one run, each as it was when it came, within bounds."""

from collections.abc import AsyncGenerator, Callable, Generator, Iterable
from contextlib import aclosing, closing
from sys import getsizeof
from typing import Any, Final, Literal

from askonce._types import Recording
from askonce.backends.sizing import deep_size
from askonce.engine.oneshot import reusable
from askonce.exceptions import CacheError
from askonce.isolation import isolated
from askonce.signature import Arguments, Kind

MAX_ITEMS: Final = 100_000
"""A run of more items is not kept."""

MAX_BYTES: Final = 16 * 2**20
"""A run of more bytes is not kept; each item counts with all that it holds."""

BOUNDS: Final = f"{MAX_ITEMS} items or {MAX_BYTES >> 20} MiB"

_SLOT: Final = 8  # bytes of an item's place in a tuple
_ATOMS: Final = frozenset({str, bytes, int, float, bool, type(None)})


class Log:
    """The items of one run, in their order; somebody adds to it, anybody may read along.

    Attributes:
        items: what came so far.
        result: what the run returned at its end.
        open: whether everything that came is here; ``False`` once it was too much, or given up.
    """

    __slots__ = ("_isolates", "_label", "_overflow", "_room", "items", "open", "result")

    def __init__(self, label: str, *, isolates: bool, overflow: Callable[[], None]) -> None:
        """Begin.

        Args:
            label: the function, for messages.
            isolates: whether who receives an item may change it.
            overflow: called when it becomes too much.
        """
        self.items: list[Any] = []
        self.result: Any = None
        self.open = True
        self._label = label
        self._isolates = isolates
        self._overflow = overflow
        self._room = MAX_BYTES

    def add(self, item: Any) -> bool:
        """Keep an item, safe from what its receiver does to it; ``False`` if that is too much.

        Raises:
            TypeError: it can be used only once.
        """
        kept = self._kept(item, "yielded")
        if self._room < 0 or len(self.items) >= MAX_ITEMS:
            return self._reject()
        self.items.append(kept)
        return True

    def end(self, result: Any) -> bool:
        """Keep what the run returned; ``False`` if that is too much.

        Raises:
            TypeError: it can be used only once.
        """
        self.result = self._kept(result, "returned")
        return self._room >= 0 or self._reject()

    def _kept(self, value: Any, gave: Literal["yielded", "returned"]) -> Any:
        if type(value) in _ATOMS:  # most items are texts, and many
            self._room -= getsizeof(value) + _SLOT
            return value
        value = reusable(value, self._label, gave)
        kept = isolated(value)[0] if self._isolates else value
        self._room -= deep_size(kept) + _SLOT
        return kept

    def _reject(self) -> bool:
        self.give_up()
        self._overflow()
        return False

    def give_up(self) -> None:
        """Keep nothing of this run."""
        self.open = False
        self.items.clear()

    def recording(self) -> Recording:
        """The run, which is over."""
        return Recording(tuple(self.items), self.result)


def written(items: Iterable[Any], log: Log) -> Recording | None:
    """A recording of items that are there already; ``None`` where they are too many."""
    return log.recording() if all(map(log.add, items)) else None


class Runner:
    """Runs generators to their ends, for those who want everything at once."""

    def __init__(self, label: str, begin: Callable[[Arguments], Any], log: Callable[[], Log]) -> None:
        self._label = label
        self._begin = begin
        self._log = log

    def to_the_end(self, kind: Kind) -> Callable[[Arguments], Any]:
        """What runs the function and answers a ``Recording``, awaited where the function is."""
        return self._awaited if kind == "async generator" else self._run

    async def _awaited(self, arguments: Arguments) -> Recording:
        log = self._log()
        source: AsyncGenerator[Any, Any] = self._begin(arguments)
        async with aclosing(source):
            async for item in source:
                self._check(log.add(item))
        return log.recording()

    def _run(self, arguments: Arguments) -> Recording:
        log = self._log()
        source: Generator[Any, Any, Any] = self._begin(arguments)
        with closing(source):
            while True:
                try:
                    item = next(source)
                except StopIteration as end:
                    self._check(log.end(end.value))
                    return log.recording()
                self._check(log.add(item))

    def _check(self, kept: bool) -> None:
        if not kept:
            raise CacheError(
                f"{self._label} yielded more than {BOUNDS}, too much to be kept; iterate over uncached(...)"
            )
