"""What a row of ``combinations`` is made of: calls and what each gets, turns of events between them."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

KEY = 7
"""The argument of all calls."""

SOON = 0.001
"""A timeout that a function at the gate always outlasts, in seconds of the real clock."""

LONG = 3600
"""One that none outlasts."""

Number = int | tuple[int, ...]


@dataclass(frozen=True)
class Ask:
    """Calls, what each of them gets, and what they add to the figures."""

    says: str
    answer: Any
    times: int = 1
    callers: int = 1
    behind: bool = False
    late: bool = False
    stored: bool = True
    counted: dict[str, int] = field(default_factory=dict)
    meanwhile: Any = None

    def counts(self, *, joins: bool, fails: bool) -> dict[str, int]:
        figures = dict.fromkeys(
            ("hits", "misses", "joined", "stale", "errors", "stored", "front", "behind"), 0
        )
        if self.behind:
            figures |= {"behind": 1, "errors": int(fails), "stored": int(self.stored and not fails)}
        elif self.says in ("ran", "raises", "stands", "late"):
            runs = 1 if joins else self.callers
            joined = self.times * self.callers - runs if joins else 0
            stored = runs if self.stored and (self.says == "raises" or not fails) else 0
            figures |= {
                "front": runs,
                "misses": runs,
                "joined": joined,
                "errors": runs * fails,
                "stored": stored,
            }
        return figures | self.counted


def ran(answer: Number, *, stored: bool = True, callers: int = 1, meanwhile: Any = None) -> Ask:
    """Computed for the caller."""
    return Ask("ran", answer, stored=stored, callers=callers, meanwhile=meanwhile)


def hit(answer: Number) -> Ask:
    """Served while it is fresh; three times, since the second and third come from the fast index."""
    return Ask("hit", answer, times=3, counted={"hits": 3})


def old(answer: Number) -> Ask:
    """Served though it is stale, and nobody tries to replace it."""
    return Ask("old", answer, times=3, counted={"hits": 3, "stale": 3})


def behind(answer: Number, *, stored: bool = True, meanwhile: Any = None) -> Ask:
    """Served though it is stale, to all who come, while one run goes on behind them."""
    counted = {"hits": 3, "stale": 3}
    return Ask("behind", answer, times=3, behind=True, stored=stored, counted=counted, meanwhile=meanwhile)


def early(answer: Number, *, stored: bool = True, meanwhile: Any = None) -> Ask:
    """Served fresh, while one run goes on behind."""
    return Ask("early", answer, times=3, behind=True, stored=stored, counted={"hits": 3}, meanwhile=meanwhile)


def raises(error: type, *, stored: bool = False, callers: int = 1, meanwhile: Any = None) -> Ask:
    """The function ran, and what it raised is the caller's; perhaps kept as well."""
    return Ask("raises", error, stored=stored, callers=callers, meanwhile=meanwhile)


def kept(error: type) -> Ask:
    """Raised from the cache."""
    return Ask("kept", error, times=3, counted={"hits": 3})


def stands(answer: Number, *, callers: int = 1) -> Ask:
    """The function ran and raised; an old answer stands in."""
    return Ask("stands", answer, callers=callers, counted={"stale": callers})


def late(answer: Number, *, stored: bool = True, meanwhile: Any = None) -> Ask:
    """The function takes too long for two callers in turn: an old answer stands in, the run ends behind."""
    return Ask("late", answer, times=2, late=True, stored=stored, counted={"stale": 2}, meanwhile=meanwhile)


@dataclass(frozen=True)
class Turn:
    """Something that happens between calls."""

    name: str
    value: Any = None

    def take(self, walk: Any) -> None:
        getattr(self, f"_{self.name}")(walk)

    def _after(self, walk: Any) -> None:
        walk.clock.advance(self.value)

    def _fails(self, walk: Any) -> None:
        walk.body.error = self.value

    def _draws(self, walk: Any) -> None:
        walk.chance.value = self.value

    def _takes(self, walk: Any) -> None:
        walk.body.cost = self.value

    def _drops(self, walk: Any) -> None:
        walk.run(walk.cache.invalidate_tags(self.value))

    def _drops_key(self, walk: Any) -> None:
        walk.verb("invalidate", *walk.arguments)


def after(seconds: float) -> Turn:
    return Turn("after", seconds)


def fails(error: type = ConnectionError) -> Turn:
    """From now on the function raises."""
    return Turn("fails", error)


works = Turn("fails", None)
drops_key = Turn("drops_key")


def draws(value: float) -> Turn:
    """What chance says from now on; 0 means never early, and no jitter."""
    return Turn("draws", value)


def takes(seconds: float) -> Turn:
    return Turn("takes", seconds)


def drops(tag: str) -> Turn:
    return Turn("drops", tag)


@dataclass(frozen=True)
class Row:
    """One scenario.

    Attributes:
        about: the option or the two options that it is about, as ``OPTIONS`` calls them.
        says: what the docs say of it; empty where another row says it.
        options: of the decorator; more than those it is about where these need others.
        default: the ttl of the cache for functions that say nothing.
        operation_ttl: its ttl for the operation ``report``.
    """

    about: tuple[str, ...]
    says: str
    options: dict[str, Any]
    steps: tuple[Any, ...]
    default: float = 100.0
    operation_ttl: float = 100.0

    @property
    def id(self) -> str:
        return "+".join(self.about)


@dataclass(frozen=True)
class Refusal:
    """Options that contradict each other, or want another one."""

    about: tuple[str, ...]
    options: dict[str, Any]
    way_out: str
    """What the message says."""
    says: str = ""

    ends: ClassVar[dict[str, Any]] = {"stale": 20, "stale_if_error": 40, "refresh_ahead": True, "jitter": 0.5}
