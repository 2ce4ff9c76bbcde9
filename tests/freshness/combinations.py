"""Every option of freshness and every pair of options that can meet: what a caller sees, step by step.

``test_combinations`` walks the rows; ``python tests/freshness/combinations.py`` writes the table of
``docs/freshness.md`` from them.

In all rows a ttl is 10 s, ``stale`` 20 s and ``stale_if_error`` 40 s. Runs of the function are numbered
from 1 and answer ``[their number]``; in rows with ``refresh_ahead`` a run takes 1 s, so that the first answer
is there at 1 s and is fresh until 11 s.
"""

import itertools
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from scenario import (
    LONG,
    SOON,
    Refusal,
    Row,
    after,
    behind,
    draws,
    drops,
    drops_key,
    early,
    fails,
    hit,
    kept,
    late,
    old,
    raises,
    ran,
    stands,
    takes,
    works,
)

OPTIONS = (
    "ttl", "ttl(answer)", "operation", "stale", "stale_if_error", "retry_after", "refresh_ahead", "jitter",
    "timeout", "errors", "store_if", "tags", "single_flight", "isolate",
)  # fmt: skip
"""All that have a say in when an answer is stored, served or computed anew; two of them are one parameter."""

DOWN = ConnectionError
OURS = drops("user:7")
OTHERS = drops("user:8")

LUCK = draws(0.99)
"""With a cost of 1 s this has an answer refreshed 4.6 s before its end."""


# --- the rows


def number_of(answer: Any) -> int:
    """The number in what a rule is shown: ``[n]``, or ``[[n]]`` of a generator."""
    while isinstance(answer, list):
        answer = answer[0]
    return answer


def not_two(answer: Any) -> bool:
    return number_of(answer) != 2


def not_one(answer: Any) -> bool:
    return number_of(answer) != 1


TEN: dict[str, Any] = {"ttl": 10}
STALE: dict[str, Any] = TEN | {"stale": 20}
GRACE: dict[str, Any] = TEN | {"stale_if_error": 40}
AHEAD: dict[str, Any] = TEN | {"refresh_ahead": True}
JITTER: dict[str, Any] = TEN | {"jitter": 0.5}
SLOW: dict[str, Any] = GRACE | {"timeout": SOON}
ERRORS: dict[str, Any] = TEN | {"errors": {ConnectionError: 5}}
PICKY: dict[str, Any] = TEN | {"store_if": not_two}
TAGGED: dict[str, Any] = TEN | {"tags": ["user:{a}"]}
APART: dict[str, Any] = TEN | {"single_flight": None}
SHARED: dict[str, Any] = TEN | {"isolate": False}


NO_BEARING = ""
"""What the table says nothing of."""


def row(about: str, says: str, options: dict[str, Any], *steps: Any, **more: Any) -> Row:
    return Row(tuple(about.split()), says, options, steps, **more)


