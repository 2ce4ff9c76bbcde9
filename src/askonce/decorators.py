"""``cached`` and ``ai_cached``."""

import difflib
import functools
import inspect
import time
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Callable,
    Collection,
    Coroutine,
    Generator,
    Iterable,
    Iterator,
    Mapping,
)
from typing import Any, Final, Literal, ParamSpec, TypeVar, cast, overload

from askonce._protocols import (
    AsyncCachedFunction,
    AsyncStreamFunction,
    CachedDecorator,
    CachedFunction,
    StreamFunction,
)
from askonce._types import Ttl
from askonce.backends.interface import CacheInterface
from askonce.engine import batch, flow, streams
from askonce.engine.call import Call
from askonce.engine.drivers import drive_blocking
from askonce.engine.function import Drive, Flow, Function
from askonce.engine.haste import serve
from askonce.engine.naming import identity_of
from askonce.engine.options import Options, check_text_or_number
from askonce.methods import CachedCallable, CachedMethod, cached_method
from askonce.signature import Kind, describe, kind_of, parameters_of
from askonce.verbs import VERBS, AsyncVerbs, SyncVerbs, verbs_of

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S")
T = TypeVar("T")

AI_OPERATION_TTLS: Final[Mapping[str, float]] = {"summarize": 7200.0, "sentiment": 86400.0, "qa": 1800.0}
"""How long ``ai_cached`` keeps the answers of these operations, in seconds, where nothing else says."""

_OPTIONS: Final = (
    "operation", "name", "ttl", "cache", "key", "ignore", "version", "tags", "stale", "stale_if_error",
    "retry_after", "refresh_ahead", "jitter", "timeout", "store_if", "errors", "single_flight", "each",
    "isolate",
)  # fmt: skip
_AI_OPTIONS: Final = (*_OPTIONS, "model", "prompt_version")


@overload
def cached(  # type: ignore[overload-overlap]  # the order decides
    function: Callable[P, Coroutine[Any, Any, R]], /
) -> AsyncCachedFunction[P, R]: ...
@overload
def cached(  # type: ignore[overload-overlap]
    function: Callable[P, AsyncGenerator[T, S]], /
) -> AsyncStreamFunction[P, AsyncGenerator[T, S], T]: ...
@overload
def cached(  # type: ignore[overload-overlap]
    function: Callable[P, AsyncIterator[T]], /
) -> AsyncStreamFunction[P, AsyncIterator[T], T]: ...
@overload
def cached(  # type: ignore[overload-overlap]
    function: Callable[P, Generator[T, S, R]], /
) -> StreamFunction[P, Generator[T, S, R], T]: ...
@overload
def cached(  # type: ignore[overload-overlap]
    function: Callable[P, Iterator[T]], /
) -> StreamFunction[P, Iterator[T], T]: ...
@overload
def cached(function: Callable[P, R], /) -> CachedFunction[P, R]: ...
@overload
def cached(
    *,
    operation: str | None = None,
    name: str | None = None,
    ttl: Ttl | Callable[[Any], Ttl | None] | None = None,
    cache: CacheInterface | str | Callable[[], CacheInterface] | None = None,
    key: str | Callable[..., Any] | None = None,
    ignore: Collection[str] = (),
    version: int | str | None = None,
    tags: Collection[str] | Callable[..., Iterable[str]] = (),
    stale: Ttl | None = None,
    stale_if_error: Ttl | None = None,
    retry_after: Ttl | None = None,
    refresh_ahead: bool | float = False,
    jitter: float | None = None,
    timeout: Ttl | None = None,
    store_if: Callable[[Any], bool] | None = None,
    errors: Mapping[type[Exception], Ttl] | None = None,
    single_flight: Literal["process", "cluster"] | None = "process",
    each: str | None = None,
    isolate: bool = True,
) -> CachedDecorator: ...
def cached(function: Any = None, /, **options: Any) -> Any:
    """Keep the answers of a function, a coroutine function, a method, or a callable object.

    Args:
        function: what is decorated; left out where options are given.
        **options: all by keyword. ``operation``: logical name that picks the ttl. ``name``: the function's
            identity in keys, module and qualified name if left out. ``ttl``: seconds, ``timedelta``,
            ``"15m"``, ``FOREVER`` or a callable of the answer. ``cache``: a cache, the name of a registered
            one, or a callable that returns one; the process default if left out. ``key``: a template or a
            callable of the arguments that replaces them in the key. ``ignore``: names of parameters that
            take no part in the key. ``version``: part of the key. ``tags``: templates, or a callable of the
            arguments, for group invalidation. ``stale``: time after the ttl in which a stale value is served
            at once while a refresh runs behind. ``stale_if_error``: time after the ttl in which a stale value
            stands in for a function that raises. ``retry_after``: rest after a try that failed, 5 s if left
            out. ``refresh_ahead``: ``True`` or a weight: early refreshes, the earlier the dearer the call
            (XFetch). ``jitter``: largest random share that is added to a ttl, up to 1. ``timeout``: how long
            a caller waits that has a stale value to fall back on. ``store_if``: predicate of the answer.
            ``errors``: exceptions that are kept and raised again, with the ttl of each class.
            ``single_flight``: ``"process"``, one computation of a key at a time in this process;
            ``"cluster"``, one in all processes that share a Redis (with a cache that has none the same as
            ``"process"``); ``None``, every call for itself. ``each``: the list parameter whose items are
            cached one by one. ``isolate``: whether callers may change what they get without changing what
            others get.

    Returns:
        The function with its own signature and kind, and the verbs (``invalidate``, ``refresh``, ``peek``,
        ``store``, ``key``, ``invalidate_all``, ``cache_info``, ``uncached``, ``warm``, ``explain``).

    Raises:
        ConfigurationError: an option cannot work.
        TypeError: there is no such option, or what is decorated cannot be cached.
    """
    if function is None:
        return functools.partial(_decorate, options=_options("cached", _OPTIONS, options))
    return _decorate(function, _options("cached", _OPTIONS, options))


