"""When an entry is served, refreshed, or kept only to stand in: decided from its stamps and the clock.

Everything here is pure. An answer of instant ``T`` is fresh until ``T + ttl``; ``stale`` and
``stale_if_error`` count from there, side by side. In this order the first that holds decides:

1. fresh: serve it. With ``refresh_ahead`` a refresh may be due already (XFetch: Vattani, Chierichetti and
   Lowenstein, "Optimal Probabilistic Cache Stampede Prevention", VLDB 2015).
2. within ``stale``: serve it, and refresh it behind.
3. within ``stale_if_error``: compute, and serve it should that fail or outlast ``timeout``.
4. it is gone.

After a try that failed nobody tries again for ``retry_after``: the entry is served at once meanwhile.
"""

import enum
import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self, cast

from askonce._types import FOREVER, Life, Ttl, Windows
from askonce.exceptions import ConfigurationError
from askonce.ttl import parse_age, parse_ttl

LOOKED_AHEAD: Final = 8.0
"""How many times its cost before its expiry an entry is first considered for an early refresh.

XFetch would begin one before that with a probability below 0.0004 a read; nobody misses it, and up to
there a hit asks nothing.
"""

RETRY_AFTER: Final = 5.0
"""Seconds between a try that failed and the next one, where ``retry_after`` is left out."""

Draw = Callable[[], float]
"""Uniform in 0 (included) to 1 (excluded), as ``random.random``."""


class Verdict(enum.Enum):
    """What to do about an entry."""

    SERVE = "serve"
    """Serve it."""
    REFRESH = "refresh"
    """Serve it, and have it refreshed behind."""
    TRY = "try"
    """Compute, and keep it to stand in."""
    NOTHING = "nothing"
    """Compute: it is of no use any more."""


def verdict(life: Life, now: float, draw: Draw = random.random) -> Verdict:
    """What to do about an entry with windows.

    Args:
        life: its instants.
        now: the clock.
        draw: asked once at most, while the entry is fresh.
    """
    rests = now < life.retry
    if now < life.fresh:
        return Verdict.REFRESH if not rests and _is_due(life, now, draw) else Verdict.SERVE
    if now < life.stale:
        return Verdict.SERVE if rests else Verdict.REFRESH
    if now < life.grace:
        return Verdict.SERVE if rests else Verdict.TRY
    return Verdict.NOTHING


def _is_due(life: Life, now: float, draw: Draw) -> bool:
    """XFetch: ``now - cost * beta * ln(U) >= expiry``, U in (0, 1]."""
    return now - life.lead * math.log(1.0 - draw()) >= life.fresh


def carefree_until(life: Life) -> float:
    """Up to when the verdict is ``SERVE`` without having to ask."""
    fresh, lead = life.fresh, life.lead
    # Without a lead the very number, so that an entry does not keep two that are equal.
    return max(fresh - LOOKED_AHEAD * lead, min(fresh, life.retry)) if lead else fresh


