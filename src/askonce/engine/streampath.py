"""The wrapper of a generator function: generated at decoration, with the function's own signature.

It is a generator of the same kind, so that Python itself sees to a wrong use, to two callers of one
iterator, and to what is left over; an event loop finds and closes it as it would the function's own. All
else is done by what ``begin`` answers: a generator, or for tasks a ``Run``.
"""

from collections.abc import Callable
from typing import Any, Protocol

from askonce.engine.hitpath import _POSITIONAL, HitPath, Plan, _declared_after
from askonce.signature import Arguments, adopt_defaults, declaration, generate, listing


class Run(Protocol):
    """One iteration of an async generator, up to the next item and further, for a wrapper to yield.

    Attributes:
        item: what to yield.
        sent: what the caller sent for it.
        thrown: what the caller threw for it.
    """

    item: Any
    sent: Any
    thrown: BaseException | None

    async def goes_on(self) -> bool:
        """Get the next item; ``False`` at the end. Raises what the caller is to see."""
        ...


def build(plan: Plan, begin: Callable[[Arguments], Any]) -> HitPath:
    """Generate the wrapper of a generator function. It has no fast index: a replay takes its time anyway.

    Args:
        plan: what the code depends on.
        begin: called with a call's arguments when it is first iterated.
    """
    names = _Names(plan)
    call, bound = generate(_source(plan, names), {names.error: BaseException}, "make")(begin)
    wrappers = [(call, plan.parameters)]
    if bound is not None:
        wrappers.append((bound, plan.parameters[1:]))
    for wrapper, parameters in wrappers:
        adopt_defaults(wrapper, parameters)
        wrapper.__code__ = wrapper.__code__.replace(co_name=plan.name, co_qualname=plan.name)
    return HitPath(
        index={},
        call=call,
        bound_call=bound,
        index_key=None,
        hits=lambda: 0.0,
        set_clock=lambda _: None,
    )


class _Names:
    """Names of the generated code's own, which no parameter has."""

    def __init__(self, plan: Plan) -> None:
        prefix = "_"
        while any(parameter.name.startswith(prefix) for parameter in plan.parameters):
            prefix += "_"
        self.begin = f"{prefix}begin"
        self.call = f"{prefix}call"
        self.bound = f"{prefix}bound"
        self.me = f"{prefix}me"
        self.run = f"{prefix}run"
        self.thrown = f"{prefix}thrown"
        self.error = f"{prefix}error"


def _source(plan: Plan, names: _Names) -> str:
    lines = [
        f"def make({names.begin}):",
        f"    {_def(plan)} {names.call}({declaration(plan.parameters)}):",
        *_body(plan, names),
    ]
    if plan.method and plan.parameters and plan.parameters[0].kind in _POSITIONAL:
        first, rest = plan.parameters[0], plan.parameters[1:]
        lines += [
            f"    {_def(plan)} {names.bound}({_declared_after(names.me, rest)}):",
            f"        {first.name} = {names.me}.__self__",
            *_body(plan, names),
        ]
    else:
        lines.append(f"    {names.bound} = None")
    lines.append(f"    return {names.call}, {names.bound}")
    return "\n".join(lines) + "\n"


def _def(plan: Plan) -> str:
    return "async def" if plan.kind == "async generator" else "def"


def _body(plan: Plan, names: _Names) -> list[str]:
    begun = f"{names.begin}({listing(plan.parameters)})"
    if plan.kind == "generator":
        return [f"        return (yield from {begun})"]
    return [  # what PEP 525 leaves out: yield from, for async generators
        f"        {names.run} = {begun}",
        f"        while await {names.run}.goes_on():",
        "            try:",
        f"                {names.run}.sent = yield {names.run}.item",
        f"            except {names.error} as {names.thrown}:",
        f"                {names.run}.thrown = {names.thrown}",
    ]