ALONE = (
    row("stale", "past its ttl an answer is served at once while one run replaces it", STALE,
        ran(1), hit(1), after(10), behind(1), hit(2), after(9.5), hit(2), after(20), behind(2), hit(3),
        after(30), ran(4), hit(4)),
    # what fails behind rests; past the window it is gone, rest or not
    row("stale", "", STALE,
        ran(1), after(10), fails(), behind(1), old(1), after(4.5), old(1), after(0.5), behind(1),
        after(14.5), behind(1), old(1), after(0.5), raises(DOWN), works, ran(6), hit(6)),
    row("stale_if_error", "past its ttl an answer stands in for a run that fails; a run that works "
        "replaces it", GRACE,
        ran(1), hit(1), after(10), ran(2), hit(2), after(10), fails(), stands(2), old(2), after(4.5),
        old(2), after(0.5), stands(2), works, old(2), after(5), ran(5), hit(5), after(50), fails(),
        raises(DOWN), raises(DOWN)),
    # those who wait for the run that fails get it as well
    row("stale_if_error", "", GRACE,
        ran(1), after(10), fails(), stands(1, callers=2), old(1)),
    row("refresh_ahead", "shortly before its end, the sooner the longer a run takes, an answer is "
        "replaced behind its callers", AHEAD,
        takes(1), ran(1), LUCK, after(5), hit(1), after(0.5), early(1), draws(0), hit(2), after(9.5),
        hit(2), after(0.5), ran(3), hit(3)),
    # what fails behind rests
    row("refresh_ahead", "", AHEAD,
        takes(1), ran(1), LUCK, after(5.5), fails(), early(1), hit(1), after(3), hit(1), after(0.5),
        raises(DOWN)),
    row("jitter", "a ttl is up to that share longer", JITTER,
        draws(0.5), ran(1), after(12), hit(1), after(0.5), draws(0), ran(2), after(9.5), hit(2),
        after(0.5), ran(3)),
    row("errors", "an exception is raised again, without a run, for its own time", ERRORS,
        fails(), raises(DOWN, stored=True), kept(DOWN), after(4.5), kept(DOWN), after(0.5),
        raises(DOWN, stored=True), after(5), fails(ValueError), raises(ValueError), raises(ValueError),
        fails(ConnectionResetError), raises(ConnectionResetError, stored=True),
        kept(ConnectionResetError)),
    row("store_if", "an answer that it refuses reaches its callers and is not stored",
        TEN | {"store_if": not_one},
        ran(1, stored=False), ran(2), hit(2)),
    row("tags", "an invalidated answer serves nothing any more", TAGGED,
        ran(1), hit(1), OTHERS, hit(1), OURS, ran(2), hit(2)),
    # also one that is under way
    row("tags", "", TAGGED,
        ran(1, stored=False, meanwhile=OURS), ran(2, meanwhile=OTHERS), hit(2)),
    row("single_flight", "all who find nothing compute, each for itself", APART,
        ran((1, 2), callers=2), hit((1, 2))),
    # left as it is, one does
    row("single_flight", "", TEN,
        ran(1, callers=3), hit(1)),
    row("isolate", "all callers share one object", SHARED,
        ran(1, callers=2), hit(1), after(10), ran(2), hit(2)),
)  # fmt: skip

