"""What a call of a generator function does: replay a recording, or run the function and record it.

As in ``flow`` the logic is a generator of steps and does nothing itself. Three steps are about the function's
own generator (``Open``, ``Resume``, ``Close``), one about the caller (``Emit``); two thin drivers carry them
out. Who produces (``_run``), what is kept of it (``recording.Log``) and who reads (``_replay``) know nothing
of each other.
"""

import inspect
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

from askonce._types import Clock, Recording
from askonce.backends.engine import Fence
from askonce.engine import drivers, filling, flow, found, leasing, record
from askonce.engine.call import NOTHING, Call, Survey
from askonce.engine.function import Function
from askonce.engine.leasing import Leases
from askonce.engine.record import CurrentCall
from askonce.engine.recording import Log
from askonce.engine.steps import Remote, Wrapped
from askonce.signature import Arguments


@dataclass(slots=True, eq=False)
class Open:
    """Call the function; answers its generator, of which nothing has run."""

    function: Function
    arguments: Arguments


class Reply(NamedTuple):
    """What a caller does with an item: mostly nothing, it comes back for the next."""

    sent: Any = None
    thrown: BaseException | None = None


class Ended(NamedTuple):
    """The natural end of a generator."""

    result: Any = None


@dataclass(slots=True, eq=False)
class Resume:
    """Let a generator run on; answers its next item or ``Ended``, raises what it raises."""

    source: Any
    reply: Reply
    record: CurrentCall


@dataclass(slots=True, eq=False)
class Close:
    """Close a generator; its cleaning up is waited for."""

    source: Any


@dataclass(slots=True, eq=False)
class Emit:
    """Give the caller an item; answers its ``Reply`` once it has one."""

    item: Any


Play = Generator[Any, Any, Any]
"""Steps of this module and of ``flow``."""


def play(call: Call) -> Play:
    """Replay what is stored, or run the function and store what it yields."""
    if call.way == "only_if_cached":
        return (yield from _replay((yield from flow.stored(call))))
    if not call.store.enabled or call.way == "bypass":
        return (yield from _unrecorded(call))
    if call.demand is not None and call.demand.first(call.store, call.key):
        call.store.break_fences(call.key)
        call.renews = True
        return (yield from _fresh(call, anew=True))
    entry, is_due, _ = call.survey()
    if entry is None:
        return (yield from _fresh(call, anew=False))
    if is_due:
        yield from flow.revalidate(call, entry)
    return (yield from _replay(call.hit(entry)))


def _unrecorded(call: Call) -> Play:
    """Run the function as if there were no cache."""
    call.function.figures.computed += 1
    talk = _Talk(CurrentCall(call.keys, call.function.operation))
    try:
        return (yield from _run(call, talk))
    finally:
        talk.record.end()


def _fresh(call: Call, *, anew: bool) -> Play:
    """Record, or replay what stands in for that."""
    fence, leases = call.open_fence(), Leases()
    try:
        survey = yield from _found_behind(call, fence, leases, anew=anew)
        outcome: Recording | Ended
        if survey.entry is not None:
            outcome = call.hit(survey.entry)
        else:
            outcome = yield from _recorded(call, fence, falls_back=not anew)
    finally:
        leases.end()
        call.store.close_fence(fence)
    if isinstance(outcome, Ended):
        return outcome.result
    if survey.is_due and survey.entry is not None:
        yield from flow.revalidate(call, survey.entry)
    return (yield from _replay(outcome))


def _found_behind(call: Call, fence: Fence, leases: Leases, *, anew: bool) -> Generator[Any, Any, Survey]:
    """What the tier behind memory has; where it has nothing, perhaps the lease to produce it."""
    if not call.asks_remote:
        return NOTHING
    if anew:
        yield Remote(call.store, "observe", ([fence],))
        return NOTHING
    survey = yield from found.read(call, fence)
    if survey.entry is None and leasing.wants(call):
        survey, _ = yield from leasing.take(call, fence, leases, wait=True)
        leases.enter()
    return survey


