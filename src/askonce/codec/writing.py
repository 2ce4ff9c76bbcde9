"""Values as JSON, with a tag for everything that is not JSON's own.

Every array of this JSON begins with a tag, that of a list too, and a tag stands nowhere else. So no data,
whatever it looks like, is taken for a tag, and nothing needs to be escaped. Objects are dictionaries with
text keys. Long bytes follow the JSON as they are, in the order in which it mentions them.
"""

from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable
from typing import Any, Final

from askonce._types import Recording
from askonce.codec.arrays import array_writer
from askonce.codec.limits import DEPTH, ITEMS, too_deep, too_many
from askonce.codec.plain import MANY, is_flat
from askonce.codec.plans import Names, Plan
from askonce.codec.standard import KNOWN
from askonce.codec.urls import url_writer
from askonce.exceptions import CodecError

FACTORIES: Final[dict[str, Any]] = {
    each.__name__: each for each in (bool, bytes, dict, float, frozenset, int, list, set, str, tuple)
}
"""What a ``defaultdict`` may make its values with."""

_SINGLES: Final[frozenset[type]] = frozenset({bool, type(None)})
_ATOMS: Final[frozenset[type]] = _SINGLES | {str, int}
_KEYS: Final[frozenset[type]] = frozenset({str})
_LOW, _HIGH = -(2**63), 2**64

Node = Any


class Writer:
    """Writes one value.

    Attributes:
        blobs: what follows the JSON.
    """

    def __init__(self, plan: Callable[[type], Plan], *, careful: bool) -> None:
        """Make one for a value.

        Args:
            plan: that of a class; raises a ``CodecError`` for one that must not be stored.
            careful: whether to look at every text and integer for what JSON cannot carry.
        """
        self.blobs: list[bytes] = []
        self._plan = plan
        self._plans: dict[type, Plan] = {}
        self._atoms = _SINGLES if careful else _ATOMS
        self._header: list[list[str]] = []
        self._entries: dict[tuple[Plan, Names], int] = {}
        self._left = ITEMS

    @property
    def plans(self) -> dict[str, Plan]:
        """The plans of the classes met, by name."""
        return {plan.name: plan for plan in self._plans.values()}

    def document(self, value: Any) -> list[Node]:
        """All the JSON: the classes met with their fields, and the value."""
        root = self.write(value, 0)
        return [self._header, root]

    def write(self, value: object, depth: int) -> Node:
        """The JSON of a value that is so deep in others."""
        cls = type(value)
        if cls in self._atoms:
            return value
        write = _WRITERS.get(cls)
        return write(self, value, depth) if write is not None else self._other(value, cls, depth)

    def parts(self, tag: str, parts: Any, depth: int) -> Node:
        """An array of other values, with its tag."""
        self._enter(len(parts), depth)
        atoms = self._atoms
        if len(parts) >= MANY and is_flat(parts, atoms):
            return [tag, *parts]
        deeper = depth + 1
        return [tag, *[part if type(part) in atoms else self.write(part, deeper) for part in parts]]

    def object(self, value: dict[str, Any], depth: int) -> Node:
        """A dictionary whose keys are texts."""
        self._enter(len(value), depth)
        atoms, deeper = self._atoms, depth + 1
        return {
            name: part if type(part) in atoms else self.write(part, deeper) for name, part in value.items()
        }

    def _enter(self, size: int, depth: int) -> None:
        if depth >= DEPTH:
            raise too_deep()
        self._left -= size
        if self._left < 0:  # also where few objects are met very often
            raise too_many()

    def pairs(self, tag: str, value: Any, depth: int, *first: Node) -> Node:
        """An array of the keys and values of a mapping, with its tag and what else there is to say."""
        node = self.parts(tag, [each for pair in value.items() for each in pair], depth)
        node[1:1] = first
        return node

    def blob(self, tag: str, data: bytes, *more: Node) -> Node:
        """A mention of bytes that follow the JSON."""
        self.blobs.append(data)
        return [tag, len(data), *more]

    def keys_pass(self, keys: Iterable[Any]) -> bool:
        """Whether JSON can carry all keys of a dictionary."""
        if not _KEYS.issuperset(map(type, keys)):
            return False
        return str in self._atoms or all(map(_is_unicode, keys))

    def _other(self, value: Any, cls: type, depth: int) -> Node:
        if cls in self._plans:
            return self._instance(value, self._plans[cls], depth)
        known = KNOWN.get(cls)
        if known is not None:
            return [known.tag, *[self.write(part, depth) for part in known.take(value)]]
        write = array_writer(cls) or url_writer(cls)
        if write is not None:
            return write(self, value)
        plan = self._plans[cls] = self._plan(cls)
        return self._instance(value, plan, depth)

    def _instance(self, value: Any, plan: Plan, depth: int) -> Node:
        names, parts = plan.take(value)
        node = self.parts("@", parts, depth)
        entry = (plan, names)
        index = self._entries.get(entry)
        if index is None:
            index = self._entries[entry] = len(self._header)
            self._header.append([plan.name, *names])
        node.insert(1, index)
        return node


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _text(writer: Writer, value: str, _depth: int) -> Node:
    return value if _is_unicode(value) else writer.blob("s", value.encode("utf-8", "surrogatepass"))


def _integer(_writer: Writer, value: int, _depth: int) -> Node:
    return value if _LOW <= value < _HIGH else ["i", f"{value:x}"]


def _float(_writer: Writer, value: float, _depth: int) -> Node:
    return value if value - value == 0 else ["f", value.hex()]


def _dict(writer: Writer, value: dict[Any, Any], depth: int) -> Node:
    return writer.object(value, depth) if writer.keys_pass(value) else writer.pairs("d", value, depth)


def _deque(writer: Writer, value: deque[Any], depth: int) -> Node:
    node = writer.parts("q", value, depth)
    node.insert(1, value.maxlen)
    return node


def _default(writer: Writer, value: "defaultdict[Any, Any]", depth: int) -> Node:
    factory: Any = value.default_factory
    name: Any = getattr(factory, "__name__", None)
    if factory is not None and FACTORIES.get(name) is not factory:
        raise CodecError(
            f"a defaultdict whose default_factory is {factory!r} cannot be stored; return dict(...) of it"
        )
    return writer.pairs("dd", value, depth, name)


def _recording(writer: Writer, value: Recording, depth: int) -> Node:
    return writer.parts("R", (value.result, value.items), depth)


def _array_of(tag: str) -> Callable[[Writer, Any, int], Node]:
    return lambda writer, value, depth: writer.parts(tag, value, depth)


def _pairs_of(tag: str) -> Callable[[Writer, Any, int], Node]:
    return lambda writer, value, depth: writer.pairs(tag, value, depth)


def _bytes(writer: Writer, value: bytes, _depth: int) -> Node:
    return writer.blob("b", value)


def _bytearray(writer: Writer, value: bytearray, _depth: int) -> Node:
    return writer.blob("B", bytes(value))


_WRITERS: Final[dict[Any, Callable[[Writer, Any, int], Node]]] = {
    list: _array_of("l"),
    tuple: _array_of("t"),
    set: _array_of("S"),
    frozenset: _array_of("fs"),
    dict: _dict,
    OrderedDict: _pairs_of("od"),
    Counter: _pairs_of("ct"),
    defaultdict: _default,
    deque: _deque,
    str: _text,
    int: _integer,
    float: _float,
    bytes: _bytes,
    bytearray: _bytearray,
    Recording: _recording,
}
