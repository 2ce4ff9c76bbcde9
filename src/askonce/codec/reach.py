"""Which classes an annotation reaches."""

import enum
import sys
import typing
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

from askonce.codec.names import name_of
from askonce.codec.plans import is_buildable, is_model
from askonce.exceptions import CodecError


class Reach:
    """The classes that some annotations reach, by their names in stored values.

    They are found through generics, unions, ``Annotated`` and the fields of every class found. A name in
    an annotation that means nothing (yet) reaches nothing.
    """

    def __init__(self, annotations: Iterable[Any]) -> None:
        self._classes: dict[str, type] = {}
        self._rivals: dict[str, type] = {}
        self._seen: dict[int, Any] = {}
        waiting = [*annotations]
        while waiting:
            annotation = waiting.pop()
            if id(annotation) not in self._seen:
                self._seen[id(annotation)] = annotation  # kept, so that no other gets its id
                waiting.extend(self._next(annotation))
        self._seen.clear()

    def find(self, name: str) -> type | None:
        """The class of a name, if one is reached.

        Raises:
            CodecError: two classes bear the name.
        """
        if name in self._rivals:
            raise CodecError(
                f"{self._classes[name]!r} and {self._rivals[name]!r} are both called {name!r} in stored "
                f"values; rename one, or define it outside of a function"
            )
        return self._classes.get(name)

    def _next(self, annotation: Any) -> Iterator[Any]:
        origin = typing.get_origin(annotation)
        if origin is typing.Literal:
            yield from (type(each) for each in typing.get_args(annotation) if isinstance(each, enum.Enum))
        elif origin is not None:
            yield origin
            yield from _flattened(typing.get_args(annotation))
        elif isinstance(annotation, type):
            yield from self._of_class(annotation)
        else:
            yield from _of_other(annotation)

    def _of_class(self, cls: type) -> Iterator[Any]:
        if is_buildable(cls):
            name = name_of(cls)
            if self._classes.setdefault(name, cls) is not cls:
                self._rivals[name] = cls
        elif not _is_typed_dict(cls):
            return
        yield from getattr(cls, "__orig_bases__", ())
        yield from _fields(cls)


def _of_other(annotation: Any) -> Iterator[Any]:
    for attribute in ("__supertype__", "__value__", "__bound__"):  # new types, aliases, type variables
        try:
            yield getattr(annotation, attribute, None)
        except NameError:
            continue
    yield from getattr(annotation, "__constraints__", ())


def _flattened(arguments: tuple[Any, ...]) -> Iterator[Any]:
    for each in arguments:
        if isinstance(each, list):  # the parameters of a Callable
            yield from typing.cast("list[Any]", each)
        else:
            yield each


def _is_typed_dict(cls: type) -> bool:
    return hasattr(cls, "__required_keys__")  # also of typing_extensions


def _fields(cls: Any) -> Iterator[Any]:
    """The types of a class's fields, as far as their names mean something."""
    for field in cls.model_fields.values() if is_model(cls) else ():
        yield field.annotation
    for field in getattr(cls, "__attrs_attrs__", ()):
        yield field.type
    try:
        yield from typing.get_type_hints(cls, include_extras=True).values()
    except Exception:  # noqa: BLE001  whatever evaluating a text raises
        yield from _one_by_one(cls)


def _one_by_one(cls: Any) -> Iterator[Any]:
    for owner in cls.__mro__:
        names: dict[str, Any] = vars(sys.modules.get(owner.__module__, typing))
        local_names: dict[str, Any] = {**vars(owner)}
        for raw in _annotations(owner).values():
            with suppress(Exception):  # whatever evaluating a text raises
                yield _resolved(raw, names, local_names)


def _resolved(annotation: Any, names: dict[str, Any], local_names: dict[str, Any]) -> Any:
    def holder() -> None: ...

    holder.__annotations__ = {"it": annotation}
    return typing.get_type_hints(holder, names, local_names, include_extras=True)["it"]


def _annotations(cls: type) -> dict[str, Any]:
    if sys.version_info >= (3, 14):
        import annotationlib

        return annotationlib.get_annotations(cls, format=annotationlib.Format.FORWARDREF)
    found: dict[str, Any] = vars(cls).get("__annotations__", {})
    return found
