"""What a class is called in stored values: the same in every process that runs the program."""

import sys
import types
import typing
from pathlib import PurePath
from typing import Any, Final

_MAIN: Final = frozenset({"__main__", "__mp_main__"})


def name_of(cls: Any) -> str:
    """Module and qualified name, as ``"module:qualname"``; of a generic model also its arguments.

    What a script defines bears the script's name, so that it is called the same where it is imported.
    """
    generic: dict[str, Any] = cls.__dict__.get("__pydantic_generic_metadata__") or {}
    if generic.get("origin") is not None:
        return f"{name_of(generic['origin'])}[{_forms(generic['args'])}]"
    module: str = cls.__module__
    return f"{_script() if module in _MAIN else module}:{cls.__qualname__}"


def _forms(arguments: typing.Iterable[Any]) -> str:
    return ", ".join(_form(each) for each in arguments)


def _form(argument: Any) -> str:
    """One argument of a generic class, as text."""
    origin, arguments = typing.get_origin(argument), typing.get_args(argument)
    if origin is typing.Annotated:  # what is noted beside the type may have no stable text
        return f"Annotated[{_form(arguments[0])}]"
    if origin is typing.Union or origin is types.UnionType:
        # In the order in which the process has first met them.
        return " | ".join(sorted(_form(each) for each in arguments))
    if origin is not None and origin is not typing.Literal:
        return f"{_form(origin)}[{_forms(arguments)}]"
    return name_of(argument) if isinstance(argument, type) else repr(argument)


def _script() -> str:
    main = sys.modules.get("__main__")
    spec = getattr(main, "__spec__", None)
    if spec is not None:
        return str(spec.name)
    file = getattr(main, "__file__", None)
    return PurePath(file).stem if file else "__main__"