@dataclass(frozen=True, slots=True, kw_only=True)
class Freshness:
    """The policy of one function, all times in seconds.

    Attributes:
        stale: window after the ttl in which a stale value is served while a refresh runs behind.
        grace: window after the ttl in which a stale value stands in for a failure.
        beta: weight of the cost in early refreshes; 0 for none.
        jitter: largest random share that is added to a ttl.
        timeout: how long a caller waits that has a value to fall back on; ``None`` for as long as it takes.
        retry_after: rest after a try that failed.
        errors: how long exceptions are kept, by class.
    """

    stale: float = 0.0
    grace: float = 0.0
    beta: float = 0.0
    jitter: float = 0.0
    timeout: float | None = None
    retry_after: float = RETRY_AFTER
    errors: tuple[tuple[type[Exception], float], ...] = ()

    _shared_windows: Windows | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        shared = Windows(self.stale, self.grace) if self.outlives else None
        object.__setattr__(self, "_shared_windows", shared)

    @property
    def outlives(self) -> bool:
        """Whether entries matter after, or ask for something before, the end of their ttl."""
        return bool(self.stale or self.grace or self.beta)

    def lifetime(self, ttl: float, draw: Draw = random.random) -> float:
        """A ttl with its random share."""
        return ttl * (1.0 + self.jitter * draw()) if self.jitter else ttl

    def windows(self, cost: float) -> Windows | None:
        """The windows of an answer that took ``cost`` seconds; ``None`` where there are none.

        Without early refreshes all answers share them.
        """
        return Windows(self.stale, self.grace, self.beta * cost) if self.beta else self._shared_windows

    def error_ttl(self, error: BaseException) -> float | None:
        """How long an exception is kept: what its nearest class says; ``None`` for not at all."""
        if not self.errors or isinstance(error, (StopIteration, StopAsyncIteration)):
            return None
        table = dict(self.errors)
        return next((table[cls] for cls in type(error).__mro__ if cls in table), None)

    @classmethod
    def of(
        cls,
        *,
        ttl: Any,
        stale: Ttl | None,
        stale_if_error: Ttl | None,
        retry_after: Ttl | None,
        refresh_ahead: bool | float,
        jitter: float | None,
        timeout: Ttl | None,
        errors: Mapping[type[Exception], Ttl] | None,
    ) -> Self:
        """Read the options of a decorator.

        Raises:
            ConfigurationError: one of them cannot work, or two contradict each other.
        """
        policy = cls(
            stale=_span(stale, "stale"),
            grace=_span(stale_if_error, "stale_if_error"),
            beta=_beta(refresh_ahead),
            jitter=_share(jitter),
            timeout=_timeout(timeout),
            retry_after=RETRY_AFTER if retry_after is None else _finite(retry_after, "retry_after"),
            errors=_errors(errors),
        )
        policy._refuse_contradictions(ttl, rests=retry_after is not None)
        return policy

    def _refuse_contradictions(self, ttl: Any, *, rests: bool) -> None:
        needs_an_end = {
            "stale": self.stale,
            "stale_if_error": self.grace,
            "refresh_ahead": self.beta,
            "jitter": self.jitter,
        }
        if isinstance(ttl, (int, float)) and ttl == FOREVER:
            for name, given in needs_an_end.items():
                if given:
                    raise ConfigurationError(
                        f"{name} has no effect with ttl=FOREVER, which never ends; give a ttl that ends, "
                        f"or drop {name}"
                    )
        if self.timeout is not None and not (self.stale or self.grace):
            raise ConfigurationError(
                "timeout has nothing to serve when the time is over; add stale_if_error, whose value it "
                "serves (within stale nobody waits at all)"
            )
        if rests and not self.outlives:
            raise ConfigurationError(
                "retry_after has no effect without something to serve meanwhile; add stale, stale_if_error "
                "or refresh_ahead"
            )


def _span(value: Any, name: str) -> float:
    return 0.0 if value is None else parse_age(value, name)


def _finite(value: Any, name: str) -> float:
    seconds = parse_age(value, name)
    if seconds == FOREVER:
        raise ConfigurationError(f"{name}=FOREVER would never end; leave it out, or give seconds")
    return seconds


def _timeout(value: Any) -> float | None:
    if value is None:
        return None
    seconds = _finite(value, "timeout")
    if not seconds:
        raise ConfigurationError(
            f"timeout={value!r} would let nobody wait; use stale, which serves at once what is stale"
        )
    return seconds


def _beta(value: Any) -> float:
    if isinstance(value, bool):
        return float(value)
    if not isinstance(value, (int, float)) or not 0 <= value < math.inf:
        raise ConfigurationError(
            f"refresh_ahead={value!r} is no weight; give True, or a number from 0 on "
            "(1.0 is the optimum of the paper, more begins earlier)"
        )
    return float(value)


def _share(value: Any) -> float:
    if value is None:
        return 0.0
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise ConfigurationError(
            f"jitter={value!r} is no share of the ttl; give a number from 0 to 1, such as 0.1"
        )
    return float(value)


def _errors(value: Any) -> tuple[tuple[type[Exception], float], ...]:
    if value is None:
        return ()
    if not isinstance(value, Mapping) or not value:
        raise ConfigurationError(
            f"errors={value!r} names no exceptions; write errors={{ConnectionError: 30}}"
        )
    table: list[tuple[type[Exception], float]] = []
    for cls, ttl in cast("Mapping[Any, Any]", value).items():
        if not isinstance(cls, type) or not issubclass(cls, Exception):
            raise ConfigurationError(
                f"errors: {cls!r} is no exception that can be kept; give subclasses of Exception"
            )
        if issubclass(cls, (StopIteration, StopAsyncIteration)):
            raise ConfigurationError(
                f"errors: {cls.__name__} is how an iterator ends and is never kept; leave it out"
            )
        table.append((cls, parse_ttl(ttl, f"errors[{cls.__name__}]")))
    return tuple(table)
