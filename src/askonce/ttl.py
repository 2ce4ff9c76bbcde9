"""Reads a time to live in any of the forms that people write."""

import math
import re
from datetime import timedelta
from reprlib import repr as short_repr
from typing import Final, NoReturn

from askonce.exceptions import ConfigurationError

_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_TEXT: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?(ms|[smhd])")
_FORMS: Final = 'seconds above 0, a timedelta, text such as "90s", "15m", "2h" or "7d", or FOREVER'
_AGES: Final = _FORMS.replace("above 0", "from 0 on")


def parse_ttl(value: object, what: str = "ttl") -> float:
    """Read a time to live.

    Args:
        value: seconds, a ``timedelta``, text such as ``"500ms"``, ``"90s"``, ``"1.5h"`` or ``"7d"``, or
            ``FOREVER``.
        what: the name that an error gives to the setting.

    Returns:
        Seconds, more than 0; infinite for ``FOREVER``.

    Raises:
        ConfigurationError: for anything that is not a time above 0.
    """
    seconds = _seconds(value, what)
    if math.isnan(seconds):
        _refuse(value, what, "it is not a number")
    if seconds <= 0:
        _refuse(value, what, "it would store nothing")
    return seconds


def parse_age(value: object, what: str = "age") -> float:
    """Read how old something may be, or how long it may take: as ``parse_ttl``, and 0 counts."""
    seconds = _seconds(value, what, _AGES)
    if math.isnan(seconds):
        _refuse(value, what, "it is not a number", _AGES)
    if seconds < 0:
        _refuse(value, what, "it is less than nothing", _AGES)
    return seconds


def says_no_store(value: object) -> bool:
    """Whether a time that was found out in a call says that there is nothing to keep: 0 or less."""
    if isinstance(value, timedelta):
        value = value.total_seconds()
    return isinstance(value, int | float) and not isinstance(value, bool) and value <= 0


def _seconds(value: object, what: str, forms: str = _FORMS) -> float:
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, str):
        return _text_seconds(value, what, forms)
    if isinstance(value, bool) or not isinstance(value, int | float):
        _refuse(value, what, f"{type(value).__name__} is not a time", forms)
    try:
        return float(value)
    except OverflowError:
        _refuse(value, what, "it is too large", forms)


def _text_seconds(text: str, what: str, forms: str) -> float:
    match = _TEXT.fullmatch(text.strip())
    if match is None:
        _refuse(text, what, "it is not a number with one of the units ms, s, m, h, d", forms)
    seconds = float(match[1]) * _UNITS[match[2]]
    if math.isinf(seconds):
        _refuse(text, what, "it is too large", forms)
    return seconds


def _refuse(value: object, what: str, reason: str, forms: str = _FORMS) -> NoReturn:
    raise ConfigurationError(f"{what}={_show(value)}: {reason}; give {forms}") from None


def _show(value: object) -> str:
    try:
        return short_repr(value)
    except ValueError:  # an integer of more digits than Python prints
        return "..."
