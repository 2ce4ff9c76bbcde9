"""Who leads, who joins, who waits for whom."""

import asyncio
import contextvars
import gc
import threading
import weakref

import pytest

from askonce.backends.engine import Fence
from askonce.flight import Flight, Flights, Landing, current_flight, table


class Cache:
    """What a table needs of its cache."""

    def hold(self):
        pass

    def release(self, *, child):
        pass


class Ticket:
    woken = 0

    def wake(self):
        self.woken += 1


@pytest.fixture
def cache():
    return Cache()


@pytest.fixture
def flights(cache):
    return Flights(cache)


def board(flights, key="k", **options):
    return flights.board(key, lambda: Fence(key, (), 0), **options)


def inside(flight, do, *args):
    """Do something as the function of a flight would."""

    def run():
        current_flight.set(flight)
        return do(*args)

    return contextvars.copy_context().run(run)


def test_the_first_leads_and_the_rest_join(flights):
    """One flight for a key, and another one for another key."""
    first, leads = board(flights)
    assert (leads, board(flights), board(flights, "other")[1]) == (True, (first, False), True)
    assert (first.aboard, len(flights)) == (2, 2)
    assert "k" in flights
    assert "none" not in flights


def test_a_flight_that_landed_is_joined_no_more(flights):
    """Whoever comes after the landing leads; those aboard are woken once."""
    flight, _ = board(flights)
    ticket = Ticket()
    assert flight.expect(ticket)
    flights.land(flight, Landing("answer"))
    flights.land(flight, Landing("another"))
    assert (flight.landing.value, ticket.woken, len(flights)) == ("answer", 1, 0)
    assert not flight.expect(Ticket())
    assert board(flights)[1]


def test_nobody_is_woken_before_the_flight_is_gone(flights):
    """Whoever is woken and asks again at once leads; it does not meet the flight that woke it."""
    flight, _ = board(flights)
    seen = []

    class Asks:
        def wake(self):
            seen.append(board(flights)[1])

    flight.expect(Asks())
    flights.land(flight, Landing())
    assert seen == [True]


def test_a_ticket_that_was_given_back_is_not_woken(flights):
    """Giving it back twice, or after the landing, does no harm."""
    flight, _ = board(flights)
    ticket = Ticket()
    flight.expect(ticket)
    flight.give_back(ticket)
    flights.land(flight, Landing())
    flight.give_back(ticket)
    assert ticket.woken == 0


def test_a_broken_fence_ends_the_joining(flights):
    """The old flight goes on for those aboard; its landing does not touch the new one."""
    old, _ = board(flights)
    old.fence.broken = True
    new, leads = board(flights)
    assert leads
    flights.land(old, Landing())
    assert board(flights) == (new, False)


def test_anew_begins_a_flight_and_breaks_the_other(flights):
    """Even where another could be joined, whose answer is then out of date."""
    old, _ = board(flights)
    new, leads = board(flights, anew=True)
    assert leads
    assert (old.fence.broken, new.fence.broken) == (True, False)
    assert board(flights) == (new, False)


def test_the_last_to_leave_cancels(flights):
    """Not one before; and not where the flight has landed."""
    cancelled = []
    flight, _ = board(flights)
    board(flights)
    flight.cancel = lambda: cancelled.append(flight)
    flights.disembark(flight)
    assert (cancelled, "k" in flights) == ([], True)
    flights.disembark(flight)
    assert (cancelled, "k" in flights) == ([flight], False)

    landed, _ = board(flights)
    landed.cancel = lambda: cancelled.append(landed)
    flights.land(landed, Landing())
    flights.disembark(landed)
    assert cancelled == [flight]


def test_a_landing_is_let_go_with_the_last_caller(flights):
    """Nobody needs the answer any more, however long somebody holds the flight."""
    flight, _ = board(flights)
    board(flights)
    flights.land(flight, Landing("answer"))
    flights.disembark(flight)
    assert flight.landing.value == "answer"
    flights.disembark(flight)
    assert flight.landing == Landing()


