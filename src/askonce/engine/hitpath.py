"""The wrapper that a caller meets: generated at decoration, with the function's own signature.

A hit is one look into a dictionary, the *fast index*, by a tuple of the arguments and their classes
(``1``, ``1.0`` and ``True`` are equal, their classes are not), one look at the clock, and two stores. It
encodes nothing and hashes no text that Python has not hashed. Whatever the index does not know is looked up
by its key (``find``), and what is not in memory is served by the engine (``serve``).

The index is a view of the cache: it holds the cache's own entries, and an entry that leaves the cache is
dead (``until``) and leaves the index with it. Only what is equal exactly when its key is equal may enter,
see ``admissible``. A function seen with long texts changes to a variant that leaves them out, since
Python's hash of a long text costs more than its digest. All functions change to one that looks for contexts
when the program enters its first (``modes``): a call that is inside one leaves the index alone.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, StrEnum
from inspect import Parameter
from typing import Any, NamedTuple, cast
from uuid import UUID

from askonce._types import Clock, Entry
from askonce.engine.modes import follow, frames_here, open_frames, switching
from askonce.keys import TEXT_HASH_THRESHOLD
from askonce.signature import (
    Arguments,
    Kind,
    adopt_defaults,
    declaration,
    generate,
    listing,
    variadic,
)

Index = dict[tuple[Any, ...], Entry]


def _nothing() -> None:
    """Nothing to change."""


@dataclass(slots=True, eq=False, weakref_slot=True)
class HitPath:
    """The generated functions of one decorated function, closed over its state.

    Attributes:
        index: the fast index; emptied, never replaced.
        call: the wrapper.
        bound_call: the same for a bound method, whose ``__self__`` is the instance, or ``None``
            where the first parameter cannot be an instance.
        index_key: the place of a call in the index, or ``None`` where it has none.
        hits: how many calls the index has answered.
        set_clock: has the wrapper read another clock.
        mind_long_texts: has the wrapper leave long texts out of the index.
        mind_contexts: has the wrapper leave the index alone inside a context.
    """

    index: Index
    call: Callable[..., Any]
    bound_call: Callable[..., Any] | None
    index_key: Callable[[Arguments], tuple[Any, ...] | None] | None
    hits: Callable[[], float]
    set_clock: Callable[[Clock], None]
    mind_long_texts: Callable[[], None] = _nothing
    mind_contexts: Callable[[], None] = _nothing


@dataclass(frozen=True, slots=True)
class Plan:
    """What the generated code depends on.

    Attributes:
        kind: whether the wrapper is a coroutine function.
        name: its name.
        parameters: its signature.
        keyed: the names of the parameters that take part in the key.
        method: whether the first parameter may be bound to an instance or a class.
        identity: the first parameter, where it is an instance known by its ``__cache_key__``.
        indexed: ``False`` where the arguments alone do not decide the key.
    """

    kind: Kind
    name: str
    parameters: tuple[Parameter, ...]
    keyed: frozenset[str]
    method: bool = False
    identity: str | None = None
    indexed: bool = True


def build(
    plan: Plan,
    clock: Clock,
    find: Callable[[Arguments], tuple[Any, Any]],
    serve: Callable[[Any], Any],
) -> HitPath:
    """Generate the wrapper of a function and everything that shares its state.

    Args:
        plan: what the code depends on.
        clock: monotonic seconds, of the cache whose entries the index will hold.
        find: looks a call up by its key; the answer and ``None``, or anything and what is to be served.
        serve: serves that: finds or computes the answer; awaited where the function is.
    """
    index: Index = {}
    names = _Names.beside(plan.parameters)
    made = _Made(*generate(_source(plan, names), names.builtins(), "make")(index, clock, find, serve))
    for wrapper, parameters in ((made.call, plan.parameters), (made.bound, plan.parameters[1:])):
        if wrapper is not None:
            adopt_defaults(wrapper, parameters)
            _adopt_code(wrapper, wrapper, plan.name)
    variants = _Variants(plan, names, made)
    path = HitPath(
        index,
        made.call,
        made.bound,
        made.index_key,
        made.hits,
        made.set_clock,
        mind_long_texts=variants.mind_long_texts,
        mind_contexts=variants.mind_contexts,
    )
    if made.index_key is not None:  # without an index there is nothing to leave alone
        follow(path)
    return path


class Guards(NamedTuple):
    """When a wrapper leaves its index alone.

    Attributes:
        long_texts: with a long text among the arguments.
        contexts: inside a context.
    """

    long_texts: bool = False
    contexts: bool = False


class _Made(NamedTuple):
    """What the generated code makes."""

    call: Any
    bound: Any
    index_key: Callable[[Arguments], tuple[Any, ...] | None] | None
    hits: Callable[[], float]
    set_clock: Callable[[Clock], None]


class _Variants:
    """Has a wrapper change its code, while it may be running, to one with more guards."""

    def __init__(self, plan: Plan, names: "_Names", made: _Made) -> None:
        self._plan = plan
        self._names = names
        self._made = made
        self._guards = Guards()

    def mind_long_texts(self) -> None:
        with switching:
            self._adopt(self._guards._replace(long_texts=True))

    def mind_contexts(self) -> None:
        with switching:
            self._adopt(self._guards._replace(contexts=True))

    def _adopt(self, guards: Guards) -> None:
        self._guards = guards
        make = generate(_variant_source(self._plan, self._names, guards), {}, "make")
        call, bound = make(None, None, None, None)
        if self._guards != guards:  # making it freed an object, and that called for more guards
            return
        _adopt_code(self._made.call, call, self._plan.name)
        if bound is not None:
            _adopt_code(self._made.bound, bound, self._plan.name)


def _adopt_code(wrapper: Any, source: Any, name: str) -> None:
    # Both close over variables of the same names, so one code can stand in for the other, also during calls.
    wrapper.__code__ = source.__code__.replace(co_name=name, co_qualname=name)


def _source(plan: Plan, names: "_Names") -> str:
    lines = [
        *_wrappers(plan, names, Guards()),
        *_index_key_function(plan, names),
        f"    def {names.read}():",
        f"        return {names.hits}",
        f"    def {names.set}({names.now}):",
        f"        nonlocal {names.clock}",
        f"        {names.clock} = {names.now}",
        f"    return {names.call}, {names.bound}, {names.key}, {names.read}, {names.set}",
    ]
    return "\n".join(lines) + "\n"


def _variant_source(plan: Plan, names: "_Names", guards: Guards) -> str:
    lines = [*_wrappers(plan, names, guards), f"    return {names.call}, {names.bound}"]
    return "\n".join(lines) + "\n"


def _wrappers(plan: Plan, names: "_Names", guards: Guards) -> list[str]:
    key = _index_key(plan, names)
    return [
        f"def make({names.table}, {names.clock}, {names.find}, {names.serve}):",
        f"    {names.hits} = 0.0",
        f"    {_DEF[plan.kind]} {names.call}({declaration(plan.parameters)}):",
        *_body(plan, names, key, guards),
        *_bound_wrapper(plan, names, key, guards),
    ]


class _Names(NamedTuple):
    """Names of the generated code's own, which no parameter has."""

    table: str
    clock: str
    find: str
    serve: str
    answer: str
    question: str
    hits: str
    entry: str
    now: str
    call: str
    bound: str
    key: str
    read: str
    set: str
    me: str
    who: str
    arguments: str
    class_of: str
    text: str
    length: str
    error: str
    contexts: str
    here: str

    @classmethod
    def beside(cls, parameters: tuple[Parameter, ...]) -> "_Names":
        prefix = "_"
        while any(parameter.name.startswith(prefix) for parameter in parameters):
            prefix += "_"
        return cls(*(prefix + name for name in cls._fields))

    def builtins(self) -> dict[str, Any]:
        """What the code uses of others, Python's own too, since a parameter may be called ``type``."""
        return {
            self.class_of: type,
            self.text: str,
            self.length: len,
            self.error: Exception,
            self.contexts: open_frames,
            self.here: frames_here,
        }


