"""Carrying out the steps of a flow: one driver for tasks, one for threads."""

import asyncio
import contextvars
import threading
import weakref
from collections.abc import Generator
from contextlib import AbstractContextManager, suppress
from typing import Any

from askonce._logging import get_logger
from askonce.engine import modes, record
from askonce.engine.crew import crew
from askonce.engine.steps import Behind, Flow, Home, Invoke, IsAnswer, Launch, Remote, Step, Wait, Wrapped
from askonce.flight import Flight, Flights, Landing, current_flight, wait, wait_blocking


async def drive(flow: Flow) -> Any:
    """Run a flow in a task."""
    try:
        step = next(flow)
        while True:
            try:
                # Not in ``_carry_out``: a coroutine is a good part of the cost of what is behind memory.
                if type(step) is Remote:
                    outcome = await _ask_remote(step)
                elif type(step) is Home:
                    outcome = asyncio.get_running_loop()
                else:
                    outcome = await _carry_out(step)
            except BaseException as error:  # noqa: BLE001  the flow decides what it means
                step = flow.throw(error)
            else:
                step = flow.send(outcome)
    except StopIteration as end:
        return end.value
    except Wrapped as wrapped:
        own = wrapped.error
    raise own


def drive_blocking(flow: Flow) -> Any:
    """Run a flow in a thread.

    The work of a flight that it launches runs in the same frame: a cached function that calls itself should
    get deep before Python's limit, so each level costs as few frames as can be.
    """
    aloft: list[_Aloft] = []
    outcome: Any = None
    error: BaseException | None = None
    while True:
        try:
            step = flow.send(outcome) if error is None else flow.throw(error)
        except BaseException as end:  # noqa: BLE001  also how a flow returns
            if not aloft:
                return _answer_of(end)
            flow, outcome, error = aloft.pop().land(end)
            continue
        outcome = error = None
        try:
            if isinstance(step, Invoke):
                token = record.enter(step.record)
                try:
                    outcome = step.function.invoke(step.arguments)
                finally:
                    record.leave(token)
            elif isinstance(step, Launch) and step.limit is None:
                aloft.append(_Aloft(flow, step))
                flow = step.work
            else:
                outcome = _carry_out_blocking(step)
        except (StopIteration, GeneratorExit) as raised:
            error = Wrapped(raised)
        except BaseException as raised:  # noqa: BLE001  the flow decides what it means
            error = raised


def _answer_of(end: BaseException) -> Any:
    """What a flow returned, or the exception that ended it."""
    if isinstance(end, StopIteration):
        return end.value
    raise end.error if isinstance(end, Wrapped) else end


class _Aloft:
    """A flow that waits for the work of the flight that it launched, which runs in its thread."""

    __slots__ = ("_flow", "_launch", "_token")

    def __init__(self, flow: Flow, launch: Launch) -> None:
        self._flow = flow
        self._launch = launch
        self._token = current_flight.set(launch.flight)

    def land(self, end: BaseException) -> tuple[Flow, Landing | None, BaseException | None]:
        """Go on with the flow: with the landing, or with what ended the work instead."""
        current_flight.reset(self._token)
        self._launch.finish()
        if isinstance(end, StopIteration):
            return self._flow, self._launch.flight.landing, None
        return self._flow, None, end.error if isinstance(end, Wrapped) else end


async def _carry_out(step: Step) -> Any:
    match step:
        case Invoke(function, arguments, current):
            token = record.enter(current)
            try:
                return await function.invoke(arguments)
            except GeneratorExit as error:
                raise Wrapped(error) from None
            finally:
                record.leave(token)
        case Home():
            return asyncio.get_running_loop()
        case Wait(flight, limit):
            return await wait(flight, limit)
        case Launch():
            return await _launch(step)
        case Behind():
            return _send_task(step)
        case IsAnswer(error):
            return not isinstance(error, asyncio.CancelledError) or not is_being_cancelled()
        case Remote():
            return await _ask_remote(step)


def _carry_out_blocking(step: Step) -> Any:
    match step:
        case Wait(flight, limit):
            return wait_blocking(flight, limit)
        case Launch():
            return _launch_thread(step)
        case Behind():
            return _send_thread(step)
        case IsAnswer():
            return True
        case Remote():
            return _ask_remote_blocking(step)
        case _:  # Home: there is no loop
            return None


async def _launch(step: Launch) -> Landing | None:
    """Do the work in a task of its own, with the leader's context, and wait for it like anybody else."""
    loop = asyncio.get_running_loop()
    flight = step.flight
    task = loop.create_task(_fly(flight, step.work, modes.carried()), name=f"askonce {flight.key}")
    _hold(task, loop)

    def land(task: "asyncio.Task[None]") -> None:
        _release(task, loop)
        step.finish()  # a task that is cancelled before its first step never enters its body

    def cancel_once() -> None:
        if not task.cancelling():  # a second time would interrupt the function's own cleaning up
            task.cancel()

    def cancel() -> None:
        try:
            loop.call_soon_threadsafe(cancel_once)
        except RuntimeError:  # the loop is closed, and the task with it
            _release(task, loop)

    task.add_done_callback(land)
    for one in flight.company:
        one.cancel = cancel
    return await wait(flight, step.limit)


