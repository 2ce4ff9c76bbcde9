"""``get_or_set``: the flights and fences of decorated functions for a factory that is given by hand."""

from collections.abc import Awaitable, Callable
from typing import Any, cast

from askonce._types import Entry
from askonce.backends import interface
from askonce.backends.adapter import PlainStore, engine_store_of
from askonce.backends.checks import checked_key, checked_ttl
from askonce.backends.engine import EngineStore
from askonce.backends.interface import CacheInterface
from askonce.codec.shapes import NO_SHAPE
from askonce.engine.call import Call
from askonce.engine.drivers import drive, drive_blocking
from askonce.engine.figures import Figures
from askonce.engine.flow import serve
from askonce.engine.notes import Notes
from askonce.engine.oneshot import reusable
from askonce.freshness import Freshness
from askonce.signature import Arguments


class Factory:
    """A factory as the engine sees it: a function without arguments, options or figures of its own."""

    joins = True
    leases = False
    isolates = True
    shape = NO_SHAPE
    tags: tuple[str, ...] = ()

    name = "get_or_set"
    operation = None
    freshness = Freshness()
    notes = Notes("get_or_set")

    def __init__(self, make: Callable[[], Any], ttl: float, *, awaits: bool) -> None:
        self._make = make
        self._ttl = ttl
        self._awaits = awaits
        self.figures = Figures(lambda: 0.0)

    def invoke(self, arguments: Arguments) -> Any:
        """Run the factory."""
        return self._awaited() if self._awaits else self._make()

    async def _awaited(self) -> Any:
        value = self._make()
        return await cast("Awaitable[Any]", value) if isinstance(value, Awaitable) else value

    def checked(self, answer: Any) -> Any:
        """The answer, unless it can be used only once."""
        return reusable(answer, "the factory of get_or_set")

    def ttl_of(self, answer: Any, store: EngineStore, said: float | None = None) -> float | None:
        """How long the answer may live."""
        return self._ttl if said is None else said

    def keys_of(self, arguments: Arguments) -> tuple[str, ...]:
        """The empty one, which is a key as well: every other one is known to the call."""
        return ("",)

    def detach(self, arguments: Arguments) -> Arguments:
        """None: there are none."""
        return arguments

    def tags_of(self, arguments: Arguments) -> tuple[str, ...]:
        """None: nobody gave any."""
        return ()

    def admit(self, store: EngineStore, entry: Entry, arguments: Arguments) -> None:
        """Nothing: there are no arguments to find it by."""


def _call(cache: CacheInterface, key: str, factory: Any, ttl: Any, *, awaits: bool) -> Call:
    if not callable(factory):
        raise TypeError(
            f"get_or_set wants a callable that makes the value, not {type(factory).__name__}; "
            "write lambda: value, or use set"
        )
    store = engine_store_of(cache)
    place = key if isinstance(store, PlainStore) else checked_key(key)
    return Call(Factory(factory, checked_ttl(ttl, store.default_ttl), awaits=awaits), store, place, ())


async def _get_or_set(cache: CacheInterface, key: str, factory: Any, ttl: Any) -> Any:
    return await drive(serve(_call(cache, key, factory, ttl, awaits=True)))


def _get_or_set_blocking(cache: CacheInterface, key: str, factory: Any, ttl: Any) -> Any:
    return drive_blocking(serve(_call(cache, key, factory, ttl, awaits=False)))


interface.get_or_set = _get_or_set
interface.get_or_set_blocking = _get_or_set_blocking
