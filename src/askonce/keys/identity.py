"""What a class or a function is called, the same in every process and on every Python."""

import sys
import uuid
import weakref
from pathlib import PurePath
from types import ModuleType
from typing import Any, Final

from askonce.exceptions import ConfigurationError

_MAIN: Final = frozenset({"__main__", "__mp_main__"})


def identity(thing: Any) -> str:
    """Module and qualified name of a class or a function, as ``"module:qualname"``.

    What a script defines bears the script's name, so that it is called the same where another process
    imports it. What the standard library defines in private modules bears the public one's name, since
    such things move between versions of Python.

    Raises:
        ConfigurationError: it has no name.
    """
    module, name = _module_of(thing), _name_of(thing)
    if module is None or name is None:
        raise ConfigurationError(
            f"a {type(thing).__qualname__} has no name of its own; give it one with `name=`"
        )
    return f"{_public(module)}:{name}"


def is_reachable(thing: Any) -> bool:
    """Whether its module has it under its name, so that no other thing can bear the same identity."""
    found: Any = sys.modules.get(_module_of(thing) or "")
    for part in (_name_of(thing) or "").split("."):
        found = getattr(found, part, None)
    return bool(found is thing or (type(found) is type(thing) and found == thing))


def local_class(cls: type) -> str:
    """What stands for a class that no import finds: itself, in this process.

    Another run of the function that defines it defines another class.
    """
    token = _tokens.get(cls)
    if token is None:
        token = _tokens.setdefault(cls, uuid.uuid4().hex)
    return f"{identity(cls)}#{token}"


_tokens: "weakref.WeakKeyDictionary[type, str]" = weakref.WeakKeyDictionary()


def _module_of(thing: Any) -> str | None:
    module = getattr(thing, "__module__", None)
    if isinstance(module, str):
        return module
    # Methods of classes written in C know their class only.
    owner = getattr(thing, "__objclass__", None) or getattr(thing, "__self__", None)
    if isinstance(owner, ModuleType):
        return owner.__name__
    return owner.__module__ if isinstance(owner, type) else None


def _name_of(thing: Any) -> str | None:
    for attribute in ("__qualname__", "__name__", "_name"):
        name = getattr(thing, attribute, None)
        if isinstance(name, str):
            return name
    return None


def _public(module: str) -> str:
    if module in _MAIN:
        return _script()
    parts = module.split(".")
    if parts[0] in sys.stdlib_module_names:
        parts[0] = parts[0] if parts[0].startswith("__") else parts[0].lstrip("_")
        return ".".join([parts[0], *(part for part in parts[1:] if not part.startswith("_"))])
    return module


def _script() -> str:
    main = sys.modules.get("__main__")
    spec = getattr(main, "__spec__", None)
    if spec is not None:
        return str(spec.name)
    file = getattr(main, "__file__", None)
    return PurePath(file).stem if file else "__main__"
