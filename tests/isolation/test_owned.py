"""The copier of a value that nobody else has: found without copying it."""

from hypothesis import given, settings
from test_isolation_properties import DATA, picture, spoil

from askonce.isolation import copier, isolated
from askonce.isolation.graphs import copy_graph


@given(DATA)
@settings(deadline=None, max_examples=150)
def test_no_reader_sees_what_another_did_to_a_value_that_was_kept_as_it_came(value):
    """The value itself is kept; each reader spoils its own, and the next gets what was there."""
    expected, copy = picture(value), copier(value)
    for _ in range(3):
        got = value if copy is None else copy(value)
        assert picture(got) == expected
        if copy is not None:
            spoil(got)


@given(DATA)
@settings(deadline=None, max_examples=100)
def test_there_is_a_copier_exactly_where_something_can_change(value):
    """As for a value that is copied on its way in."""
    assert (copier(value) is None) == (isolated(value)[1] is None)


def test_what_has_no_end_is_copied_the_slow_way():
    """Cycles, aliases and great depth: the fast copy would not come back, or tear apart what is one."""
    cycle, alias, deep = [], [], []
    cycle.append(cycle)
    for _ in range(10_000):
        deep = [deep]
    for value in (cycle, [alias, alias], deep, {"a": (1, cycle)}):
        assert copier(value) is copy_graph


def test_empty_values_that_python_shares_are_no_aliases():
    """There is one empty tuple: meeting it twice does not make the fast copy wrong."""
    assert copier({"a": (), "b": (), "c": [[]]}) is not copy_graph
