"""How the classes of the standard library are taken apart.

Tags in angle brackets name the class; they are part of every key made so far and never change.
"""

import re
import struct
import sys
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from types import MappingProxyType
from typing import Any, Final

from askonce.keys.identity import identity
from askonce.keys.node import (
    Node,
    Order,
    Plan,
    RefusedError,
    among,
    at_index,
    at_key,
    at_name,
    flat,
    items_of,
    pairs_of,
)

_list_base: Any = list
_tuple_base: Any = tuple
_pack_date: Final = struct.Struct(">HBB").pack
_pack_time: Final = struct.Struct(">BBBIB").pack
_pack_delta: Final = struct.Struct(">iii").pack


def standard_plan(cls: type) -> Plan | None:
    """The plan of exactly this class, if it is one of the standard library's."""
    plan = PLANS.get(cls)
    if plan is not None:
        return plan
    make = _BY_IDENTITY.get(name := f"{cls.__module__}:{cls.__qualname__}")
    if make is None:
        make = _BY_IDENTITY.get(name := identity(cls))
    module, _, attribute = name.partition(":")
    is_genuine = make is not None and getattr(sys.modules.get(module), attribute, None) is cls
    return make(cls) if make is not None and is_genuine else None


def _list(value: Any) -> Node:
    return Node(b"l", list(_list_base.__iter__(value)), at_index)


def _tuple(value: Any) -> Node:
    return Node(b"t", list(_tuple_base.__iter__(value)), at_index)


def _dict(value: Any) -> Node:
    return Node(b"d", pairs_of(dict, value), at_key, Order.PAIRS)


def _set(value: Any) -> Node:
    return Node(b"u", items_of(set, value), among, Order.SINGLES)


def _frozenset(value: Any) -> Node:
    return Node(b"z", items_of(frozenset, value), among, Order.SINGLES)


def _ordered_dict(value: Any) -> Node:
    return Node(b"<OrderedDict>", pairs_of(OrderedDict, value), at_key)


def _default_dict(value: Any) -> Node:
    children = ["default_factory", value.default_factory, "", _dict(value)]
    return Node(b"<defaultdict>", children, at_name)


def _counter(value: Any) -> Node:
    return Node(b"<Counter>", [_dict(value)])


def _mapping_proxy(value: Any) -> Node:
    return Node(b"<mappingproxy>", flat(value.items()), at_key, Order.PAIRS)


def _deque(value: Any) -> Node:
    items = Node(b"l", items_of(deque, value), at_index)
    return Node(b"<deque>", ["maxlen", value.maxlen, "", items], at_name)


def _bytearray(value: Any) -> Node:
    return Node(b"<bytearray>", [memoryview(value).tobytes()])


def _memoryview(value: Any) -> Node:
    try:
        return Node(b"<memoryview>", [value.format, value.shape, value.tobytes()])
    except ValueError:
        raise RefusedError("it was released") from None


def _array(value: Any) -> Node:
    return Node(b"<array>", [value.typecode, memoryview(value).tobytes()])


def _range(value: Any) -> Node:
    return Node(b"<range>", [value.start, value.stop, value.step])


def _slice(value: Any) -> Node:
    return Node(b"<slice>", ["start", value.start, "stop", value.stop, "step", value.step], at_name)


def _date(value: Any) -> Node:
    return Node(b"<date>", [_pack_date(value.year, value.month, value.day)])


def _datetime(value: Any) -> Node:
    wall = _pack_date(value.year, value.month, value.day) + _wall_time(value)
    return Node(b"<datetime>", ["", wall, *_zone(value)], at_name)


def _time(value: Any) -> Node:
    return Node(b"<time>", ["", _wall_time(value), *_zone(value)], at_name)


def _wall_time(value: Any) -> bytes:
    return _pack_time(value.hour, value.minute, value.second, value.microsecond, value.fold)


def _zone(value: Any) -> list[Any]:
    if value.tzinfo is None:
        return []
    return ["", value.utcoffset(), "tzinfo", value.tzinfo]


