"""Values of every kind, whose bytes in ``golden_values.json`` every later version has to read.

What was written there never changes; new kinds are added by ``python tests/codec/storedvalues.py``.
"""

import dataclasses
import datetime as dt
import enum
import ipaddress
import json
import math
import pathlib
import sys
import uuid
from collections import Counter, OrderedDict, defaultdict, deque
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import attrs
import numpy as np
import pydantic
import pydantic_core

from askonce._types import Recording
from askonce.codec.shapes import Shape
from askonce.codec.values import encode

GOLDEN = pathlib.Path(__file__).with_name("golden_values.json")


class Colour(enum.Enum):
    RED = 1


class Access(enum.Flag):
    READ = 1
    WRITE = 2


@dataclasses.dataclass
class Row:
    id: int
    parts: "tuple[Row, ...]" = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Slim:
    a: Any


@attrs.define
class Noted:
    x: int


class Pair(NamedTuple):
    a: int
    b: Any = None


class Model(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow")

    name: str = pydantic.Field(alias="Name")
    row: Row | None = None
    number: int = 0
    _private: Any = pydantic.PrivateAttr(1)


class Root(pydantic.RootModel[list[int]]):
    pass


SHAPE = Shape.of(Colour | Access | Row | Slim | Noted | Pair | Model | Root)

VALUES = {
    "text": "é",
    "bytes": b"\0\xff",
    "json": {"a": [1, -2.5, None, True, "x", {}], "big": 2**64 - 1},
    "none": None,
    "surrogate": ["\ud800"],
    "integer": 2**64,
    "negative": -(2**70),
    "not finite": [math.inf, -math.inf],
    "complex": complex(-0.0, 1.5),
    "decimal": Decimal("-1.50"),
    "fraction": Fraction(-1, 3),
    "uuid": uuid.UUID(int=1),
    "datetime": dt.datetime(2024, 1, 2, 3, 4, 5, 6),
    "datetime utc": dt.datetime(2024, 1, 2, tzinfo=dt.UTC),
    "datetime offset": dt.datetime(2024, 1, 2, tzinfo=dt.timezone(dt.timedelta(hours=-1))),
    "datetime name": dt.datetime(2024, 1, 2, tzinfo=dt.timezone(dt.timedelta(hours=1), "home")),
    "datetime zone": dt.datetime(2024, 10, 27, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Berlin")),
    "fold": dt.datetime(2024, 10, 27, 2, 30, fold=1),
    "date": dt.date(2024, 1, 2),
    "time": dt.time(1, 2, 3, 4, tzinfo=dt.UTC),
    "timedelta": dt.timedelta(-1, 2, 3),
    "path": pathlib.PurePosixPath("a/b"),
    "windows path": pathlib.PureWindowsPath("c:/x"),
    "addresses": [ipaddress.ip_address("10.0.0.1"), ipaddress.ip_network("::/64")],
    "range": range(0, -(10**20), -3),
    "ellipsis": ...,
    "tuple": (1, ("a",), ()),
    "set": {1},
    "frozenset": frozenset({"a"}),
    "keys": {1: "a", "1": "b", (1, 2): "c"},
    "ordered": OrderedDict(b=1, a=2),
    "counter": Counter("aab"),
    "defaultdict": defaultdict(list, a=[1]),
    "deque": deque([1, 2], 3),
    "bytes inside": {"a": b"xyz", "b": bytearray(b"uv"), "c": b""},
    "recording": Recording(("a", (1,)), {2}),
    "enum": Colour.RED,
    "flag": [Access.READ | Access.WRITE, Access(0)],
    "dataclass": Row(1, (Row(2), Row(3))),
    "slots": Slim((1,)),
    "attrs": Noted(1),
    "named tuple": Pair(1, (2,)),
    "model": Model(Name="a", row=Row(1), more=(1,)),
    "root model": Root([1, 2]),
    "url": pydantic_core.Url("http://example.org/a"),
    "array": np.arange(6, dtype="<f4").reshape(2, 3),
    "array of texts": np.array(["a", "é"]),
    "scalar": np.float64(1.5),
}


def main():
    """Add what is new, and leave what there is."""
    stored = json.loads(GOLDEN.read_text()) if GOLDEN.exists() else {}
    for name, value in VALUES.items():
        if name not in stored:
            kind, payload = encode(value, SHAPE)
            stored[name] = [int(kind), payload.hex()]
    GOLDEN.write_text(json.dumps(stored, indent=1) + "\n")


if __name__ == "__main__":
    # Under the name that it has for whoever imports it.
    import storedvalues

    sys.exit(storedvalues.main())
