"""One question to one cache."""

from asyncio import AbstractEventLoop
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from askonce._types import Entry, Failure, Life, born_at, is_failure, life_of
from askonce.backends.engine import EngineStore, Fence, Reply
from askonce.codec.shapes import Shape
from askonce.engine.figures import Figures
from askonce.engine.modes import Demand
from askonce.engine.notes import Notes
from askonce.engine.record import CurrentCall
from askonce.flight import Flight, own_kept
from askonce.freshness import Freshness, Verdict, verdict
from askonce.signature import Arguments


class Source(Protocol):
    """What a call asks: a decorated function, or a factory that is given by hand."""

    figures: Figures
    notes: Notes

    @property
    def name(self) -> str:
        """What messages call it."""
        ...

    @property
    def operation(self) -> str | None:
        """The operation that it belongs to."""
        ...

    @property
    def freshness(self) -> Freshness:
        """What happens around the end of an answer's time."""
        ...

    @property
    def joins(self) -> bool:
        """Whether calls of one key share a computation."""
        ...

    @property
    def leases(self) -> bool:
        """Whether calls of one key share a computation in all processes."""
        ...

    @property
    def shape(self) -> Shape:
        """What may be built of its answers when they come back from elsewhere."""
        ...

    @property
    def isolates(self) -> bool:
        """Whether a caller may change what it gets."""
        ...

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags of all its answers."""
        ...

    def keys_of(self, arguments: Arguments) -> tuple[str, ...]:
        """The key of a call, or those of its items."""
        ...

    def detach(self, arguments: Arguments) -> Arguments:
        """The arguments with copies of all data that the key is made of."""
        ...

    def tags_of(self, arguments: Arguments) -> tuple[str, ...] | None:
        """The tags of one answer, those of all included; ``None`` where the user's rule failed."""
        ...

    @property
    def invoke(self) -> Callable[[Arguments], Any]:
        """What runs it."""
        ...

    def checked(self, answer: Any) -> Any:
        """The answer, unless it cannot be given to a second caller."""
        ...

    def ttl_of(self, answer: Any, store: EngineStore, said: float | None = None) -> float | None:
        """How long an answer may live, in seconds; ``None`` where it is not to be stored.

        ``said`` is what the function itself gave, which goes before its options.
        """
        ...

    def admit(self, store: EngineStore, entry: Entry, arguments: Arguments) -> None:
        """Have the next call find the entry faster, if it is safe."""
        ...


