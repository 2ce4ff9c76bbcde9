"""The state of one decorated function: its options, its keys, its cache, its figures."""

import asyncio
import functools
import threading
import weakref
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from datetime import timedelta
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import Any, Final, cast

from askonce._forks import hold_at_fork
from askonce._logging import get_logger
from askonce._types import Clock, Entry, Ttl
from askonce.backends.adapter import engine_store_of
from askonce.backends.engine import EngineStore, Names
from askonce.backends.interface import CacheInterface
from askonce.engine.call import Call
from askonce.engine.figures import Figures
from askonce.engine.hitpath import HitPath, Plan, admissible, build
from askonce.engine.keying import KeyMaker
from askonce.engine.naming import Identity
from askonce.engine.options import Options
from askonce.engine.registry import registry
from askonce.exceptions import ConfigurationError
from askonce.keys import TEXT_HASH_THRESHOLD
from askonce.signature import Arguments, Kind, Signature, describe, kind_of, signature_of
from askonce.ttl import parse_ttl

Flow = Generator[Any, Any, Any]
Drive = Callable[[Flow], Any]
"""Carries out a flow."""


_binding = threading.RLock()
hold_at_fork(_binding)


class Function:
    """A function and all that its decorator knows of it.

    Attributes:
        wrapped: the function itself.
        kind: whether it is awaited.
        signature: its parameters.
        name: its identity in keys.
        keys: makes its keys.
        path: the generated wrapper and its index.
        figures: what happened so far.
    """

    def __init__(
        self,
        wrapped: Callable[..., Any],
        options: Options,
        *,
        identity: Identity,
        instance: str | None,
        method: bool,
        ask: Callable[[Call], Flow],
        drive: Mapping[Kind, Drive],
        clock: Clock,
    ) -> None:
        self.wrapped = wrapped
        self.options = options
        self.kind: Kind = kind_of(wrapped)
        self.signature: Signature = signature_of(wrapped)
        self._identity = identity
        self.name = name = identity.name
        self.label = describe(wrapped)
        self.keys = KeyMaker(
            wrapped,
            self.signature,
            key=options.key,
            ignore=options.ignore,
            version=options.version,
            instance=instance,
            method=method,
            parts=options.parts,
            identity=identity,
        )
        self.tags = (f"askonce.function:{name}", f"askonce.operation:{options.operation or name}")
        self.path: HitPath = self._build_path(instance, drive[self.kind], method=method, clock=clock)
        self.figures = Figures(self.path.hits)
        self._ask = ask
        # No method: a function that calls itself spends a frame less at each level.
        self.invoke: Callable[[Arguments], Any] = functools.partial(self.signature.apply, wrapped)
        self.joins = options.single_flight is not None
        self.isolates = options.isolate
        self._ttl = _ttl_rule(options.ttl, self.label)
        self._store: EngineStore | None = None
        self._known_to: weakref.WeakSet[EngineStore] = weakref.WeakSet()
        self._minds_long_texts = False
        self._claim_early()

    def _build_path(
        self,
        instance: str | None,
        drive: Drive,
        *,
        method: bool,
        clock: Clock,
    ) -> HitPath:
        keyed = frozenset(self.keys.keyed)
        plan = Plan(
            kind=self.kind,
            name=getattr(self.wrapped, "__name__", type(self.wrapped).__name__),
            parameters=self.signature.parameters,
            keyed=keyed,
            method=method,
            identity=instance if instance in keyed else None,
            # A callable for cache= may answer another cache at every call, key= another value, and what
            # a function is bound to may change.
            indexed=self.options.key is None
            and not callable(self.options.cache)
            and not self._identity.may_change,
        )
        return build(plan, clock, self.find, drive)

    # --- its cache

    def store(self) -> EngineStore:
        """The cache of a call, as the engine sees it."""
        return self._store or self._bind()

    def _bind(self) -> EngineStore:
        cache = self.options.cache
        if callable(cache) and not isinstance(cache, CacheInterface):
            return self._joined(engine_store_of(self._checked_cache(cache())))
        with _binding:
            if not isinstance(cache, CacheInterface):
                cache = registry.get(cache, self)
            store = self._joined(engine_store_of(cache))
            self.path.set_clock(store.clock)
            self._store = store
        return store

    def _claim_early(self) -> None:
        """Refuse a name that another function has, as far as the cache is known at decoration."""
        cache = self.options.cache
        if isinstance(cache, CacheInterface):
            self._claim(engine_store_of(cache).names)
        elif not callable(cache):
            self._claim(registry.names(cache))
            built = registry.built(cache)
            if built is not None:
                self._claim(engine_store_of(built).names)

    def _claim(self, names: Names) -> None:
        if not self._identity.unique:  # a table of names that nobody else can have would only grow
            names.claim(self.name, self._identity.owner)

    def _joined(self, store: EngineStore) -> EngineStore:
        if store not in self._known_to:
            self._claim(store.names)
            store.count(self.figures)
            self._known_to.add(store)
        return store

    def _checked_cache(self, cache: Any) -> CacheInterface:
        if not isinstance(cache, CacheInterface):
            raise ConfigurationError(
                f"{self.label}: what cache= answered, {cache!r}, is no cache; "
                "let it answer a backend such as InMemoryCache()"
            )
        return cache

    def unbind(self) -> None:
        """Ask for the cache again at the next call; views of the old one are gone."""
        with _binding:
            self._store = None
            self.path.index.clear()

    # --- its answers

    def ttl_of(self, answer: Any, store: EngineStore) -> float | None:
        """How long an answer may live, in seconds; ``None`` where it is not to be stored.

        A rule of the user's that fails costs the entry, never the answer.
        """
        try:
            if self.options.store_if is not None and not self.options.store_if(answer):
                return None
            return self._seconds(answer, store)
        except Exception as error:  # noqa: BLE001  the rules are the user's code
            self.figures.errors += 1
            get_logger().warning("store_rule_failed", function=self.name, error=type(error).__name__)
            return None

    def _seconds(self, answer: Any, store: EngineStore) -> float | None:
        ttl = self._ttl
        if callable(ttl):
            given = ttl(answer)
            if isinstance(given, timedelta):
                given = given.total_seconds()
            if isinstance(given, (int, float)) and given <= 0:
                return None
            if given is not None:
                return parse_ttl(given, f"{self.label}: what ttl= answered")
        elif ttl is not None:
            return ttl
        return self._operation_ttl(store)

    def _operation_ttl(self, store: EngineStore) -> float:
        operation = self.options.operation
        if operation is None:
            return store.default_ttl
        for table in (store.operation_ttls, self.options.operation_ttls or {}):
            if operation in table:
                return table[operation]
        return store.default_ttl

    def checked(self, answer: Any) -> Any:
        """The answer, unless it can be used only once."""
        return reusable(answer, self.label)

    # --- its fast index

    def find(self, arguments: Arguments) -> tuple[Any, Flow | None]:
        """Look a call up by its key: the answer and ``None``, or anything and the flow that serves it."""
        store = self._store or self._bind()
        if not store.enabled:
            return None, self._ask(Call(self, store, "", arguments))
        call = Call(self, store, self.keys.key(arguments), arguments)
        entry = store.look(call.key)
        return (None, self._ask(call)) if entry is None else (call.hit(entry), None)

    def admit(self, store: EngineStore, entry: Entry, arguments: Arguments) -> None:
        """Let the next call with these arguments find the entry in the index, if it is safe."""
        known = entry.index_key
        if known is REFUSED or self.path.index_key is None or self._is_indexed(entry, known):
            return
        try:
            index_key = self.path.index_key(arguments)
        except Exception:  # noqa: BLE001  a __cache_key__ of the user's, which the key itself has called
            return
        if index_key is None or not admissible(index_key):
            self._refuse(entry, arguments)
            return
        store.admit(entry, self.path.index, index_key)
        if self._store is not store:  # no view of a cache that the function has left
            self.path.index.pop(index_key, None)

    def _is_indexed(self, entry: Entry, index_key: tuple[Any, ...] | None) -> bool:
        return index_key is not None and self.path.index.get(index_key) is entry

    def _refuse(self, entry: Entry, arguments: Arguments) -> None:
        """Keep an entry out of the index for good; all calls of its key have such arguments."""
        entry.index_key = REFUSED
        if not self._minds_long_texts and any(map(_is_long_text, arguments)):
            self._minds_long_texts = True
            self.path.mind_long_texts()


REFUSED: Final[tuple[Any, ...]] = (object(),)
"""The ``index_key`` of an entry that no fast index may have."""


def reusable(answer: Any, where: str) -> Any:
    """Refuse an answer that the first caller would use up.

    Raises:
        TypeError: it is a coroutine, another awaitable, or an iterator.
    """
    if not _is_used_up_by_use(answer):
        return answer
    if isinstance(answer, CoroutineType):
        answer.close()  # nobody will await it
    name = type(cast("Any", answer)).__name__
    raise TypeError(f"{where} returned a {name}, which can be used only once; {_FIX}")


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
_FIX = (
    "declare the function async def, so that its result is awaited and cached, or return the items as a list"
)


def _is_long_text(argument: Any) -> bool:
    return type(argument) is str and len(argument) > TEXT_HASH_THRESHOLD


def _ttl_rule(
    ttl: Ttl | Callable[[Any], Ttl | None] | None, where: str
) -> float | Callable[[Any], Ttl | None] | None:
    if ttl is None or callable(ttl):
        return ttl
    return parse_ttl(ttl, f"{where}: ttl")
