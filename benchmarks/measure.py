"""How a trial is timed: contenders take turns, in an order that rotates, with the collector off."""

import contextlib
import gc
import statistics
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType
from typing import Any, NamedTuple, TypeAlias, TypeVar

Trial: TypeAlias = Callable[[], float]
"""Prepares, then times itself, and answers the nanoseconds of one operation."""

Times: TypeAlias = dict[str, list[float]]
"""What each contender took, one figure for each repeat."""

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Effort:
    """How much work a run puts into its figures.

    Attributes:
        repeats: figures for each contender, each with a ratio of its own.
        rounds: turns that each contender takes within a repeat; the fastest is the repeat's figure.
        quick: whether rows that build large caches build smaller ones.
        traces: the folder of recorded requests.
    """

    repeats: int = 9
    rounds: int = 9
    quick: bool = False
    traces: Path | None = None


class Spread(NamedTuple):
    """A median with the smallest and the largest of what it was taken from."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, figures: list[float]) -> "Spread":
        return cls(statistics.median(figures), min(figures), max(figures))


def own(function: F) -> F:
    """A copy with bytecode of its own, so that contenders do not disturb each other's inline caches."""
    copy = FunctionType(
        function.__code__.replace(),
        function.__globals__,
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    copy.__kwdefaults__ = function.__kwdefaults__
    return copy  # type: ignore[return-value]


@contextlib.contextmanager
def no_collector() -> Iterator[None]:
    """Collect now, and not while the block runs."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def race(trials: Mapping[str, Trial], effort: Effort, seldom: frozenset[str] = frozenset()) -> Times:
    """Let all contenders take turns.

    Args:
        trials: the contenders by name.
        effort: how often.
        seldom: contenders so slow that two turns in a repeat are enough.

    Returns:
        For each contender one figure for each repeat: its fastest turn, since a disturbance only ever adds.
    """
    names = list(trials)
    for trial in trials.values():
        trial()
    times: Times = {name: [] for name in names}
    for repeat in range(effort.repeats):
        turns: Times = {name: [] for name in names}
        with no_collector():
            for turn in range(effort.rounds):
                start = (repeat + turn) % len(names)
                for name in names[start:] + names[:start]:
                    if name not in seldom or turn < 2:
                        turns[name].append(trials[name]())
        for name, figures in turns.items():
            times[name].append(min(figures))
    return times


def fastest(times: Times, among: list[str]) -> str:
    """The contender with the smallest median."""
    return min(among, key=lambda name: statistics.median(times[name]))


def ratio(times: Times, ours: str, theirs: str) -> Spread:
    """How the one compares with the other, repeat by repeat."""
    return Spread.of([a / b for a, b in zip(times[ours], times[theirs], strict=True)])