PAIRS = (
    row("stale stale_if_error", "first `stale`; where that is over, `stale_if_error`. Both count from "
        "the end of the ttl", STALE | GRACE,
        ran(1), after(10), fails(), behind(1), after(5), behind(1), after(15), stands(1), old(1),
        after(19.5), stands(1), after(0.5), raises(DOWN)),
    row("stale retry_after", "a refresh that failed is tried again so much later; the answer is served "
        "meanwhile, as long as its window lasts", STALE | {"retry_after": 15},
        ran(1), after(10), fails(), behind(1), after(14.5), old(1), after(0.5), behind(1), after(4.5),
        old(1), after(0.5), raises(DOWN)),
    row("stale refresh_ahead", "early while fresh, behind while stale: who has an answer never waits",
        STALE | AHEAD,
        takes(1), ran(1), LUCK, after(6), early(1), draws(0), after(10), behind(2), hit(3)),
    # one rest for both
    row("stale refresh_ahead", "", STALE | AHEAD,
        takes(1), ran(1), LUCK, after(9), fails(), early(1), old(1), after(4.5), old(1), after(0.5),
        behind(1)),
    row("stale jitter", "`stale` counts from the end of the longer ttl", STALE | JITTER,
        draws(0.5), ran(1), after(12), hit(1), after(0.5), behind(1), after(32), behind(2),
        after(32.5), ran(4)),
    row("stale timeout", "makes no difference: nobody waits within `stale`, and past it there is "
        "nothing to serve", STALE | {"timeout": SOON},
        ran(1), after(10), behind(1), after(30), ran(3), hit(3)),
    row("stale errors", "a failed refresh is not kept; once the stale answer is gone, the exception is",
        STALE | ERRORS,
        ran(1), after(10), fails(), behind(1), old(1), after(20), raises(DOWN, stored=True),
        kept(DOWN), after(5), raises(DOWN, stored=True)),
    row("stale store_if", "a refresh whose answer is refused leaves the old one; the next try comes "
        "after `retry_after`", STALE | PICKY,
        ran(1), after(10), behind(1, stored=False), old(1), after(5), behind(1), hit(3)),
    row("stale tags", "an invalidated answer is not served stale, and a refresh under way is not "
        "stored", STALE | TAGGED,
        ran(1), after(10), OTHERS, behind(1), hit(2), after(10), OURS, ran(3), after(10),
        behind(3, stored=False, meanwhile=OURS), ran(5), hit(5)),
    row("stale single_flight", "a refresh behind is one at a time all the same", STALE | APART,
        ran(1), after(10), behind(1), hit(2), after(30), ran((3, 4), callers=2)),
    row("stale isolate", "stale answers are shared as well", STALE | SHARED,
        ran(1), after(10), behind(1), hit(2)),
    row("stale_if_error retry_after", "a run that failed is tried again so much later; the answer is "
        "served at once meanwhile", GRACE | {"retry_after": 15},
        ran(1), after(10), fails(), stands(1), after(14.5), old(1), after(0.5), stands(1), after(15),
        stands(1), after(9.5), old(1), after(0.5), raises(DOWN)),
    row("stale_if_error refresh_ahead", "a refresh that failed early counts as a try: nobody tries "
        "again, and nobody waits, before `retry_after` is over", GRACE | AHEAD,
        takes(1), ran(1), LUCK, after(9), fails(), early(1), old(1), after(4.5), old(1), after(0.5),
        stands(1)),
    row("stale_if_error jitter", "`stale_if_error` counts from the end of the longer ttl",
        GRACE | JITTER,
        draws(0.5), ran(1), after(12), hit(1), after(0.5), fails(), stands(1), after(39.5), stands(1),
        after(0.5), raises(DOWN)),
    row("stale_if_error timeout", "the old answer stands in for a run that fails or outlasts "
        "`timeout`, which is finished and stored behind", SLOW,
        ran(1), after(10), late(1), hit(2), after(10), fails(), late(2), old(2), after(4.5), old(2),
        works, after(0.5), late(2), hit(4)),
    # in time
    row("stale_if_error timeout", "", GRACE | {"timeout": LONG},
        ran(1), after(10), fails(), stands(1, callers=2), after(5), works, ran(3), hit(3), after(50),
        ran(4)),
    row("stale_if_error errors", "the stale answer wins; the exception is kept once there is none",
        GRACE | ERRORS,
        ran(1), after(10), fails(), stands(1), old(1), after(40), raises(DOWN, stored=True),
        kept(DOWN), works, after(5), ran(4), hit(4)),
    row("stale_if_error store_if", "a refused answer reaches its caller; the old one stays to stand in",
        GRACE | PICKY,
        ran(1), after(10), ran(2, stored=False), fails(), stands(1), old(1)),
    row("stale_if_error tags", "an invalidated answer stands in for nothing, also if that happens "
        "while the function runs", GRACE | TAGGED,
        ran(1), after(10), OURS, fails(), raises(DOWN), works, ran(3), after(10), fails(),
        raises(DOWN, meanwhile=OURS)),
    row("stale_if_error single_flight", "each runs the function, each that fails is served the old "
        "answer", GRACE | APART,
        ran(1), after(10), fails(), stands(1, callers=2), old(1), after(40), raises(DOWN, callers=2)),
    row("stale_if_error isolate", "what stands in is shared as well", GRACE | SHARED,
        ran(1), after(10), fails(), stands(1, callers=2), old(1)),
    row("retry_after refresh_ahead", "a refresh that failed early is tried again so much later, while "
        "the answer is fresh", AHEAD | {"retry_after": 2},
        takes(1), ran(1), LUCK, after(5.5), fails(), early(1), hit(1), after(1.5), hit(1), after(0.5),
        early(1), after(0.5), raises(DOWN)),
    row("retry_after jitter", "jitter does not touch `retry_after`",
        GRACE | JITTER | {"retry_after": 15},
        draws(0.5), ran(1), after(12.5), fails(), stands(1), after(14.5), old(1), after(0.5),
        stands(1)),
    row("retry_after timeout", "a run that outlasts `timeout` and then fails is tried again so much "
        "after it failed; being late alone makes no rest", SLOW | {"retry_after": 15},
        ran(1), after(10), fails(), late(1), old(1), after(14.5), old(1), after(0.5), works, late(1),
        hit(3)),
    row("retry_after errors", "`retry_after` while there is an old answer, the exception's own time "
        "afterwards", GRACE | ERRORS | {"retry_after": 15},
        ran(1), after(10), fails(), stands(1), after(15), stands(1), after(25),
        raises(DOWN, stored=True), after(4.5), kept(DOWN), after(0.5), raises(DOWN, stored=True)),
    row("retry_after store_if", "a refused answer is no failure, so nobody rests",
        GRACE | PICKY | {"retry_after": 15},
        ran(1), after(10), ran(2, stored=False), ran(3), hit(3)),
    row("retry_after tags", "the rest ends with the answer that it was for",
        GRACE | TAGGED | {"retry_after": 15},
        ran(1), after(10), fails(), stands(1), old(1), OTHERS, old(1), OURS, raises(DOWN),
        raises(DOWN)),
    row("retry_after single_flight", "all rest after any that failed",
        GRACE | APART | {"retry_after": 15},
        ran(1), after(10), fails(), stands(1, callers=2), after(14.5), old(1), after(0.5), stands(1)),
    row("retry_after isolate", "what is served meanwhile is shared as well",
        GRACE | SHARED | {"retry_after": 15},
        ran(1), after(10), fails(), stands(1), after(14.5), old(1)),
    row("refresh_ahead jitter", "early is counted from the end of the longer ttl", AHEAD | JITTER,
        takes(1), draws(0.5), ran(1), LUCK, after(7.5), hit(1), after(0.5), early(1), draws(0),
        hit(2)),
    row("refresh_ahead timeout", "nobody waits for an early refresh; past the ttl the timeout holds",
        SLOW | AHEAD,
        takes(1), ran(1), LUCK, after(6), early(1), draws(0), after(10), late(2), hit(3)),
    row("refresh_ahead errors", "an early refresh that failed is not kept while the answer is fresh",
        AHEAD | ERRORS,
        takes(1), ran(1), LUCK, after(6), fails(), early(1), hit(1), after(3),
        raises(DOWN, stored=True), kept(DOWN), after(5), raises(DOWN, stored=True)),
    row("refresh_ahead store_if", "a refresh whose answer is refused leaves the old one; the next try "
        "comes after `retry_after`, or past the ttl", AHEAD | PICKY,
        takes(1), ran(1), LUCK, after(6), early(1, stored=False), hit(1), after(3), draws(0), ran(3),
        hit(3)),
    row("refresh_ahead tags", "a refresh under way is not stored", AHEAD | TAGGED,
        takes(1), ran(1), LUCK, after(6), early(1, stored=False, meanwhile=OURS), draws(0), ran(3),
        hit(3)),
    row("refresh_ahead single_flight", "a refresh behind is one at a time all the same", AHEAD | APART,
        takes(1), ran(1), LUCK, after(6), early(1), draws(0), hit(2)),
    row("refresh_ahead isolate", "answers of refreshes are shared as well", AHEAD | SHARED,
        takes(1), ran(1), LUCK, after(6), early(1), draws(0), hit(2)),
    row("jitter timeout", "the timeout begins to count for calls past the longer ttl", SLOW | JITTER,
        draws(0.5), ran(1), after(12), hit(1), after(0.5), late(1), hit(2)),
    row("jitter errors", "kept exceptions have jitter, too", JITTER | ERRORS,
        draws(0.5), fails(), raises(DOWN, stored=True), after(6), kept(DOWN), after(0.25),
        raises(DOWN, stored=True)),
    row("jitter store_if", NO_BEARING, JITTER | PICKY,
        draws(0.5), ran(1), after(12), hit(1), after(0.5), ran(2, stored=False), ran(3), hit(3)),
    row("jitter tags", NO_BEARING, JITTER | TAGGED,
        draws(0.5), ran(1), after(12), hit(1), OURS, ran(2), after(12), hit(2), after(0.5), ran(3)),
    row("jitter single_flight", NO_BEARING, JITTER | APART,
        draws(0.5), ran((1, 2), callers=2), after(12), hit((1, 2)), after(0.5),
        ran((3, 4), callers=2)),
    row("jitter isolate", NO_BEARING, JITTER | SHARED,
        draws(0.5), ran(1), after(12), hit(1), after(0.5), ran(2), hit(2)),
    row("timeout errors", "a late run that fails is not kept while there is an old answer",
        SLOW | ERRORS,
        ran(1), after(10), fails(), late(1), old(1), after(40), raises(DOWN, stored=True), kept(DOWN)),
    row("timeout store_if", "a late answer that is refused is lost; the next call tries again",
        SLOW | PICKY,
        ran(1), after(10), late(1, stored=False), late(1), hit(3)),
    row("timeout tags", "a late answer is not stored if it was invalidated meanwhile", SLOW | TAGGED,
        ran(1), after(10), late(1, stored=False, meanwhile=OURS), ran(3), hit(3)),
    row("timeout isolate", "what stands in is shared as well", SLOW | SHARED,
        ran(1), after(10), late(1), hit(2)),
    row("errors store_if", "`store_if` is not asked about exceptions", ERRORS | {"store_if": not_one},
        fails(), raises(DOWN, stored=True), kept(DOWN), after(5), works, ran(2), hit(2)),
    row("errors tags", "a kept exception goes with its tags", ERRORS | TAGGED,
        fails(), raises(DOWN, stored=True), OTHERS, kept(DOWN), OURS, raises(DOWN, stored=True), OURS,
        works, ran(3), hit(3), OURS, fails(), raises(DOWN, meanwhile=OURS), raises(DOWN, stored=True)),
    row("errors single_flight", "each exception is kept, the last one stays", ERRORS | APART,
        fails(), raises(DOWN, stored=True, callers=2), kept(DOWN)),
    row("errors isolate", "exceptions are not shared: each caller raises its own", ERRORS | SHARED,
        fails(), raises(DOWN, stored=True, callers=2), kept(DOWN)),
    row("store_if tags", NO_BEARING, PICKY | TAGGED,
        ran(1), hit(1), OURS, ran(2, stored=False), ran(3), hit(3), OURS, ran(4)),
    row("store_if single_flight", "each answer is asked about", APART | {"store_if": not_two},
        ran(1), after(10), ran(2, stored=False), ran((3, 4), callers=2), hit((3, 4))),
    row("store_if isolate", "callers that waited for a refused answer share it",
        SHARED | {"store_if": not_one},
        ran(1, stored=False, callers=2), ran(2), hit(2)),
    row("tags single_flight", "none is stored that was under way", TAGGED | APART,
        ran((1, 2), stored=False, callers=2, meanwhile=OURS), ran(3), hit(3), OURS, ran(4)),
    row("tags isolate", NO_BEARING, TAGGED | SHARED,
        ran(1), hit(1), OURS, ran(2), hit(2)),
    row("single_flight isolate", "the object that was stored last is the one that is shared",
        APART | SHARED,
        ran((1, 2), callers=2), hit((1, 2)), after(10), ran(3), hit(3)),
)  # fmt: skip


