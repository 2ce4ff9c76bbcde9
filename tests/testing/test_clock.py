"""The clock to turn by hand."""

import math
from datetime import timedelta

import pytest

from askonce.testing import ManualClock


def test_a_manual_clock_stands_still_until_it_is_advanced():
    clock = ManualClock(5.0)
    assert (clock(), clock()) == (5.0, 5.0)
    clock.advance(0.5)
    clock.advance(0)
    assert clock() == 5.5


@pytest.mark.parametrize("time", [900, 900.0, "15m", "900s", timedelta(minutes=15)])
def test_a_manual_clock_takes_time_in_any_form(time):
    clock = ManualClock(0.0)
    clock.advance(time)
    assert clock() == 900


@pytest.mark.parametrize("time", [-1, math.nan, math.inf, "-5s", timedelta(-1), "soon", True, None])
def test_a_manual_clock_does_not_go_back_and_not_on_for_ever(time):
    """It refuses what is no time that can pass, and stands where it stood."""
    clock = ManualClock(5.0)
    with pytest.raises(ValueError, match=r"advance|does not go back"):
        clock.advance(time)
    assert clock() == 5.0
