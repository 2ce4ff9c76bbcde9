"""Which classes an annotation reaches."""

import sys
import typing
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

from askonce.codec.models import model_fields
from askonce.codec.names import name_of
from askonce.codec.plans import is_buildable, is_model
from askonce.exceptions import CodecError


class Reach:
    """The classes that some annotations reach, by their names in stored values.

    They are found through generics, unions, ``Annotated`` and the fields of every class found. A name in
    an annotation that means nothing yet reaches nothing, so they are looked for at the first use.
    """

    __slots__ = ("_annotations", "_found")

    def __init__(self, annotations: Iterable[Any]) -> None:
        self._annotations = (*annotations,)
        self._found: _Survey | None = None

    def find(self, name: str) -> type | None:
        """The class of a name, if one is reached.

        Raises:
            CodecError: two classes bear the name.
        """
        found = self._found
        if found is None:
            found = self._found = _Survey(self._annotations)
        if name in found.rivals:
            raise CodecError(
                f"{found.classes[name]!r} and {found.rivals[name]!r} are both called {name!r} in stored "
                f"values; rename one, or define it outside of a function"
            )
        return found.classes.get(name)


class _Survey:
    """Walks through annotations.

    Attributes:
        classes: those met, by name.
        rivals: others that bear the same names.
    """

    def __init__(self, annotations: Iterable[Any]) -> None:
        self.classes: dict[str, type] = {}
        self.rivals: dict[str, type] = {}
        seen: dict[int, Any] = {}
        waiting = [*annotations]
        while waiting:
            annotation = waiting.pop()
            if id(annotation) not in seen:
                seen[id(annotation)] = annotation  # kept, so that no other gets its id
                waiting.extend(self._next(annotation))

    def _next(self, annotation: Any) -> Iterator[Any]:
        origin = typing.get_origin(annotation)
        if origin is typing.Literal:
            yield from map(type, typing.get_args(annotation))
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
            if self.classes.setdefault(name, cls) is not cls:
                self.rivals[name] = cls
        elif not _is_typed_dict(cls):
            return
        yield from getattr(cls, "__orig_bases__", ())
        yield from _fields(cls)


def _of_other(annotation: Any) -> Iterator[Any]:
    # New types, aliases, type variables. Evaluating one may raise anything.
    for attribute in ("__supertype__", "__value__", "__bound__"):
        with suppress(Exception):
            yield getattr(annotation, attribute)
    with suppress(Exception):
        yield from annotation.__constraints__


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
    for field in model_fields(cls).values() if is_model(cls) else ():
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
