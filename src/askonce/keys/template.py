"""Templates that say which parts of a call its key consists of: ``"user:{user.id}"``."""

import re
import string
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import Any, Final, NamedTuple

from askonce.exceptions import ConfigurationError, KeyBuildError

_FIELD: Final = re.compile(r"(?P<root>[^.\[\]{}]*)(?P<steps>(?:\.[^.\[\]{}]+|\[[^\[\]{}]+\])*)")
_STEP: Final = re.compile(r"\.(?P<attribute>[^.\[]+)|\[(?P<item>[^\]]+)\]")

_formatter: Final = string.Formatter()


class _Field(NamedTuple):
    """One pair of braces.

    Attributes:
        text: what stands before the conversion and the format.
        root: the parameter.
        steps: attributes (``True``) and items (``False``) on the way from the parameter to the value.
        conversion: ``"r"``, ``"s"``, ``"a"`` or nothing.
        spec: how to format the value, or nothing.
    """

    text: str
    root: str
    steps: tuple[tuple[bool, str | int], ...]
    conversion: str | None
    spec: str

    def value(self, arguments: Mapping[str, Any], *, as_text: bool) -> Any:
        found = arguments[self.root]
        for is_attribute, name in self.steps:
            found = getattr(found, str(name)) if is_attribute else found[name]
        if (as_text or self.conversion) and _shows_its_address(found):
            raise TypeError(
                f"the text of a {type(found).__qualname__} is its address; name what tells it apart"
            )
        if self.conversion:
            found = _formatter.convert_field(found, self.conversion)
        return format(found, self.spec) if self.spec else found


class Template:
    """A format string over the parameters of a function, checked against them when it is made."""

    def __init__(
        self, text: str, parameters: Collection[str], where: str, *, needs_field: bool = True
    ) -> None:
        """Parse the template.

        Args:
            text: as for ``str.format``, with names of parameters.
            parameters: the names there are.
            where: what the template belongs to, for messages.
            needs_field: whether it makes no sense without one.

        Raises:
            ConfigurationError: it is malformed, has no field, or names a parameter that does not exist.
        """
        self.text = text
        self._where = where
        try:
            parts = list(_formatter.parse(text))
        except ValueError as error:
            raise self._wrong(f"is malformed: {error}") from None
        self._fields = tuple(
            self._parsed(name, spec or "", conversion, parameters)
            for _, name, spec, conversion in parts
            if name is not None
        )
        self._literal = "".join(
            _escaped(literal) + ("" if name is None else "{}") for literal, name, _, _ in parts
        )
        if needs_field and not self._fields:
            raise self._wrong("has no field, so that all calls would have one key; write {parameter}")

    def __repr__(self) -> str:
        return f"Template({self.text!r})"

    @property
    def parameters(self) -> frozenset[str]:
        """The names of the parameters in it."""
        return frozenset(field.root for field in self._fields)

    def filled(self, arguments: Mapping[str, Any]) -> str:
        """The text with its fields filled in.

        Raises:
            KeyBuildError: an argument does not have what a field names, or no text of its own.
        """
        values = [self._value(field, arguments, as_text=True) for field in self._fields]
        return self._literal.format(*values)

    def values(self, arguments: Mapping[str, Any]) -> tuple[Any, ...]:
        """The fields' values in order: as they are, unless a conversion or a format makes text of them.

        Raises:
            KeyBuildError: an argument does not have what a field names.
        """
        return tuple([self._value(field, arguments) for field in self._fields])

    def _value(self, field: _Field, arguments: Mapping[str, Any], *, as_text: bool = False) -> Any:
        try:
            return field.value(arguments, as_text=as_text)
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            raise KeyBuildError(
                f"{self._where}: the field {{{field.text}}} of the template {self.text!r} has no value "
                f"in this call ({type(error).__name__}: {error})"
            ) from error

    def _parsed(self, text: str, spec: str, conversion: str | None, parameters: Collection[str]) -> _Field:
        match = _FIELD.fullmatch(text)
        if match is None or "{" in spec:
            raise self._wrong(f"has a field {{{text}}} that is no name with attributes and items")
        root = match["root"]
        if not root or root.isdigit():
            raise self._wrong(
                f"has a field {{{text}}} without a name; name a parameter: {_listed(parameters)}"
            )
        if root not in parameters:
            raise self._wrong(_unknown(root, parameters))
        self._check_conversion(conversion)
        return _Field(text, root, _steps(match["steps"]), conversion, spec)

    def _check_conversion(self, conversion: str | None) -> None:
        try:
            _formatter.convert_field("", conversion)
        except ValueError as error:
            raise self._wrong(f"is malformed: {error}") from None

    def _wrong(self, reason: str) -> ConfigurationError:
        return ConfigurationError(f"{self._where}: the template {self.text!r} {reason}")


def _shows_its_address(value: object) -> bool:
    cls = type(value)
    return all(getattr(cls, name) is getattr(object, name) for name in ("__format__", "__str__", "__repr__"))


def _steps(text: str) -> tuple[tuple[bool, str | int], ...]:
    return tuple(
        (True, step["attribute"]) if step["attribute"] else (False, _index(step["item"]))
        for step in _STEP.finditer(text)
    )


def _index(text: str) -> str | int:
    return int(text) if text.isdecimal() else text


def _unknown(name: str, parameters: Collection[str]) -> str:
    close = get_close_matches(name, parameters, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return f"names {name!r}, which is no parameter; its parameters are {_listed(parameters)}{hint}"


def _listed(parameters: Collection[str]) -> str:
    return ", ".join(parameters) or "none"


def _escaped(literal: str) -> str:
    return literal.replace("{", "{{").replace("}", "}}")