def _recorded(call: Call, fence: Fence, *, falls_back: bool) -> Generator[Any, Any, Recording | Ended]:
    """Run the function and store what it yields, if nothing is in the way of that.

    Answers an old recording where the function failed before there was an item and that may stand in.
    """
    figures = call.function.figures
    figures.computed += 1
    log = cast("Function", call.function).log()
    talk = _Talk(CurrentCall((call.key,), call.function.operation), log)
    try:
        result = yield from _run(call, talk)
    except Exception as error:
        if not talk.failed or isinstance(error, Wrapped):  # Wrapped: it went away by itself
            raise
        figures.errors += 1
        filling.note_failure(call, fence, error)
        stale = call.fallback() if falls_back and not talk.begun else None
        if stale is None:
            raise
        recording: Recording = call.stand_in(stale, error)
        return recording
    finally:
        talk.record.end()
    if log.open:
        yield from filling.keep(call, fence, log.recording(), talk.record, talk.cost)
    return Ended(result)


@dataclass(slots=True, eq=False)
class _Talk:
    """What a function and its caller had to say to each other.

    Attributes:
        record: what the function says of its own answer.
        log: its items; ``None`` where nobody wants to know.
        begun: whether there was an item.
        failed: whether it raised, without having been asked to.
        cost: seconds that it took, those between the items not counted.
    """

    record: CurrentCall
    log: Log | None = None
    begun: bool = False
    failed: bool = False
    cost: float = 0.0


def _run(call: Call, talk: _Talk) -> Play:
    """Call the function, and have it produce."""
    source = yield Open(cast("Function", call.function), call.arguments)
    return (yield from _produced(source, talk, call.store.clock))


def _produced(source: Any, talk: _Talk, clock: Clock = time.monotonic) -> Play:
    """Have a generator produce, item by item; a caller that interferes makes it nobody else's."""
    reply = Reply()
    while True:
        started = clock()
        try:
            outcome = yield Resume(source, reply, talk.record)
            _write_down(outcome, talk.log)
        except Exception:
            talk.failed = reply.thrown is None
            yield Close(source)  # it may be the log that objects
            raise
        talk.cost += clock() - started
        if isinstance(outcome, Ended):
            return outcome.result
        talk.begun = True
        reply = yield Emit(outcome)
        if talk.log is not None and (reply.sent is not None or reply.thrown is not None):
            talk.log.give_up()
        if isinstance(reply.thrown, GeneratorExit):
            yield Close(source)
            raise reply.thrown


def _write_down(outcome: Any, log: Log | None) -> None:
    if log is None or not log.open:
        return
    if isinstance(outcome, Ended):
        log.end(outcome.result)
    else:
        log.add(outcome)


def _replay(recording: Recording) -> Play:
    """Yield what was yielded. Nothing can be said to that."""
    for item in recording.items:
        reply = yield Emit(item)
        if reply.thrown is not None:
            raise reply.thrown
        if reply.sent is not None:
            raise TypeError(_DEAF)
    return recording.result


_DEAF = (
    "these items come from the cache, and no generator is there to be sent anything; "
    "iterate over uncached(...) where something is sent"
)


def unheard(source: Any, keys: Callable[[], tuple[str, ...]], operation: str | None) -> Any:
    """A function's own generator, which may speak of its call though nobody listens."""
    play = _unheard(source, CurrentCall(keys, operation))
    return _iterated(AsyncRun(play)) if inspect.isasyncgen(source) else run(play)


def _unheard(source: Any, record: CurrentCall) -> Play:
    talk = _Talk(record)
    try:
        return (yield from _produced(source, talk))
    finally:
        talk.record.end()


# --- the drivers