def tens(answer: Any) -> float:
    """10 s for the first answer, nothing for the second, 30 s for the third."""
    return {1: 10.0, 2: 0.0, 3: 30.0}.get(number_of(answer), 10.0)


TTLS = (
    row("ttl", "an answer is served until its ttl is over", TEN,
        ran(1), hit(1), after(9.5), hit(1), after(0.5), ran(2), hit(2), drops_key, ran(3)),
    row("ttl(answer)", "each answer has its own time; 0 or less: it is not stored", {"ttl": tens},
        ran(1), hit(1), after(10), ran(2, stored=False), ran(3), after(29.5), hit(3), after(0.5),
        ran(4)),
    row("operation", "the operation's ttl, where the function has none", {"operation": "report"},
        ran(1), hit(1), after(9.5), hit(1), after(0.5), ran(2), hit(2), operation_ttl=10),
    row("ttl operation", "`ttl` wins", TEN | {"operation": "report"},
        ran(1), after(9.5), hit(1), after(0.5), ran(2), operation_ttl=50),
    row("ttl(answer) operation", "`ttl` wins, unless it answers `None`",
        {"ttl": lambda answer: None if number_of(answer) == 2 else 10, "operation": "report"},
        ran(1), after(10), ran(2), after(49.5), hit(2), after(0.5), ran(3), operation_ttl=50),
    row("ttl(answer) stale", "a refresh whose answer is worth nothing leaves the old one; `stale` "
        "counts from the end of each answer's own time", {"ttl": tens, "stale": 20},
        ran(1), after(10), behind(1, stored=False), old(1), after(5), behind(1), hit(3), after(29.5),
        hit(3), after(0.5), behind(3)),
    row("ttl(answer) stale_if_error", "an answer worth nothing reaches its caller; the old one stays "
        "to stand in", {"ttl": tens, "stale_if_error": 40},
        ran(1), after(10), ran(2, stored=False), fails(), stands(1), works, after(5), ran(4)),
    row("ttl(answer) retry_after", "an answer worth nothing is no failure, so nobody rests",
        {"ttl": tens, "stale_if_error": 40, "retry_after": 15},
        ran(1), after(10), ran(2, stored=False), ran(3), hit(3)),
    row("ttl(answer) refresh_ahead", "early is counted from the end of each answer's own time",
        {"ttl": tens, "refresh_ahead": True},
        takes(1), ran(1), LUCK, after(6), early(1, stored=False), hit(1), after(3), ran(3), after(25),
        hit(3), after(0.5), early(3)),
    row("ttl(answer) jitter", "the share is of each answer's own time", {"ttl": tens, "jitter": 0.5},
        draws(0.5), ran(1), after(12.5), ran(2, stored=False), ran(3), after(37), hit(3), after(0.5),
        ran(4)),
    row("ttl(answer) timeout", "a late answer worth nothing is lost; the next call tries again",
        {"ttl": tens, "stale_if_error": 40, "timeout": SOON},
        ran(1), after(10), late(1, stored=False), late(1), hit(3)),
    row("ttl(answer) errors", "it is not asked about exceptions",
        {"ttl": tens, "errors": {ConnectionError: 5}},
        fails(), raises(DOWN, stored=True), after(4.5), kept(DOWN), after(0.5), works,
        ran(2, stored=False), ran(3), hit(3)),
    row("ttl(answer) store_if", "both must allow it", {"ttl": tens, "store_if": not_one},
        ran(1, stored=False), ran(2, stored=False), ran(3), after(29.5), hit(3)),
    row("ttl(answer) tags", NO_BEARING, {"ttl": tens, "tags": ["user:{a}"]},
        ran(1), OURS, ran(2, stored=False), ran(3), after(29.5), hit(3), OURS, ran(4)),
    row("ttl(answer) single_flight", "each answer is asked about",
        {"ttl": tens, "single_flight": None},
        ran(1), after(10), ran(2, stored=False), ran((3, 4), callers=2), hit((3, 4))),
    row("ttl(answer) isolate", "callers that waited for an answer worth nothing share it",
        {"ttl": tens, "isolate": False},
        ran(1, callers=2), after(10), ran(2, stored=False, callers=2), ran(3), hit(3)),
)  # fmt: skip


