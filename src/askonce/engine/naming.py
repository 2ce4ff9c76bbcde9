"""Who a decorated function is: its name in keys, and what it is bound to."""

import functools
import inspect
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any, cast

from askonce.engine.instances import WAYS_OUT, is_identified
from askonce.exceptions import ConfigurationError
from askonce.keys import Encoder, identity
from askonce.signature import describe, signature_of


@dataclass(frozen=True, slots=True)
class Identity:
    """A function's identity.

    Attributes:
        name: stands in every key.
        owner: module and qualified name of the function itself, which may claim the name again.
        bound: what the function was bound to before it was decorated; part of every key as well.
        unique: no other function can have it.
    """

    name: str
    owner: str
    bound: tuple[Any, ...] = ()
    unique: bool = False

    @property
    def may_change(self) -> bool:
        """Whether something bound may have another key later on."""
        return not all(isinstance(item, type) or type(item) in _FIXED for item in self.bound)


_FIXED = frozenset({str, bytes, int, float, bool, type(None)})


def identity_of(function: Callable[..., Any], name: str | None) -> Identity:
    """Say who a function is.

    A function that is defined inside another may close over anything, so it is a new one at each
    decoration, unless ``name`` says that all its incarnations are one. So is one that a decorator made.

    Raises:
        TypeError: a callable object, or a method's object, does not say what it is.
        ConfigurationError: the name is no text.
        KeyBuildError: an argument of a partial has no key.
    """
    if name is not None and (not isinstance(name, str) or not name):
        raise ConfigurationError(f"name={name!r} is no name; use a text such as {describe(function)!r}")
    inner, bound = _unbound(function)
    Encoder().encode(bound)  # what cannot stand in a key is refused now, not at the first call
    owner = f"{getattr(inner, '__module__', None)}.{describe(inner)}"
    if name is not None:
        return Identity(name, owner, bound)
    own = identity(inner)
    if "<" in own + _where_written(inner):  # <locals>, <lambda>
        return Identity(f"{own}#{uuid.uuid4().hex}", owner, bound, unique=True)
    return Identity(own, owner, bound)


def _where_written(function: Any) -> str:
    """Where the code stands that runs; ``functools.wraps`` puts another function's name over it."""
    code = getattr(function, "__code__", None)
    return str(getattr(code, "co_qualname", ""))


def _unbound(function: Callable[..., Any]) -> tuple[Any, tuple[Any, ...]]:
    """The function or class that bears the name, and what is bound to it."""
    if isinstance(function, functools.partial):
        function = cast("functools.partial[Any]", function)
        inner, bound = _unbound(function.func)
        # Keywords that the signature shows are defaults, and so among the arguments of a call.
        shown = signature_of(function).names
        hidden = [item for item in function.keywords.items() if item[0] not in shown]
        return inner, (*bound, function.args, dict(hidden)) if function.args or hidden else bound
    owner = getattr(function, "__self__", None)
    if owner is not None and not isinstance(owner, ModuleType):
        return getattr(function, "__func__", function), (_identified(owner, function),)
    if inspect.isroutine(function):
        return function, ()
    return type(function), (_identified(function, function),)


def _identified(owner: Any, function: Callable[..., Any]) -> Any:
    cls = cast("type[Any]", type(owner))
    if not isinstance(owner, type) and not is_identified(cls):
        raise TypeError(
            f"{describe(function)} belongs to an object of {cls.__qualname__}, which does not say "
            f"what its answers depend on: {WAYS_OUT.format(parameter='self').rsplit(',', 1)[0]}, or cache a "
            "function that calls it"
        )
    return owner
