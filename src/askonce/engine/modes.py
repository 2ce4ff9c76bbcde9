"""The contexts: ``with bypass():`` and its like, which change what the calls inside them do.

A context is a ``Frame``. The frames of a task or a thread lie in one context variable, so that tasks and
``asyncio.to_thread`` begun inside a block are meant as well. Each frame knows whether its block is still
open: what is left in the context of a task that outlives the block means nothing any more.

Wrappers look at ``open_frames`` before they trust their fast index, and where it is not empty at
``frames_here``. They do so only once a program has entered its first context, see ``follow``.
"""

import os
import threading
import weakref
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Literal, Protocol

from askonce._forks import hold_at_fork
from askonce._types import Ttl
from askonce.backends.engine import EngineStore
from askonce.backends.interface import CacheInterface
from askonce.engine.registry import registry
from askonce.exceptions import ConfigurationError
from askonce.ttl import parse_age

Way = Literal["bypass", "refreshing", "only_if_cached"]
"""How a call gets its answer, where not as usual."""


class Frame:
    """A context: what one ``with`` block asks of the cached calls in it. It can be entered once.

    Attributes:
        name: the function that made it.
        way: how calls get their answers, or ``None`` where it has no say in that.
        max_age: how old an answer may be, in seconds, or ``None`` where it has no say in that.
        cache: the cache of all calls, its name, or ``None`` where it has no say in that.
        open: whether its block is being run.
    """

    __slots__ = ("_entered", "_seen", "cache", "max_age", "name", "open", "way")

    def __init__(
        self,
        name: str,
        *,
        way: Way | None = None,
        max_age: float | None = None,
        cache: CacheInterface | str | None = None,
    ) -> None:
        self.name = name
        self.way: Way | None = way
        self.max_age = max_age
        self.cache = cache
        self.open = False
        self._entered = False
        self._seen: set[tuple[EngineStore, str]] = set()

    def __enter__(self) -> None:
        if isinstance(self.cache, str):
            self.cache = registry.get(self.cache)
        with switching:
            if self._entered:
                raise RuntimeError(
                    f"this {self.name}() was entered before, and a context is good for one block; "
                    f"write with {self.name}(...): for each"
                )
            self._entered = self.open = True
            open_frames.add(self)
            _switch()
        _frames.set((*_open_here(), self))

    def __exit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        # The block may end elsewhere than it began (a dependency with yield): there is nothing to put back
        # there, and a token of the context variable could not be used.
        self.open = False
        open_frames.discard(self)
        with switching:
            self._seen = set()  # what was carried on from here goes by the old one, see ``carried``
        if _frames.get():
            _frames.set(_open_here())

    def first(self, store: EngineStore, key: str) -> bool:
        """Whether this is the first call of a key in this context, and the context is still open."""
        with switching:
            if not self.open or (store, key) in self._seen:
                return False
            self._seen.add((store, key))
            return True

    def __repr__(self) -> str:
        state = "open" if self.open else "closed" if self._entered else "not entered"
        return f"<askonce.{self.name}(), {state}>"


switching: Final = threading.RLock()  # freeing an object may run anything, also a cached function
"""Held by whoever has a wrapper change, or enters a context."""
hold_at_fork(switching)

open_frames: Final[set[Frame]] = set()
"""The frames of all open blocks, wherever they are; wrappers look whether there are any."""

_frames: ContextVar[tuple[Frame, ...]] = ContextVar("askonce.frames", default=())
"""The frames of a task or thread, outermost first."""

frames_here: Final = _frames.get
"""The frames of this task or thread, open or not: where there are none, it is inside no context."""


def _end_those_of_others() -> None:
    """In a forked child, end the blocks of the threads that are not there: nobody else would."""
    for frame in open_frames.difference(_frames.get()):
        frame.open = False
        open_frames.discard(frame)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_end_those_of_others)


def _open_here() -> tuple[Frame, ...]:
    return tuple(frame for frame in _frames.get() if frame.open)


# --- what users enter


def bypass() -> Frame:
    """Run the functions as if they were not cached: nothing is looked up, joined or stored."""
    return Frame("bypass", way="bypass")


def refreshing() -> Frame:
    """Compute each call anew the first time it is made in the block, and store that; later ones hit."""
    return Frame("refreshing", way="refreshing")


def only_if_cached() -> Frame:
    """Run no function: what is not cached is a ``NotCachedError``."""
    return Frame("only_if_cached", way="only_if_cached")


def fresh(max_age: Ttl) -> Frame:
    """Take no answer that was computed longer ago than this. No answer lives longer for it.

    Args:
        max_age: seconds, a ``timedelta``, or text such as ``"5s"``; 0 takes only what is computed for the
            caller.

    Raises:
        ConfigurationError: it is no time, or less than 0.
    """
    return Frame("fresh", max_age=parse_age(max_age, "fresh(): max_age"))


