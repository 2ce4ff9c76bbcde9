"""URLs of pydantic, which are no texts: their class, one of pydantic's own, and their text."""

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from askonce.exceptions import CodecError

if TYPE_CHECKING:
    from askonce.codec.writing import Writer

_BASES: Final = {
    "pydantic.networks": ("_BaseUrl", "_BaseMultiHostUrl"),
    "pydantic_core._pydantic_core": ("Url", "MultiHostUrl"),
}


def url_writer(cls: type) -> "Callable[[Writer, Any], Any] | None":
    """What writes values of a class, if it is one of pydantic's URLs."""
    return _write if _is_url(cls) else None


def _write(writer: "Writer", value: object) -> Any:
    cls = type(value)
    return ["U", f"{cls.__module__}:{cls.__name__}", writer.write(str(value), 0)]


def read_url(name: str, text: str) -> Any:
    """A URL, checked again by its class."""
    module, _, name = name.partition(":")
    cls: Any = getattr(sys.modules.get(module), name, None) if module in _BASES else None
    if not isinstance(cls, type) or not _is_url(cls):
        raise CodecError("it holds a URL of a class that is not pydantic's, or was not imported here")
    return cls(text)


def _is_url(cls: type) -> bool:
    bases = _BASES.get(cls.__module__)
    if bases is None or cls.__name__ in {"_BaseUrl", "_BaseMultiHostUrl"}:
        return False
    module = sys.modules.get(cls.__module__)
    return getattr(module, cls.__name__, None) is cls and any(
        issubclass(cls, base) for base in (getattr(module, name, None) for name in bases) if base is not None
    )