def _launch_thread(step: Launch) -> Landing | None:
    """Do the work in a thread of its own, with the leader's context, so that the leader may leave it."""
    contexts = modes.carried()

    def fly() -> None:
        current_flight.set(step.flight)
        try:
            with contexts:
                drive_blocking(step.work)
        except BaseException as error:  # noqa: BLE001  nobody else could see it: the leader has its landing
            _report_lost(step.flight.key, error)
        finally:
            step.finish()

    context = contextvars.copy_context()
    try:
        threading.Thread(target=context.run, args=(fly,), name="askonce", daemon=True).start()
    except RuntimeError:  # no more threads, or the interpreter is ending: the leader does it, however long
        context.run(fly)
    return wait_blocking(step.flight, step.limit)


_behind: "weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, set[tuple[Flights, str]]]"
_behind = weakref.WeakKeyDictionary()


def _send_task(step: Behind) -> None:
    """Carry out a flow behind the caller, in a task of its own with the caller's context."""
    loop = asyncio.get_running_loop()
    places = _behind.setdefault(loop, set())
    place = (step.flights, step.key)
    if place in places:
        return
    flow, contexts = step.prepare(), modes.behind()
    places.add(place)

    async def go() -> None:
        places.discard(place)  # from here on it is the flight that others see
        try:
            with contexts:
                await drive(flow)
        except Exception as error:  # noqa: BLE001  nobody else could see it
            _report_lost(step.key, error)

    def end(task: "asyncio.Task[None]") -> None:
        step.flights.behind.discard(cancel)
        places.discard(place)
        _release(task, loop)
        if not task.cancelled():
            task.exception()  # it has ended the loop; that nobody retrieved it is no news

    def cancel() -> None:
        flight = context.get(current_flight)
        if flight is None or not any(one.aboard for one in flight.company):
            with suppress(RuntimeError):  # the loop is closed, and the task with it
                loop.call_soon_threadsafe(task.cancel)

    context = contextvars.copy_context()
    task = loop.create_task(go(), name=f"askonce refresh {step.key}", context=context)
    step.flights.behind.add(cancel)
    _hold(task, loop)
    task.add_done_callback(end)


def _send_thread(step: Behind) -> None:
    """Carry out a flow behind the caller, in a thread of the crew with the caller's context."""
    place = (step.flights, step.key)
    if place in crew:
        return
    flow, contexts = step.prepare(), modes.behind()

    def go() -> None:
        try:
            with contexts:
                drive_blocking(flow)
        except BaseException as error:  # noqa: BLE001  nobody else could see it
            _report_lost(step.key, error)

    context = contextvars.copy_context()
    crew.send(place, lambda: context.run(go), step.group)


def _report_lost(key: str, error: BaseException) -> None:
    get_logger().error("background_failed", key=key.partition(":")[0], error=type(error).__name__)


_under_way: dict[asyncio.AbstractEventLoop, set["asyncio.Task[None]"]] = {}


def _hold(task: "asyncio.Task[None]", loop: asyncio.AbstractEventLoop) -> None:
    """Keep a task until it ends, since its loop holds it only weakly."""
    tasks = _under_way.get(loop)
    if tasks is None:
        for other in list(_under_way):
            if other.is_closed():  # before its tasks ended, and now they never will
                _under_way.pop(other, None)
        tasks = _under_way[loop] = set()
    tasks.add(task)


def _release(task: "asyncio.Task[None]", loop: asyncio.AbstractEventLoop) -> None:
    tasks = _under_way.get(loop, set())
    tasks.discard(task)
    if not tasks:
        _under_way.pop(loop, None)


async def _fly(
    flight: Flight, work: Generator[Step, Any, None], contexts: AbstractContextManager[None]
) -> None:
    current_flight.set(flight)
    with contexts:
        await drive(work)


def is_being_cancelled() -> bool:
    """Whether somebody cancelled the task; a ``CancelledError`` may also come from what it awaits."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


async def _ask_remote(step: Remote) -> Any:
    try:
        return await getattr(step.store.remote, step.method)(*step.arguments, **(step.options or {}))
    except (Exception, asyncio.CancelledError) as error:  # a backend's failure never reaches the caller
        if isinstance(error, asyncio.CancelledError) and is_being_cancelled():
            raise
        _report(step, error)
        return None


def _ask_remote_blocking(step: Remote) -> Any:
    try:
        return getattr(step.store.remote, f"{step.method}_blocking")(*step.arguments, **(step.options or {}))
    except Exception as error:  # noqa: BLE001  a backend's failure never reaches the caller
        _report(step, error)
        return None


def _report(step: Remote, error: BaseException) -> None:
    get_logger().warning("backend_failed", step=step.method, error=type(error).__name__)