@overload
def ai_cached(  # type: ignore[overload-overlap]  # the order decides
    function: Callable[P, Coroutine[Any, Any, R]], /
) -> AsyncCachedFunction[P, R]: ...
@overload
def ai_cached(  # type: ignore[overload-overlap]
    function: Callable[P, AsyncGenerator[T, S]], /
) -> AsyncStreamFunction[P, AsyncGenerator[T, S], T]: ...
@overload
def ai_cached(  # type: ignore[overload-overlap]
    function: Callable[P, AsyncIterator[T]], /
) -> AsyncStreamFunction[P, AsyncIterator[T], T]: ...
@overload
def ai_cached(  # type: ignore[overload-overlap]
    function: Callable[P, Generator[T, S, R]], /
) -> StreamFunction[P, Generator[T, S, R], T]: ...
@overload
def ai_cached(  # type: ignore[overload-overlap]
    function: Callable[P, Iterator[T]], /
) -> StreamFunction[P, Iterator[T], T]: ...
@overload
def ai_cached(function: Callable[P, R], /) -> CachedFunction[P, R]: ...
@overload
def ai_cached(
    *,
    operation: str | None = None,
    name: str | None = None,
    ttl: Ttl | Callable[[Any], Ttl | None] | None = None,
    cache: CacheInterface | str | Callable[[], CacheInterface] | None = None,
    key: str | Callable[..., Any] | None = None,
    ignore: Collection[str] = (),
    version: int | str | None = None,
    tags: Collection[str] | Callable[..., Iterable[str]] = (),
    stale: Ttl | None = None,
    stale_if_error: Ttl | None = None,
    retry_after: Ttl | None = None,
    refresh_ahead: bool | float = False,
    jitter: float | None = None,
    timeout: Ttl | None = None,
    store_if: Callable[[Any], bool] | None = None,
    errors: Mapping[type[Exception], Ttl] | None = None,
    single_flight: Literal["process", "cluster"] | None = "process",
    each: str | None = None,
    isolate: bool = True,
    model: str | None = None,
    prompt_version: int | str | None = None,
) -> CachedDecorator: ...
def ai_cached(function: Any = None, /, **options: Any) -> Any:
    """Keep the answers of a language model; ``cached`` with what such answers need.

    Args:
        function: what is decorated; left out where options are given.
        **options: those of ``cached``, and two more that are part of every key: ``model`` and
            ``prompt_version``. ``operation`` knows how long the answers of common operations keep, see
            ``AI_OPERATION_TTLS``.

    Returns:
        As ``cached``.

    Raises:
        ConfigurationError: an option cannot work.
        TypeError: there is no such option, or what is decorated cannot be cached.
    """
    if function is None:
        return functools.partial(_decorate, options=_options("ai_cached", _AI_OPTIONS, options))
    return _decorate(function, _options("ai_cached", _AI_OPTIONS, options))


