"""One run of a function for several items of a list, each with a key, an entry and a flight of its own."""

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast

from askonce._types import Entry
from askonce.backends.engine import Fence
from askonce.engine import filling, leasing
from askonce.engine.call import Call, Survey
from askonce.engine.each import checked_answers, items_of, place_of_list, with_items
from askonce.engine.filling import Filled
from askonce.engine.function import Function
from askonce.engine.leasing import Leases
from askonce.engine.record import CurrentCall
from askonce.engine.steps import Invoke, IsAnswer, Remote, Step, Wrapped
from askonce.flight import Flight, Landing, current_flight
from askonce.isolation import isolated
from askonce.signature import Arguments


@dataclass(slots=True, eq=False)
class Batch:
    """The items of one call.

    Attributes:
        function: what is asked.
        arguments: as they were given.
        calls: one for each different item, in order.
        places: for each item its place among the calls.
        led: keys of items for which it has begun a flight: it counts as one that computes these, whatever it
            waits for after that.
        patient: whether a run that somebody cancelled is begun once more.
    """

    function: Function
    arguments: Arguments
    calls: list[Call] = field(default_factory=list[Call])
    places: list[int] = field(default_factory=list[int])
    led: set[str] = field(default_factory=set[str])
    patient: bool = True

    @classmethod
    def of(cls, whole: Call, parts: "Parts | None" = None, found: Mapping[str, Entry] = {}) -> "Batch":
        """Take a call apart.

        Args:
            whole: the call.
            parts: its items and their keys, where they are known already.
            found: entries that were looked up just now.

        Raises:
            TypeError: what should be a list is none.
            KeyBuildError: an item has no key.
        """
        function = cast("Function", whole.function)
        batch = cls(function, whole.arguments)
        known: dict[str, int] = {}
        position = place_of_list(function)
        before, after = whole.arguments[:position], whole.arguments[position + 1 :]
        for item, key in zip(*(parts or Parts.of(whole)), strict=True):
            place = known.setdefault(key, len(known))
            if place == len(batch.calls):
                call = Call(function, whole.store, key, (*before, [item], *after), whole.demand)
                entry = found.get(key)
                if entry is not None and call.accepts(entry):
                    call.seen = Survey(entry)
                batch.calls.append(call)
            batch.places.append(place)
        return batch

    def detached(self, calls: list[Call]) -> tuple["Batch", list[Call]]:
        """The same for some of the items, outside of contexts, with arguments that nobody else changes."""
        batch = Batch(self.function, self.arguments)
        own = [Call(call.function, call.store, call.key, call.arguments) for call in calls]
        batch.detach(own)
        return batch, own

    def detach(self, calls: list[Call]) -> None:
        """Take copies of what the caller might change: once of what the items share, and of each item."""
        place = place_of_list(self.function)
        items = [isolated(call.arguments[place][0])[0] for call in calls]
        empty: Any = () if isinstance(self.arguments[place], tuple) else []
        self.arguments = self.function.detach(with_items(self.function, self.arguments, empty))
        for call, item in zip(calls, items, strict=True):
            call.arguments = with_items(self.function, self.arguments, [item])

    def joint(self, calls: list[Call]) -> Arguments:
        """The arguments of a call for some of the items: a list or a tuple, as it was given."""
        place = place_of_list(self.function)
        items = [call.arguments[place][0] for call in calls]
        given = self.arguments[place]
        return with_items(self.function, self.arguments, tuple(items) if isinstance(given, tuple) else items)


class Parts(NamedTuple):
    """The items of a call, and the key of each."""

    items: list[Any]
    keys: list[str]

    @classmethod
    def of(cls, whole: Call) -> "Parts":
        """Make the keys.

        Raises:
            TypeError: what should be a list is none.
            KeyBuildError: an item has no key.
        """
        function = cast("Function", whole.function)
        items = items_of(function, whole.arguments)
        return cls(items, function.keys.item_keys(whole.arguments, place_of_list(function), items))


@dataclass(slots=True, eq=False)
class Seat:
    """A caller's place in the flight of one item."""

    call: Call
    flight: Flight
    leads: bool


def tie(led: list[Seat]) -> None:
    """Have one run answer several flights."""
    led[0].call.store.flights.tie(tuple(seat.flight for seat in led))


