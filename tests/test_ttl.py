"""A time to live may be written in several ways, and a wrong one says so."""

import math
import traceback
from datetime import timedelta
from decimal import Decimal

import pytest

from askonce._types import FOREVER
from askonce.exceptions import ConfigurationError
from askonce.ttl import parse_ttl


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        (90, 90.0),
        (0.5, 0.5),
        (timedelta(minutes=2, milliseconds=500), 120.5),
        ("500ms", 0.5),
        ("90s", 90.0),
        ("15m", 900.0),
        ("2h", 7200.0),
        ("1.5h", 5400.0),
        ("7d", 604800.0),
        (" 15 m\n", 900.0),
        (FOREVER, math.inf),
    ],
)
def test_every_spelling_of_a_time_is_read_as_seconds(written, seconds):
    """Numbers, timedeltas and texts mean the same seconds, always as a float."""
    parsed = parse_ttl(written)

    assert parsed == pytest.approx(seconds)
    assert type(parsed) is float


@pytest.mark.parametrize(
    "wrong", [0, 0.0, -1, -0.5, -math.inf, "0s", "0.0h", timedelta(0), timedelta(seconds=-1)]
)
def test_a_time_that_would_store_nothing_is_refused(wrong):
    """Zero is a value of its own and never silently means "the default"."""
    with pytest.raises(ConfigurationError, match="would store nothing"):
        parse_ttl(wrong)


@pytest.mark.parametrize(
    "wrong",
    [math.nan, True, False, None, Decimal(5), [5], b"5s", 10**400, "9" * 400 + "s"]
    + ["", "s", "90", "-5s", "5 minutes", "15M", "1h30m", "1e3s", ".5s", "5.s", "inf", "nan", "٣s", "5s;"],
)
def test_what_is_no_time_is_refused(wrong):
    """A wrong type, unit or number is an error and never guessed at."""
    with pytest.raises(ConfigurationError):
        parse_ttl(wrong)


def test_the_error_names_the_setting_the_value_the_reason_and_the_way_out():
    """Whoever reads the message knows what to change."""
    with pytest.raises(ConfigurationError) as caught:
        parse_ttl("5 minutes", "stale")

    message = str(caught.value)
    assert message.startswith("stale='5 minutes': it is not a number with one of the units")
    assert '"15m"' in message
    assert "FOREVER" in message


def test_the_error_shows_a_long_value_in_short():
    """A value of any length or with a broken repr makes a readable message."""

    class Broken:
        def __repr__(self) -> str:
            raise RuntimeError

    for wrong in ("x" * 10_000, 10**10_000, Broken()):
        with pytest.raises(ConfigurationError) as caught:
            parse_ttl(wrong)
        assert len(str(caught.value)) < 300


def test_the_error_for_a_huge_number_is_one_error():
    """No OverflowError stands above the message in the traceback."""
    with pytest.raises(ConfigurationError, match="too large") as caught:
        parse_ttl(10**400)

    assert "OverflowError" not in "".join(traceback.format_exception(caught.value))
