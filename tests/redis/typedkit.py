"""Functions whose answers have types of their own, decorated alike in every process that imports this."""

import dataclasses
import datetime as dt
import decimal
import enum
import ipaddress
import uuid
from typing import NamedTuple

import attrs
import pydantic

from askonce import cached


class Colour(enum.Enum):
    RED = "red"


class Place(NamedTuple):
    x: float
    y: float


@dataclasses.dataclass(frozen=True)
class Item:
    name: str
    price: decimal.Decimal
    colours: frozenset[Colour]


@dataclasses.dataclass
class Order:
    id: uuid.UUID
    at: dt.datetime
    items: tuple[Item, ...]
    notes: dict[int, bytes]


class Address(pydantic.BaseModel):
    street: str
    since: dt.date | None = None


class User(pydantic.BaseModel):
    name: str
    addresses: list[Address]
    tags: set[str] = set()


@attrs.define
class Host:
    name: str
    ip: ipaddress.IPv4Address


async def user(name: str) -> User:
    return User(name=name, addresses=[Address(street="Ring 1", since=dt.date(2020, 2, 29))], tags={"a"})


async def order(number: int) -> Order:
    item = Item("pen", decimal.Decimal("1.50"), frozenset({Colour.RED}))
    at = dt.datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=dt.UTC)
    return Order(uuid.UUID(int=number), at, (item, item), {1: b"\x00\xff"})


async def several(name: str) -> dict[str, list[tuple[Place, Host | None]]]:
    return {
        name: [(Place(1.0, -0.0), Host(name, ipaddress.IPv4Address("10.0.0.1"))), (Place(2.5, 3.0), None)]
    }


async def plain(number: int):
    return {"number": number, "set": {1, 2}, "bytes": b"x", "tuple": (1, [2]), "none": None}


def in_threads(number: int) -> Item:
    return Item(str(number), decimal.Decimal(number), frozenset())


async def of_local_type(number: int) -> object:
    class Local:
        pass

    return Local()


TYPED = (user, order, several, plain, in_threads)


def functions(cache):
    """By name: each answers the text of its value, and ``calls`` how often any of them computed."""
    calls = []

    def counted(function):
        import functools
        import inspect

        if not inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            def called(*args):
                calls.append(function.__name__)
                return function(*args)

        else:

            @functools.wraps(function)
            async def called(*args):
                calls.append(function.__name__)
                return await function(*args)

        return cached(cache=cache, name=function.__name__, tags=["typed"])(called)

    made = {function.__name__: counted(function) for function in (*TYPED, of_local_type)}
    answers = {name: _told(function) for name, function in made.items()}
    return answers | {"calls": lambda: len(calls), "values": lambda: made}


def _told(function):
    import inspect

    async def told(*args):
        value = function(*args)
        if inspect.isawaitable(value):
            value = await value
        return [type(value).__name__, repr(value)]

    return told
