"""What askonce offers to the tests of others."""

import pytest

from askonce.testing import CacheContract, ManualClock


def test_a_manual_clock_stands_still_until_it_is_advanced():
    clock = ManualClock(5.0)
    assert (clock(), clock()) == (5.0, 5.0)
    clock.advance(0.5)
    clock.advance(0)
    assert clock() == 5.5


@pytest.mark.parametrize("seconds", [-1, float("nan")])
def test_a_manual_clock_does_not_go_back(seconds):
    with pytest.raises(ValueError, match="does not go back"):
        ManualClock().advance(seconds)


def test_a_contract_without_a_cache_says_what_to_override():
    with pytest.raises(NotImplementedError, match="override make_cache"):
        CacheContract().make_cache(ManualClock())


def test_tests_in_which_time_passes_are_left_out_under_a_real_clock():
    contract = CacheContract()
    contract.clock_is_real = True
    with pytest.raises(pytest.skip.Exception, match="real clock"):
        contract.pass_time(1)
