"""URLs of pydantic, which are no texts: their class, one of pydantic's own, and their text."""

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from askonce.exceptions import CodecError

if TYPE_CHECKING:
    from askonce.codec.writing import Writer

_HOMES: Final = {
    "pydantic.networks": ("_BaseUrl", "_BaseMultiHostUrl"),
    "pydantic_core._pydantic_core": ("Url", "MultiHostUrl"),
}


def url_writer(cls: type) -> "Callable[[Writer, Any], Any] | None":
    """What writes values of a class, if it is one of pydantic's URLs."""
    is_url = cls.__module__ in _HOMES and _url_class(cls.__module__, cls.__name__) is cls
    return _write if is_url else None


def _write(writer: "Writer", value: object) -> Any:
    return ["U", type(value).__name__, writer.write(str(value), 0)]


def read_url(name: str, text: str) -> Any:
    """A URL, checked again by its class."""
    for module in _HOMES:
        cls = _url_class(module, name)
        if cls is not None:
            return cls(text)
    raise CodecError("it holds a URL of a class that is not pydantic's, or was not imported here")


def _url_class(module: str, name: str) -> Any:
    """A class of URLs of this name, where the program has imported its module."""
    home = sys.modules.get(module)
    cls = getattr(home, name, None)
    bases = [getattr(home, base, None) for base in _HOMES[module]]
    if not isinstance(cls, type) or cls.__module__ != module or name.startswith("_"):
        return None
    return cls if any(isinstance(base, type) and issubclass(cls, base) for base in bases) else None
