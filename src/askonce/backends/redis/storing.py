"""Putting answers into Redis, and taking them away."""

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final

from askonce._types import FOREVER, Failure
from askonce.backends.engine import Answer, Fence, Written
from askonce.backends.redis.client import Client
from askonce.backends.redis.link import Link, Refused, checked
from askonce.backends.redis.looking import Look, Looks, Note, Unreachable
from askonce.backends.redis.stamps import end_of, milliseconds, stamps_of
from askonce.backends.redis.state import State
from askonce.backends.redis.tokens import new_token
from askonce.backends.redis.wire import EXTEND, REMOVE, RENEW_GENERATION, REPLACE, REVOKE, pack
from askonce.codec.frame import HEAD, Stamps, tombstone
from askonce.codec.offload import offload
from askonce.codec.values import encode
from askonce.exceptions import CodecError

_NO_KEY: Final = -2  # from PTTL
_TOO_OLD: Final = 0.9
"""Share of a tombstone's life after which a fill may have missed one."""


class Stores:
    """Stores answers under fences, buries keys, revokes tags.

    Args:
        state: of the cache.
        looks: for the tokens of tags.
    """

    def __init__(self, state: State, looks: Looks) -> None:
        self._state: Final = state
        self._looks: Final = looks

    async def store(self, client: Client, fence: Fence, answer: Answer) -> Written:
        """Store an answer unless something overtook it.

        Raises:
            BackendError: Redis did not take it, or did not say so.
        """
        state = self._state
        note: Note | None = None if answer.replaces else fence.note
        if fence.broken:
            return Written.OVERTAKEN
        if isinstance(answer.value, Failure) or (note is None and not answer.replaces):
            return Written.FAILED
        name = state.names.data(fence.key)
        link = client.route(name)
        if link is None:
            raise Unreachable("the server of this key cannot be reached")
        epoch = state.tokens.epoch if note is None else note.epoch
        tokens = {} if note is None else note.tokens
        absent = [tag for tag in answer.tags if tag not in tokens]
        if absent:
            tokens = {**tokens, **await self._looks.tokens(client, absent, make=True)}
            if any(tag not in tokens or state.tokens.changed_since(tag, epoch) for tag in absent):
                return Written.OVERTAKEN
        generation = state.tokens.generation if note is None else note.generation
        if generation is None:
            generation = await self._looks.generation(client)
        stamps = stamps_of(answer, link.now)
        try:
            frame = await self._packed(name, answer, stamps, generation, tokens)
        except CodecError as error:
            await self._give_up(client, fence, note, error)
            return Written.FAILED
        if fence.broken:
            return Written.OVERTAKEN
        return await self._sent(client, link, fence, note, name, frame, stamps, answer.tags)

    async def _packed(
        self, name: bytes, answer: Answer, stamps: Stamps, generation: bytes, tokens: dict[str, bytes]
    ) -> bytes:
        kind, payload = encode(answer.value, answer.shape)
        tags = [(tag, tokens[tag]) for tag in answer.tags]
        framing = self._state.framing
        if framing.packing_is_slow(len(payload)):
            return await offload(framing.pack, name, kind, payload, stamps, generation, tags)
        return framing.pack(name, kind, payload, stamps, generation, tags)

    async def _sent(
        self,
        client: Client,
        link: Link,
        fence: Fence,
        note: Note | None,
        name: bytes,
        frame: bytes,
        stamps: Stamps,
        tags: tuple[str, ...],
    ) -> Written:
        state = self._state
        lives = milliseconds(stamps, link.now)
        expiry = (b"PX", lives) if lives else ()
        if tags:
            self._prolong(client, tags, stamps)
        if note is None:
            # What others wrote before this is replaced, so news of it do not overtake the fence.
            on_reply = self._looked(client, fence) if fence.looking else None
            reply = await link.send(pack((b"SET", name, frame, *expiry)), on_reply)
        elif time.monotonic() - note.at > state.settings.tombstone_ttl * _TOO_OLD:
            return Written.FAILED
        elif note.seen:
            reply = await link.run(REPLACE, name, note.seen, frame, lives)
        else:
            reply = await link.send(pack((b"SET", name, frame, b"NX", *expiry)))
        if not checked(reply):
            state.counts.overtaken += 1
            return Written.OVERTAKEN
        state.counts.writes += 1
        if note is None:
            state.ledger.told(fence.key)
        if note is None or note.held:
            client.publish(client.feed.of_keys([fence.key]), lambda: state.ledger.owe_key(fence.key))
        return Written.STORED

    def _looked(self, client: Client, fence: Fence) -> Callable[[Any], None]:
        def looked(_: Any) -> None:
            if client.in_order:
                fence.dirty = False
            self._state.memory.looked(fence)

        return looked

    async def restamp(self, client: Client, fence: Fence, look: Look, ttl: float) -> bool:
        """Store an entry anew with another end; ``False`` where it changed meanwhile.

        Raises:
            BackendError: Redis did not take it, or did not say so.
        """
        state, frame, link = self._state, look.frame, look.link
        assert frame is not None
        name = state.names.data(fence.key)
        born = frame.stamps.born / 1000
        stamps = stamps_of(Answer(None, link.now + ttl - born), born)
        body = state.framing.body(frame)
        data = await offload(state.framing.pack, name, frame.kind, body, stamps, frame.generation, frame.tags)
        if look.tags:
            self._prolong(client, look.tags, stamps)
        lives = milliseconds(stamps, link.now)
        if not await link.run(REPLACE, name, fence.note.seen, data, lives):
            return False
        client.publish(client.feed.of_keys([fence.key]), lambda: state.ledger.owe_key(fence.key))
        return True

    async def _give_up(self, client: Client, fence: Fence, note: Note | None, error: CodecError) -> None:
        """What cannot be stored must not leave behind what it would have replaced."""
        self._state.counts.unencodable += 1
        self._state.cannot("value_not_encodable", fence.key, error)
        if note is None or note.held:
            await self._bury_quietly(client, fence.key)

    async def _bury_quietly(self, client: Client, key: str) -> None:
        """``bury`` where memory keeps its copy: no server reports a plain command to its sender."""
        name = self._state.names.data(key)
        link = client.route(name)
        if link is None:
            raise Unreachable("the server of this key cannot be reached")
        lives = _ms(self._state.settings.tombstone_ttl)
        if link.is_error(await link.send(pack((b"SET", name, tombstone(), b"PX", lives)))):
            await self.bury(client, key)  # full: a script may write all the same
            return
        ledger = self._state.ledger
        ledger.told(key)
        client.publish(client.feed.of_keys([key]), lambda: ledger.owe_key(key))

    def _prolong(self, client: Client, tags: tuple[str, ...], stamps: Stamps) -> None:
        """Have the tokens of an entry live as long as the entry."""
        tokens = self._state.tokens
        until = end_of(stamps)
        for tag in tags:
            if tokens.lives_until(tag) >= until:
                continue
            name = self._state.names.tag(tag)
            link = client.route(name)
            if link is None:
                continue
            left = until - link.now
            wanted = (b"", b"") if until == FOREVER else (_ms(left), _ms(2 * left))
            link.tell(pack((b"EVAL", EXTEND.text, 1, name, *wanted)), self._lives(tag, link))

    def _lives(self, tag: str, link: Link) -> Callable[[Any], None]:
        """Notes how long a token lives, so that it is not prolonged for every entry that bears it."""
        tokens = self._state.tokens

        def note(left: Any) -> None:
            if isinstance(left, int) and left != _NO_KEY:
                tokens.lives_at_least(tag, FOREVER if left < 0 else link.now + left / 1000)

        return note

    async def bury(self, client: Client, key: str) -> bytes:
        """Put a tombstone under a key; how what was there begins.

        Raises:
            BackendError: Redis did not take it, or did not say so.
        """
        name = self._state.names.data(key)
        link = client.route(name)
        if link is None:
            raise Unreachable("the server of this key cannot be reached")
        script = REMOVE[link.version < (7,)]
        lives = _ms(self._state.settings.tombstone_ttl)
        head: Any = await link.run(script, name, tombstone(), lives, HEAD)
        if type(head) is not bytes:
            raise Refused("Redis answered what no script of ours does")
        ledger = self._state.ledger
        ledger.told(key)
        client.publish(client.feed.of_keys([key]), lambda: ledger.owe_key(key))
        return head

    async def revoke(self, client: Client, tags: tuple[str, ...]) -> None:
        """Take the tokens of tags away.

        Raises:
            BackendError: Redis did not take it, or did not say so.
        """
        state = self._state
        answers = [answer for tag in tags if (answer := self._revoked(client, tag)) is not None]
        for answer in answers:
            checked(await answer)
        if len(answers) < len(tags):
            raise Unreachable("the servers of some tags cannot be reached")
        for tag in tags:
            state.ledger.told_tag(tag)
        client.publish(client.feed.of_tags(tags), lambda: state.ledger.owe_tags(tags))

    def _revoked(self, client: Client, tag: str) -> "asyncio.Future[Any] | None":
        """Send what takes a token away; whatever becomes of it, the token is not believed any more."""
        name = self._state.names.tag(tag)
        link = client.route(name)
        if link is None:
            return None

        def forget(_: Any) -> None:
            self._state.tokens.forget(tag)

        return link.send(pack((b"EVAL", REVOKE[link.version < (7,)].text, 1, name)), forget)

    async def renew_generation(self, client: Client) -> None:
        """Have nothing count that is stored.

        Raises:
            BackendError: Redis did not take it, or did not say so.
        """
        state = self._state
        link = client.route(state.names.generation)
        if link is None:
            raise Unreachable("the server of the generation cannot be reached")
        await link.run(RENEW_GENERATION[link.version < (7,)], state.names.generation, new_token())
        state.tokens.forget_generation()
        state.ledger.told_everything()
        client.publish(client.feed.of_everything(), state.ledger.owe_everything)


def _ms(seconds: float) -> bytes:
    return str(max(int(seconds * 1000), 1)).encode()
