"""Looking at what stands under a key, and whether it counts."""

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

from askonce.backends.engine import Fence
from askonce.backends.redis.client import Client
from askonce.backends.redis.link import Link, Refused, checked
from askonce.backends.redis.stamps import end_of
from askonce.backends.redis.state import State
from askonce.backends.redis.tokens import TOKEN, new_token
from askonce.backends.redis.wire import MAKE, pack, read_command
from askonce.codec.frame import Frame, Glance, is_tombstone, seen
from askonce.codec.layout import pack_tags
from askonce.exceptions import BackendError, CodecError

_TAG_LIFE: Final = 7 * 86_400
"""Seconds for which a token is made; entries that live longer have it prolonged."""


_MOST_SECTIONS: Final = 1000


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


class Question(NamedTuple):
    """What was asked.

    Attributes:
        name: the key in Redis.
        link: the connection over which it was asked.
        answer: what comes of it.
        epoch: of ``Tokens`` when it was asked.
        payments: of the ledger when it was asked.
    """

    name: bytes
    link: Link
    answer: "asyncio.Future[Any]"
    epoch: int
    payments: int


class Reply:
    """What stands under a key and has to be looked at closely; a fence that is opened now may go on with it.

    Args:
        client: over whose connections it was read.
        question: what was asked.
        data: what came of it.
        spent: seconds that it took.
        take: ends the watch over the key and says whether it is still as it was read; only once.
    """

    __slots__ = ("client", "data", "question", "spent", "take")

    def __init__(
        self, client: Client, question: Question, data: bytes, spent: float, take: Callable[[], bool]
    ) -> None:
        self.client = client
        self.question = question
        self.data = data
        self.spent = spent
        self.take = take

    def end(self) -> None:
        """Keep watch no longer."""
        self.take()


class Looks:
    """Looks at keys.

    Args:
        state: of the cache.
        limit: bytes of a frame.
    """

    def __init__(self, state: State, limit: int) -> None:
        self._state: Final = state
        self._before, self._after = read_command(limit)
        self._sections: Final[dict[tuple[str, ...], tuple[int, bytes, dict[str, bytes]]]] = {}

    async def look(self, client: Client, fence: Fence) -> Look:
        """Read a key, note what was seen, and say whether it counts.

        Raises:
            BackendError: there was no answer.
        """
        fence.note, fence.dirty, fence.looking = None, False, True
        question = self.ask(client, fence)
        return await self.judge(client, fence, question, checked(await question.answer))

    def ask(self, client: Client, fence: Fence) -> Question:
        """Send the question for a key, and for the tokens of its tags that are not known.

        Until all is known, news of the key do not break the fence: no function has begun. They only mark it,
        so that memory does not keep what they may have been about.

        Raises:
            Unreachable: there is no server to ask.
        """
        name = self._state.names.data(fence.key)
        link = client.route(name)
        if link is None:
            raise Unreachable("the server of this key cannot be reached")

        def on_reply(_: Any) -> None:
            if client.in_order:  # what was changed before is in the answer
                fence.dirty = False

        epoch = self._state.tokens.epoch
        answer = link.send(b"%b%d\r\n%b%b" % (self._before, len(name), name, self._after), on_reply)
        if fence.tags:
            for tag in self._state.tokens.missing(fence.tags):
                self._ask_token(client, tag)
        return Question(name, link, answer, epoch, self._state.ledger.payments)

    def question(self, client: Client, key: str) -> Question:
        """Send the question for a key that somebody reads by hand.

        Raises:
            Unreachable: there is no server to ask.
        """
        name = self._state.names.data(key)
        link = client.route(name)
        if link is None:
            raise Unreachable("the server of this key cannot be reached")
        answer = link.send(b"%b%d\r\n%b%b" % (self._before, len(name), name, self._after))
        return Question(name, link, answer, self._state.tokens.epoch, self._state.ledger.payments)

    def glance(self, question: Question, fence: Fence, data: bytes) -> Glance | None:
        """What a common entry holds that counts; ``None`` where ``judge`` has to look closer."""
        tags, generation = fence.tags, self._state.tokens.generation
        glance = self.glance_at(question, tags, data)
        if glance is None or generation is None or glance[2] <= question.link.now * 1000:
            return None
        note = fence.note = Note(data, generation, question.epoch)
        if tags:
            note.tokens = self._sections[tags][2]
        return glance

    def glance_at(self, question: Question, tags: tuple[str, ...], data: Any) -> Glance | None:
        """The same for those who fill nothing, and who look at its time themselves."""
        state = self._state
        tokens = state.tokens
        generation = tokens.generation
        section = self._section(tags) if tags else b""
        if generation is None or section is None or type(data) is not bytes or len(state.ledger):
            return None
        if question.payments != state.ledger.payments:
            return None
        return state.framing.glance(data, question.name, generation, section)

    def _section(self, tags: tuple[str, ...]) -> bytes | None:
        """How the tags of an entry stand in its frame if it counts; ``None`` where a token is not known."""
        tokens = self._state.tokens
        made = self._sections.get(tags)
        if made is not None and made[0] == tokens.version:
            return made[1]
        version = tokens.version
        known = {tag: token for tag in tags if (token := tokens.get(tag)) is not None}
        if len(known) < len(tags):
            return None
        section = pack_tags(list(known.items()))
        if len(self._sections) >= _MOST_SECTIONS:
            self._sections.clear()
        self._sections[tags] = (version, section, known)
        return section

    async def judge(self, client: Client, fence: Fence, question: Question, data: Any) -> Look:
        """Whether what was read counts.

        Raises:
            BackendError: it is no value, or there was no answer about its tags.
        """
        state = self._state
        while question.payments != state.ledger.payments:  # read before Redis was told, and doubted no more
            question = self.ask(client, fence)
            data = checked(await question.answer)
        if type(data) is not bytes:
            raise Refused("Redis answered what cannot be a value")
        name, link, _, epoch, _ = question
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
