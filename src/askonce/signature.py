"""What kind of callable a function is, and its parameters in one fixed order.

A call is written down as a tuple with one item for each parameter of the signature, in its order; a
``*args`` is one item (a tuple), a ``**kwargs`` is one (a dict). All spellings of a call give one tuple,
since a function with the signature itself does the binding.
"""

import functools
import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from inspect import Parameter
from types import CodeType
from typing import Any, Literal

from askonce.exceptions import ConfigurationError

Kind = Literal["async", "sync", "async generator", "generator"]
Arguments = tuple[Any, ...]

_VARIADIC = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)


@dataclass(frozen=True, slots=True)
class Signature:
    """The parameters of a function, and functions generated from them.

    Attributes:
        parameters: in the order of the signature.
        bind: takes a call in any spelling and returns its ``Arguments``.
        apply: calls a function with ``Arguments``.
    """

    parameters: tuple[Parameter, ...]
    bind: Callable[..., Arguments] = field(repr=False)
    apply: Callable[[Callable[..., Any], Arguments], Any] = field(repr=False)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the parameters."""
        return tuple(parameter.name for parameter in self.parameters)

    def named(self, arguments: Arguments) -> dict[str, Any]:
        """The arguments by the names of their parameters."""
        return dict(zip(self.names, arguments, strict=True))


if sys.version_info >= (3, 14):
    from annotationlib import Format, get_annotations

    def _read(function: Callable[..., Any], *, follow_wrapped: bool = True) -> inspect.Signature:
        # An annotation may name what only checkers import: it is not evaluated.
        return inspect.signature(function, follow_wrapped=follow_wrapped, annotation_format=Format.FORWARDREF)

    def annotations_of(function: Any) -> Mapping[str, Any]:
        """The annotations, those as texts or references that cannot be evaluated."""
        return get_annotations(function, format=Format.FORWARDREF)

else:
    _read = inspect.signature

    def annotations_of(function: Any) -> Mapping[str, Any]:
        """The annotations as they are, texts where they were not evaluated."""
        return getattr(function, "__annotations__", {})


def parameters_of(function: Callable[..., Any]) -> tuple[Parameter, ...]:
    """The parameters of a function; one that does not tell takes anything."""
    try:
        own = tuple(_read(function, follow_wrapped=False).parameters.values())
        # What passes anything on has the signature of what it wraps; anything else has its own.
        passes_on = {parameter.kind for parameter in own} == set(_VARIADIC)
        return tuple(_read(function).parameters.values()) if passes_on else own
    except ValueError:  # some functions written in C
        return Parameter("args", Parameter.VAR_POSITIONAL), Parameter("kwargs", Parameter.VAR_KEYWORD)


def signature_of(function: Callable[..., Any]) -> Signature:
    """Read a function's signature."""
    parameters = parameters_of(function)
    name = getattr(function, "__name__", type(function).__name__)
    return Signature(parameters, _generate_bind(parameters, name), _generate_apply(parameters))


def kind_of(function: Callable[..., Any]) -> Kind:
    """How a callable answers: at once, when awaited, or item by item."""
    while isinstance(function, functools.partial):
        function = function.func
    for target in (function, getattr(function, "__call__", None)):  # noqa: B004  the method, not the test
        for kind, is_kind in _KINDS.items():
            if is_kind(target):
                return kind
    return "sync"


_KINDS: Mapping[Kind, Callable[[Any], bool]] = {
    "async": inspect.iscoroutinefunction,
    "async generator": inspect.isasyncgenfunction,
    "generator": inspect.isgeneratorfunction,
}


def is_generator(kind: Kind) -> bool:
    """Whether functions of a kind answer item by item."""
    return kind in ("async generator", "generator")


def check_accepts(rule: Callable[..., Any], signature: Signature, option: str) -> None:
    """Refuse a rule that cannot take the arguments of a function.

    Raises:
        ConfigurationError: names the option, and what is wrong.
    """
    try:
        accepted = inspect.signature(rule)
    except ValueError:  # some callables written in C do not say
        return
    placeholders: Arguments = tuple(
        () if parameter.kind is parameter.VAR_POSITIONAL else {} for parameter in signature.parameters
    )
    try:
        signature.apply(accepted.bind, placeholders)
    except TypeError as error:
        raise ConfigurationError(
            f"{option}={describe(rule)} is called with the arguments of the function, "
            f"({', '.join(signature.names)}), and does not take them: {error}"
        ) from None


