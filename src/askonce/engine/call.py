"""One question to one cache."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from askonce._types import Entry
from askonce.backends.engine import EngineStore
from askonce.engine.figures import Figures
from askonce.signature import Arguments


class Source(Protocol):
    """What a call asks: a decorated function, or a factory that is given by hand."""

    figures: Figures

    @property
    def joins(self) -> bool:
        """Whether calls of one key share a computation."""
        ...

    @property
    def isolates(self) -> bool:
        """Whether a caller may change what it gets."""
        ...

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags of all its answers."""
        ...

    @property
    def invoke(self) -> Callable[[Arguments], Any]:
        """What runs it."""
        ...

    def checked(self, answer: Any) -> Any:
        """The answer, unless it cannot be given to a second caller."""
        ...

    def ttl_of(self, answer: Any, store: EngineStore) -> float | None:
        """How long an answer may live, in seconds; ``None`` where it is not to be stored."""
        ...

    def admit(self, store: EngineStore, entry: Entry, arguments: Arguments) -> None:
        """Have the next call find the entry faster, if it is safe."""
        ...


@dataclass(slots=True, eq=False)
class Call:
    """One question to one cache."""

    function: Source
    store: EngineStore
    key: str
    arguments: Arguments

    def hit(self, entry: Entry) -> Any:
        """Count a hit that was found by key, and answer it."""
        self.function.figures.looked_up += 1
        self.function.admit(self.store, entry, self.arguments)
        return entry.value
