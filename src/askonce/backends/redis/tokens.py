"""What a process knows of tags and of the generation: random tokens, each under a key of its own in Redis.

An entry bears the tokens that its tags had before its value was made, and counts while they are the same.
A token that is absent, unknown or different does not count, so no clock is compared and nothing that is
lost brings an old value back.
"""

import secrets
import threading
from collections import OrderedDict
from collections.abc import Iterable
from itertools import islice
from typing import Final

TOKEN: Final = 8
"""Bytes of a token."""

_MOST: Final = 10_000


def new_token() -> bytes:
    """A token that nobody else has."""
    return secrets.token_bytes(TOKEN)


class Tokens:
    """The tokens that are certainly those in Redis, as long as changes are heard of. Safe under threads.

    Attributes:
        generation: the token that all entries bear; ``None`` while it is unknown.
        epoch: a number that grows with each change that was heard of.
        version: a number that grows with each token that is learned, doubted or forgotten.
    """

    def __init__(self) -> None:
        self.generation: bytes | None = None
        self.epoch = self.version = 0
        self._lock = threading.Lock()
        self._known: Final[OrderedDict[str, bytes]] = OrderedDict()
        self._doubted: Final[dict[str, bytes]] = {}
        self._changes: Final[OrderedDict[str, int]] = OrderedDict()
        self._floor = 0
        self._generation_changed = 0
        self._long_lived: Final[dict[str, float]] = {}

    def get(self, tag: str) -> bytes | None:
        """The token of a tag, or ``None`` where it has to be asked for."""
        return self._known.get(tag)

    def missing(self, tags: Iterable[str]) -> list[str]:
        """The tags whose tokens have to be asked for."""
        known = self._known
        return [tag for tag in tags if tag not in known]

    def some(self, start: int, most: int) -> tuple[list[str], int]:
        """Tags whose tokens are known, from a place on; and the place to go on from."""
        with self._lock:
            start %= max(len(self._known), 1)
            return list(islice(self._known, start, start + most)), start + most

    def learn(self, tag: str, token: bytes, asked: int) -> list[str]:
        """Keep what Redis answered, unless the tag changed since it was asked.

        Args:
            tag: the tag.
            token: its token.
            asked: ``epoch`` when the question was sent.

        Returns:
            Tags whose tokens had to be forgotten for it.
        """
        with self._lock:
            if self.changed_since(tag, asked):
                return []
            self._doubted.pop(tag, None)
            self._known[tag] = token
            self.version += 1
            forgotten: list[str] = []
            while len(self._known) > _MOST:
                forgotten.append(self._known.popitem(last=False)[0])
                self._long_lived.pop(forgotten[-1], None)
            return forgotten

    def forget(self, tag: str) -> bytes | None:
        """Note that a tag changed; answers the token that was known."""
        with self._lock:
            self.epoch += 1
            self.version += 1
            self._changes[tag] = self.epoch
            self._changes.move_to_end(tag)
            if len(self._changes) > _MOST:
                self._floor = self._changes.popitem(last=False)[1]
            self._long_lived.pop(tag, None)
            self._doubted.pop(tag, None)
            return self._known.pop(tag, None)

    def doubt(self, tag: str) -> bytes | None:
        """Believe a token no more until it was read again; answers what it was."""
        with self._lock:
            self.version += 1
            token = self._known.pop(tag, None) or self._doubted.get(tag)
            if token is not None:
                self._doubted[tag] = token
            return token

    def changed_since(self, tag: str, epoch: int) -> bool:
        """Whether the tag may have changed after an epoch."""
        return epoch < self._floor or self._changes.get(tag, 0) > epoch

    def learn_generation(self, token: bytes, asked: int) -> None:
        """Keep the generation, unless it changed since it was asked for."""
        with self._lock:
            if asked >= self._generation_changed:
                self.generation = token

    def forget_generation(self) -> bytes | None:
        """Note that the generation changed; answers what it was."""
        with self._lock:
            self.epoch += 1
            self._generation_changed = self.epoch
            old, self.generation = self.generation, None
            return old

    def forget_all(self) -> None:
        """Believe nothing any more."""
        with self._lock:
            self.epoch += 1
            self.version += 1
            self._floor = self._generation_changed = self.epoch
            self.generation = None
            self._known.clear()
            self._doubted.clear()
            self._changes.clear()
            self._long_lived.clear()

    def begin_anew(self) -> None:
        """Believe nothing, in a forked child, where a thread of the parent may have held the lock."""
        self._lock = threading.Lock()
        self.forget_all()

    def lives_until(self, tag: str) -> float:
        """The server's clock up to which the tag's key is known to live."""
        return self._long_lived.get(tag, 0.0)

    def lives_at_least(self, tag: str, until: float) -> None:
        """Note how long the tag's key lives."""
        with self._lock:
            if tag in self._known or tag in self._doubted:
                self._long_lived[tag] = until