def _with_ttl_from(source: str) -> list[Row]:
    """The rows about one other option, or the least that it comes with, with the ttl from elsewhere."""
    givers: dict[str, dict[str, Any]] = {"ttl": TEN, "operation": {"operation": "report"}, "default": {}}
    default = 10.0 if source == "default" else 100.0
    found = []
    for one in (*ALONE, *PAIRS):
        other = _least(one)
        if other is not None:
            options = {name: value for name, value in one.options.items() if name != "ttl"} | givers[source]
            about = (other,) if source == "default" else (source, other)
            found.append(
                replace(one, about=about, says="", options=options, default=default, operation_ttl=10.0)
            )
    return found


def _least(one: Row) -> str | None:
    """The one option that a row shows, where its others are only there for its sake."""
    if len(one.about) == 1:
        return one.about[0]
    return {"stale_if_error retry_after": "retry_after", "stale_if_error timeout": "timeout"}.get(
        " ".join(one.about)
    )


ROWS: tuple[Row, ...] = (
    *TTLS, *ALONE, *PAIRS, *_with_ttl_from("ttl"), *_with_ttl_from("operation"), *_with_ttl_from("default"),
)  # fmt: skip


REFUSALS = (
    Refusal(("timeout", "single_flight"), {"stale_if_error": 40, "timeout": 1, "single_flight": None},
            "drop one of them", "refused: there is no shared run that could finish behind its caller"),
    Refusal(("timeout",), {"timeout": 1}, "add stale_if_error",
            "needs an answer to serve: `stale_if_error` (or `stale`, where it makes no difference)"),
    Refusal(("timeout",), {"timeout": 1, "refresh_ahead": True, "jitter": 0.1}, "add stale_if_error"),
    Refusal(("retry_after",), {"retry_after": 1}, "add stale, stale_if_error or refresh_ahead",
            "needs an answer to serve meanwhile: `stale`, `stale_if_error` or `refresh_ahead`"),
    Refusal(("retry_after",), {"retry_after": 1, "jitter": 0.1, "errors": {OSError: 1}},
            "add stale, stale_if_error or refresh_ahead"),
    *(Refusal(("ttl", name), {"ttl": float("inf"), name: value}, f"or drop {name}",
              "refused with `ttl=FOREVER`, which has no end")
      for name, value in Refusal.ends.items()),
)  # fmt: skip

