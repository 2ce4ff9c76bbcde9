"""The state of one decorated function: its options, its keys, its cache, its figures."""

import functools
import threading
import weakref
from collections.abc import Callable, Generator, Mapping
from typing import Any, Final

from askonce._forks import hold_at_fork
from askonce._logging import get_logger
from askonce._types import Clock, Entry, Recording
from askonce.backends.adapter import engine_store_of
from askonce.backends.engine import EngineStore, Names
from askonce.backends.interface import CacheInterface
from askonce.codec.shapes import NO_SHAPE, Shape
from askonce.engine import modes, streampath
from askonce.engine.call import NOTHING, Call
from askonce.engine.each import check_each, items_of, place_of_list
from askonce.engine.figures import Figures
from askonce.engine.hitpath import HitPath, Plan, admissible, build
from askonce.engine.keying import UNSAID, KeyMaker, answer_annotation
from askonce.engine.modes import Demand
from askonce.engine.naming import Identity
from askonce.engine.notes import Notes
from askonce.engine.oneshot import reusable
from askonce.engine.options import Options, check_for_generator
from askonce.engine.recording import MAX_BYTES, MAX_ITEMS, Log, Runner
from askonce.engine.registry import registry
from askonce.engine.rules import Rules
from askonce.exceptions import ConfigurationError
from askonce.isolation import isolated
from askonce.keys import TEXT_HASH_THRESHOLD
from askonce.signature import Arguments, Kind, Signature, describe, is_generator, kind_of, signature_of

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
            parts=_parts(options, self.kind),
            identity=identity,
        )
        self.path: HitPath = self._build_path(instance, drive[self.kind], method=method, clock=clock)
        self.figures = Figures(self.path.hits)
        self.notes = Notes(name)
        self.rules = Rules(
            options, self.signature, label=self.label, name=name, figures=self.figures, notes=self.notes
        )
        self.tags = self.rules.tags
        self.operation = options.operation
        self.freshness = options.freshness
        self._ask = self.ask = ask
        self._hastes = self.kind == "async" and not self.freshness.outlives
        if is_generator(self.kind):
            check_for_generator(options, self.label)
        check_each(options, self.signature, wrapped, self.label)
        # No method: a function that calls itself spends a frame less at each level.
        self.begin: Callable[[Arguments], Any] = functools.partial(self.signature.apply, wrapped)
        self.invoke: Callable[[Arguments], Any] = self.begin
        if is_generator(self.kind):
            self.invoke = Runner(self.label, self.begin, self.log).to_the_end(self.kind)
        keyed = self.signature.names if options.key is not None else self.keys.keyed
        self._copied = tuple(
            name in keyed and not (method and place == 0) for place, name in enumerate(self.signature.names)
        )
        self.joins = options.single_flight is not None
        self.leases = options.single_flight == "cluster"
        self.isolates = options.isolate
        self._store: EngineStore | None = None
        self._shape: Shape | None = None
        self._known_to: weakref.WeakSet[EngineStore] = weakref.WeakSet()
        self._minds_long_texts = False
        self._told_of_overflow = False
        self._claim_early()
        registry.add(self)

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
            and self.options.each is None
            and not callable(self.options.cache)
            and not self._identity.may_change,
        )
        if is_generator(self.kind):
            return streampath.build(plan, lambda arguments: drive(self._ask(self.call_of(arguments))))
        return build(plan, clock, self.find, drive)

    # --- its cache

    def store(self) -> EngineStore:
        """The cache of a call, as the engine sees it."""
        if modes.open_frames and (chosen := modes.chosen_cache()) is not None:
            return self._joined(engine_store_of(chosen))
        return self._store or self._bind()

    def _bind(self) -> EngineStore:
        with _binding:  # also about the look for an override, which unbinds whoever was before it
            cache = registry.chosen(self.options.cache)
            if cache is None or isinstance(cache, str):
                cache = registry.get(cache, self)
            if isinstance(cache, CacheInterface):
                store = self._joined(engine_store_of(cache))
                self.path.set_clock(store.clock)
                self._store = store
                return store
        return self._joined(engine_store_of(self._checked_cache(cache())))

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
            self._check_windows(store)
            self._claim(store.names)
            store.count(self.figures)
            self._known_to.add(store)
        return store

    def _check_windows(self, store: EngineStore) -> None:
        if not store.keeps_windows and (self.freshness.outlives or self.freshness.errors):
            raise ConfigurationError(
                f"{self.label}: its cache is a CacheInterface that knows values and times to live only, and "
                "cannot serve stale, stale_if_error, refresh_ahead or errors; use a backend of askonce, such "
                "as InMemoryCache(), or leave these options out"
            )

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

    def keys_of(self, arguments: Arguments) -> tuple[str, ...]:
        """The key of a call, or those of its items.

        Raises:
            KeyBuildError: an argument cannot take part in a key.
        """
        if self.options.each is None:
            return (self.keys.key(arguments),)
        return tuple(self.keys.item_keys(arguments, place_of_list(self), items_of(self, arguments)))

    def detach(self, arguments: Arguments) -> Arguments:
        """The arguments with copies of all data that the key is made of.

        Other arguments, and the instance of a method, are the surroundings that the function works in.
        """
        return tuple(
            isolated(value)[0] if copied else value
            for value, copied in zip(arguments, self._copied, strict=True)
        )

    # --- its answers

    @property
    def shape(self) -> Shape:
        """What may be built of its answers when they come back from elsewhere."""
        # At the first use of a tier behind memory: annotations may name what is not there at decoration.
        shape = self._shape
        if shape is None:
            shape = self._shape = self._find_shape()
        return shape

    def _find_shape(self) -> Shape:
        annotation = answer_annotation(self.wrapped)
        return NO_SHAPE if annotation is UNSAID or isinstance(annotation, str) else Shape.of(annotation)

    def tags_of(self, arguments: Arguments) -> tuple[str, ...] | None:
        """The tags of one answer, those of all included; ``None`` where the user's rule failed."""
        return self.rules.tags_of(arguments)

    def ttl_of(self, answer: Any, store: EngineStore, said: float | None = None) -> float | None:
        """How long an answer may live, in seconds; ``None`` where it is not to be stored."""
        return self.rules.ttl_of(list(answer.items) if isinstance(answer, Recording) else answer, store, said)

    def log(self) -> Log:
        """What the items of one run are written down in."""
        return Log(self.label, isolates=self.isolates, overflow=self._overflowed)

    def _overflowed(self) -> None:
        """Count a run that was too long to be stored; the log hears of the first."""
        self.figures.unrecorded += 1
        if not self._told_of_overflow:
            self._told_of_overflow = True
            get_logger().warning(
                "recording_too_large", function=self.name, max_items=MAX_ITEMS, max_bytes=MAX_BYTES
            )

    def checked(self, answer: Any) -> Any:
        """The answer, unless it can be used only once."""
        return reusable(answer, self.label)

    # --- its fast index

    def find(self, arguments: Arguments) -> tuple[Any, Flow | Call | None]:
        """Look a call up by its key: the answer and ``None``, or anything and what ``haste`` serves."""
        if modes.open_frames and (demand := modes.demand()) is not None:
            return None, self._ask(self._demanding(demand, arguments))
        store = self.store()
        if not store.enabled or self.options.each is not None:
            return None, self._ask(Call(self, store, "", arguments))
        call = Call(self, store, self.keys.key(arguments), arguments)
        entry = store.look(call.key)
        if entry is not None and not call.accepts(entry):  # an exception that is not kept any more
            entry = None
        elif entry is None:
            call.seen = call.survey() if self.freshness.outlives else NOTHING
            entry = None if call.seen.is_due else call.seen.entry
        if entry is not None:
            return call.hit(entry), None
        return None, call if self._hastes and store.quick is not None else self._ask(call)

    def call_of(self, arguments: Arguments) -> Call:
        """A call with what the contexts around it ask."""
        demand = modes.demand()
        if demand is not None:
            return self._demanding(demand, arguments)
        store = self.store()
        return Call(self, store, self._key(arguments) if store.enabled else "", arguments)

    def _key(self, arguments: Arguments) -> str:
        """The key of a call; a list of items has none, since each item has its own."""
        return "" if self.options.each is not None else self.keys.key(arguments)

    def _demanding(self, demand: Demand, arguments: Arguments) -> Call:
        """A call of which a context asks something; one that does not look into the cache needs no key."""
        store = self.store()
        looks = demand.way == "only_if_cached" or (store.enabled and demand.way != "bypass")
        return Call(self, store, self._key(arguments) if looks else "", arguments, demand)

    def admit(self, store: EngineStore, entry: Entry, arguments: Arguments) -> None:
        """Let the next call with these arguments find the entry in the index, if it is safe."""
        known = entry.index_key
        if store is not self._store:  # one of use_cache, or one that the function has left
            return
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
        if self._store is not store:  # left it meanwhile
            self.path.index.pop(index_key, None)

    def _is_indexed(self, entry: Entry, index_key: tuple[Any, ...] | None) -> bool:
        return index_key is not None and self.path.index.get(index_key) is entry

    def _refuse(self, entry: Entry, arguments: Arguments) -> None:
        """Keep an entry out of the index for good; all calls of its key have such arguments."""
        entry.index_key = REFUSED
        if not self._minds_long_texts and any(map(_is_long_text, arguments)):
            self._minds_long_texts = True
            self.path.mind_long_texts()


def _parts(options: Options, kind: Kind) -> tuple[Any, ...]:
    """What belongs to every key beside the arguments: entries of these kinds are no answers of the function.

    It may have been a plain function yesterday.
    """
    if options.each is not None:
        return *options.parts, "each", options.each
    return (*options.parts, "generator") if is_generator(kind) else options.parts


REFUSED: Final[tuple[Any, ...]] = (object(),)
"""The ``index_key`` of an entry that no fast index may have."""


def _is_long_text(argument: Any) -> bool:
    return type(argument) is str and len(argument) > TEXT_HASH_THRESHOLD
