"""Looking at what stands under a key, and whether it counts."""

import time
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

from askonce.backends.engine import Fence
from askonce.backends.redis.client import Client
from askonce.backends.redis.link import Link, checked
from askonce.backends.redis.stamps import end_of
from askonce.backends.redis.state import State
from askonce.backends.redis.tokens import TOKEN, new_token
from askonce.backends.redis.wire import MAKE, pack, read_command
from askonce.codec.frame import Frame, is_tombstone, seen
from askonce.exceptions import BackendError, CodecError

_TAG_LIFE: Final = 7 * 86_400
"""Seconds for which a token is made; entries that live longer have it prolonged."""


class Unreachable(BackendError):
    """There is no server to ask at the moment."""


class Note:
    """What a fence saw before its function ran.

    Attributes:
        seen: how what stood under the key begins; empty for nothing.
        held: whether that was an entry, counting or not, and no tombstone.
        generation: of the cache.
        tokens: of the tags that were known.
        epoch: of ``Tokens`` at that moment.
        at: ``time.monotonic`` of that moment.
    """

    __slots__ = ("at", "epoch", "generation", "held", "seen", "tokens")

    def __init__(self, data: bytes, generation: bytes, epoch: int) -> None:
        self.seen = seen(data)
        self.held = bool(data) and not is_tombstone(data)
        self.generation = generation
        self.tokens: dict[str, bytes] = {}
        self.epoch = epoch
        self.at = time.monotonic()


class Look(NamedTuple):
    """What stands under a key.

    Attributes:
        frame: an entry that counts, or ``None``.
        reason: why there is none.
        link: the connection over which it was read.
        tags: of the entry, by name.
    """

    frame: Frame | None
    reason: str
    link: Link
    tags: tuple[str, ...] = ()


class Looks:
    """Looks at keys.

    Args:
        state: of the cache.
        limit: bytes of a frame.
    """

    def __init__(self, state: State, limit: int) -> None:
        self._state: Final = state
        self._before, self._after = read_command(limit)

    async def look(self, client: Client, fence: Fence) -> Look:
        """Read a key, note what was seen, and say whether it counts.

        Until all is known, news of the key do not break the fence: no function has begun. They only mark it,
        so that memory does not keep what they may have been about.

        Raises:
            BackendError: there was no answer.
        """
        state = self._state
        name = state.names.data(fence.key)
        link = client.route(name)
        if link is None:
            raise Unreachable("the server of this key cannot be reached")
        fence.note, fence.dirty, fence.looking = None, False, True

        def on_reply(_: Any) -> None:
            if client.in_order:  # what was changed before is in the answer
                fence.dirty = False

        epoch = state.tokens.epoch
        answer = link.send(b"%b%d\r\n%b%b" % (self._before, len(name), name, self._after), on_reply)
        for tag in state.tokens.missing(fence.tags):
            self._ask_token(client, tag)
        data: bytes = checked(await answer)
        generation = state.tokens.generation or await self.generation(client)
        note = fence.note = Note(data, generation, epoch)
        frame, reason = self._parsed(data, name, generation, link)
        tags: tuple[str, ...] = ()
        if frame is not None and frame.tags:
            tags = tuple(tag for tag, _ in frame.tags)
            if not await self._counts(client, frame):
                frame, reason = None, "one of its tags was invalidated"
        if frame is not None and state.ledger.doubts_key(fence.key):
            frame, reason = None, "it was replaced while Redis could not be told"
        if fence.tags:
            note.tokens = await self.tokens(client, fence.tags, make=frame is None)
        if frame is None:  # whatever changed up to now, the function has not begun
            fence.dirty = False
        else:  # a token that came is in doubt again
            fence.dirty |= any(state.tokens.get(tag) != token for tag, token in frame.tags)
        state.memory.looked(fence)
        return Look(frame, reason, link, tags)

    def _parsed(self, data: bytes, name: bytes, generation: bytes, link: Link) -> tuple[Frame | None, str]:
        if not data:
            return None, "nothing is stored in Redis"
        if is_tombstone(data):
            return None, "it was invalidated"
        try:
            frame = self._state.framing.parse(data, name)
        except CodecError as error:
            self._state.counts.undecodable += 1
            return None, str(error)
        if frame.generation != generation:
            return None, "the cache was cleared since"
        if end_of(frame.stamps) <= link.now:
            return None, "it expired"
        return frame, ""

    async def _counts(self, client: Client, frame: Frame) -> bool:
        """Whether no tag of the entry was invalidated since it was made."""
        names = [tag for tag, _ in frame.tags]
        if self._state.ledger.doubts_tags(names):
            return False
        current = await self.tokens(client, names, make=False)
        return all(current.get(tag) == token for tag, token in frame.tags)

    async def tokens(self, client: Client, tags: Iterable[str], *, make: bool) -> dict[str, bytes]:
        """The tokens of tags; those that do not exist are made, or left out.

        Raises:
            BackendError: Redis did not say.
        """
        known = self._state.tokens
        names = list(dict.fromkeys(tags))
        found = {tag: token for tag in names if (token := known.get(tag)) is not None}
        absent = [tag for tag in names if tag not in found]
        if not absent:
            return found
        questions = [
            (tag, self._make_token(client, tag) if make else self._ask_token(client, tag)) for tag in absent
        ]
        for tag, question in questions:
            reply = None if question is None else checked(await question)
            if isinstance(reply, bytes) and len(reply) == TOKEN:
                found[tag] = reply
        return found

    def _ask_token(self, client: Client, tag: str) -> Any:
        name = self._state.names.tag(tag)
        link = client.route(name)
        if link is None:
            return None
        return link.send(pack((b"GET", name)), self._learner(tag))

    def _make_token(self, client: Client, tag: str) -> Any:
        name = self._state.names.tag(tag)
        link = client.route(name)
        if link is None:
            return None
        script = MAKE[link.version < (7,)]
        life = str(_TAG_LIFE * 1000).encode()
        return link.send(pack((b"EVAL", script.text, 1, name, new_token(), life)), self._learner(tag))

    def _learner(self, tag: str) -> Callable[[Any], None]:
        """Keeps a token in the order in which replies and news come."""
        tokens, memory = self._state.tokens, self._state.memory
        asked = tokens.epoch

        def learn(reply: Any) -> None:
            if isinstance(reply, bytes) and len(reply) == TOKEN:
                forgotten = tokens.learn(tag, reply, asked)
                if forgotten:
                    memory.drop_tag_copies(tuple(forgotten))

        return learn

    async def generation(self, client: Client) -> bytes:
        """The token that all entries bear, asked for or made.

        Raises:
            BackendError: Redis did not say.
        """
        state = self._state
        link = client.route(state.names.generation)
        if link is None:
            raise Unreachable("the server of the generation cannot be reached")
        asked = state.tokens.epoch
        script = MAKE[link.version < (7,)]
        token = await link.run(script, state.names.generation, new_token(), b"")
        if not isinstance(token, bytes) or len(token) != TOKEN:
            raise Unreachable("the generation cannot be read")
        state.tokens.learn_generation(token, asked)
        return token