@dataclass(slots=True, eq=False)
class Call:
    """One question to one cache."""

    function: Source
    store: EngineStore
    key: str
    arguments: Arguments
    demand: Demand | None = None
    seen: "Survey | None" = None
    untagged: bool = False
    """Whether the rule for its tags failed: nothing may be stored that no tag would reach."""
    record: CurrentCall | None = None
    """What the function says of its answer, from when it runs."""
    renews: bool = False
    """Whether its answer is to take the place of one that others may have."""
    tags: tuple[str, ...] | None = None
    """Those that are known before the function runs, if somebody has made them already."""
    reply: Reply | None = None
    """What the tier behind memory has said already, for the first fence."""
    spare: tuple[Entry, Fence] | None = None
    """What may stand in and is in no memory, and the fence that it was found with."""

    def keys(self) -> tuple[str, ...]:
        """Its key, or those of its items, also where none was made since nothing is looked up."""
        return (self.key,) if self.key else self.function.keys_of(self.arguments)

    @property
    def now(self) -> float:
        """The clock of the cache."""
        return self.store.clock()

    @property
    def way(self) -> str | None:
        """What a context says about how the answer is got."""
        return None if self.demand is None else self.demand.way

    def detached(self) -> "Call":
        """The same question outside of contexts, with arguments that the caller cannot change any more."""
        return Call(self.function, self.store, self.key, self.function.detach(self.arguments))

    def open_fence(self) -> Fence:
        """Begin a fill, with the tags that are known before the function runs."""
        tags = self.tags
        if tags is None:
            tags = self.function.tags_of(self.arguments)
        if tags is None:
            self.untagged = True
            tags = self.function.tags
        fence = self.store.open_fence(self.key, tags)
        reply, self.reply = self.reply, None
        if reply is not None:
            fence.note, fence.spent = reply, reply.spent
        return fence

    def board(self, home: AbstractEventLoop | None, *, anew: bool) -> tuple[Flight, bool]:
        """Join the flight of the key or begin one; the second answer is whether the caller leads."""
        store = self.store
        return store.flights.board(
            self.key, self.open_fence, home=home, anew=anew, close_fence=store.close_fence
        )

    def survey(self) -> "Survey":
        """What memory has for this call: the first time what was seen just now, since chance is in it."""
        if self.seen is not None:
            seen, self.seen = self.seen, None
            return seen
        entry = self.store.look(self.key)
        if entry is not None:
            return Survey(entry) if self.accepts(entry) else NOTHING
        entry = self._windowed()
        life = None if entry is None else life_of(entry)
        if entry is None or life is None:
            return NOTHING
        survey = self._weighed(entry, life)
        return Survey(entry) if survey.is_due and self.store.flights.has(self.key) else survey

    def judged(self, entry: Entry) -> "Survey":
        """What an entry is good for that the tier behind memory had."""
        if not self.accepts(entry):
            return NOTHING
        life = life_of(entry)
        if life is None:
            return Survey(entry)
        if self.function.freshness.outlives:
            return self._weighed(entry, life)
        return Survey(entry) if self.now < life.fresh else NOTHING

    def _weighed(self, entry: Entry, life: Life) -> "Survey":
        match verdict(life, self.now, self.store.draw):
            case Verdict.SERVE:
                return Survey(entry)
            case Verdict.REFRESH:
                return Survey(entry, is_due=True)
            case Verdict.TRY:
                return Survey(fallback=entry)
            case Verdict.NOTHING:
                return NOTHING

    @property
    def asks_remote(self) -> bool:
        """Whether there is a tier behind memory, and it may answer."""
        remote = self.store.remote
        return remote is not None and remote.reachable

    def fallback(self) -> Entry | None:
        """An entry that may stand in for an answer that does not come."""
        entry = self._windowed()
        if entry is None and self.spare is not None and not self.spare[1].broken:
            entry = self.spare[0]
        life = None if entry is None else life_of(entry)
        return entry if life is not None and self.now < life.end else None

    def _windowed(self) -> Entry | None:
        if not self.function.freshness.outlives:
            return None
        entry = self.store.held(self.key)
        return entry if entry is not None and self.accepts(entry) else None

    def accepts(self, entry: Entry) -> bool:
        """Whether an entry is for this call: young enough, and no exception where none are kept."""
        if is_failure(entry) and not self.function.freshness.errors:
            return False
        if self.demand is None or self.demand.max_age is None:
            return True
        return self.now - born_at(entry) < self.demand.max_age

    def stand_in(self, entry: Entry, error: BaseException | None = None) -> Any:
        """Serve an entry in place of an answer that did not come; the call itself is counted elsewhere.

        Args:
            entry: the one that stands in.
            error: for the log, where this call is the one that failed.
        """
        if error is not None:
            self.function.notes.warn("call_failed", error)
        self._count_if_stale(entry)  # it may have been stored meanwhile
        return entry.value

    def _count_if_stale(self, entry: Entry) -> None:
        life = life_of(entry)
        if life is not None and life.fresh <= self.now:
            self.function.figures.stale += 1

    def hit(self, entry: Entry, *, admits: bool = True) -> Any:
        """Count a hit that was found by key, and answer it.

        Args:
            entry: what was found.
            admits: whether a next call is to find it faster. What was found behind memory has to be asked
                for once more before that: memory may be too small to keep it until then.

        Raises:
            Exception: the one that is stored, a copy for each caller.
        """
        self.function.figures.looked_up += 1
        self._count_if_stale(entry)
        value = entry.value
        if type(value) is Failure:
            raise own_kept(value.error)
        if admits:
            self.function.admit(self.store, entry, self.arguments)
        return value


class Survey(NamedTuple):
    """What memory has for a call.

    Attributes:
        entry: what is to be served at once.
        is_due: whether it is to be refreshed behind, and nobody is at it.
        fallback: what may stand in if nothing better comes.
    """

    entry: Entry | None = None
    is_due: bool = False
    fallback: Entry | None = None


NOTHING = Survey()
