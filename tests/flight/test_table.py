"""Who leads, who joins, who waits for whom."""

import asyncio
import contextvars
import gc
import threading
import weakref

import pytest

from askonce.backends.engine import Fence
from askonce.flight import Flight, Flights, Landing, current_flight


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
    assert (f.aboard, g.waits_for) == (1, [])


def test_a_wait_that_is_over_closes_no_circle(flights):
    """The function f has waited for g, and does not any more, when g asks for f."""
    f, _ = board(flights, "f")
    g, _ = inside(f, board, flights, "g")
    inside(f, flights.disembark, g)
    board(flights, "g")
    assert inside(g, board, flights, "f") == (f, False)


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
    assert old.waits_for == []


def test_the_search_for_circles_ends():
    """However the waits are entangled, also where others wait in a circle already."""
    a, b, c = (Flight(name, Fence(name, (), 0)) for name in "abc")
    a.waits_for, b.waits_for = [b, b], [a]
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
