"""The test files in ``docs/testing.md`` run and pass, as a reader would run them."""

import re
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

PAGE = Path(__file__).parents[2] / "docs" / "testing.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
CONFTESTS = [block for block in BLOCKS if block.startswith("# conftest.py")]
FILES = [block for block in BLOCKS if block not in CONFTESTS]


def passed_by(pytester, source, *options):
    """How many tests of a file pass; none may do anything else."""
    pytester.makepyfile(test_page=source)
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider", *options)
    outcomes = result.parseoutcomes()
    assert set(outcomes) == {"passed"}, outcomes
    return outcomes["passed"]


@pytest.mark.parametrize("source", FILES, ids=range(len(FILES)))
def test_a_test_file_of_the_page_passes(pytester, source):
    """Each alone, as it stands there."""
    tests = len(re.findall(r"^ *def test_", source, re.MULTILINE))
    assert passed_by(pytester, source) >= max(tests, 1)


@pytest.mark.parametrize("source", CONFTESTS, ids=range(len(CONFTESTS)))
def test_a_conftest_of_the_page_serves_the_tests_beside_it(pytester, source):
    """The first file of the page runs on the cache that it gives."""
    pytester.makeconftest(source)
    assert passed_by(pytester, FILES[0])


def test_the_settings_of_the_page_are_known_to_pytest(pytester):
    """Every file of the page runs under them as well."""
    settings = re.search(r"```ini\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)[1]
    pytester.makeini(settings)
    assert passed_by(pytester, FILES[0], "--strict-config")


def test_the_page_was_looked_at():
    """A page that changed its form would take its examples out of the tests unseen."""
    assert (len(FILES), len(CONFTESTS)) == (8, 1)


def test_the_report_on_the_page_is_the_one_that_pytest_shows(pytester):
    """But for the key and the digest, which depend on the program's name."""
    pytester.makepyfile(
        test_it="""
        from askonce import cached
        from askonce.testing import assert_hit

        @cached(ttl="15m")
        def rate(currency):
            return 1.08

        def test_it(askonce_clock):
            rate("EUR"), rate("EUR")
            askonce_clock.advance("16m")
            with assert_hit(rate):
                rate("EUR")
        """
    )
    result = pytester.runpytest_inprocess()
    shown = [line.removeprefix("E").strip() for line in result.outlines if line.startswith("E ")]
    page = re.search(r"```text\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)[1]
    assert [_plain(line) for line in shown] == [_plain(line.strip()) for line in page.splitlines()]


def _plain(line):
    return re.sub(r"[0-9a-f]{12,}|\w+:rate:", "...", line)