def use_cache(cache: CacheInterface | str) -> Frame:
    """Have all decorated functions, and their verbs, use one cache.

    Args:
        cache: a backend, or the name of a registered one, which is looked up as the block begins.

    Raises:
        ConfigurationError: it is no cache. A name that nobody registered is one at the block's beginning.
    """
    if not isinstance(cache, (CacheInterface, str)):
        raise ConfigurationError(
            f"use_cache({cache!r}): that is no cache; "
            "give a backend such as InMemoryCache(), or the name of a registered one"
        )
    return Frame("use_cache", cache=cache)


# --- what the engine asks


@dataclass(frozen=True, slots=True)
class Demand:
    """What the contexts around a call ask of it.

    Attributes:
        way: how it gets its answer, or ``None`` where as usual.
        max_age: how old an answer may be, in seconds, or ``None`` where its own time decides.
    """

    way: Way | None
    max_age: float | None
    _frame: Frame | None = field(default=None, repr=False)

    def first(self, store: EngineStore, key: str) -> bool:
        """Whether ``refreshing`` meets this key for the first time; says so once, whoever asks."""
        return self._frame is not None and self._frame.first(store, key)


def demand() -> Demand | None:
    """What the contexts around this call ask of it, or ``None`` where they ask nothing."""
    if not open_frames:
        return None
    decides, max_age, _ = _asked_here()
    if decides is None and max_age is None:
        return None
    return Demand(None if decides is None else decides.way, max_age, decides)


def _asked_here() -> tuple[Frame | None, float | None, CacheInterface | str | None]:
    """Who decides about the way, the age, and the cache."""
    decides: Frame | None = None
    max_age: float | None = None
    cache: CacheInterface | str | None = None
    for frame in _open_here():  # the innermost of a kind has the last word
        decides = decides if frame.way is None else frame
        max_age = max_age if frame.max_age is None else frame.max_age
        cache = cache if frame.cache is None else frame.cache
    return decides, max_age, cache


def chosen_cache() -> CacheInterface | None:
    """The cache that ``use_cache`` has chosen for this call, or ``None``."""
    if not open_frames:
        return None
    for frame in reversed(_open_here()):
        cache = registry.chosen(frame.cache)
        if isinstance(cache, CacheInterface):
            return cache
    return None


class Carried:
    """What the contexts around a caller ask, kept for work that may outlast their blocks.

    Entered once, where the work begins, in a task or a thread of its own.
    """

    __slots__ = ("_alone", "_frame")

    def __init__(self, frame: Frame | None, alone: bool = True) -> None:
        self._frame = frame
        self._alone = alone

    def __enter__(self) -> None:
        if self._alone:
            _frames.set(())
        if self._frame is not None:
            self._frame.__enter__()

    def __exit__(self, *_: object) -> None:
        # The caller's frames are not put back: a task of a loop that is gone ends wherever it is collected.
        if self._frame is not None:
            self._frame.__exit__()


_NOTHING: Final = nullcontext()


def carried() -> AbstractContextManager[None]:
    """What holds here and now, to go on holding in a block elsewhere: for the work of a flight.

    The caller may leave its own block before the work has ended, or even begun.
    """
    if not open_frames or not _open_here():
        return _NOTHING
    decides, max_age, cache = _asked_here()
    frame = Frame("carried", max_age=max_age, cache=cache)
    if decides is not None:
        frame.way, frame._seen = decides.way, decides._seen
    return Carried(frame, alone=False)


def behind() -> AbstractContextManager[None]:
    """The cache that is chosen here and now, and nothing else, for what runs behind in a block elsewhere.

    How the caller wants its answer does not matter to a refresh; another cache may be another tenant's.
    """
    if not open_frames or not _open_here():
        return _NOTHING
    _, _, cache = _asked_here()
    return Carried(None if cache is None else Frame("behind", cache=cache))


# --- the hit paths


class Minder(Protocol):
    """Someone who need not look at ``open_frames`` before there has ever been one."""

    def mind_contexts(self) -> None:
        """Look at them from now on."""
        ...


_minders: "weakref.WeakSet[Minder] | None" = weakref.WeakSet()  # None once all of them look


def follow(minder: Minder) -> None:
    """Tell someone when the first context of the process is entered; at once where that has happened."""
    with switching:
        if _minders is not None:
            _minders.add(minder)
            return
    minder.mind_contexts()


def _switch() -> None:
    global _minders
    if _minders is not None:
        minders, _minders = list(_minders), None
        for minder in minders:
            minder.mind_contexts()
