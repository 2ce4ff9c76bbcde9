"""Binding: what ``service.ask`` is when ``ask`` is a cached method.

A bound method of Python's own forwards attributes to its function without the instance, so its verbs
would not know whom they are about. ``BoundCached`` knows.
"""

import inspect
import sys
from collections.abc import Callable
from types import MethodType
from typing import TYPE_CHECKING, Any

import wrapt

from askonce.engine.function import Function
from askonce.engine.instances import cannot_become_value_type, is_identified, no_identity
from askonce.verbs import VERBS, verbs_of

if TYPE_CHECKING:
    _Proxy = wrapt.ObjectProxy[Any]
else:
    _Proxy = wrapt.ObjectProxy  # generic in its stubs only


class BoundCached:
    """A cached method of one instance or class: callable, and with the verbs.

    One is made at every access. Each method has a subclass of its own with a generated ``__call__``.
    """

    __slots__ = ("__self__",)

    if TYPE_CHECKING:  # at run time these would be the __annotations__ that a bound method shows
        _call: Any
        _function: Function
        __self__: Any

    @property
    def __wrapped__(self) -> Any:
        return MethodType(self._call.__wrapped__, self.__self__)

    @property
    def __signature__(self) -> inspect.Signature:
        return inspect.signature(self.__wrapped__)

    @property
    def __func__(self) -> Any:
        return self._call

    @property
    def __annotations__(self) -> Any:  # type: ignore[override]  # pyright: ignore[reportIncompatibleVariableOverride]
        return self._call.__annotations__

    @property
    def __globals__(self) -> Any:
        return self._call.__wrapped__.__globals__

    def __getattr__(self, name: str) -> Any:
        return getattr(self._call, name)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, BoundCached) or type(self) is not type(other):
            return NotImplemented
        return self.__self__ is other.__self__

    def __hash__(self) -> int:
        return hash((id(self.__self__), type(self)))

    def __repr__(self) -> str:
        return f"<cached method {self._call.__qualname__} of {self.__self__!r}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return getattr, (self.__self__, self._call.__name__)


def _bound_verb(name: str) -> property:
    return property(lambda self: getattr(verbs_of(self._function, self, (self.__self__,)), name))


for _name in VERBS:
    setattr(BoundCached, _name, _bound_verb(_name))


def cached_method(
    call: Any, function: Function, *, instance: str | None, binds_class: bool
) -> "CachedMethod":
    """Make what stands in the class for a cached method.

    Args:
        call: the generated wrapper, with its verbs.
        function: the function's state.
        instance: the first parameter, where it has to say what it is.
        binds_class: whether it is a class method.
    """
    # A class for each: __get__ finds everything in its closure, which halves the cost of an access.
    binder = _class_binder if binds_class else _instance_binder
    namespace = {"__slots__": (), "__get__": binder(call, _bound_class(call, function))}
    cls: type[CachedMethod] = type("CachedMethod", (CachedMethod,), namespace)
    return cls(call, function, instance)


def _instance_binder(call: Any, bound: type[BoundCached]) -> Callable[..., Any]:
    new: Callable[[type[BoundCached]], BoundCached] = object.__new__

    def __get__(self: CachedMethod, instance: Any, owner: type | None = None) -> Any:  # noqa: N807
        if instance is None:
            return call
        method = new(bound)
        method.__self__ = instance
        return method

    return __get__


def _class_binder(call: Any, bound: type[BoundCached]) -> Callable[..., Any]:
    new: Callable[[type[BoundCached]], BoundCached] = object.__new__

    def __get__(self: CachedMethod, instance: Any, owner: type | None = None) -> Any:  # noqa: N807
        method = new(bound)
        method.__self__ = type(instance) if owner is None else owner
        return method

    return __get__


class CachedMethod(_Proxy):
    """What stands in the class: to all eyes the cached function itself, and a descriptor."""

    def __init__(self, call: Any, function: Function, instance: str | None) -> None:
        super().__init__(call)
        self._self_function = function
        self._self_instance = instance

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function unbound."""
        return self.__wrapped__(*args, **kwargs)

    def __set_name__(self, owner: type, name: str) -> None:
        parameter = self._self_instance
        if parameter is None or is_identified(owner) or not _is_settled(owner):
            return
        # Before 3.12 an error here reaches the user as a RuntimeError: there the first call says it.
        if sys.version_info >= (3, 12):
            raise no_identity(owner, self._self_function.label, parameter)

    def __copy__(self) -> "CachedMethod":
        return self

    def __deepcopy__(self, memo: Any) -> "CachedMethod":
        return self

    def __reduce_ex__(self, protocol: Any) -> str:
        return str(self.__wrapped__.__qualname__)


def _is_settled(owner: type) -> bool:
    """Whether a class is what it will be: with a state of its own, and no fields for a decorator."""
    return "__init__" in vars(owner) and cannot_become_value_type(owner) and not inspect.isabstract(owner)


def _bound_class(call: Any, function: Function) -> type[BoundCached]:
    namespace = {
        "__slots__": (),
        "__call__": function.path.bound_call or _call_through,
        "__module__": call.__module__,
        "__doc__": call.__doc__,
        "__name__": call.__name__,
        "_call": staticmethod(call),
        "_function": function,
    }
    return type("BoundCached", (BoundCached,), namespace)


def _call_through(bound: BoundCached, /, *args: Any, **kwargs: Any) -> Any:
    return bound._call(bound.__self__, *args, **kwargs)


class CachedCallable(_Proxy):
    """A callable object whose calls are cached; all else is the object's own."""

    def __init__(self, wrapped: Any, call: Any) -> None:
        super().__init__(wrapped)
        self._self_call = call

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the object through the cache."""
        return self._self_call(*args, **kwargs)

    def __copy__(self) -> "CachedCallable":
        return self

    def __deepcopy__(self, memo: Any) -> "CachedCallable":
        return self


def _forwarded(name: str) -> property:
    return property(lambda self: getattr(self._self_call, name))


for _name in VERBS:
    setattr(CachedCallable, _name, _forwarded(_name))
