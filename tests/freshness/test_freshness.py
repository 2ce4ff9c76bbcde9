"""What becomes of an entry, and what the options of freshness mean: pure, a clock is a number."""

import math
import random
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from askonce import FOREVER, ConfigurationError
from askonce._types import Life, Windows
from askonce.freshness import LOOKED_AHEAD, Freshness, Verdict, carefree_until, verdict

TIMES = ["stale", "stale_if_error", "retry_after", "timeout"]
SERVE, REFRESH, TRY, NOTHING = Verdict.SERVE, Verdict.REFRESH, Verdict.TRY, Verdict.NOTHING


def life(stale=0.0, grace=0.0, lead=0.0, retry=None, fresh=100.0):
    made = Life(fresh, Windows(stale, grace, lead))
    if retry is not None:
        made.retry = retry
    return made


def just_before(instant):
    return math.nextafter(instant, -math.inf)


def never():
    raise AssertionError("there was nothing to draw for")


def policy(**options):
    left_out = dict.fromkeys(("ttl", *TIMES, "jitter", "errors")) | {"refresh_ahead": False}
    return Freshness.of(**left_out | options)


# --- verdicts


@pytest.mark.parametrize(
    ("windows", "now", "expected"),
    [
        ({}, just_before(100), SERVE),
        ({}, 100, NOTHING),
        ({"stale": 20}, just_before(100), SERVE),
        ({"stale": 20}, 100, REFRESH),
        ({"stale": 20}, just_before(120), REFRESH),
        ({"stale": 20}, 120, NOTHING),
        ({"grace": 40}, just_before(100), SERVE),
        ({"grace": 40}, 100, TRY),
        ({"grace": 40}, just_before(140), TRY),
        ({"grace": 40}, 140, NOTHING),
        ({"stale": 20, "grace": 40}, just_before(120), REFRESH),
        ({"stale": 20, "grace": 40}, 120, TRY),
        ({"stale": 20, "grace": 40}, 140, NOTHING),
        ({"stale": 40, "grace": 20}, 120, REFRESH),
        ({"stale": 40, "grace": 20}, just_before(140), REFRESH),
        ({"stale": 40, "grace": 20}, 140, NOTHING),
    ],
)  # fmt: skip
def test_each_window_begins_and_ends_at_its_very_instant(windows, now, expected):
    """Its first instant belongs to it, its last one to what follows. Nothing is drawn without a lead."""
    draw = (lambda: 0.999) if now < 100 else never
    assert verdict(life(**windows), now, draw) is expected


@pytest.mark.parametrize(
    ("windows", "now", "expected"),
    [
        ({"stale": 20, "retry": 110}, 105, SERVE),
        ({"stale": 20, "retry": 110}, just_before(110), SERVE),
        ({"stale": 20, "retry": 110}, 110, REFRESH),
        ({"stale": 20, "retry": 130}, 120, NOTHING),
        ({"grace": 40, "retry": 110}, just_before(110), SERVE),
        ({"grace": 40, "retry": 110}, 110, TRY),
        ({"grace": 40, "retry": 150}, just_before(140), SERVE),
        ({"grace": 40, "retry": 150}, 140, NOTHING),
        ({"lead": 10, "retry": 99}, 98, SERVE),
        ({"lead": 10, "retry": 99}, 99, REFRESH),
        ({"lead": 10, "retry": 150}, 100, NOTHING),
    ],
)
def test_while_it_rests_an_entry_is_served_and_no_longer_than_its_windows(windows, now, expected):
    """After a try that failed nobody tries before ``retry``, and no window grows for that."""
    assert verdict(life(**windows), now, lambda: 0.999999) is expected


@pytest.mark.parametrize("draw", [0.0, 0.1, 0.5, 0.9, 0.99, 1 - 2**-53])
@pytest.mark.parametrize("lead", [0.5, 2.0, 30.0])
def test_a_refresh_is_due_where_the_paper_says_so(draw, lead):
    """``now - cost * beta * ln(U) >= expiry``: due at that instant, not before."""
    due = 100.0 + lead * math.log(1.0 - draw)
    assert verdict(life(lead=lead), just_before(due) - 1e-9, lambda: draw) is SERVE
    if draw:
        assert verdict(life(lead=lead), due + 1e-9, lambda: draw) is REFRESH


def test_early_refreshes_are_as_frequent_as_the_paper_says():
    """A read ``d`` before the end refreshes with the probability ``exp(-d / (cost * beta))``."""
    chance = random.Random(7)
    for distance in (0.5, 1.0, 2.0, 4.0):
        due = sum(verdict(life(lead=2.0), 100 - distance, chance.random) is REFRESH for _ in range(20_000))
        assert due / 20_000 == pytest.approx(math.exp(-distance / 2.0), abs=0.012)


