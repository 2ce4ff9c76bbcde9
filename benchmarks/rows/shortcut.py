"""The shortcut that deceives: an index by identity shines on one call and is useless on new objects."""

from collections.abc import Callable
from typing import Any

from benchmarks import peers
from benchmarks.measure import Effort, race
from benchmarks.questions import counted_sync, renew, texts
from benchmarks.report import Result, row
from benchmarks.rows.hits import again_sync, turns_sync, warmed_sync


def by_identity(function: Callable[..., Any]) -> Callable[..., Any]:
    """Remember answers by the identity of the arguments, and by their values where that fails."""
    seen: dict[tuple[int, int], Any] = {}
    safe = peers.of_cachebox()(function)

    def ask(text: str, limit: int = 200) -> Any:
        try:
            return seen[id(text), id(limit)][0]
        except KeyError:
            found = safe(text, limit=limit)
            seen[id(text), id(limit)] = found, text, limit  # keeps the objects, so that no id is used again
            return found

    return ask


@row("shortcut")
def shortcut(effort: Effort) -> Result:
    """The same contenders in both disciplines."""
    result = Result("shortcut", "ask(text, limit=n): an index by identity, on one call and on new objects")
    result.note = "Not a product's figures: it shows why the rows named 'same' are not the headline."
    for suffix, questions, trial in (
        (", same", texts(1), lambda made, asked: again_sync(made.ask, asked[0])),
        (", new", texts(), turns_sync),
    ):
        contenders = {"by identity": by_identity, "cachebox": peers.of_cachebox()}
        made = {name: warmed_sync(name, counted_sync(it), questions) for name, it in contenders.items()}
        for it in made.values():
            it.ask(renew(questions)[0])
        times = race({name + suffix: trial(it, questions) for name, it in made.items()}, effort)
        result.take(times)
        result.compare(times, f"cachebox{suffix}", ours=f"by identity{suffix}")
    return result