class AsyncRun:
    """Carries a play out in a task, from one item to the next; see ``streampath.Run``."""

    __slots__ = ("_begun", "_play", "item", "sent", "thrown")

    def __init__(self, play: Play) -> None:
        self._play = play
        self._begun = False
        self.item: Any = None
        self.sent: Any = None
        self.thrown: BaseException | None = None

    async def goes_on(self) -> bool:
        """Get the next item; ``False`` at the end. Raises what the caller is to see."""
        outcome: Any = self._reply()
        error: BaseException | None = None
        try:
            while True:
                step = self._play.send(outcome) if error is None else self._play.throw(error)
                if isinstance(step, Emit):
                    self.item = step.item
                    return True
                outcome = error = None
                try:
                    outcome = await _carry_out(step)
                except (StopIteration, GeneratorExit) as raised:
                    error = Wrapped(raised)
                except BaseException as raised:  # noqa: BLE001  the play decides what it means
                    error = raised
        except StopIteration:
            return False
        except Wrapped as wrapped:
            own = wrapped.error
        finally:
            del error  # it knows this frame
        raise own

    def _reply(self) -> Reply | None:
        """What the caller says to the last item; a play that has not begun is told nothing."""
        thrown = self.thrown
        if isinstance(thrown, GeneratorExit):
            thrown = GeneratorExit()  # one that does not know the frame of the wrapper
        reply = Reply(self.sent, thrown) if self._begun else None
        self._begun = True
        self.item = self.sent = self.thrown = None
        return reply


async def _iterated(run: AsyncRun) -> AsyncGenerator[Any, Any]:
    """What ``streampath`` generates for each function, for what is no function."""
    while await run.goes_on():
        try:
            run.sent = yield run.item
        except BaseException as thrown:  # noqa: BLE001  the play decides what it means
            run.thrown = thrown


def run(play: Play) -> Generator[Any, Any, Any]:
    """Carry a play out in a thread."""
    outcome: Any = None
    error: BaseException | None = None
    try:
        while True:
            step = play.send(outcome) if error is None else play.throw(error)
            outcome = error = None
            try:
                outcome = (yield from _emit(step)) if isinstance(step, Emit) else _carry_out_blocking(step)
            except (StopIteration, GeneratorExit) as raised:
                error = Wrapped(raised)
            except BaseException as raised:  # noqa: BLE001  the play decides what it means
                error = raised
    except StopIteration as end:
        return end.value
    except Wrapped as wrapped:
        own = wrapped.error
    finally:
        del error  # it knows this frame
    raise own


def _emit(step: Emit) -> Generator[Any, Any, Reply]:
    try:
        return Reply(sent=(yield step.item))
    except BaseException as thrown:  # noqa: BLE001  the play decides what it means
        return Reply(thrown=thrown)


async def _carry_out(step: Any) -> Any:
    match step:
        case Resume(source, reply, current):
            token = record.enter(current)
            try:
                return await _resume(source, reply)
            finally:
                record.leave(token)
        case Open(function, arguments):
            return function.begin(arguments)
        case Close(source):
            return await source.aclose()
        case _:
            return await drivers._carry_out(step)


async def _resume(source: AsyncGenerator[Any, Any], reply: Reply) -> Any:
    try:
        if reply.thrown is not None:
            return await source.athrow(reply.thrown)
        return await _unseen(source, reply.sent)
    except StopAsyncIteration:
        return Ended()


def _unseen(source: AsyncGenerator[Any, Any], sent: Any) -> Awaitable[Any]:
    """Let a generator run on, of which the event loop does not know.

    It knows of the wrapper, which closes what it wraps. A loop that ends would close both at once, and the
    wrapper would find its generator running already.
    """
    hooks = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(None, None)
    try:
        return source.asend(sent)  # the first one asks for the hooks
    finally:
        sys.set_asyncgen_hooks(*hooks)


def _carry_out_blocking(step: Any) -> Any:
    match step:
        case Resume(source, reply, current):
            token = record.enter(current)
            try:
                return _resume_blocking(source, reply)
            finally:
                record.leave(token)
        case Open(function, arguments):
            return function.begin(arguments)
        case Close(source):
            return source.close()
        case _:
            return drivers._carry_out_blocking(step)


def _resume_blocking(source: Generator[Any, Any, Any], reply: Reply) -> Any:
    try:
        return source.send(reply.sent) if reply.thrown is None else source.throw(reply.thrown)
    except StopIteration as end:
        return Ended(end.value)
