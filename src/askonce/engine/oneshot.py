"""Answers that cannot be given twice."""

import asyncio
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import Any, Literal, cast


def reusable(answer: Any, where: str, gave: Literal["returned", "yielded"] = "returned") -> Any:
    """Refuse an answer that the first caller would use up.

    Args:
        answer: what a function gave.
        where: the function, for the message.
        gave: how it did that.

    Raises:
        TypeError: it is a coroutine, another awaitable, or an iterator.
    """
    if not _is_used_up_by_use(answer):
        return answer
    if isinstance(answer, CoroutineType):
        answer.close()  # nobody will await it
    name = type(cast("Any", answer)).__name__
    raise TypeError(f"{where} {gave} a {name}, which can be used only once; {_FIXES[gave]}")


def _is_used_up_by_use(answer: Any) -> bool:
    """True of coroutines, futures, generators, the iterators and the context managers of Python's own."""
    if isinstance(answer, _ONE_SHOT):
        return True
    module = type(answer).__module__
    if module == "contextlib":
        return isinstance(answer, (AbstractContextManager, AbstractAsyncContextManager))
    return module in _OF_ITERATORS and isinstance(answer, Iterator)


_ONE_SHOT = (CoroutineType, GeneratorType, AsyncGeneratorType, asyncio.Future)
_OF_ITERATORS = frozenset({"builtins", "itertools"})
_FIXES = {
    "returned": "declare the function async def, so that its result is awaited and cached, "
    "or return the items as a list",
    "yielded": "yield what it gives, or its items as a list",
}
