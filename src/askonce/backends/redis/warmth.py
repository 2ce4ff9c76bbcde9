"""A full server drops what nobody read for longest, and tokens that a process knows are not read again."""

from collections.abc import Iterator
from typing import Final

from askonce.backends.redis.state import State

_TOGETHER: Final = 32


class Warmth:
    """Says which keys to read now and then, so that no server takes for cold what all entries depend on.

    Args:
        state: of the cache.
    """

    def __init__(self, state: State) -> None:
        self._state: Final = state
        self._at = 0

    def next(self) -> Iterator[bytes]:
        """The generation and some tokens of tags, others at each call."""
        names = self._state.names
        yield names.generation
        tags, self._at = self._state.tokens.some(self._at, _TOGETHER)
        yield from map(names.tag, tags)
