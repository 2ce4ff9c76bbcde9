"""Times on the wire: milliseconds of the server's clock; in the process: seconds from now."""

import math
from typing import Any, Final

from askonce._types import FOREVER, Windows
from askonce.backends.engine import Answer, Found
from askonce.codec.frame import FOREVER_MS, Stamps

_LONGEST: Final = 10**14  # milliseconds that Redis certainly takes: some three thousand years
_LONGEST_WINDOW: Final = 2**32 - 1


def stamps_of(answer: Answer, now: float) -> Stamps:
    """The stamps of an answer that was just made.

    Args:
        answer: what is to be stored.
        now: the server's clock, in seconds.
    """
    born = round(now * 1000)
    windows = answer.windows or Windows()
    return Stamps(
        born,
        FOREVER_MS if math.isinf(answer.ttl) else min(born + max(round(answer.ttl * 1000), 1), _LONGEST * 10),
        _window(windows.stale),
        _window(windows.grace),
        _window(windows.lead),
    )


def _window(seconds: float) -> int:
    return _LONGEST_WINDOW if math.isinf(seconds) else min(round(seconds * 1000), _LONGEST_WINDOW)


def milliseconds(stamps: Stamps, now: float) -> bytes:
    """How long an entry is worth keeping, as Redis wants it; empty for ever."""
    if stamps.fresh == FOREVER_MS:
        return b""
    left = stamps.fresh + max(stamps.stale, stamps.grace) - round(now * 1000)
    return str(min(max(left, 1), _LONGEST)).encode()


def end_of(stamps: Stamps) -> float:
    """The server's clock when an entry is good for nothing any more, in seconds."""
    if stamps.fresh == FOREVER_MS:
        return FOREVER
    return (stamps.fresh + max(stamps.stale, stamps.grace)) / 1000


def found_of(stamps: Stamps, value: Any, tags: tuple[str, ...], now: float, *, keeps: bool) -> Found:
    """A value with the life that it has left.

    Clocks of two servers may differ, so an entry never has more left than it began with.
    """
    age = max(now - stamps.born / 1000, 0.0)
    if stamps.fresh == FOREVER_MS:
        ttl = FOREVER
    else:
        ttl = min(stamps.fresh / 1000 - now, (stamps.fresh - stamps.born) / 1000)
    windows = None
    if stamps.stale or stamps.grace or stamps.lead:
        windows = Windows(stamps.stale / 1000, stamps.grace / 1000, stamps.lead / 1000)
    return Found(value, ttl, age, tags, windows, keeps)