def describe(function: Any) -> str:
    """A function's name for messages."""
    if isinstance(function, functools.partial):
        return f"partial of {describe(function.func)}"
    return str(getattr(function, "__qualname__", None) or type(function).__qualname__)


def declaration(parameters: tuple[Parameter, ...]) -> str:
    """The parameter list as source; defaults are placeholders, see ``adopt_defaults``."""
    parts: list[str] = []
    previous: Parameter | None = None
    for parameter in parameters:
        if _ends_positional_only(previous, parameter):
            parts.append("/")
        if parameter.kind is Parameter.KEYWORD_ONLY and not _opens_keyword_only(previous):
            parts.append("*")
        parts.append(_STARS.get(parameter.kind, "") + parameter.name + _default(parameter))
        previous = parameter
    if previous is not None and previous.kind is Parameter.POSITIONAL_ONLY:
        parts.append("/")
    return ", ".join(parts)


_STARS: dict[Any, str] = {Parameter.VAR_POSITIONAL: "*", Parameter.VAR_KEYWORD: "**"}


def _ends_positional_only(previous: Parameter | None, parameter: Parameter) -> bool:
    return (
        previous is not None
        and previous.kind is Parameter.POSITIONAL_ONLY
        and parameter.kind is not Parameter.POSITIONAL_ONLY
    )


def _opens_keyword_only(previous: Parameter | None) -> bool:
    return previous is not None and previous.kind in (Parameter.VAR_POSITIONAL, Parameter.KEYWORD_ONLY)


def _default(parameter: Parameter) -> str:
    return "" if parameter.default is Parameter.empty else "=None"


def adopt_defaults(function: Any, parameters: tuple[Parameter, ...]) -> None:
    """Give a generated function the very objects that the original has as defaults."""
    given = [p for p in parameters if p.default is not Parameter.empty]
    positional = tuple(p.default for p in given if p.kind is not Parameter.KEYWORD_ONLY)
    function.__defaults__ = positional or None
    function.__kwdefaults__ = {p.name: p.default for p in given if p.kind is Parameter.KEYWORD_ONLY} or None


def listing(parameters: tuple[Parameter, ...]) -> str:
    """The parameters as the source of a tuple: ``(a, b, )``."""
    return "(" + "".join(f"{parameter.name}, " for parameter in parameters) + ")"


def generate(source: str, namespace: Mapping[str, Any], result: str) -> Any:
    """Run generated source and return one of the names that it defines."""
    scope = dict(namespace)
    exec(_compiled(source), scope)  # noqa: S102  the source holds nothing but names of parameters
    return scope[result]


@functools.lru_cache(maxsize=256)
def _compiled(source: str) -> CodeType:
    return compile(source, "<askonce>", "exec")


def _generate_bind(parameters: tuple[Parameter, ...], name: str) -> Callable[..., Arguments]:
    source = f"def bind({declaration(parameters)}):\n    return {listing(parameters)}\n"
    bind: Callable[..., Arguments] = generate(source, {}, "bind")
    adopt_defaults(bind, parameters)
    bind.__name__ = bind.__qualname__ = name  # a wrong call is reported in the function's own name
    return bind


def _generate_apply(parameters: tuple[Parameter, ...]) -> Callable[[Callable[..., Any], Arguments], Any]:
    passed = (_PASSED[p.kind].format(name=p.name, item=f"a[{i}]") for i, p in enumerate(parameters))
    source = f"def apply(function, a):\n    return function({', '.join(passed)})\n"
    apply: Callable[[Callable[..., Any], Arguments], Any] = generate(source, {}, "apply")
    return apply


_PASSED = {
    Parameter.POSITIONAL_ONLY: "{item}",
    Parameter.POSITIONAL_OR_KEYWORD: "{item}",
    Parameter.VAR_POSITIONAL: "*{item}",
    Parameter.KEYWORD_ONLY: "{name}={item}",
    Parameter.VAR_KEYWORD: "**{item}",
}


def variadic(parameters: tuple[Parameter, ...]) -> tuple[Parameter, ...]:
    """The parameters that take any number of arguments."""
    return tuple(parameter for parameter in parameters if parameter.kind in _VARIADIC)