def give_up(seats: list[Seat]) -> None:
    """End what will not be answered."""
    for seat in reversed(seats):
        filling.give_up(seat.call, seat.flight)


def work(batch: Batch, led: list[Seat], *, behind: bool = False) -> Generator[Step, Any, None]:
    """Run the function for some items, store what it answers to each, and land them all."""
    leases = Leases()
    led = list(led)
    try:
        yield from _prepared(led, leases, behind=behind)
        if not led:
            return
        answers, cost = yield from _run(batch, led, behind=behind)
        landings = yield from _landings(led, answers, cost, behind=behind)
    except GeneratorExit:
        raise
    except BaseException as error:
        if not (yield IsAnswer(error)):
            # Cancelled, and not for want of callers: the leader's to raise, the others lead anew.
            if behind:
                batch.function.notes.warn("refresh_abandoned", error)
            _land(led, [Landing(error=error, traceback=error.__traceback__, retry=True)] * len(led))
            raise
        own = error.error if isinstance(error, Wrapped) else error
        landings = yield from _landings(led, [own] * len(led), 0.0, behind=behind)
    finally:
        leases.end()
    if behind:
        batch.function.figures.refreshed += len(led)
    _land(led, landings)
    if behind:
        filling.pass_on(landings[0])


def _prepared(led: list[Seat], leases: Leases, *, behind: bool) -> Generator[Step, Any, None]:
    """Do what comes before the run; whom somebody else answers is landed, and led no more."""
    first = led[0].call
    if first.renews and first.asks_remote:
        yield Remote(first.store, "observe", ([filling.fence_of(seat.flight) for seat in led],))
    if not leasing.wants(first):
        return
    for seat in sorted(led, key=_key):  # in one order everywhere, so that no two runs wait for each other
        call, flight = seat.call, seat.flight
        survey, is_denied = yield from leasing.take(call, filling.fence_of(flight), leases, wait=not behind)
        if survey.entry is not None or is_denied:
            led.remove(seat)
            _go_on(led)
        if survey.entry is not None:
            filling.land_with(call, flight, survey.entry)
        elif is_denied:
            filling.give_up(call, flight)
    leases.enter()


def _key(seat: Seat) -> str:
    return seat.call.key


def _go_on(led: list[Seat]) -> None:
    """Have the run be that of the flights that are left, the first of which may be another one now."""
    if led:
        tie(led)
        current_flight.set(led[0].flight)


def _land(led: list[Seat], landings: list[Landing]) -> None:
    for seat, landing in reversed(list(zip(led, landings, strict=True))):  # the first one wakes the leader
        filling.land(seat.call, seat.flight, landing)


def _run(batch: Batch, led: list[Seat], *, behind: bool) -> Generator[Step, Any, tuple[list[Any], float]]:
    """One answer for each item, and the seconds that they took together."""
    function, calls = batch.function, [seat.call for seat in led]
    if not behind:
        function.figures.computed += len(led)
    record = CurrentCall(tuple(call.key for call in calls), function.operation)
    for call in calls:
        call.record = record
    started = calls[0].now
    try:
        answer = yield Invoke(function, batch.joint(calls), record)
    finally:
        record.end()
    answers = checked_answers(function, function.checked(answer), len(led))
    return answers, calls[0].now - started


def _landings(
    led: list[Seat], answers: list[Any], cost: float, *, behind: bool
) -> Generator[Step, Any, list[Landing]]:
    """Store the answers, each under its own rules; an exception is the failure of its item."""
    landings: list[Landing] = []
    stored: list[tuple[Call, Fence, Filled]] = []
    told = False  # the log hears of a run once
    for seat, answer in zip(led, answers, strict=True):
        call, fence = seat.call, filling.fence_of(seat.flight)
        value = _checked(call, answer)
        if isinstance(value, BaseException):
            call.function.figures.errors += isinstance(value, Exception)
            lost = behind or filling.is_left(seat.flight)
            landing = filling.failed(call, fence, value, behind=lost and not told)
            told = told or lost
        else:
            landing, filled = filling.fill(call, fence, value, call.record, cost)
            if filled is not None:
                stored.append((call, fence, filled))
        landings.append(landing)
    if stored:
        yield from filling.write_many(stored)
    return landings


def _checked(call: Call, answer: Any) -> Any:
    """An answer, or what is wrong with it."""
    try:
        return call.function.checked(answer)
    except TypeError as error:
        return error
