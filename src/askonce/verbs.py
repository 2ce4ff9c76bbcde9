"""The verbs of a decorated function: ``invalidate``, ``refresh``, ``peek`` and their like."""

import asyncio
import contextvars
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, cast

from askonce._types import MISS, Recording
from askonce.backends.engine import Sight
from askonce.engine import batch, commands, flow, streams
from askonce.engine.drivers import drive, drive_blocking, is_being_cancelled
from askonce.engine.each import single
from askonce.engine.function import Function
from askonce.engine.record import unheard
from askonce.engine.recording import BOUNDS, written
from askonce.exceptions import ConfigurationError
from askonce.results import CacheInfo, Explanation, Key, WarmReport
from askonce.signature import Arguments, Kind

VERBS: Final = (
    "cache_info", "explain", "invalidate", "invalidate_all", "key", "peek", "refresh", "store", "uncached",
    "warm",
)  # fmt: skip

Progress = Callable[[int, int], None]
WarmCall = tuple[Any, ...]


class _Verbs:
    """What both kinds of functions share."""

    def __init__(self, function: Function, call: Callable[..., Any], bound: tuple[Any, ...]) -> None:
        self._function = function
        self._call = call
        self._bound = bound
        self._flows: Any = commands if function.options.each is None else batch

    def key(self, /, *args: Any, **kwargs: Any) -> str:
        """The key of a call. It holds no text of any argument."""
        return self._function.keys.key(self._single(self._bind(args, kwargs)))

    def cache_info(self) -> CacheInfo:
        """What happened to the function so far, in this process."""
        figures = self._function.figures
        return CacheInfo(
            hits=figures.hits(),
            misses=figures.computed,
            joined=figures.joined,
            stale=figures.stale,
            errors=figures.errors,
            stored=figures.stored,
            refreshed=figures.refreshed,
        )

    def uncached(self, /, *args: Any, **kwargs: Any) -> Any:
        """Call the function itself: nothing is looked up, counted or stored."""
        return self._function.wrapped(*self._bound, *args, **kwargs)

    def _bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Arguments:
        return self._function.signature.bind(*self._bound, *args, **kwargs)

    def _keys_of(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Callable[[], tuple[str, ...]]:
        return lambda: self._function.keys_of(self._bind(args, kwargs))

    def _single(self, arguments: Arguments) -> Arguments:
        """The arguments of a call that has one key."""
        return arguments if self._function.options.each is None else single(self._function, arguments)

    def _explanation(self, arguments: Arguments, sight: Sight) -> Explanation:
        keys = self._function.keys
        arguments = self._single(arguments)
        parts = {
            name: f"{_described(value)}, {keys.digest(encoded)[:12]}"
            for name, (value, encoded) in keys.parts(arguments).items()
        }
        tags = tuple(tag for tag in sight.tags if tag not in self._function.tags)
        reason = None if sight.reason is None else "; ".join((sight.reason, *self._unstored()))
        return Explanation(keys.key(arguments), parts, *sight._replace(tags=tags, reason=reason))

    def _unstored(self) -> Iterator[str]:
        """Why answers of the function that came were not stored, so far."""
        figures = self._function.figures
        if figures.unrecorded:
            runs = f"{figures.unrecorded} runs of this generator"
            yield f"{runs} were too long to be stored (more than {BOUNDS})"
        if figures.unruled:
            yield f"answers of this function that were not stored since a rule failed: {figures.unruled}"


def _described(value: Any) -> str:
    """The class of a value and its size, where it has one."""
    name = type(value).__qualname__
    if not isinstance(value, (str, bytes, list, tuple, dict, set, frozenset)):
        return name
    unit = "characters" if isinstance(value, str) else "bytes" if isinstance(value, bytes) else "items"
    return f"{name}, {len(cast('Any', value))} {unit}"


class AsyncVerbs(_Verbs):
    """The verbs of a coroutine function; all may be awaited."""

    def key(self, /, *args: Any, **kwargs: Any) -> Key:
        """The key of a call. It holds no text of any argument."""
        return Key(super().key(*args, **kwargs))

    async def invalidate(self, /, *args: Any, **kwargs: Any) -> bool:
        """Drop the answer of a call and whatever is being computed for it; whether one was stored."""
        dropped: bool = await drive(self._flows.invalidate(self._function, self._bind(args, kwargs)))
        return dropped

    async def invalidate_all(self) -> None:
        """Drop all answers of the function."""
        await drive(commands.invalidate_all(self._function))

    async def refresh(self, /, *args: Any, **kwargs: Any) -> Any:
        """Run the function whatever is stored, store what it answers, and return that.

        What was stored stays until then, and for good where the function raises.
        """
        return await drive(self._flows.refresh(self._function, self._bind(args, kwargs)))

    async def peek(self, /, *args: Any, **kwargs: Any) -> Any:
        """The stored answer of a call, or ``MISS``. The function is never run."""
        return await drive(self._flows.peek(self._function, self._bind(args, kwargs)))

    async def store(self, value: Any, /, *args: Any, **kwargs: Any) -> bool:
        """Store a value as the answer of a call; whether it was stored."""
        stored: bool = await drive(self._flows.put(self._function, value, self._bind(args, kwargs)))
        return stored

    def uncached(self, /, *args: Any, **kwargs: Any) -> Any:
        """Call the function itself: nothing is looked up, counted or stored."""
        return self._unheard(super().uncached(*args, **kwargs), args, kwargs)

    async def _unheard(self, answer: Awaitable[Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        with unheard(self._keys_of(args, kwargs), self._function.operation):
            return await answer

    async def explain(self, /, *args: Any, **kwargs: Any) -> Explanation:
        """Why a call would hit or miss."""
        arguments = self._bind(args, kwargs)
        return self._explanation(arguments, await drive(self._flows.sight(self._function, arguments)))

    async def warm(
        self, calls: Iterable[WarmCall], concurrency: int = 8, *, progress: Progress | None = None
    ) -> WarmReport:
        """Fill the cache ahead of its callers.

        Args:
            calls: argument tuples, one for each call.
            concurrency: how many calls are under way at once.
            progress: called with the number of calls done and the number of all, after each.
        """
        warming = _Warming(calls, concurrency, progress)

        async def work() -> None:
            for call in warming:
                try:
                    cached = await self.peek(*call) is not MISS
                    await self._answer(call)
                except asyncio.CancelledError as error:
                    if is_being_cancelled():
                        raise
                    warming.fail(call, error)
                except Exception as error:  # noqa: BLE001  it is in the report
                    warming.fail(call, error)
                else:
                    warming.succeed(cached=cached)

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(warming.workers):
                    group.create_task(work())
        except ExceptionGroup as failed:  # of the progress callback: one is as good as all
            raise failed.exceptions[0] from None
        return warming.report()

    async def _answer(self, call: WarmCall) -> None:
        await self._call(*call)


class SyncVerbs(_Verbs):
    """The verbs of a plain function."""

    def invalidate(self, /, *args: Any, **kwargs: Any) -> bool:
        """Drop the answer of a call and whatever is being computed for it; whether one was stored."""
        dropped: bool = drive_blocking(self._flows.invalidate(self._function, self._bind(args, kwargs)))
        return dropped

    def invalidate_all(self) -> None:
        """Drop all answers of the function."""
        drive_blocking(commands.invalidate_all(self._function))

    def refresh(self, /, *args: Any, **kwargs: Any) -> Any:
        """Run the function whatever is stored, store what it answers, and return that.

        What was stored stays until then, and for good where the function raises.
        """
        return drive_blocking(self._flows.refresh(self._function, self._bind(args, kwargs)))

    def peek(self, /, *args: Any, **kwargs: Any) -> Any:
        """The stored answer of a call, or ``MISS``. The function is never run."""
        return drive_blocking(self._flows.peek(self._function, self._bind(args, kwargs)))

    def store(self, value: Any, /, *args: Any, **kwargs: Any) -> bool:
        """Store a value as the answer of a call; whether it was stored."""
        stored: bool = drive_blocking(self._flows.put(self._function, value, self._bind(args, kwargs)))
        return stored

    def uncached(self, /, *args: Any, **kwargs: Any) -> Any:
        """Call the function itself: nothing is looked up, counted or stored."""
        with unheard(self._keys_of(args, kwargs), self._function.operation):
            return super().uncached(*args, **kwargs)

    def explain(self, /, *args: Any, **kwargs: Any) -> Explanation:
        """Why a call would hit or miss."""
        arguments = self._bind(args, kwargs)
        return self._explanation(arguments, drive_blocking(self._flows.sight(self._function, arguments)))

    def warm(
        self, calls: Iterable[WarmCall], concurrency: int = 8, *, progress: Progress | None = None
    ) -> WarmReport:
        """Fill the cache ahead of its callers, in threads that share the caller's context.

        Args:
            calls: argument tuples, one for each call.
            concurrency: how many calls are under way at once.
            progress: called with the number of calls done and the number of all, after each.
        """
        warming = _Warming(calls, concurrency, progress)

        def work() -> None:
            for call in warming:
                try:
                    cached = self.peek(*call) is not MISS
                    self._answer(call)
                except Exception as error:  # noqa: BLE001  it is in the report
                    warming.fail(call, error)
                else:
                    warming.succeed(cached=cached)

        with ThreadPoolExecutor(warming.workers, "askonce-warm") as pool:
            workers = [pool.submit(contextvars.copy_context().run, work) for _ in range(warming.workers)]
        for worker in workers:
            worker.result()
        return warming.report()

    def _answer(self, call: WarmCall) -> None:
        self._call(*call)


class AsyncStreamVerbs(AsyncVerbs):
    """The verbs of an async generator function; its answer is the list of what it yields."""

    def uncached(self, /, *args: Any, **kwargs: Any) -> Any:
        """Call the function itself: nothing is looked up, counted or stored."""
        source = _Verbs.uncached(self, *args, **kwargs)
        return streams.unheard(source, self._keys_of(args, kwargs), self._function.operation)

    async def refresh(self, /, *args: Any, **kwargs: Any) -> list[Any]:
        """Run the function to its end whatever is stored, store what it yields, and return that as a list."""
        return list((await super().refresh(*args, **kwargs)).items)

    async def peek(self, /, *args: Any, **kwargs: Any) -> Any:
        """The stored items of a call as a list, or ``MISS``. The function is never run."""
        return _listed(await super().peek(*args, **kwargs))

    async def store(self, value: Iterable[Any], /, *args: Any, **kwargs: Any) -> bool:
        """Store items for a call as if the function had yielded them; whether they were stored."""
        recording = _recorded(self._function, value)
        return recording is not None and await super().store(recording, *args, **kwargs)

    async def _answer(self, call: WarmCall) -> None:
        await drive(flow.serve(self._function.call_of(self._bind(call, {}))))


class SyncStreamVerbs(SyncVerbs):
    """The verbs of a generator function; its answer is the list of what it yields."""

    def uncached(self, /, *args: Any, **kwargs: Any) -> Any:
        """Call the function itself: nothing is looked up, counted or stored."""
        source = _Verbs.uncached(self, *args, **kwargs)
        return streams.unheard(source, self._keys_of(args, kwargs), self._function.operation)

    def refresh(self, /, *args: Any, **kwargs: Any) -> list[Any]:
        """Run the function to its end whatever is stored, store what it yields, and return that as a list."""
        return list(super().refresh(*args, **kwargs).items)

    def peek(self, /, *args: Any, **kwargs: Any) -> Any:
        """The stored items of a call as a list, or ``MISS``. The function is never run."""
        return _listed(super().peek(*args, **kwargs))

    def store(self, value: Iterable[Any], /, *args: Any, **kwargs: Any) -> bool:
        """Store items for a call as if the function had yielded them; whether they were stored."""
        recording = _recorded(self._function, value)
        return recording is not None and super().store(recording, *args, **kwargs)

    def _answer(self, call: WarmCall) -> None:
        drive_blocking(flow.serve(self._function.call_of(self._bind(call, {}))))


def _listed(found: Any) -> Any:
    return list(found.items) if isinstance(found, Recording) else MISS


def _recorded(function: Function, items: Any) -> Recording | None:
    """The items as if the function had yielded them; ``None`` where they are too many."""
    if isinstance(items, (str, bytes)) or not isinstance(items, Iterable):
        raise TypeError(
            f"{function.label} is a generator: store takes the list of its items, not {type(items).__name__}"
        )
    return written(cast("Iterable[Any]", items), function.log())


class _Warming:
    """The calls of one warm-up, given out one by one, and how they went."""

    def __init__(self, calls: Iterable[WarmCall], concurrency: int, progress: Progress | None) -> None:
        self._calls = [_checked(call) for call in calls]
        if not isinstance(concurrency, int) or concurrency < 1:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ConfigurationError(f"concurrency={concurrency} lets nothing run; use 1 or more")
        self.workers = max(1, min(concurrency, len(self._calls)))
        self._pending = iter(self._calls)
        self._progress = progress
        self._lock = threading.Lock()
        self._hits = 0
        self._computed = 0
        self._failed: list[tuple[WarmCall, BaseException]] = []

    def __iter__(self) -> Iterator[WarmCall]:
        while True:
            with self._lock:
                call = next(self._pending, None)
            if call is None:
                return
            yield call

    def succeed(self, *, cached: bool) -> None:
        with self._lock:
            self._hits += cached
            self._computed += not cached
            self._tell()

    def fail(self, call: WarmCall, error: BaseException) -> None:
        with self._lock:
            self._failed.append((call, error))
            self._tell()

    def _tell(self) -> None:
        if self._progress is not None:
            self._progress(self._hits + self._computed + len(self._failed), len(self._calls))

    def report(self) -> WarmReport:
        return WarmReport(len(self._calls), self._computed, self._hits, tuple(self._failed))


def _checked(call: Any) -> WarmCall:
    if not isinstance(call, tuple):
        raise ConfigurationError(
            f"warm takes one tuple of arguments for each call and got a {type(call).__name__}; "
            "write f.warm([(first,), (second,)])"
        )
    return call  # pyright: ignore[reportUnknownVariableType]


def verbs_of(
    function: Function, call: Callable[..., Any], bound: tuple[Any, ...] = ()
) -> AsyncVerbs | SyncVerbs:
    """The verbs that fit a function's kind.

    Args:
        function: what they are about.
        call: calls it through the cache.
        bound: the instance or class, where ``call`` is a bound method.
    """
    return _VERBS[function.kind](function, call, bound)


_VERBS: Final[Mapping[Kind, type[AsyncVerbs | SyncVerbs]]] = {
    "async": AsyncVerbs,
    "sync": SyncVerbs,
    "async generator": AsyncStreamVerbs,
    "generator": SyncStreamVerbs,
}
