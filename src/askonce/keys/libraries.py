"""How what numpy and pydantic define is taken apart, in programs that have imported them."""

import sys
from typing import Any, Final

from askonce.keys.identity import identity
from askonce.keys.node import Node, Plan, RefusedError


def library_plan(cls: type) -> Plan | None:
    """The plan of a class of numpy's (arrays, scalars, dtypes) or pydantic's (URLs, secrets) own."""
    if cls.__module__ in _PYDANTIC_MODULES:
        return _pydantic_plan(cls)
    numpy: Any = sys.modules.get("numpy")
    if numpy is None or cls.__module__.partition(".")[0] != "numpy":
        return None
    if cls is getattr(numpy, "ndarray", None):
        return _array
    if issubclass(cls, getattr(numpy, "generic", ())):
        return _scalar
    return _dtype if issubclass(cls, getattr(numpy, "dtype", ())) else None


def _pydantic_plan(cls: Any) -> Plan | None:
    if cls.__name__ in _STATEFUL:
        return lambda _value: Node(b"<empty>", [])
    text = cls.__str__
    return (lambda value: Node(b"<url>", [text(value)])) if cls.__name__ in _URLS else None


_PYDANTIC_MODULES: Final = frozenset({"pydantic.networks", "pydantic.types", "pydantic_core._pydantic_core"})
_URLS: Final = frozenset({"MultiHostUrl", "Url"})
# Bases whose instances are nothing but their attributes.
_STATEFUL: Final = frozenset({"_BaseMultiHostUrl", "_BaseUrl", "_SecretBase"})


def _array(value: Any) -> Node:
    # What is derived from arrays may answer otherwise: a masked array fills its holes.
    plain: Any = sys.modules["numpy"].asarray(value)
    return Node(b"<ndarray>", [_described(plain.dtype), plain.shape, plain.tobytes()])


def _scalar(value: Any) -> Node:
    return Node(b"<numpy scalar>", [_described(value.dtype), value.tobytes()])


def _dtype(value: Any) -> Node:
    return Node(b"<dtype>", [_described(value)])


def _described(dtype: Any) -> Any:
    """What distinguishes a dtype, in plain values."""
    if dtype.hasobject:
        raise RefusedError(f"its dtype {dtype} holds references to objects")
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        return ("array", _described(base), shape)
    if dtype.names is not None:
        fields = tuple(
            (name, _described(dtype.fields[name][0]), dtype.fields[name][1]) for name in dtype.names
        )
        return ("fields", dtype.itemsize, fields)
    # The text of types that extensions add says no more than their size.
    return (dtype.str, identity(dtype.type)) if dtype.kind == "V" else dtype.str
