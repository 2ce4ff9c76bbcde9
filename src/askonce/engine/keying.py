"""From a call to its key.

The payload is the function's identity and its arguments, each encoded canonically, in the order of the
signature; the key is the function's name and a digest of that payload. A function's own part is encoded
once.
"""

import contextlib
import functools
import inspect
from collections.abc import Callable, Collection, Sequence
from types import SimpleNamespace
from typing import Any, Final, get_type_hints

from askonce.engine.instances import check_instance
from askonce.engine.naming import Identity
from askonce.exceptions import ConfigurationError, KeyBuildError
from askonce.keys import Encoder, Template, default_encoder, is_reachable, local_class, shape
from askonce.signature import Arguments, Signature, annotations_of, check_accepts, describe

FORMAT = 1
"""Raised whenever the same call would get another key than before."""

_LONGEST_NAME = 150

KeySource = Callable[[Arguments], Any]


class KeyMaker:
    """Makes the keys of one decorated function."""

    def __init__(
        self,
        function: Callable[..., Any],
        signature: Signature,
        *,
        key: str | Callable[..., Any] | None = None,
        ignore: Collection[str] = (),
        version: int | str | None = None,
        instance: str | None = None,
        method: bool = False,
        parts: tuple[Any, ...] = (),
        identity: Identity,
    ) -> None:
        """Check the options that decide a key.

        Args:
            function: the function that is decorated.
            signature: its signature.
            key: a template, or a callable of the arguments, that replaces the arguments in the key.
            ignore: parameters that take no part.
            version: takes part.
            instance: the first parameter, where it is the instance of a method.
            method: whether the first parameter may be the class of a class method.
            parts: what else belongs to the key of every call.
            identity: who the function is.

        Raises:
            ConfigurationError: an ignored parameter does not exist, or the template or the callable does
                not fit the signature.
        """
        self._function = function
        self._signature = signature
        self._instance = instance
        self._method = method
        self._source = _source(key, signature, describe(function))
        self.keyed = () if key is not None else _keyed(signature, ignore, describe(function))
        self._positions = tuple(signature.names.index(name) for name in self.keyed)
        template = key if isinstance(key, str) else None
        self._own_parts = (identity.name, version, template, self.keyed, parts)
        self._identity = identity
        self._label = _label(identity.name)

    def key(self, arguments: Arguments) -> str:
        """The key of a call.

        Raises:
            KeyBuildError: an argument cannot take part in a key.
        """
        encoder, own = self._prepared
        try:
            if self._identity.may_change:
                own += encoder.encode(self._identity.bound)
            if self._source is not None:
                parts = [encoder.encode(self._source(arguments))]
            elif self._instance is None and not self._method:
                encode = encoder.encode
                parts = [encode(arguments[position]) for position in self._positions]
            else:
                parts = [self._encode(encoder, position, arguments) for position in self._positions]
        except KeyBuildError as error:
            raise self._located(error, encoder, arguments) from None
        return self._label + encoder.digest(own + b"".join(parts))

    def item_keys(self, arguments: Arguments, position: int, items: Sequence[Any]) -> list[str]:
        """The key of a call for each item: one with ``[item]`` as the argument at ``position``.

        Raises:
            KeyBuildError: an item, or another argument, cannot take part in a key.
        """
        if items and self._source is None and (position or self._instance is None):
            with contextlib.suppress(KeyBuildError):  # made one by one, the first that fails is named
                return self._item_keys(arguments, position, items)
        return [self.key((*arguments[:position], [item], *arguments[position + 1 :])) for item in items]

    def _item_keys(self, arguments: Arguments, position: int, items: Sequence[Any]) -> list[str]:
        """What all items share is encoded once."""
        encoder, before = self._prepared
        if self._identity.may_change:
            before += encoder.encode(self._identity.bound)
        encoded = [self._encode(encoder, each, arguments) for each in self._positions if each != position]
        place = self._positions.index(position)
        before += b"".join(encoded[:place])
        after = b"".join(encoded[place:])
        label, digest, single = self._label, encoder.digest, encoder.encode_single
        return [label + digest(before + single(item) + after) for item in items]

    def parts(self, arguments: Arguments) -> dict[str, tuple[Any, bytes]]:
        """What each argument adds to the key: its value, and how that is encoded."""
        encoder, _ = self._prepared
        if self._source is not None:
            value = self._source(arguments)
            return {"key": (value, encoder.encode(value))}
        return {
            self._signature.names[position]: (
                arguments[position],
                self._encode(encoder, position, arguments),
            )
            for position in self._positions
        }

    def digest(self, payload: bytes) -> str:
        """The digest of one argument's encoding, for ``explain``."""
        return self._prepared[0].digest(payload)

    @functools.cached_property
    def _prepared(self) -> tuple[Encoder, bytes]:
        # At the first call: the secret and what annotations refer to need not be there at decoration.
        encoder = default_encoder()
        own = encoder.encode((FORMAT, *self._own_parts, _answer_shape(self._function)))
        bound = b"" if self._identity.may_change else encoder.encode(self._identity.bound)
        return encoder, own + bound

    def _encode(self, encoder: Encoder, position: int, arguments: Arguments) -> bytes:
        value = arguments[position]
        if self._instance is not None and position == 0:
            check_instance(value, describe(self._function), self._instance)
        if self._method and position == 0 and isinstance(value, type) and not is_reachable(value):
            value = local_class(value)
        return encoder.encode(value)

    def _located(self, error: KeyBuildError, encoder: Encoder, arguments: Arguments) -> KeyBuildError:
        """The same error with the name of the parameter it is about."""
        where = "what key= answered"
        if self._source is None:
            where = f"parameter {self._culprit(encoder, arguments)!r}"
        return KeyBuildError(f"{describe(self._function)}: {where} has no key: {error}")

    def _culprit(self, encoder: Encoder, arguments: Arguments) -> str:
        for position in self._positions:
            try:
                encoder.encode(arguments[position])
            except KeyBuildError:
                return self._signature.names[position]
        return "?"


