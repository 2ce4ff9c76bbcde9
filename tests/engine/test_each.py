"""The list parameter of ``each``: taking a call apart, and putting answers to its items."""

import pytest

from askonce import ConfigurationError, InMemoryCache, cached
from askonce._types import Failure
from askonce.engine import batch
from askonce.engine.call import Call
from askonce.engine.each import checked_answers, items_of, place_of_list, single, with_items
from askonce.engine.joint import Batch, Parts
from askonce.engine.steps import Home
from askonce.flight import Flight, Flights


@pytest.fixture
def function():
    """A function whose list stands between two other parameters."""

    @cached(cache=InMemoryCache(), each="items")
    def f(first, items, *, last=3): ...

    return f.key.__self__._function


def test_the_list_is_found_wherever_it_stands(function):
    """By its name, and the other arguments stay as they are."""
    arguments = function.signature.bind("first", last="last", items=(1, 2))
    assert place_of_list(function) == 1
    assert items_of(function, arguments) == [1, 2]
    assert with_items(function, arguments, [5]) == ("first", [5], "last")


def test_a_call_for_one_item_is_the_same_from_a_list_and_a_tuple(function):
    """So that both have one key."""
    assert single(function, (1, (2,), 3)) == single(function, (1, [2], 3)) == (1, [2], 3)


def test_a_batch_has_a_call_for_each_different_item(function):
    """The keys are those of calls with one item; places say where its answer goes."""
    store = function.store()
    batch = Batch.of(Call(function, store, "", ("first", ["x", "y", "x"], 3)))
    assert [call.arguments for call in batch.calls] == [("first", ["x"], 3), ("first", ["y"], 3)]
    assert [call.key for call in batch.calls] == [function.keys.key(call.arguments) for call in batch.calls]
    assert batch.places == [0, 1, 0]


def test_what_was_found_with_the_keys_is_not_looked_up_again(function):
    """Else the order of eviction would take one use for two."""
    store = function.store()
    whole = Call(function, store, "", (1, ["x", "y"], 3))
    parts = Parts.of(whole)
    fence = store.open_fence(parts.keys[0])
    entry = store.fill(fence, "answer", 60)
    store.close_fence(fence)
    batch = Batch.of(whole, parts, {entry.key: entry})
    store.drop(entry.key)
    assert [call.survey().entry for call in batch.calls] == [entry, None]


def test_a_call_uses_what_is_there_once(function):
    """However often it names it, and also if something else is missing."""
    store = function.store()
    whole = Call(function, store, "", (1, ["x", "x", "y"], 3))
    fence = store.open_fence(Parts.of(whole).keys[0])
    entry = store.fill(fence, "answer", 60)
    store.close_fence(fence)
    flow = batch.serve(whole)
    assert isinstance(next(flow), Home)
    assert store._uses == [entry]
    flow.close()


def test_an_exception_that_was_found_is_for_nobody_who_keeps_none(function):
    """A function of the same name may have kept it."""
    store = function.store()
    whole = Call(function, store, "", (1, ["x"], 3))
    parts = Parts.of(whole)
    fence = store.open_fence(parts.keys[0])
    entry = store.fill(fence, Failure(KeyError()), 60)
    store.close_fence(fence)
    batch = Batch.of(whole, parts, {entry.key: entry})
    assert batch.calls[0].survey().entry is None


def test_the_function_is_asked_with_a_list_of_its_own(function):
    """Of the kind that was given."""
    store = function.store()
    for given in (["x", "y"], ("x", "y")):
        batch = Batch.of(Call(function, store, "", (1, given, 3)))
        assert batch.joint(batch.calls) == (1, given, 3)
        assert batch.joint(batch.calls) is not given
        assert batch.joint(batch.calls[1:]) == (1, type(given)(["y"]), 3)


def test_answers_are_put_in_a_list_of_their_own(function):
    """What the function keeps of its list does not matter any more."""
    answer = [1, 2]
    answers = checked_answers(function, answer, 2)
    assert answers == answer
    assert answers is not answer


def test_messages_name_the_function_the_reason_and_the_way_out(function):
    """For each of the refusals."""
    with pytest.raises(
        TypeError, match=r"f: each='items' wants a list or a tuple there, not str; write items="
    ):
        items_of(function, (1, "text", 3))
    with pytest.raises(
        ValueError, match=r"f has a key for each of 'items', and this call has 2 items; ask for"
    ):
        single(function, (1, [1, 2], 3))
    with pytest.raises(
        TypeError, match=r"f answered a dict for a list of 2 items; with each='items' it returns"
    ):
        checked_answers(function, {1: 2, 3: 4}, 2)
    with pytest.raises(
        ValueError, match=r"f answered 1 values for 2 items.*an exception in the place of one"
    ):
        checked_answers(function, [1], 2)


def test_a_generator_has_no_list_of_answers():
    """It is told to return one."""

    def f(items):
        yield from items

    with pytest.raises(ConfigurationError, match=r"is a generator: each= .*returns a list"):
        cached(cache=InMemoryCache(), each="items")(f)


# --- flights that one run answers


class Fence:
    broken = False


@pytest.fixture
def company():
    """Three flights that one run answers, with one caller aboard each."""
    cache = InMemoryCache()
    flights = Flights(cache.engine_store())
    company = tuple(flights.board(key, Fence)[0] for key in "abc")
    flights.tie(company)
    return flights, company


def test_a_company_is_deserted_when_the_last_one_leaves(company):
    """Until then all its flights can be joined."""
    flights, (a, b, c) = company
    cancelled = []
    for flight in (a, b, c):
        flight.cancel = lambda: cancelled.append(True)
    flights.disembark(a)
    flights.disembark(b)
    assert flights.board("a", Fence) == (a, False)
    flights.disembark(c)
    assert (cancelled, len(flights)) == ([], 3)
    flights.disembark(a)
    assert (cancelled, len(flights)) == ([True], 0)


def test_a_company_of_which_one_lasts_is_never_deserted(company):
    """Its run goes on behind those who left."""
    flights, (a, b, c) = company
    b.lasts = True
    for flight in (a, b, c):
        flight.cancel = pytest.fail
        flights.disembark(flight)
    assert len(flights) == 3


def test_a_landed_flight_leaves_its_company(company):
    """It holds none of the others."""
    flights, (a, b, _) = company
    assert a.company == b.company != (a,)
    flights.land(a, object())
    assert a.company == (a,)
    assert Flight("x", Fence()).company != b.company


def test_whoever_waits_for_one_of_a_company_waits_for_the_first(company):
    """Which is the one whose function it is."""
    flights, (a, _, c) = company
    other, _ = flights.board("other", Fence)
    a.wait_for(other)
    assert c.depends_on(other)
    assert c.depends_on(a)
    assert not other.depends_on(c)
