"""Classes and functions at module level, as programs have them: importable, so that they can be pickled."""

from __future__ import annotations

import dataclasses
import enum
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

import pydantic

from askonce import InMemoryCache, cached

if TYPE_CHECKING:
    from nowhere import Unknown

CACHE = InMemoryCache()
CALLS: list[tuple] = []
T = TypeVar("T")


class Service:
    """It says by ``__cache_key__`` what its answers depend on."""

    def __init__(self, name):
        self.name = name

    def __cache_key__(self):
        return self.name

    @cached(cache=CACHE)
    def ask(self, question: str, loud: bool = False) -> Unknown:
        """Answer a question."""
        CALLS.append((self.name, question))
        return f"{type(self).__name__} {self.name}: {question}"

    @cached(cache=CACHE)
    async def ask_later(self, question):
        CALLS.append((self.name, question))
        return f"{self.name}: {question}"

    @cached(cache=CACHE)
    @classmethod
    def make(cls, question):
        CALLS.append((cls.__name__, question))
        return f"{cls.__name__}: {question}"

    @classmethod
    @cached(cache=CACHE)
    def make_inside(cls, question):
        CALLS.append((cls.__name__, question))
        return f"{cls.__name__}: {question}"

    @cached(cache=CACHE)
    @staticmethod
    def plain(question):
        CALLS.append(("plain", question))
        return question

    @staticmethod
    @cached(cache=CACHE)
    def plain_inside(question):
        CALLS.append(("plain", question))
        return question


class Child(Service):
    pass


class Overriding(Service):
    @cached(cache=CACHE)
    def ask(self, question, loud=False):
        CALLS.append(("overriding", question))
        return f"more than {super().ask(question)}"


class Slotted:
    __slots__ = ("name",)

    __cache_key__ = Service.__cache_key__
    __init__ = Service.__init__
    ask = Service.ask


@dataclasses.dataclass(frozen=True)
class Frozen:
    name: str

    @cached(cache=CACHE)
    def ask(self, question):
        CALLS.append((self.name, question))
        return f"{self.name}: {question}"


class Pair(NamedTuple):
    name: str

    @cached(cache=CACHE)
    def ask(self, question):
        CALLS.append((self.name, question))
        return f"{self.name}: {question}"


class Model(pydantic.BaseModel):
    name: str

    @cached(cache=CACHE)
    def ask(self, question):
        CALLS.append((self.name, question))
        return f"{self.name}: {question}"


class Colour(enum.Enum):
    ONE = "1"
    TWO = "2"

    @cached(cache=CACHE)
    def ask(self, question):
        CALLS.append((self.name, question))
        return f"{self.name}: {question}"


class Box(Generic[T]):
    @cached(cache=CACHE, ignore={"self"})
    def ask(self, question):
        CALLS.append(("box", question))
        return question


@cached(cache=CACHE)
def ask(question: str, *, loud: bool = False) -> str:
    """Answer a question."""
    CALLS.append(("ask", question))
    return question.upper()


@cached(cache=CACHE)
async def ask_later(question: str) -> str:
    """Answer a question, later."""
    return question.upper()


class Asker:
    """A callable object."""

    def __init__(self, name):
        self.name = name

    def __cache_key__(self):
        return self.name

    def __call__(self, question, loud=False):
        CALLS.append((self.name, question))
        return f"{self.name}: {question}"
