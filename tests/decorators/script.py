"""A program of its own: prints the keys of its calls."""

import dataclasses
import enum
import functools
import sys

import shelf

from askonce import InMemoryCache, cached

CACHE = InMemoryCache()


class Colour(enum.Enum):
    RED = "red"


@dataclasses.dataclass(frozen=True)
class Point:
    x: int
    names: frozenset[str]

    @cached(cache=CACHE)
    def far(self, other):
        return other


@cached(cache=CACHE)
def ask(*args: object, **kwargs: object) -> Point:
    return Point(1, frozenset(map(str, args)))


partly = cached(cache=CACHE)(functools.partial(ask.__wrapped__, 1, x={"a", "b", "c"}))


def every_key():
    """Keys whose arguments have no order of their own, and functions of every kind."""
    names = frozenset({"a", "b", "c", "d"})
    return [
        ask.key({"b": 1, "a": {3, 1, 2}}, names, b=2, a=Colour.RED),
        ask.key(Point(1, names), Point, ask),
        partly.key(1),
        Point(1, names).far.key("é"),
        shelf.ask.key("q"),
        shelf.Service("a").ask.key("q"),
        shelf.Service.make.key("q"),
        shelf.Colour.ONE.ask.key("q"),
    ]


if __name__ == "__main__":
    if len(sys.argv) > 1:
        import script

        assert script.every_key() == every_key()
    sys.stdout.write("\n".join(every_key()))