NEVER_MEET = {("ttl", "ttl(answer)"): "one parameter"}


def pairs() -> list[tuple[str, str]]:
    """All pairs of options, those that contradict each other or cannot meet included."""
    return list(itertools.combinations(OPTIONS, 2))


# --- the page

PAGE = Path(__file__).parents[2] / "docs" / "freshness.md"
BEGIN, END = "<!-- combinations: generated -->", "<!-- /combinations -->"
_TABLE = re.compile(f"(?<={BEGIN}\n).*?(?={END})", re.DOTALL)


def table() -> str:
    """The table of the page."""
    lines = ["| options | together |", "| --- | --- |"]
    told = [(one.about, one.says) for one in (*TTLS, *ALONE, *PAIRS, *REFUSALS) if one.says]
    told.sort(key=lambda item: [OPTIONS.index(name) for name in item[0]])
    lines += [f"| {_named(about)} | {says} |" for about, says in told]
    return "\n".join([*lines, ""])


def _named(about: tuple[str, ...]) -> str:
    return " + ".join(f"`{_AS_WRITTEN.get(name, name)}`" for name in about)


_AS_WRITTEN = {"ttl(answer)": "ttl=rule", "single_flight": "single_flight=None", "isolate": "isolate=False"}


def with_table(page: str) -> str:
    """A page with the table as it should be."""
    return _TABLE.sub(lambda _: table(), page)


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text("utf-8")), "utf-8")
