"""The shape of the models that an annotation reaches, so that old answers are not read as new models."""

import dataclasses
import enum
import sys
import typing
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

from askonce.keys.encoding import Encoder
from askonce.keys.identity import identity
from askonce.keys.typeforms import UNIONS, generic_model

_encode: Final = Encoder().encode
_RESOLUTION_ERRORS: Final = (AttributeError, NameError, SyntaxError, TypeError)
_WRAPPERS: Final = ("Annotated", "ClassVar", "Final", "NotRequired", "ReadOnly", "Required")


class _Field(NamedTuple):
    name: str
    annotation: Any
    is_required: bool


def shape(annotation: Any) -> bytes | None:
    """A canonical description of the models that an annotation reaches, or ``None`` without any.

    Models are pydantic models, dataclasses, attrs classes, typed dictionaries and named tuples. Renaming,
    adding, removing or retyping a field of one of them changes it.
    """
    survey = _Survey()
    root = survey.describe(annotation)
    return _encode((root, survey.described)) if survey.described else None


class _Survey:
    """Describes types as nested tuples, and each model once, however often it is reached.

    Attributes:
        described: the models met so far, in the order of their discovery.
    """

    def __init__(self) -> None:
        self.described: list[Any] = []
        self._numbers: dict[Any, int] = {}

    def describe(self, annotation: Any) -> Any:
        """The description of one annotation."""
        if annotation is None:
            annotation = type(None)
        if isinstance(annotation, str):
            return ("name", annotation)
        origin = typing.get_origin(annotation)
        if origin is not None:
            return self._expression(annotation, origin)
        if isinstance(annotation, type):
            return self._class(annotation)
        return self._other(annotation)

    def _expression(self, annotation: Any, origin: Any) -> Any:
        arguments = typing.get_args(annotation)
        if _is_wrapper(origin):
            return self.describe(arguments[0])
        if origin is typing.Literal:
            return ("literal", *sorted(_literal(each) for each in arguments))
        described = [self.describe(each) for each in arguments]
        if origin in UNIONS:
            # Their order differs with what the process has seen before, since typing caches unions.
            return ("union", *sorted(described, key=_encode))
        return ("of", self.describe(origin), *described)

    def _class(self, cls: Any) -> Any:
        read = _reader(cls)
        if read is None:
            return ("class", identity(cls))
        number = self._numbers.get(cls)
        if number is None:
            number = self._numbers[cls] = len(self.described)
            self.described.append(None)
            self.described[number] = (self._model_name(cls), self._fields(read(cls)))
        return ("model", number)

    def _model_name(self, cls: Any) -> Any:
        generic = generic_model(cls)
        return identity(cls) if generic is None else [self.describe(each) for each in generic]

    def _fields(self, fields: Iterator[_Field]) -> list[Any]:
        return [(each.name, self.describe(each.annotation), each.is_required) for each in fields]

    def _other(self, annotation: Any) -> Any:
        if isinstance(annotation, list | tuple):  # the parameters of a Callable
            return ("list", *(self.describe(each) for each in typing.cast("list[Any]", annotation)))
        if hasattr(annotation, "__supertype__"):
            return self.describe(annotation.__supertype__)
        if type(annotation).__name__ == "TypeAliasType":
            return self._alias(annotation)
        for attribute in ("__forward_arg__", "__name__", "_name"):
            name = getattr(annotation, attribute, None)
            if isinstance(name, str):
                return ("name", name)
        return ("name", identity(type(annotation)))

    def _alias(self, alias: Any) -> Any:
        if alias in self._numbers:
            return ("name", alias.__name__)
        self._numbers[alias] = -1  # it may contain itself
        try:
            return self.describe(alias.__value__)
        except NameError:
            return ("name", alias.__name__)
        finally:
            del self._numbers[alias]


def _is_wrapper(origin: Any) -> bool:
    name = getattr(origin, "__name__", None) or getattr(origin, "_name", None)
    return getattr(origin, "__module__", None) in {"typing", "typing_extensions"} and name in _WRAPPERS


def _literal(value: Any) -> bytes:
    return _encode((identity(type(value)), value.name if isinstance(value, enum.Enum) else value))


def _reader(cls: Any) -> Callable[[Any], Iterator[_Field]] | None:
    """What reads the fields of a class, if it is a model."""
    if hasattr(cls, "model_fields") and hasattr(cls, "__pydantic_core_schema__"):
        return _pydantic_fields
    if hasattr(cls, "__attrs_attrs__"):
        return _attrs_fields
    if dataclasses.is_dataclass(cls):
        return _dataclass_fields
    if hasattr(cls, "__required_keys__"):  # also of typing_extensions
        return _typed_dict_fields
    return _named_tuple_fields if hasattr(cls, "_fields") and hasattr(cls, "_field_defaults") else None


def _pydantic_fields(cls: Any) -> Iterator[_Field]:
    for name, field in cls.model_fields.items():
        yield _Field(name, field.annotation, bool(field.is_required()))


def _attrs_fields(cls: Any) -> Iterator[_Field]:
    nothing = sys.modules["attr"].NOTHING
    for field in cls.__attrs_attrs__:
        yield _Field(field.name, _resolved(field.type, field.name, cls), field.default is nothing)


def _dataclass_fields(cls: Any) -> Iterator[_Field]:
    for field in dataclasses.fields(cls):
        is_required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        yield _Field(field.name, _resolved(field.type, field.name, cls), is_required)


def _typed_dict_fields(cls: Any) -> Iterator[_Field]:
    for name, raw in _annotations(cls).items():
        annotation = _resolved(raw, name, cls)
        yield _Field(name, annotation, _is_required_key(cls, name, annotation))


def _is_required_key(cls: Any, name: str, annotation: Any) -> bool:
    # Where annotations are text, Python's own list of the required keys misses these marks.
    for _ in range(len(_WRAPPERS)):
        origin = typing.get_origin(annotation)
        if origin is typing.Required or origin is typing.NotRequired:
            return origin is typing.Required
        if origin is None or not _is_wrapper(origin):
            break
        annotation = typing.get_args(annotation)[0]
    return name in cls.__required_keys__


def _named_tuple_fields(cls: Any) -> Iterator[_Field]:
    annotations = _annotations(cls)
    for name in cls._fields:
        annotation = _resolved(annotations.get(name, Any), name, cls)
        yield _Field(name, annotation, name not in cls._field_defaults)


def _annotations(cls: Any) -> dict[str, Any]:
    if sys.version_info >= (3, 14):
        import annotationlib

        return annotationlib.get_annotations(cls, format=annotationlib.Format.FORWARDREF)
    return dict(getattr(cls, "__annotations__", {}))


def _own_annotations(cls: type) -> dict[str, Any]:
    return _annotations(cls) if sys.version_info >= (3, 14) else vars(cls).get("__annotations__", {})


def _resolved(raw: Any, name: str, cls: Any) -> Any:
    """A field's type; as it was written where a name in it means nothing yet."""
    owner: type = next((each for each in cls.__mro__ if name in _own_annotations(each)), cls)

    def holder() -> None: ...

    holder.__annotations__ = {"it": raw}
    names: dict[str, Any] = vars(sys.modules.get(owner.__module__, typing))
    try:
        return typing.get_type_hints(holder, names, dict(vars(owner)), include_extras=True)["it"]
    except _RESOLUTION_ERRORS:
        return raw
