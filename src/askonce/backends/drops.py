"""Why keys left the cache, for those who ask soon enough."""

from collections import OrderedDict
from typing import Final

from askonce.results import span

REMEMBERED: Final = 1024


class DropRecord:
    """The last 1,024 keys that left, with the reason."""

    __slots__ = ("_drops", "_full")

    def __init__(self) -> None:
        self._drops: Final[OrderedDict[str, tuple[str, float, str]]] = OrderedDict()
        self._full = False

    def __len__(self) -> int:
        return len(self._drops)

    def note(self, key: str, how: str, when: float, purpose: str = "") -> None:
        """Remember that a key left, such as "evicted", at 12.5, "to keep max_size=10"."""
        drops = self._drops
        drops[key] = (how, when, purpose)
        drops.move_to_end(key)
        if len(drops) > REMEMBERED:
            drops.popitem(last=False)
            self._full = True

    def explain(self, key: str, now: float) -> str:
        """Why a key is not there, in words."""
        drop = self._drops.get(key)
        if drop is None:
            return f"not among the last {REMEMBERED} keys that left" if self._full else "never stored here"
        how, when, purpose = drop
        return f"{how} {ago(now - when)} {purpose}".rstrip()


def ago(seconds: float) -> str:
    """How long something is past, as people read it."""
    return f"{span(max(seconds, 0.0))} ago"
