"""Every option, and every pair of options that can meet, walked for each kind of function."""

import logging

import pytest
from combinations import NEVER_MEET, OPTIONS, PAGE, REFUSALS, ROWS, pairs, with_table
from walking import KINDS, Chance, walk

from askonce import ConfigurationError, cached

NOT_FOR_GENERATORS = {"timeout", "errors"}


def is_for(kind, row):
    if "generator" not in kind:
        return True
    if not NOT_FOR_GENERATORS.isdisjoint(row.options):
        return False
    # Generators of one key do not join: each caller runs its own.
    joins = row.options.get("single_flight", "process") is not None
    return not (joins and any(getattr(step, "callers", 1) > 1 for step in row.steps))


def walks():
    for kind in KINDS:
        for number, row in enumerate(ROWS):
            if is_for(kind, row):
                yield pytest.param(kind, row, id=f"{kind}-{row.id}-{number}")


@pytest.fixture
def log(caplog):
    with caplog.at_level(logging.WARNING, "askonce"):
        yield caplog


@pytest.mark.parametrize(("kind", "row"), list(walks()))
def test_options_do_together_what_the_table_says(kind, row, log):
    """What each caller gets, whether the function runs before or behind it, what is counted and logged."""
    walk(kind, row, Chance(), log)


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: "+".join(refusal.about))
def test_options_that_contradict_each_other_are_refused(refusal):
    """At decoration; the message names the options and the way out."""
    with pytest.raises(ConfigurationError, match=refusal.way_out) as caught:
        cached(**refusal.options)
    assert all(name in str(caught.value) for name in refusal.about)


def test_no_option_and_no_pair_is_missing():
    """Whoever adds an option says what it does beside each other one."""
    shown = {row.about for row in ROWS}
    refused = {refusal.about for refusal in REFUSALS if len(refusal.about) == 2}
    assert [name for name in OPTIONS if (name,) not in shown] == []
    assert [pair for pair in pairs() if pair not in shown | refused | NEVER_MEET.keys()] == []


def test_a_row_uses_what_it_is_about():
    """A row that lost an option would prove nothing."""
    for row in ROWS:
        given = {
            "ttl(answer)" if callable(value) and name == "ttl" else name
            for name, value in row.options.items()
        }
        assert set(row.about) <= given | {"single_flight"}, row.id


def test_the_page_shows_the_table_as_it_is_walked():
    """``python tests/freshness/combinations.py`` writes it anew."""
    page = PAGE.read_text("utf-8")
    assert page == with_table(page)