def _index_key(plan: Plan, names: _Names) -> str | None:
    """The source of a call's place in the index."""
    keyed = [parameter for parameter in plan.parameters if parameter.name in plan.keyed]
    fixed = [parameter.name for parameter in keyed if parameter not in variadic(plan.parameters)]
    if not plan.indexed or (keyed and not fixed):
        return None
    items: list[str] = []
    for name in fixed:
        if name == plan.identity:
            who = f"({names.who} := {names.class_of}({name}).__cache_key__({name}))"
            items += [who, f"{names.class_of}({names.who})", f"{names.class_of}({name})"]
        else:
            items += [name, f"{names.class_of}({name})"]
    return "(" + "".join(item + ", " for item in items) + ")"


def _bound_wrapper(plan: Plan, names: _Names, key: str | None, guards: Guards) -> list[str]:
    if not plan.method or not plan.parameters or plan.parameters[0].kind not in _POSITIONAL:
        return [f"    {names.bound} = None"]
    first, rest = plan.parameters[0], plan.parameters[1:]
    return [
        f"    {_DEF[plan.kind]} {names.bound}({_declared_after(names.me, rest)}):",
        f"        {first.name} = {names.me}.__self__",
        *_body(plan, names, key, guards),
    ]


def _declared_after(me: str, rest: tuple[Parameter, ...]) -> str:
    """A method's parameter list whose first parameter no keyword can take."""
    declared = declaration(rest)
    if any(parameter.kind is Parameter.POSITIONAL_ONLY for parameter in rest):
        return f"{me}, {declared}"
    return f"{me}, /, {declared}" if declared else f"{me}, /"