def test_without_a_lead_no_draw_is_early():
    assert verdict(life(stale=20), just_before(100), lambda: 1 - 2**-53) is SERVE


lengths = st.floats(0, 1e6)
lives = st.builds(life, lengths, lengths, st.floats(0, 1e5), st.none() | st.floats(-10, 1e6))


@given(lives, st.floats(1e-3, 1e7), st.floats(0, 1 - math.exp(-LOOKED_AHEAD), exclude_max=True))
def test_before_the_instant_that_readers_trust_nothing_has_to_be_asked(entry, distance, draw):
    """Whatever is drawn, but for the share of draws below 0.0004 that is given up on purpose."""
    assert verdict(entry, carefree_until(entry) - distance, lambda: draw) is SERVE


def test_from_when_on_a_reader_has_to_ask():
    """At the end of the ttl, or some times the cost before it, but not in a rest."""
    assert carefree_until(life(stale=20)) == 100
    assert carefree_until(life(lead=2)) == 100 - 2 * LOOKED_AHEAD
    assert carefree_until(life(lead=2, retry=95)) == 95
    assert carefree_until(life(lead=2, retry=150)) == 100
    assert carefree_until(life(stale=20, retry=110)) == 100


@given(lives, st.floats(0, 2e6), st.floats(0, 1, exclude_max=True))
def test_an_entry_is_good_for_something_exactly_up_to_its_end(entry, now, draw):
    useful = verdict(entry, now, lambda: draw) is not NOTHING
    assert useful is (now < entry.end)


# --- what the options mean


@given(st.floats(1e-3, 1e6), st.floats(0.001, 1), st.floats(0, 1, exclude_max=True))
def test_a_ttl_grows_by_its_share_and_no_more(ttl, share, draw):
    longer = policy(jitter=share).lifetime(ttl, lambda: draw)
    assert ttl <= longer <= ttl * (1 + share) * (1 + 1e-12)


def test_without_jitter_nothing_is_drawn():
    assert policy().lifetime(10, never) == 10
    assert policy(jitter=0.5).lifetime(10, lambda: 0.5) == 12.5
    assert policy(jitter=0.5).lifetime(FOREVER, lambda: 0.5) == FOREVER


def test_windows_are_kept_only_where_they_are_asked_for():
    """The lead is the cost, weighted."""
    assert policy().windows(3) is None
    assert policy(jitter=0.1, errors={OSError: 1}).windows(3) is None
    assert policy(stale=20).windows(3) == Windows(20, 0, 0)
    assert policy(stale_if_error="1m").windows(3) == Windows(0, 60, 0)
    assert policy(refresh_ahead=True).windows(3) == Windows(0, 0, 3)
    assert policy(refresh_ahead=2).windows(3) == Windows(0, 0, 6)
    keeps = policy(stale=20)
    assert keeps.windows(3) is keeps.windows(4)  # many entries, one object


class Refused(ConnectionError):
    pass


@pytest.mark.parametrize(
    ("error", "seconds"),
    [(OSError(), 1), (ConnectionError(), 2), (Refused(), 2), (ConnectionResetError(), 3), (KeyError(), None),
     (KeyboardInterrupt(), None), (TimeoutError(), 1)],
)  # fmt: skip
def test_the_nearest_class_says_how_long_an_exception_is_kept(error, seconds):
    """Whatever the order in which they stand."""
    table = {OSError: 1, ConnectionResetError: 3, ConnectionError: 2}
    for errors in (table, dict(reversed(table.items()))):
        assert policy(errors=errors).error_ttl(error) == seconds


def test_the_ends_of_iterators_are_not_kept():
    """They say something to their caller once, and would end a generator that raised them."""
    kept = policy(errors={Exception: 1})
    assert kept.error_ttl(ValueError()) == 1
    assert [kept.error_ttl(error()) for error in (StopIteration, StopAsyncIteration)] == [None, None]


@pytest.mark.parametrize("name", TIMES)
@pytest.mark.parametrize("value", [90, 90.0, "90s", "1.5m", "90000ms", timedelta(seconds=90)], ids=repr)
def test_a_time_can_be_written_in_any_form(name, value):
    field = "grace" if name == "stale_if_error" else name
    beside = {} if name == "stale_if_error" else {"stale_if_error": 1}
    assert getattr(policy(**beside, **{name: value}), field) == 90


def test_left_out_everything_is_as_without_these_options():
    nothing = policy()
    assert nothing == Freshness()
    assert not nothing.outlives
    assert nothing.retry_after == 5
    assert nothing.error_ttl(ValueError()) is None


@pytest.mark.parametrize(
    ("option", "value"),
    [("stale", FOREVER), ("stale_if_error", FOREVER), ("refresh_ahead", True), ("refresh_ahead", 0.5)],
)
def test_what_outlives_its_ttl_or_ends_early_has_windows(option, value):
    """An answer may be stale for ever: it is refreshed, or stands in, however old it is."""
    assert policy(**{option: value}).outlives


