"""What tests need of a decorated function: its state, and a way to stand between a call and its body."""

import functools
import threading
import weakref
from collections.abc import Callable
from typing import Any, ClassVar, Protocol

from askonce.engine.function import Function
from askonce.signature import Arguments, describe
from askonce.verbs import AsyncVerbs, SyncVerbs

Body = Callable[[Arguments], Any]
"""Runs a function; answers an awaitable where the function is async, or the generator that it makes."""


class Decorated(Protocol):
    """Anything that was decorated with ``@cached`` or ``@ai_cached``, bound methods included."""

    @property
    def explain(self) -> Callable[..., Any]:
        """The verb by which it is known."""
        ...


Verbs = AsyncVerbs | SyncVerbs


def verbs_of_decorated(decorated: Decorated) -> Verbs:
    """The verbs of a decorated function, which know it.

    Raises:
        TypeError: it is not decorated.
    """
    verbs = getattr(getattr(decorated, "explain", None), "__self__", None)
    if isinstance(verbs, (AsyncVerbs, SyncVerbs)):
        return verbs
    raise TypeError(
        f"{describe(decorated)} is not cached; give a function, or a method of an instance, "
        "that is decorated with @cached or @ai_cached"
    )


class Layer(Protocol):
    """What stands between the calls of a function and its body.

    Attributes:
        watches: it sees all runs, also those that another layer keeps from the body.
    """

    watches: ClassVar[bool]

    def run(self, body: Body, arguments: Arguments) -> Any:
        """Run the body, a generator to its end, or do something else instead."""
        ...

    def begin(self, body: Body, arguments: Arguments) -> Any:
        """Make the generator that is the body, or another one instead."""
        ...


class _Bare:
    """How a function runs without layers, and the layers that are on it."""

    def __init__(self, function: Function) -> None:
        self.invoke, self.begin = function.invoke, function.begin
        self.layers: list[Layer] = []

    def cover(self, function: Function) -> None:
        """Have the function run through its layers."""
        invoke, begin = self.invoke, self.begin
        for layer in self.layers:
            invoke = functools.partial(layer.run, invoke)
            begin = functools.partial(layer.begin, begin)
        function.invoke, function.begin = invoke, begin


_lock = threading.Lock()
_covered: weakref.WeakKeyDictionary[Function, _Bare] = weakref.WeakKeyDictionary()


def put_on(function: Function, layer: Layer) -> None:
    """Let a layer in: outside of those that are there, and inside of those that watch."""
    with _lock:
        bare = _covered.get(function) or _Bare(function)
        _covered[function] = bare
        bare.layers.append(layer)
        bare.layers.sort(key=lambda layer: layer.watches)
        bare.cover(function)


def take_off(function: Function, layer: Layer) -> None:
    """Take a layer out, wherever it is."""
    with _lock:
        bare = _covered[function]
        bare.layers.remove(layer)
        bare.cover(function)
        if not bare.layers:
            del _covered[function]
