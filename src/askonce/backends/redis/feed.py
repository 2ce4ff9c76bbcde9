"""What is heard of changes made elsewhere, and what is told of one's own."""

import secrets
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from askonce.backends.redis.link import Link
from askonce.backends.redis.state import State
from askonce.backends.redis.tokens import TOKEN, new_token
from askonce.backends.redis.wire import MAKE, pack

_SENDER: Final = 8
_KEY, _TAG, _ALL, _NOTHING = b"k", b"t", b"a", b"n"


class Feed:
    """Turns what servers say unasked into dropped copies.

    Two kinds of news: the server's own (``CLIENT TRACKING``), which names every key that anybody changed, and
    messages that the writers themselves publish.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self._names = state.names
        self._me: Final = secrets.token_bytes(_SENDER)

    def hear(self, link: Link, push: Sequence[Any]) -> None:
        """Take news from a connection, in the order in which they came."""
        kind = push[0]
        if kind == b"invalidate":
            keys = push[1]
            if keys is None:
                self._hear_of_everything(link)
            else:
                self._hear_of_keys(link, keys)
        elif kind == b"message":
            self._hear_message(link, push[2])

    # --- what the server tells

    def _hear_of_keys(self, link: Link, keys: Sequence[bytes]) -> None:
        names = self._names
        data: list[str] = []
        for key in keys:
            if key.startswith(names.data_prefix):
                data += _texts([key[len(names.data_prefix) :]])
            elif key.startswith(names.tag_prefix):
                for tag in _texts([key[len(names.tag_prefix) :]]):
                    self._doubt_tag(link, key, tag)
            elif key == names.generation:
                self._doubt_generation(link)
        if data:
            self._state.memory.drop_copies(data)
        self._state.changed(list(keys))

    def checking(self, link: Link, key: bytes) -> Callable[[Any], None]:
        """Takes what a token turns out to be: it may have gone without news, as by an eviction or a flush."""
        known = self._known(key)

        def compare(reply: Any) -> None:
            if isinstance(reply, Exception) or known is None or known != self._known(key):
                return
            if reply != known:
                self._hear_of_keys(link, [key])

        return compare

    def _known(self, key: bytes) -> bytes | None:
        names, tokens = self._names, self._state.tokens
        if key == names.generation:
            return tokens.generation
        return tokens.get(key[len(names.tag_prefix) :].decode("utf-8", "surrogatepass"))

    def _hear_of_everything(self, link: Link) -> None:
        """A flush: nothing is there any more."""
        self._state.tokens.forget_all()
        self._state.memory.drop_all_copies()
        ask_generation(self._state, link)

    def _doubt_tag(self, link: Link, key: bytes, tag: str) -> None:
        """A token was written: made, prolonged or taken away. Only the last makes entries count no more."""
        tokens, memory = self._state.tokens, self._state.memory
        old = tokens.doubt(tag)
        if old is None:
            tokens.forget(tag)
            memory.drop_tag_copies((tag,))
            return
        asked = tokens.epoch

        def compare(reply: Any) -> None:
            if reply == old:
                tokens.learn(tag, old, asked)
            else:
                tokens.forget(tag)
                memory.drop_tag_copies((tag,))

        link.tell(pack((b"GET", key)), compare)

    def _doubt_generation(self, link: Link) -> None:
        old = self._state.tokens.forget_generation()

        def compare(token: bytes | None) -> None:
            if old is None or token != old:
                self._state.memory.drop_all_copies()

        ask_generation(self._state, link, compare)

    # --- what other processes tell

    def _hear_message(self, link: Link, message: bytes) -> None:
        kind, sender, names = message[:1], message[1 : 1 + _SENDER], message[1 + _SENDER :]
        if sender == self._me:
            return
        state = self._state
        if kind == _ALL:
            state.tokens.forget_all()
            state.memory.drop_all_copies()
            return
        texts = _texts(_split(names))
        if kind == _KEY:
            state.memory.drop_copies(texts)
            state.changed([state.names.data(text) for text in texts])
        elif kind == _TAG:
            for tag in texts:
                state.tokens.forget(tag)
            state.memory.drop_tag_copies(tuple(texts))

    def of_keys(self, keys: Sequence[str]) -> bytes:
        """The message that these keys changed."""
        return self._message(_KEY, keys)

    def of_tags(self, tags: Sequence[str]) -> bytes:
        """The message that entries with these tags count no more."""
        return self._message(_TAG, tags)

    def of_nothing(self) -> bytes:
        """A message that only says that messages come."""
        return self._message(_NOTHING, ())

    def of_everything(self) -> bytes:
        """The message that nothing counts any more."""
        return self._message(_ALL, ())

    def _message(self, kind: bytes, texts: Sequence[str]) -> bytes:
        encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
        return kind + self._me + b"".join(len(text).to_bytes(4, "big") + text for text in encoded)


def _texts(names: Iterable[bytes]) -> list[str]:
    """Names as text; what is none was written by somebody else."""
    texts: list[str] = []
    for name in names:
        try:
            texts.append(name.decode("utf-8", "surrogatepass"))
        except UnicodeDecodeError:
            continue
    return texts


def _split(names: bytes) -> list[bytes]:
    found: list[bytes] = []
    while names:
        size = int.from_bytes(names[:4], "big")
        found.append(names[4 : 4 + size])
        names = names[4 + size :]
    return found


def ask_generation(state: State, link: Link, then: Any = None) -> None:
    """Have the generation learned in the order of what comes over a connection, and made if there is none."""
    asked = state.tokens.epoch

    def learn(reply: Any) -> None:
        token = reply if isinstance(reply, bytes) and len(reply) == TOKEN else None
        if token is not None:
            state.tokens.learn_generation(token, asked)
        if then is not None:
            then(token)

    script = MAKE[link.version < (7,)]
    link.tell(pack((b"EVAL", script.text, 1, state.names.generation, new_token(), b"")), learn)
