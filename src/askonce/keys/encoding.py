"""From any value to the bytes that stand for it in keys.

Equal values have equal bytes in every process, on every Python and under every ``PYTHONHASHSEED``;
values that differ, be it in their class only, have different ones. An encoding says where it ends, so
that several may be joined.

    value      tag and length or count, then the content
    container  as above; where the order does not matter, the encodings of the items are sorted
    long       whatever takes more than ``TEXT_HASH_THRESHOLD`` enters as tag and digest, so that an
               encoding is short however large the value is, and the work linear however deep
"""

import hashlib
from collections.abc import Callable
from typing import Final

from xxhash import xxh3_128_digest

from askonce.exceptions import KeyBuildError
from askonce.keys.leaves import TEXT_HASH_THRESHOLD, Digest, Leaf, leaves
from askonce.keys.node import Node, RefusedError
from askonce.keys.plans import plan_of
from askonce.keys.standard import PLANS

_LONGEST_SECRET: Final = hashlib.blake2b.MAX_KEY_SIZE
_SHOWN_ENDS: Final = 6
_LIST_OF_ONE: Final = b"l1:"
_WAYS_OUT: Final = (
    "give its class a `__cache_key__`, leave the parameter out with `ignore={...}`, "
    "or say the key with `key=`"
)


class Encoder:
    """Encodes values, and digests what was encoded.

    Attributes:
        keyed: whether the digests depend on a secret.
    """

    def __init__(self, secret: bytes | None = None) -> None:
        """Choose the digest.

        Args:
            secret: with one, digests are keyed BLAKE2b, which withstands chosen inputs; without (or with
                an empty one) xxh3_128, which does not.
        """
        self.keyed = bool(secret)
        self._digest = _keyed_digest(secret) if secret else xxh3_128_digest
        self._leaves = leaves(self._digest)

    def __repr__(self) -> str:
        return f"Encoder(keyed={self.keyed})"

    def encode(self, value: object) -> bytes:
        """The canonical bytes of a value.

        Raises:
            KeyBuildError: it has none; the message names its class and its place in the value.
        """
        leaf = self._leaves.get(type(value))
        return leaf(value) if leaf is not None else _Walk(self._leaves, self._digest).run(value)

    def encode_single(self, item: object) -> bytes:
        """The canonical bytes of ``[item]``, sooner than ``encode`` has them where the item is a scalar.

        Raises:
            KeyBuildError: it has none.
        """
        leaf = self._leaves.get(type(item))
        if leaf is None or len(encoded := _LIST_OF_ONE + leaf(item)) > TEXT_HASH_THRESHOLD:
            return self.encode([item])
        return encoded

    def digest(self, payload: bytes) -> str:
        """The digest of encodings, as 32 hexadecimal characters."""
        return self._digest(payload).hex()


def _keyed_digest(secret: bytes) -> Digest:
    if len(secret) > _LONGEST_SECRET:
        secret = hashlib.blake2b(secret).digest()
    return lambda payload: hashlib.blake2b(payload, digest_size=16, key=secret).digest()


class _Walk:
    """The way through one value, on a stack of its own: no nesting is too deep for it."""

    def __init__(self, leaves: dict[type, Leaf], digest: Callable[[bytes], bytes]) -> None:
        self._leaves = leaves
        self._digest = digest
        self._stack: list[tuple[object, Node]] = []
        self._open: set[int] = set()
        self._known: dict[int, tuple[object, bytes]] = {}

    def run(self, value: object) -> bytes:
        stack, leaves, known = self._stack, self._leaves, self._known
        node = self._taken_apart(value)
        while True:
            for child in node.rest:
                leaf = leaves.get(type(child))
                if leaf is not None:
                    node.parts.append(leaf(child))
                elif id(child) in known:
                    node.parts.append(known[id(child)][1])
                else:
                    stack.append((value, node))
                    value, node = child, self._taken_apart(child)
                    break
            else:
                encoded = self._put_together(value, node)
                if not stack:
                    return encoded
                value, node = stack.pop()
                node.parts.append(encoded)

    def _taken_apart(self, value: object) -> Node:
        cls: type = type(value)
        if isinstance(value, Node):
            return value
        if id(value) in self._open:
            raise self._refused(cls, "it contains itself")
        self._open.add(id(value))
        try:
            return (PLANS.get(cls) or plan_of(cls))(value)
        except RefusedError as refusal:
            raise self._refused(cls, str(refusal)) from None

    def _put_together(self, value: object, node: Node) -> bytes:
        self._open.discard(id(value))
        encoded = node.encoded()
        if len(encoded) > TEXT_HASH_THRESHOLD:
            encoded = b"#" + self._digest(encoded)
            # Values that share parts many times over would take exponential time. What is remembered
            # is kept alive as well, since its address must not pass to another value.
            self._known[id(value)] = value, encoded
        return encoded

    def _refused(self, cls: type, reason: str) -> KeyBuildError:
        places = [node.place(node.children, len(node.parts)) for _, node in self._stack]
        places = [place for place in places if place]
        if len(places) > 2 * _SHOWN_ENDS:
            places = [*places[:_SHOWN_ENDS], " ... ", *places[-_SHOWN_ENDS:]]
        name = f"{cls.__module__}.{cls.__qualname__}".removeprefix("builtins.")
        return KeyBuildError(f"value{''.join(places)} is of class {name}: {reason}; {_WAYS_OUT}")
