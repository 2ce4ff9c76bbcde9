# ruff: noqa: E501, F821, UP006, UP007, UP017, UP035, UP045
"""Values of all kinds that need nothing but the standard library, and a program that prints their keys.

The keys in ``golden.json`` are those of released versions: they never change.
"""

import array
import collections
import dataclasses
import datetime as dt
import decimal
import enum
import fractions
import ipaddress
import json
import pathlib
import re
import sys
import types
import typing
import uuid
from typing import Any, NamedTuple

from askonce.keys import Encoder, shape


class Colour(enum.Enum):
    RED = 1
    GREEN = (0, 1, 0)


class Level(enum.IntEnum):
    LOW = 1


class Access(enum.Flag):
    READ = 1
    WRITE = 2


@dataclasses.dataclass
class Point:
    x: int
    y: float = 0.0
    label: str = dataclasses.field(default="", compare=False)
    next: "Point | None" = None


@dataclasses.dataclass(frozen=True, slots=True)
class Frozen:
    items: tuple[int, ...]


class Pair(NamedTuple):
    first: int
    second: "Pair | None" = None


class Record(typing.TypedDict, total=False):
    id: typing.Required[int]
    colour: typing.Literal["red", "green"]
    points: list[Point]


class Metres(float):
    pass


class Named(dict):
    __slots__ = ("name",)


class Tenant:
    def __init__(self, number: int) -> None:
        self.number = number

    def __cache_key__(self) -> Any:
        return self.number


class Folder(type(pathlib.PurePosixPath())):
    pass


def named() -> Named:
    value = Named(a=1)
    value.name = "n"
    return value


def nested(depth: int) -> Any:
    value: Any = "core"
    for _ in range(depth):
        value = [value]
    return value


BERLIN = dt.timezone(dt.timedelta(hours=1), "CET")

VALUES: dict[str, Any] = {
    "none": None, "true": True, "false": False, "ellipsis": ..., "not implemented": NotImplemented,
    "zero": 0, "one": 1, "minus one": -1, "huge": 7**9000, "float": 1.5, "minus zero": -0.0,
    "nan": float("nan"), "infinity": float("inf"), "complex": 1 - 2j,
    "empty text": "", "text": "grün 🎈", "surrogate": "a\ud800b", "long text": "ä" * 1001, "text at limit": "ä" * 1000,
    "bytes": b"\x00a", "long bytes": b"a" * 1001, "bytearray": bytearray(b"a"), "memoryview": memoryview(b"abc"),
    "list": [1, "1", [b"1"]], "tuple": (1, "1", (b"1",)), "set": {1, "1", b"1", None}, "frozenset": frozenset({3, 2, "x"}),
    "dict": {"b": 1, "a": [2], 3: None}, "long list": list(range(1000)), "deep": nested(2000),
    "OrderedDict": collections.OrderedDict(b=1, a=2), "defaultdict": collections.defaultdict(list, a=[1]),
    "Counter": collections.Counter("abca"), "mappingproxy": types.MappingProxyType({"a": 1}),
    "deque": collections.deque([1, 2], maxlen=5), "array": array.array("d", [1.0, 2.0]),
    "range": range(1, 9, 2), "slice": slice(1, None, 2),
    "date": dt.date(2024, 2, 29), "time": dt.time(1, 2, 3, 4), "aware time": dt.time(1, tzinfo=BERLIN),
    "datetime": dt.datetime(2024, 2, 29, 1, 2, 3, 4), "fold": dt.datetime(2024, 10, 27, 2, fold=1),
    "utc": dt.datetime(2024, 1, 1, tzinfo=dt.timezone.utc), "aware": dt.datetime(2024, 1, 1, tzinfo=BERLIN),
    "timedelta": dt.timedelta(-1, 2, 3), "timezone": BERLIN,
    "decimal": decimal.Decimal("1.00"), "big decimal": decimal.Decimal("1E+400"), "fraction": fractions.Fraction(1, 3),
    "uuid": uuid.UUID(int=5), "pattern": re.compile("a+", re.IGNORECASE), "bytes pattern": re.compile(b"a"),
    "path": pathlib.PurePosixPath("/a//b/../c"), "windows path": pathlib.PureWindowsPath("c:/A/b"), "subclassed path": Folder("a"),
    "ipv4": ipaddress.ip_address("10.0.0.1"), "ipv6": ipaddress.ip_address("fe80::1%eth0"),
    "network": ipaddress.ip_network("10.0.0.0/8"), "interface": ipaddress.ip_interface("fe80::1/64"),
    "enum": Colour.RED, "enum of tuple": Colour.GREEN, "int enum": Level.LOW, "flags": Access.READ | Access.WRITE,
    "regex flags": re.IGNORECASE | re.MULTILINE,
    "dataclass": Point(1, label="ignored", next=Point(2)), "frozen dataclass": Frozen((1, 2)), "named tuple": Pair(1, Pair(2)),
    "float subclass": Metres(1.5), "dict subclass": named(), "own key": Tenant(7),
    "class": int, "own class": Point, "abstract class": collections.abc.Mapping, "none type": type(None),
    "function": nested, "builtin": len, "method of a builtin": str.upper, "path class": pathlib.PurePosixPath,
    "any": typing.Any, "alias": dict[str, list[int]], "typing alias": typing.Dict[str, typing.List[int]], "callable": typing.Callable[[int], str],
    "union": int | None, "optional": typing.Optional[int], "union of three": typing.Union[str, int, None],
    "literal": typing.Literal["a", 1, True], "annotated": typing.Annotated[int, "m"], "bare alias": typing.List,
    "forward": typing.List["Unknown"],
}  # fmt: skip

SHAPES: dict[str, Any] = {
    "dataclass": Point, "list of dataclasses": list[Frozen], "named tuple": Pair | None, "typed dict": dict[str, Record],
    "annotated": typing.Annotated[typing.Optional[Point], "m"],
}  # fmt: skip


def keys() -> dict[str, str]:
    """The digest of every value, without a secret and with one, and of every shape."""
    found = {}
    for title, encoder in {"": Encoder(), " (secret)": Encoder(b"secret")}.items():
        for name, value in VALUES.items():
            found[name + title] = encoder.digest(encoder.encode(value))
    for name, annotation in SHAPES.items():
        found[f"shape of {name}"] = Encoder().digest(shape(annotation) or b"")
    return found


if __name__ == "__main__":
    json.dump(keys(), sys.stdout, indent=1)