def test_the_home_is_known_from_the_start(flights):
    """Whoever joins knows which loop carries the flight, before any work began."""
    loop = asyncio.new_event_loop()
    assert board(flights, home=loop)[0].home is loop
    assert board(flights)[0].home is loop  # the joiner's own is nobody's concern
    loop.close()


def test_a_circle_is_refused_and_leaves_nothing(flights):
    """The function f waits for g, and g asks for f."""
    f, _ = board(flights, "f")
    g, _ = inside(f, board, flights, "g")
    with pytest.raises(RecursionError, match="'f'"):
        inside(g, board, flights, "f")
    assert (f.aboard, g.waits_for) == (1, {})


def test_a_wait_that_is_over_closes_no_circle(flights):
    """The function f has waited for g, and does not any more, when g asks for f."""
    f, _ = board(flights, "f")
    g, _ = inside(f, board, flights, "g")
    inside(f, flights.disembark, g)
    board(flights, "g")
    assert inside(g, board, flights, "f") == (f, False)


def test_of_two_waits_for_one_flight_the_second_still_counts(flights):
    """The function f asks for g twice at once, in tasks of its own, and only one has its answer."""
    f, _ = board(flights, "f")
    g, _ = inside(f, board, flights, "g")
    assert inside(f, board, flights, "g") == (g, False)
    inside(f, flights.disembark, g)
    with pytest.raises(RecursionError):
        inside(g, board, flights, "f")
    inside(f, flights.disembark, g)
    assert f.waits_for == {}


class Counted(Flight):
    """Counts how often one is compared to another."""

    compared = 0

    def __eq__(self, other):
        Counted.compared += 1
        return self is other

    def __hash__(self):
        return id(self)


def test_a_function_that_waits_for_many_searches_none_of_them(flights, monkeypatch):
    """A batch inside a cached function: each item is boarded and left under the lock of all caches."""
    monkeypatch.setattr(table, "Flight", Counted)
    f, _ = board(flights, "f")
    many = [inside(f, board, flights, str(number))[0] for number in range(1000)]
    assert len(f.waits_for) == 1000
    before = Counted.compared
    for flight in many:
        inside(f, flights.disembark, flight)
    assert Counted.compared - before < 1000
    assert f.waits_for == {}


def test_a_landed_flight_closes_no_circle(flights):
    """Here f waits for g, which has just landed while a task of its own waits for h, and h asks for f."""
    f, _ = board(flights, "f")
    g, _ = inside(f, board, flights, "g")
    h, _ = inside(g, board, flights, "h")
    flights.land(g, Landing())
    assert inside(h, board, flights, "f") == (f, False)


def test_the_context_of_a_landed_flight_waits_for_nobody(flights):
    """A task that outlives its flight asks like anybody else, for the same key too."""
    old, _ = board(flights, "f")
    flights.land(old, Landing())
    new, _ = board(flights, "f")
    assert inside(old, board, flights, "f") == (new, False)
    assert old.waits_for == {}


def test_the_search_for_circles_ends():
    """However the waits are entangled, also where others wait in a circle already."""
    a, b, c = (Flight(name, Fence(name, (), 0)) for name in "abc")
    a.waits_for, b.waits_for = {b: 2}, {a: 1}
    assert a.depends_on(b)
    assert not a.depends_on(c)


def test_a_finalizer_may_ask_while_the_table_is_in_use(flights):
    """The collector may run a finalizer in the middle of a boarding; it must not wait for itself."""
    answers = []

    def open_fence():
        answers.append(board(flights, "inner")[1])
        return Fence("k", (), 0)

    thread = threading.Thread(target=lambda: answers.append(flights.board("k", open_fence)[1]), daemon=True)
    thread.start()
    thread.join(30)
    assert answers == [True, True]


def test_a_table_does_not_keep_its_cache():
    """A cache that nobody holds goes, its flights with it."""
    cache = Cache()
    cache.flights = Flights(cache)
    refs = weakref.ref(cache), weakref.ref(cache.flights)
    del cache
    gc.collect()
    assert [ref() for ref in refs] == [None, None]


