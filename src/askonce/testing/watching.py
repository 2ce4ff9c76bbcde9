"""Assertions about what decorated functions did inside a block."""

import contextlib
import threading
from dataclasses import asdict
from types import TracebackType
from typing import ClassVar, Final

from askonce.backends.engine import Sight
from askonce.results import Explanation
from askonce.signature import Arguments
from askonce.testing.layers import Body, Decorated, put_on, take_off, verbs_of_decorated

Figures = dict[str, int]


class _Watch:
    """What happened to a function inside a block, in its figures."""

    watches: ClassVar[bool] = True

    def __init__(self, decorated: Decorated) -> None:
        self._verbs = verbs_of_decorated(decorated)
        self._function = self._verbs._function
        self._lock = threading.Lock()
        self._last: Explanation | None = None

    def __enter__(self) -> None:
        self._runs = 0
        self._before = self._figures()
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
        now = self._figures()
        inside = {name: now[name] - before for name, before in self._before.items()}
        wrong = self._wrong(inside)
        if wrong is not None:
            raise AssertionError(self._report(wrong, inside))

    def run(self, body: Body, arguments: Arguments) -> object:
        """Count, remember why the call came to a run, and let it run."""
        with self._lock:
            self._runs += 1
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

    def _happened(self, inside: Figures) -> str:
        # A run of a batch answers many calls, and one behind the callers none: no figure has the runs.
        said = [_counted(inside["hits"], "hit%"), _counted(self._runs, "run%")]
        said += [_counted(inside[name], what) for name, what in _IF_ANY.items() if inside[name]]
        return ", ".join(said)

    def _figures(self) -> Figures:
        return asdict(self._verbs.cache_info()) | {"refreshed": self._function.figures.refreshed}

    def _wrong(self, inside: Figures) -> str | None:
        """What is not as it should be."""
        raise NotImplementedError

    def _report(self, wrong: str, inside: Figures) -> str:
        lines = [f"{self._function.label}: {wrong}", *_table(before=self._before, inside=inside)]
        if self._last is not None:
            lines.append("what was known of the call that ran last, before it ran:")
            lines += [f"  {line}" for line in str(self._last).splitlines()]
        return "\n".join(lines)


class assert_hit(_Watch):  # noqa: N801  used as a function
    """Fail unless the function was called inside the block, and every call was a hit.

    A stale answer that was served at once is a hit. A call that waited for the run of another is none, nor is
    one that got a stale answer since its run failed. For a method, calls on all instances count.

    Example:
        >>> with assert_hit(fetch):
        ...     await fetch("https://example.org")

    Args:
        decorated: the function or bound method.

    Raises:
        AssertionError: with the figures, and why the last call that ran the function found nothing.
        TypeError: the function is not decorated.
    """

    def _wrong(self, inside: Figures) -> str | None:
        if inside["misses"] or inside["joined"]:
            return f"not every call was a hit: {self._happened(inside)}"
        return None if inside["hits"] else "expected hits, and it was not called"


class assert_computed(_Watch):  # noqa: N801  used as a function
    """Fail unless the function's body ran exactly so many times inside the block.

    Runs that raised count, those that ``failing`` kept from the body as well, and runs behind the callers as
    far as they have begun, see ``settle``. ``uncached(...)`` goes past the cache and is not counted. For a
    method, runs on all instances count. A batch (``each``) is one run, however many items it answers.

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

    def _wrong(self, inside: Figures) -> str | None:
        if self._runs == self._times:
            return None
        return f"expected {_counted(self._times, 'run%')}: {self._happened(inside)}"


_IF_ANY: Final = {"joined": "call% waited for another", "stale": "stale answer%", "errors": "error%"}


def _counted(number: int, what: str) -> str:
    return f"{number} {what.replace('%', '' if number == 1 else 's')}"


def _table(*, before: Figures, inside: Figures) -> list[str]:
    rows = {"before": before.values(), "inside": inside.values()}
    return [
        " " * 8 + "".join(f"{name:>10}" for name in inside),
        *(f"  {name:<6}" + "".join(f"{figure:>10}" for figure in row) for name, row in rows.items()),
    ]
