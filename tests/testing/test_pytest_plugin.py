"""The fixtures, in test suites of users."""

import subprocess
import sys

import pytest

from askonce import InMemoryCache, set_default_cache
from askonce.engine.registry import registry

pytest_plugins = ["pytester"]

PROGRAM = """
    from askonce import InMemoryCache, cached, register_cache

    OWN = InMemoryCache()
    register_cache("answers", InMemoryCache())
    ran = []

    @cached(ttl="15m")
    def plain(x):
        ran.append(("plain", x))
        return 2 * x

    @cached(ttl="15m", cache="answers")
    async def awaited(x):
        ran.append(("awaited", x))
        return 2 * x

    @cached(ttl="15m", cache=OWN)
    def own(x):
        ran.append(("own", x))
        return 2 * x
"""


@pytest.fixture
def suite(pytester):
    """Runs test files of a user, whose program is ``program.py``."""
    pytester.makepyfile(program=PROGRAM)
    default = InMemoryCache()
    set_default_cache(default)

    def run(*options, **files):
        pytester.makepyfile(**files)
        return pytester.runpytest_inprocess("-p", "no:cacheprovider", *options)

    yield run
    assert registry.chosen(None) is None  # whatever a suite did, nothing of it stays
    assert default.get_stats()["size"] == 0
    set_default_cache(None)


def test_every_test_begins_with_an_empty_cache(suite):
    """Whatever cache a function names: what one test stored, the next does not see."""
    suite(
        test_it="""
        import asyncio, pytest, program

        @pytest.mark.parametrize("turn", [1, 2, 3])
        def test_it(turn, askonce_cache):
            program.ran.clear()
            for _ in range(3):
                program.plain(1), program.own(1), asyncio.run(program.awaited(1))
            assert program.ran == [("plain", 1), ("own", 1), ("awaited", 1)]
            assert askonce_cache.get_stats()["size"] == 3
        """
    ).assert_outcomes(passed=3)


def test_a_test_without_the_fixture_sees_the_caches_of_the_program(suite):
    """Before and after one with it, also where that one fails."""
    suite(
        test_it="""
        import program

        def test_before():
            assert program.own(1) == 2

        def test_inside(askonce_cache):
            program.own(2)
            assert program.ran == [("own", 1), ("own", 2)]
            assert program.OWN.get_stats()["size"] == 1
            raise KeyError

        def test_after():
            program.own(1)
            program.own(2)
            assert program.ran == [("own", 1), ("own", 2), ("own", 2)]
        """,
    ).assert_outcomes(passed=2, failed=1)


def test_the_clock_moves_that_cache(suite):
    suite(
        test_it="""
        import asyncio, program

        def test_it(askonce_clock):
            program.own(1)
            askonce_clock.advance("14m")
            program.own(1)
            assert program.ran == [("own", 1)]
            askonce_clock.advance(60)
            program.own(1)
            assert program.ran == [("own", 1)] * 2

        def test_both(askonce_cache, askonce_clock):
            assert askonce_cache.clock is askonce_clock
        """
    ).assert_outcomes(passed=2)


def test_a_failed_assertion_says_what_happened_instead(suite):
    """And its traceback ends in the test, not inside of askonce."""
    result = suite(
        test_it="""
        import program
        from askonce.testing import assert_hit, assert_computed

        def test_hit(askonce_clock):
            program.plain(1)
            askonce_clock.advance("20m")
            with assert_hit(program.plain):
                program.plain(1)

        def test_computed(askonce_cache):
            with assert_computed(program.own, 2):
                program.own(1)
        """
    )
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        [
            "E*AssertionError: plain: not every call was a hit: 0 hits, 1 run",
            "E*miss: expired 5.0 min ago",
            "test_it.py:*: AssertionError",
            "E*AssertionError: own: expected 2 runs: 0 hits, 1 run",
            "test_it.py:*: AssertionError",
        ]
    )
    result.stdout.no_fnmatch_line("*watching.py*")


def test_a_suite_can_have_it_for_every_test(suite):
    """By ``usefixtures`` in its settings."""
    suite(
        "-o",
        "usefixtures=askonce_cache",
        test_it="""
        import program, pytest, unittest

        @pytest.mark.parametrize("turn", [1, 2])
        def test_it(turn):
            program.own(1)
            assert len(program.ran) == turn

        class TestOfTheOldKind(unittest.TestCase):
            def test_it(self):
                program.ran.clear()
                program.own(1)
                assert program.ran
        """,
    ).assert_outcomes(passed=3)


def test_a_suite_can_give_a_cache_of_its_own(suite):
    """With the settings that its program has in production; the clock is that cache's."""
    suite(
        conftest="""
        import pytest
        from askonce import InMemoryCache
        from askonce.testing import ManualClock, fresh_cache

        @pytest.fixture
        def askonce_cache():
            with fresh_cache(InMemoryCache(operation_ttls={"qa": 60}, clock=ManualClock())) as cache:
                yield cache
        """,
        test_it="""
        from askonce import cached

        def test_it(askonce_clock):
            ran = []
            ask = cached(operation="qa")(lambda: ran.append(1))
            ask()
            askonce_clock.advance(60)
            ask()
            assert len(ran) == 2
        """,
    ).assert_outcomes(passed=1)


def test_a_clock_that_cannot_be_moved_is_named(suite):
    result = suite(
        conftest="""
        import pytest
        from askonce import InMemoryCache

        @pytest.fixture
        def askonce_cache():
            return InMemoryCache()
        """,
        test_it="""
        def test_it(askonce_clock):
            pass
        """,
    )
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["E*TypeError: the clock of this InMemoryCache cannot be moved*"])


def test_fixtures_are_listed_with_what_they_do(suite):
    result = suite("--fixtures", test_it="def test_it(): pass")
    result.stdout.fnmatch_lines(
        [
            "askonce_cache*",
            "*A fresh memory cache for all functions decorated with ``@cached``*",
            "askonce_clock*",
            "*lets its entries age*",
        ]
    )


def imported_by(module):
    """Which modules of askonce come along with one, in a new process."""
    script = f"import sys; before = set(sys.modules); import {module}; print(*set(sys.modules) - before)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return {name for name in done.stdout.split() if name.partition(".")[0] in {"askonce", "_pytest"}}


def test_the_plugin_alone_imports_nothing_of_askonce():
    """A suite that uses no fixture pays for none."""
    assert not [name for name in imported_by("_askonce_pytest") if name.startswith("askonce")]


def test_helpers_do_not_need_pytest():
    """They are for unittest as well."""
    assert not [name for name in imported_by("askonce.testing") if name.startswith("_pytest")]
