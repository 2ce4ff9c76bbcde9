"""Assertions about what decorated functions did inside a block."""

import contextlib
from dataclasses import astuple, fields
from types import TracebackType
from typing import ClassVar, Final

from askonce.backends.engine import Sight
from askonce.results import CacheInfo, Explanation
from askonce.signature import Arguments
from askonce.testing.layers import Body, Decorated, put_on, take_off, verbs_of_decorated


class _Watch:
    """What happened to a function inside a block, in its cache's figures."""

    watches: ClassVar[bool] = True

    def __init__(self, decorated: Decorated) -> None:
        self._verbs = verbs_of_decorated(decorated)
        self._function = self._verbs._function
        self._last: Explanation | None = None

    def __enter__(self) -> None:
        self._before = self._verbs.cache_info()
        put_on(self._function, self)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        __tracebackhide__ = True
        take_off(self._function, self)
        if error is not None:  # the test fails for a reason of its own
            return
        now = astuple(self._verbs.cache_info())
        inside = CacheInfo(
            *(after - before for after, before in zip(now, astuple(self._before), strict=True))
        )
        wrong = self._wrong(inside)
        if wrong is not None:
            raise AssertionError(self._report(wrong, inside))

    def run(self, body: Body, arguments: Arguments) -> object:
        """Remember why the call came to a run, and let it run."""
        with contextlib.suppress(Exception):  # a call in bypass() may have no key at all
            self._last = self._verbs._explanation(arguments, self._seen(arguments))
        return body(arguments)

    begin = run  # of a generator

    def _seen(self, arguments: Arguments) -> Sight:
        """What a look into memory tells of a call."""
        store = self._function.store()
        if store.enabled:
            return store.sight(self._function.keys.key(arguments))
        return Sight(None, None, None, (), "this cache is disabled")

    def _wrong(self, inside: CacheInfo) -> str | None:
        """What is not as it should be."""
        raise NotImplementedError

    def _report(self, wrong: str, inside: CacheInfo) -> str:
        lines = [f"{self._function.label}: {wrong}", *_table(before=self._before, inside=inside)]
        if self._last is not None:
            lines.append("what was known of the call that ran last, before it ran:")
            lines += [f"  {line}" for line in str(self._last).splitlines()]
        return "\n".join(lines)


class assert_hit(_Watch):  # noqa: N801  used as a function
    """Fail unless the function was called inside the block, and every call was a hit.

    For a method, calls on all instances count. A call that waited for the run of another is no hit.

    Example:
        >>> with assert_hit(fetch):
        ...     await fetch("https://example.org")

    Args:
        decorated: the function or bound method.

    Raises:
        AssertionError: with the figures, and why the last call that ran the function found nothing.
        TypeError: the function is not decorated.
    """

    def _wrong(self, inside: CacheInfo) -> str | None:
        if inside.misses or inside.joined:
            return f"not every call was a hit: {_happened(inside)}"
        return None if inside.hits else "expected hits, and it was not called"


class assert_computed(_Watch):  # noqa: N801  used as a function
    """Fail unless the function's body ran exactly so many times inside the block.

    Runs that raised count, those that ``failing`` kept from the body as well. ``uncached(...)`` goes past the
    cache and is not counted. For a method, runs on all instances count.

    Example:
        >>> with assert_computed(fetch, 1):
        ...     await asyncio.gather(*[fetch("https://example.org") for _ in range(100)])

    Args:
        decorated: the function or bound method.
        times: how many times; 0 for not at all.

    Raises:
        AssertionError: with the figures, and why the last call that ran the function found nothing.
        TypeError: the function is not decorated.
        ValueError: ``times`` is negative.
    """

    def __init__(self, decorated: Decorated, times: int = 1) -> None:
        super().__init__(decorated)
        if times < 0:
            raise ValueError(f"times={times}: nothing runs less than 0 times")
        self._times = times

    def _wrong(self, inside: CacheInfo) -> str | None:
        if inside.misses == self._times:
            return None
        return f"expected {_counted(self._times, 'run')}: {_happened(inside)}"


def _happened(inside: CacheInfo) -> str:
    said = [f"{_counted(inside.hits, 'hit')}, {_counted(inside.misses, 'run')}"]
    said += [f"{_counted(inside.joined, 'call')} waited for another"] if inside.joined else []
    said += [f"{_counted(inside.errors, 'error')}"] if inside.errors else []
    return ", ".join(said)


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


_FIGURES: Final = tuple(field.name for field in fields(CacheInfo))


def _table(**rows: CacheInfo) -> list[str]:
    lines = ["        " + "".join(f"{name:>8}" for name in _FIGURES)]
    lines += [
        f"  {name:<6}" + "".join(f"{figure:>8}" for figure in astuple(row)) for name, row in rows.items()
    ]
    return lines
