"""The right to compute a key alone in the whole fleet: ``single_flight="cluster"``.

Whoever holds a lease never waits for another one: two computations in two processes that need each other's
answer would wait without end. Several leases for one run are taken in the order of their keys.
"""

from collections.abc import Generator
from contextvars import ContextVar
from typing import Any, NamedTuple

from askonce.backends.engine import Fence, Found, Lease
from askonce.engine import found
from askonce.engine.call import NOTHING, Call, Survey
from askonce.engine.steps import Remote, Step


class Leases:
    """The leases of one run of a function."""

    __slots__ = ("_held", "_outer", "over")

    def __init__(self) -> None:
        self._held: list[Lease] = []
        self._outer: Leases | None = None
        self.over = False

    def add(self, lease: Lease) -> None:
        """Take charge of a lease."""
        self._held.append(lease)

    def enter(self) -> None:
        """Have what runs here know that it may not wait for others, until ``end``."""
        if self._held:
            self._outer = held_here()
            _around.set(self)

    def end(self) -> None:
        """Release them all."""
        self.over = True
        while self._held:
            self._held.pop().release()

    def living(self) -> "Leases | None":
        """These, or the nearest around them, that are still held."""
        leases: Leases | None = self
        while leases is not None and leases.over:
            leases = leases._outer
        return leases


_around: ContextVar[Leases | None] = ContextVar("askonce.leases", default=None)


def held_here() -> Leases | None:
    """The leases that the computation around this holds."""
    leases = _around.get()
    return None if leases is None else leases.living()


class Grant(NamedTuple):
    """What came of asking for a lease.

    Attributes:
        survey: what somebody else stored meanwhile.
        denied: whether somebody else is computing, and nobody here wants to wait for that.
    """

    survey: Survey = NOTHING
    denied: bool = False


def wants(call: Call) -> bool:
    """Whether a call takes a lease before it computes: not if it would not take another's answer."""
    return call.function.leases and not call.renews and call.asks_remote


def take(call: Call, fence: Fence, leases: Leases, *, wait: bool) -> Generator[Step, Any, Grant]:
    """Ask for the lease of a key, to compute with it where it is granted and without where nobody answers."""
    waits = wait and held_here() is None
    answer: Lease | Found | None
    answer = yield Remote(call.store, "lease", (fence, call.function.shape), {"wait": waits})
    if isinstance(answer, Found):
        return Grant(found.brought_in(call, fence, answer))
    fence.looking = False  # as far as somebody looked in vain
    if answer is None:
        return Grant(denied=not wait and call.asks_remote)
    leases.add(answer)
    return Grant()
