"""The contract of a backend, where it has nothing to test."""

import pytest

from askonce.testing import CacheContract, ManualClock


def test_a_contract_without_a_cache_says_what_to_override():
    with pytest.raises(NotImplementedError, match="override make_cache"):
        CacheContract().make_cache(ManualClock())


def test_tests_in_which_time_passes_are_left_out_under_a_real_clock():
    contract = CacheContract()
    contract.clock_is_real = True
    with pytest.raises(pytest.skip.Exception, match="real clock"):
        contract.pass_time(1)