def _timedelta(value: Any) -> Node:
    return Node(b"<timedelta>", [_pack_delta(value.days, value.seconds, value.microseconds)])


def _timezone(value: Any) -> Node:
    return Node(b"<timezone>", [value.utcoffset(None), value.tzname(None)])


def tzinfo_plan(cls: type) -> Plan | None:
    """The plan of a foreign time zone, which must bear a name or be a fixed offset."""
    if not issubclass(cls, tzinfo):
        return None
    name = identity(cls)

    def take_apart(value: Any) -> Node:
        zone = getattr(value, "zone", None)  # the name, in what pytz makes
        if isinstance(zone, str):
            return Node(b"<tzinfo>", [name, zone])
        return Node(b"<tzinfo>", [name, _fixed_offset(value), value.tzname(None)])

    return take_apart


def _fixed_offset(zone: Any) -> timedelta:
    # Only a zone that never changes its clocks has an offset at no particular time.
    try:
        offset = zone.utcoffset(None)
    except (AttributeError, NotImplementedError, TypeError, ValueError):
        offset = None
    if offset is None:
        raise RefusedError("a time zone without a name; use zoneinfo.ZoneInfo")
    return offset  # type: ignore[no-any-return]


def _zone_info(value: Any) -> Node:
    if value.key is None:
        raise RefusedError("the time zone has no key")
    return Node(b"<ZoneInfo>", [value.key])


def _uuid(value: Any) -> Node:
    return Node(b"<UUID>", [value.int])


def _fraction(value: Any) -> Node:
    return Node(b"<Fraction>", [value.numerator, value.denominator])


def _pattern(value: Any) -> Node:
    return Node(b"<Pattern>", [value.pattern, value.flags])


def _always(plan: Plan) -> Callable[[Any], Plan]:
    return lambda _cls: plan


def _as_text(cls: Any) -> Plan:
    """A plan for classes whose text says everything."""
    tag, text = b"<%b>" % cls.__qualname__.encode(), cls.__str__
    return lambda value: Node(tag, [text(value)])


def _decimal(cls: Any) -> Plan:
    # In upper case, since the decimal context may choose a small "e" for exponents.
    text = cls.__str__
    return lambda value: Node(b"<Decimal>", [text(value).upper()])


PLANS: Final[dict[type, Plan]] = {
    list: _list,
    tuple: _tuple,
    dict: _dict,
    set: _set,
    frozenset: _frozenset,
    OrderedDict: _ordered_dict,
    defaultdict: _default_dict,
    Counter: _counter,
    MappingProxyType: _mapping_proxy,
    deque: _deque,
    bytearray: _bytearray,
    memoryview: _memoryview,
    range: _range,
    slice: _slice,
    date: _date,
    datetime: _datetime,
    time: _time,
    timedelta: _timedelta,
    timezone: _timezone,
    re.Pattern: _pattern,
}

# By name, since a program that uses none of them need not import them.
_BY_IDENTITY: Final[dict[str, Callable[[Any], Plan]]] = {
    "array:array": _always(_array),
    "decimal:Decimal": _decimal,
    "fractions:Fraction": _always(_fraction),
    "ipaddress:IPv4Address": _as_text,
    "ipaddress:IPv4Interface": _as_text,
    "ipaddress:IPv4Network": _as_text,
    "ipaddress:IPv6Address": _as_text,
    "ipaddress:IPv6Interface": _as_text,
    "ipaddress:IPv6Network": _as_text,
    "pathlib:Path": _as_text,
    "pathlib:PosixPath": _as_text,
    "pathlib:PurePath": _as_text,
    "pathlib:PurePosixPath": _as_text,
    "pathlib:PureWindowsPath": _as_text,
    "pathlib:WindowsPath": _as_text,
    "uuid:UUID": _always(_uuid),
    "zoneinfo:ZoneInfo": _always(_zone_info),
}