# --- flights that nobody waits for


class Fences:
    """Counts the fences that are open."""

    def __init__(self):
        self.open_ones = []

    def open(self):
        fence = Fence("k", (), 0)
        self.open_ones.append(fence)
        return fence

    def close(self, fence):
        self.open_ones.remove(fence)


@pytest.fixture
def fences():
    return Fences()


def begin(flights, fences):
    return flights.begin("k", fences.open, home=None, close_fence=fences.close)


def test_a_flight_that_nobody_waits_for(flights, fences):
    """Whoever comes joins it, and leaves it again without an effect; its landing ends it."""
    flight = begin(flights, fences)
    assert (flight.aboard, flight.lasts, "k" in flights) == (0, True, True)
    cancelled = []
    flight.cancel = lambda: cancelled.append(1)
    assert board(flights) == (flight, False)
    flights.disembark(flight)
    assert (cancelled, "k" in flights) == ([], True)
    flights.land(flight, Landing("answer"))
    assert "k" not in flights


def test_passengers_of_such_a_flight_get_its_landing(flights, fences):
    """It is kept for them, and forgotten when the last one has left."""
    flight = begin(flights, fences)
    board(flights)
    flights.land(flight, Landing("answer"))
    assert flight.landing.value == "answer"
    flights.disembark(flight)
    assert flight.landing == Landing()


def test_a_landing_that_nobody_waits_for_is_not_kept(flights, fences):
    """A task that the function left running would have it in its context."""
    flight = begin(flights, fences)
    flights.land(flight, Landing("answer"))
    assert flight.landing == Landing()


@pytest.mark.parametrize("late", [False, True])
def test_none_is_begun_beside_one_that_can_be_joined(flights, fences, late):
    """Also where that one begins while the fence is being opened, which is closed again."""
    if late:
        opened = fences.open
        fences.open = lambda: [board(flights), opened()][1]
    else:
        board(flights)
    assert begin(flights, fences) is None
    assert fences.open_ones == []
    assert len(flights) == 1


def test_one_is_begun_beside_one_that_is_out_of_date(flights, fences):
    """That one can be joined no more, and its landing does not touch the new one."""
    old, _ = board(flights)
    old.fence.broken = True
    flight = begin(flights, fences)
    assert flight is not None
    flights.land(old, Landing("old"))
    assert board(flights) == (flight, False)


def test_one_that_lasts_is_not_ended_by_the_last_to_leave(flights):
    """Somebody went on without the answer, which was to come behind."""
    flight, _ = board(flights)
    cancelled = []
    flight.cancel = lambda: cancelled.append(1)
    flight.lasts = True
    flights.disembark(flight)
    assert (cancelled, "k" in flights, flight.landing) == ([], True, None)
    assert board(flights) == (flight, False)


def test_it_is_not_what_its_beginner_waits_for(flights, fences):
    """A function that sets off a refresh of another one does not depend on it: no circle."""
    mine, _ = board(flights, "mine")
    behind = inside(mine, begin, flights, fences)
    assert mine.waits_for == {}
    joined, leads = inside(behind, board, flights, "mine")
    assert (joined, leads) == (mine, False)


def test_it_may_not_wait_for_itself(flights, fences):
    """Its function asks for its own key."""
    flight = begin(flights, fences)
    with pytest.raises(RecursionError):
        inside(flight, board, flights)


def test_one_is_begun_in_place_of_one_whose_loop_was_closed(flights, fences):
    """Nobody may ever wait for that one and find out; its fence is closed for it."""
    loop = asyncio.new_event_loop()
    left = flights.begin("k", fences.open, home=loop, close_fence=fences.close)
    assert begin(flights, fences) is None
    loop.close()
    flight = begin(flights, fences)
    assert flight not in (None, left)
    assert left.fence.broken
    assert fences.open_ones == [flight.fence]
