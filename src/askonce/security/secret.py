"""Text and keys that show nowhere."""

from typing import Final, Generic, NoReturn, Protocol, Self, TypeAlias, TypeVar, cast

from askonce.exceptions import ConfigurationError

Plain = TypeVar("Plain", bound=str | bytes)


class Secret(Generic[Plain]):
    """A text or bytes that show nowhere: not in ``repr``, ``str``, errors or pickles of what holds them."""

    __slots__ = ("_value",)

    def __init__(self, value: Plain) -> None:
        self._value: Final[Plain] = value

    def get_secret_value(self) -> Plain:
        """The secret itself, under the name that pydantic uses as well."""
        return self._value

    def __repr__(self) -> str:
        return "Secret('***')"

    def __str__(self) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        other = cast("Secret[str | bytes]", other)
        return type(self._value) is type(other._value) and self._value == other._value

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _memo: object) -> Self:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not pickled, where others could read it; let each process read its own")


class HoldsSecret(Protocol):
    """A ``Secret``, or a ``SecretStr`` of pydantic."""

    def get_secret_value(self) -> str:
        """The text itself."""
        ...


SecretText: TypeAlias = str | HoldsSecret


def as_secret(name: str, value: object) -> Secret[str] | None:
    """Hide a text that was given in the clear, or by something that hides it.

    Raises:
        ConfigurationError: it is none, or empty; ``name`` is the setting.
    """
    if value is None:
        return None
    text = value if isinstance(value, str) else revealed(value)
    if not isinstance(text, str) or not text:
        raise ConfigurationError(f"{name} is a text that is not empty, or a SecretStr; leave it out for none")
    return Secret(text)


def revealed(value: object) -> object:
    """What is hidden in a ``Secret``, or in something like it; ``None`` for all else."""
    reveal: object = getattr(value, "get_secret_value", None)
    return reveal() if callable(reveal) else None
