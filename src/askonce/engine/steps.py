"""What a flow can ask of whoever carries it out (``drivers``).

A flow is a generator that yields such steps and is sent what came of them, so that one text of the logic
serves tasks and threads.
"""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from askonce.backends.engine import EngineStore
from askonce.engine.call import Source
from askonce.engine.record import CurrentCall
from askonce.flight import Flight, Flights
from askonce.signature import Arguments


@dataclass(slots=True, eq=False)
class Invoke:
    """Run the function; answers what it returns, raises what it raises."""

    function: Source
    arguments: Arguments
    record: CurrentCall


@dataclass(slots=True, eq=False)
class Home:
    """Ask which event loop would carry the work of a flight; answers ``None`` where the thread would."""


HOME: Final = Home()


@dataclass(slots=True, eq=False)
class Wait:
    """Wait for a flight that somebody else leads; answers its ``Landing``, or ``None`` past the limit."""

    flight: Flight
    limit: float | None = None


@dataclass(slots=True, eq=False)
class Launch:
    """Carry out the work of a flight where no caller can cancel it; answers as ``Wait``."""

    flight: Flight
    work: Generator["Step", Any, None]
    finish: Callable[[], None]
    """Lands a flight whose work ended without a word."""
    limit: float | None = None


@dataclass(slots=True, eq=False)
class Behind:
    """Have a flow carried out while the caller goes on, unless the same is about to begin already."""

    flights: Flights
    key: str
    prepare: Callable[[], "Flow"]
    """Makes the flow, before the caller goes on."""
    group: str
    """Whose flows share the threads that there are for such work."""


@dataclass(slots=True, eq=False)
class IsAnswer:
    """Ask whether an exception is the function's own, and not the cancellation of the task that runs it."""

    error: BaseException


@dataclass(slots=True, eq=False)
class Remote:
    """Ask the tier behind memory, by one of its methods; answers ``None`` where that failed."""

    store: EngineStore
    method: str
    arguments: tuple[Any, ...]
    options: Mapping[str, Any] | None = None


class Wrapped(Exception):
    """Carries an exception through a flow that, being a generator, would take it for its own end."""

    def __init__(self, error: StopIteration | GeneratorExit) -> None:
        super().__init__(error)
        self.error = error


Step = Invoke | Home | Wait | Launch | Behind | IsAnswer | Remote
Flow = Generator[Step, Any, Any]