def _keyed(signature: Signature, ignore: Collection[str], where: str) -> tuple[str, ...]:
    unknown = [name for name in ignore if name not in signature.names]
    if unknown:
        raise ConfigurationError(
            f"{where}: ignore names {unknown[0]!r}, which is no parameter; "
            f"its parameters are {', '.join(signature.names) or 'none'}"
        )
    return tuple(name for name in signature.names if name not in ignore)


def _source(key: str | Callable[..., Any] | None, signature: Signature, where: str) -> KeySource | None:
    """What makes the keyed value of a call from its arguments."""
    if key is None:
        return None
    if isinstance(key, str):
        template = Template(key, signature.names, where)
        return lambda arguments: template.values(signature.named(arguments))
    if not callable(key):
        raise ConfigurationError(f"{where}: key={key!r} is neither a template nor a callable")
    check_accepts(key, signature, f"{where}: key")
    return lambda arguments: signature.apply(key, arguments)


def _label(name: str) -> str:
    """The readable beginning of a key; a long name is cut, since its whole is in the digest."""
    return name.encode("ascii", "backslashreplace").decode()[:_LONGEST_NAME] + ":"


def _answer_shape(function: Callable[..., Any]) -> bytes | None:
    """The shape of the models that the return annotation names."""
    annotation = answer_annotation(function)
    try:
        return None if annotation is UNSAID else shape(annotation)
    except Exception:  # noqa: BLE001  an annotation is any object, and may fail at any question
        return None


UNSAID: Final = object()
"""The annotation of a function that has none."""


def answer_annotation(function: Callable[..., Any]) -> Any:
    """What a function says that it answers, as far as it can be known; ``UNSAID`` where it says nothing."""
    function = inspect.unwrap(function)
    while isinstance(function, functools.partial):
        function = inspect.unwrap(function.func)
    if not inspect.isroutine(function):  # a callable object
        function = type(function).__call__
    annotations = annotations_of(function)
    return _evaluated(annotations["return"], function) if "return" in annotations else UNSAID


def _evaluated(annotation: Any, function: Callable[..., Any]) -> Any:
    """What an annotation stands for, as far as it can be known.

    It is looked at alone: those of the parameters may name what only checkers import.
    """
    alone = SimpleNamespace(__annotations__={"return": annotation})
    try:
        hints = get_type_hints(alone, getattr(function, "__globals__", {}), include_extras=True)
    except Exception:  # noqa: BLE001  an annotation can be any expression and fail in any way
        return annotation
    return hints["return"]
