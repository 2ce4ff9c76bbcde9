"""Immutable types of the standard library: what JSON holds of a value, and the value from that.

Each reader takes what hostile bytes may hold and raises whatever it likes; ``decode`` makes one error of it.
"""

import datetime as dt
import ipaddress
import pathlib
import sys
import uuid
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final, NamedTuple, cast
from zoneinfo import ZoneInfo

from askonce.exceptions import CodecError

_DIGITS: Final = 10_000  # to reckon with more, as building or validating does, takes long and much memory
_MICROSECOND: Final = dt.timedelta(microseconds=1)


class Known(NamedTuple):
    """How values of one type are written.

    Attributes:
        tag: stands for the type in JSON.
        take: what JSON holds of a value.
        build: the value, given that.
    """

    tag: str
    take: Callable[[Any], list[Any]]
    build: Callable[..., Any]


def _decimal(text: str) -> Decimal:
    value = Decimal(_bounded(text))
    if value.is_finite() and abs(value.adjusted()) > _DIGITS:
        raise _too_long()
    return value


def _written_decimal(value: Decimal) -> str:
    text = str(value)
    _decimal(text)
    return text


def _hexadecimal(value: int) -> str:
    return _bounded(f"{value:x}")


def _integer(text: str) -> int:
    return int(_bounded(text), 16)


def _bounded(text: str) -> str:
    if len(text) > _DIGITS:
        raise _too_long()
    return text


def _too_long() -> CodecError:
    return CodecError(f"decimals, fractions and ranges are stored up to {_DIGITS:,} digits")


def _zone(value: dt.datetime | dt.time) -> list[Any]:
    """A time zone and a fold; nothing where there are none."""
    zone, fold = value.tzinfo, value.fold
    if zone is None:
        return [None, fold] if fold else []
    if type(zone) is ZoneInfo and zone.key:
        return [zone.key, fold]
    if type(zone) is dt.timezone:
        offset = zone.utcoffset(None)
        name = zone.tzname(None)
        micros = offset // _MICROSECOND
        return [micros if name == dt.timezone(offset).tzname(None) else [micros, name], fold]
    if type(zone) is _pydantic_zone():
        seconds = cast("Any", zone.utcoffset(None)) // dt.timedelta(seconds=1)
        return [[None, seconds], fold]
    raise CodecError(
        f"a time zone of {type(zone).__module__}.{type(zone).__qualname__} cannot be stored; "
        f"use zoneinfo.ZoneInfo or datetime.timezone"
    )


def _pydantic_zone() -> Any:
    """The class of the zones in what pydantic has parsed."""
    return getattr(sys.modules.get("pydantic_core"), "TzInfo", ...)


def _build_zone(zone: Any) -> dt.tzinfo | None:
    if zone is None:
        return None
    if isinstance(zone, str):
        return ZoneInfo(zone)
    if isinstance(zone, list):
        micros, name = cast("list[Any]", zone)
        if micros is None:
            return cast("dt.tzinfo", _pydantic_zone()(name))
        return dt.timezone(_MICROSECOND * micros, name)
    return dt.timezone(_MICROSECOND * zone)


def _datetime(text: str, zone: Any = None, fold: int = 0) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=_build_zone(zone), fold=fold)


def _time(text: str, zone: Any = None, fold: int = 0) -> dt.time:
    return dt.time.fromisoformat(text).replace(tzinfo=_build_zone(zone), fold=fold)


def _take_time(value: Any) -> list[Any]:
    return [value.replace(tzinfo=None, fold=0).isoformat(), *_zone(value)]


def _fraction(*parts: str) -> Fraction:
    numerator, denominator = map(_integer, parts)
    return Fraction(numerator, denominator)


def _range(*parts: str) -> range:
    start, stop, step = map(_integer, parts)
    return range(start, stop, step)


KNOWN: Final[dict[type[Any], Known]] = {}
"""How values of each type are written."""


def _know(cls: Any, tag: str, take: Callable[[Any], list[Any]], build: Callable[..., Any]) -> None:
    KNOWN[cls] = Known(tag, take, build)


_know(complex, "c", lambda it: [it.real.hex(), it.imag.hex()], lambda *it: complex(*map(float.fromhex, it)))
_know(Decimal, "D", lambda it: [_written_decimal(it)], _decimal)
_know(Fraction, "F", lambda it: [*map(_hexadecimal, it.as_integer_ratio())], _fraction)
_know(uuid.UUID, "u", lambda it: [it.hex], uuid.UUID)
_know(dt.datetime, "dt", _take_time, _datetime)
_know(dt.date, "da", lambda it: [it.isoformat()], dt.date.fromisoformat)
_know(dt.time, "ti", _take_time, _time)
_know(dt.timedelta, "td", lambda it: [it.days, it.seconds, it.microseconds], dt.timedelta)
_know(range, "r", lambda it: [*map(_hexadecimal, (it.start, it.stop, it.step))], _range)
_know(type(...), "el", lambda _: [], lambda: ...)

_TEXTS: Final[tuple[Any, ...]] = (
    pathlib.PosixPath,
    pathlib.PurePosixPath,
    pathlib.PureWindowsPath,
    pathlib.WindowsPath,
    ipaddress.IPv4Address,
    ipaddress.IPv4Interface,
    ipaddress.IPv4Network,
    ipaddress.IPv6Address,
    ipaddress.IPv6Interface,
    ipaddress.IPv6Network,
)
for _cls in _TEXTS:
    _know(_cls, _cls.__name__, lambda it: [str(it)], _cls)