# --- what is refused


@pytest.mark.parametrize("value", [-1, -0.5, math.nan, True, "soon", timedelta(-1), [], ""])
@pytest.mark.parametrize("name", TIMES)
def test_a_time_that_is_none_is_refused(name, value):
    with pytest.raises(ConfigurationError, match=f"^{name}=.*give seconds from 0 on"):
        policy(**{"stale_if_error": 1} | {name: value})


@pytest.mark.parametrize("zero", [0, 0.0, "0s", timedelta(0)])
@pytest.mark.parametrize("name", ["stale", "stale_if_error"])
def test_a_window_of_zero_is_none(name, zero):
    """Settings say 0 for what is off."""
    assert policy(**{name: zero}) == policy()


def test_a_weight_or_a_share_of_zero_is_off():
    assert policy(refresh_ahead=0, jitter=0) == policy(refresh_ahead=False, jitter=None)


def test_after_no_rest_the_next_call_tries():
    assert policy(stale=1, retry_after=0).retry_after == 0


@pytest.mark.parametrize("zero", [0, "0s"])
def test_a_timeout_of_zero_is_refused(zero):
    with pytest.raises(ConfigurationError, match="^timeout=.*would let nobody wait; use stale"):
        policy(stale_if_error=1, timeout=zero)


@pytest.mark.parametrize("name", ["retry_after", "timeout"])
def test_a_rest_or_a_timeout_without_end_is_refused(name):
    with pytest.raises(ConfigurationError, match=f"^{name}=FOREVER .*leave it out, or give seconds"):
        policy(stale_if_error=1, **{name: FOREVER})


@pytest.mark.parametrize("value", [-1, math.nan, math.inf, "1", None, [1]])
def test_a_weight_that_is_none_is_refused(value):
    with pytest.raises(ConfigurationError, match=r"^refresh_ahead=.*give True, or a number from 0 on"):
        policy(refresh_ahead=value)


@pytest.mark.parametrize("value", [-0.1, 1.01, math.nan, math.inf, True, "10%", [0.1]])
def test_a_share_that_is_none_is_refused(value):
    with pytest.raises(ConfigurationError, match=r"^jitter=.*give a number from 0 to 1"):
        policy(jitter=value)


@pytest.mark.parametrize("value", [{}, [], ConnectionError, (ConnectionError, 30), 30, "ConnectionError"])
def test_a_table_of_exceptions_that_is_none_is_refused(value):
    with pytest.raises(ConfigurationError, match=r"^errors=.*write errors=\{ConnectionError: 30\}"):
        policy(errors=value)


@pytest.mark.parametrize("cls", [int, KeyboardInterrupt, BaseException, ValueError(), "ValueError", None])
def test_what_is_no_exception_cannot_be_kept(cls):
    with pytest.raises(ConfigurationError, match=r"^errors: .*give subclasses of Exception"):
        policy(errors={ValueError: 1, cls: 1})


@pytest.mark.parametrize("value", [0, -1, math.nan, None, "soon"])
def test_an_exception_is_kept_for_a_time(value):
    with pytest.raises(ConfigurationError, match=r"^errors\[ValueError\]=.*give seconds above 0"):
        policy(errors={ValueError: value})


@pytest.mark.parametrize("ttl", [FOREVER, math.inf])
@pytest.mark.parametrize(
    "option", [{"stale": 1}, {"stale_if_error": 1}, {"refresh_ahead": True}, {"jitter": 0.1}]
)
def test_nothing_follows_the_end_of_what_has_no_end(ttl, option):
    (name,) = option
    with pytest.raises(ConfigurationError, match=f"^{name} .*ttl=FOREVER.*drop {name}"):
        policy(ttl=ttl, **option)
    policy(ttl="10s", **option)
    policy(ttl=lambda answer: FOREVER, **option)


@pytest.mark.parametrize("beside", [{}, {"refresh_ahead": True}, {"jitter": 0.1}, {"errors": {OSError: 1}}])
def test_a_timeout_needs_something_to_serve(beside):
    with pytest.raises(ConfigurationError, match=r"^timeout .*add stale_if_error"):
        policy(timeout=1, **beside)


@pytest.mark.parametrize("beside", [{}, {"jitter": 0.1}, {"errors": {OSError: 1}}])
def test_a_rest_needs_something_to_serve(beside):
    with pytest.raises(
        ConfigurationError, match=r"^retry_after .*add stale, stale_if_error or refresh_ahead"
    ):
        policy(retry_after=5, **beside)
    for enough in ({"stale": 1}, {"stale_if_error": 1}, {"refresh_ahead": True}):
        policy(retry_after=5, **enough)