def _options(decorator: str, known: tuple[str, ...], given: dict[str, Any]) -> Options:
    """Check what can be checked without the function."""
    for name in given:
        if name not in known:
            raise TypeError(_unknown_option(decorator, name, known))
    given = dict(given)
    model, prompt_version = given.pop("model", None), given.pop("prompt_version", None)
    if decorator == "ai_cached":
        check_text_or_number(model, "model")
        check_text_or_number(prompt_version, "prompt_version")
        given |= {"parts": ("ai", model, prompt_version), "operation_ttls": AI_OPERATION_TTLS}
    return Options(**given)


def _unknown_option(decorator: str, name: str, known: tuple[str, ...]) -> str:
    close = [_ELSEWHERE[name]] if name in _ELSEWHERE else difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]!r}? Its" if close else "its"
    return f"{decorator}() has no option {name!r}; {hint} options are {', '.join(known)}"


_ELSEWHERE: Final[Mapping[str, str]] = {
    "backend": "cache",
    "exclude": "ignore",
    "expire": "ttl",
    "expires": "ttl",
    "grace": "stale_if_error",
    "key_builder": "key",
    "key_func": "key",
    "max_age": "ttl",
    "namespace": "name",
    "stale_while_revalidate": "stale",
    "swr": "stale",
    "timeout_soft": "timeout",
    "ttl_jitter": "jitter",
}
"""What other caches call these options."""


def _decorate(target: Any, options: Options) -> Any:
    if isinstance(target, staticmethod):
        function = cast("Any", target).__func__
        return staticmethod(_decorate_function(function, options, method=False)[0])
    if isinstance(target, classmethod):
        return _decorate_method(cast("Any", target).__func__, options, binds_class=True)
    if not callable(target) or isinstance(target, type):
        raise TypeError(_not_cacheable(target))
    if options.name is None and _is_cached(target):
        raise TypeError(f"{describe(target)} is cached already; decorate it once, or give this one a name=")
    if inspect.isfunction(target) and _is_in_class_body(target):
        return _decorate_method(target, options, binds_class=False)
    call, _ = _decorate_function(target, options, method=False)
    if inspect.isroutine(target) or isinstance(target, functools.partial):
        return call
    return CachedCallable(target, call)


def _not_cacheable(target: Any) -> str:
    if isinstance(target, type):
        rest = " that makes instances of the class"
    else:
        rest = ", and give options by name: @cached(ttl=...)"
    return f"{target!r} cannot be cached; decorate a function, a method or a callable object{rest}"


def _is_cached(target: Any) -> bool:
    explain = getattr(target, "explain", None)
    return isinstance(getattr(explain, "__self__", None), (AsyncVerbs, SyncVerbs))


def _is_in_class_body(function: Any) -> bool:
    scope, dot, _ = function.__qualname__.rpartition(".")
    return bool(dot) and not scope.endswith("<locals>")


def _decorate_method(target: Any, options: Options, *, binds_class: bool) -> CachedMethod:
    names = [parameter.name for parameter in parameters_of(target)]
    # Under an outer @staticmethod or @classmethod the first parameter is no instance.
    takes_instance = not binds_class and names[:1] == ["self"] and options.key is None
    instance = "self" if takes_instance and "self" not in options.ignore else None
    call, function = _decorate_function(target, options, method=True, instance=instance)
    return cached_method(call, function, instance=instance, binds_class=binds_class)


def _decorate_function(
    target: Any, options: Options, *, method: bool, instance: str | None = None
) -> tuple[Any, Function]:
    identity = identity_of(target, options.name)
    function = Function(
        target,
        options,
        identity=identity,
        instance=instance,
        method=method,
        ask=batch.serve if options.each is not None else _ASK[kind_of(target)],
        drive=_DRIVE,
        clock=time.monotonic,
    )
    return _dressed(function), function


def _dressed(function: Function) -> Any:
    """The generated wrapper with the looks of the original, and the verbs."""
    call: Any = functools.update_wrapper(function.path.call, function.wrapped)
    if not hasattr(function.wrapped, "__name__"):  # a partial, a callable object
        call.__name__ = call.__qualname__ = describe(function.wrapped)
    verbs = verbs_of(function, call)
    for name in VERBS:
        setattr(call, name, getattr(verbs, name))
    return call


_ASK: Final[Mapping[Kind, Callable[[Call], Flow]]] = {
    "async": flow.serve,
    "sync": flow.serve,
    "async generator": streams.play,
    "generator": streams.play,
}
_DRIVE: Final[Mapping[Kind, Drive]] = {
    "async": serve,
    "sync": drive_blocking,
    "async generator": streams.AsyncRun,
    "generator": streams.run,
}