_POSITIONAL = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
_DEF: dict[Kind, str] = {"async": "async def", "sync": "def"}
_AWAIT: dict[Kind, str] = {"async": "await ", "sync": ""}


def _body(plan: Plan, names: _Names, key: str | None, guards: Guards) -> list[str]:
    by_key = [
        f"        {names.answer}, {names.question} = {names.find}({listing(plan.parameters)})",
        f"        if {names.question} is None:",
        f"            return {names.answer}",
        f"        return {_AWAIT[plan.kind]}{names.serve}({names.question})",
    ]
    if key is None:
        return by_key
    condition = _condition(plan, names, guards)
    return [
        f"        nonlocal {names.hits}",
        "        try:",
        f"            if {condition}:",
        f"                {names.entry} = {names.table}[{key}]",
        f"                if {names.entry}.until > ({names.now} := {names.clock}()):",
        f"                    {names.entry}.used = {names.now}",
        # A float, since an int above 256 is allocated anew at every step.
        f"                    {names.hits} += 1.0",
        f"                    return {names.entry}.value",
        # Not in the index, or not even to be looked up: unhashable, without a __cache_key__, or with
        # a comparison that fails. What is wrong for good is wrong in the slow path as well.
        f"        except {names.error}:",
        "            pass",
        *by_key,
    ]


def _condition(plan: Plan, names: _Names, guards: Guards) -> str:
    keyed = [p for p in plan.parameters if p.name in plan.keyed]
    # Those of this very context are asked for only while one is open somewhere. Where one of them is closed
    # by now, the call takes the way by key.
    tests = [f"(not {names.contexts} or not {names.here}())"] if guards.contexts else []
    tests += [f"not {p.name}" for p in variadic(tuple(keyed))]
    if guards.long_texts:
        tests += [
            f"({names.class_of}({p.name}) is not {names.text}"
            f" or {names.length}({p.name}) <= {TEXT_HASH_THRESHOLD})"
            for p in keyed
            if p not in variadic(tuple(keyed)) and p.name != plan.identity
        ]
    return " and ".join(tests) or "True"


def _index_key_function(plan: Plan, names: _Names) -> list[str]:
    key = _index_key(plan, names)
    if key is None:
        return [f"    {names.key} = None"]
    condition = _condition(plan, names, Guards())
    return [
        f"    def {names.key}({names.arguments}):",
        f"        {listing(plan.parameters)[1:-1]} = {names.arguments}"
        if plan.parameters
        else "        pass",
        f"        return {key} if {condition} else None",
    ]


def admissible(index_key: tuple[Any, ...]) -> bool:
    """Whether equal index keys mean equal keys.

    True of exact scalars beside their classes. Not of floats that are zero (``-0.0 == 0.0``) or NaN, of
    containers (``(1,) == (True,)``), of datetimes (``fold``) or Decimals (``1.0 == 1.00``). Long texts
    stay out for the memory they would hold.
    """
    return all(map(_admissible, index_key))


def _admissible(item: Any) -> bool:
    cls = cast("Any", type(item))
    if cls is str or cls is bytes:
        return len(item) <= TEXT_HASH_THRESHOLD
    if cls is float:
        return bool(item) and item == item  # NaN is not
    return cls in _EXACT or (issubclass(cls, (type, Enum)) and _is_compared_as_known(item, cls))


_EXACT = frozenset({int, bool, type(None), type, UUID})


def _is_compared_as_known(item: Any, cls: Any) -> bool:
    """Whether equal members of a class (a metaclass, an enumeration) are one and the same."""
    if hasattr(item, "__cache_key__"):  # which may change
        return False
    if cls.__eq__ is object.__eq__:
        return cls.__hash__ in _IDENTITY_HASHES
    # Members made by a __new__ of the user's may be equal as numbers or texts and still differ.
    return (cls.__eq__, cls.__hash__, getattr(cls, "_new_member_", None)) in _SCALAR_ENUMS


_IDENTITY_HASHES: frozenset[Any] = frozenset({object.__hash__, Enum.__hash__})
_SCALAR_ENUMS: frozenset[Any] = frozenset(
    (base.__eq__, base.__hash__, new)
    for base, new in (
        (int, int.__new__),
        (str, str.__new__),
        (str, vars(StrEnum)["_new_member_"]),
    )
)
