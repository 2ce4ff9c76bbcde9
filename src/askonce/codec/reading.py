"""Values from tagged JSON, see ``writing``. What it meets may be hostile."""

from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from typing import Any, Final, cast

from askonce._types import Recording
from askonce.codec.arrays import read_array, read_scalar
from askonce.codec.limits import DEPTH, too_deep
from askonce.codec.plain import MANY
from askonce.codec.plans import Names, Plan
from askonce.codec.standard import KNOWN
from askonce.codec.urls import read_url
from askonce.codec.writing import FACTORIES
from askonce.exceptions import CodecError

_ATOMS: Final[frozenset[type]] = frozenset({str, int, float, bool, type(None)})
_SALTED: Final[frozenset[type]] = frozenset({str, bytes})
_SAME_HASH: Final = 128
_LONGEST_NAME: Final = 1000

Node = Any


class Reader:
    """Reads one value."""

    def __init__(self, plan: Callable[[str], Plan], blobs: bytes) -> None:
        """Make one for a value.

        Args:
            plan: that of a class name; raises a ``CodecError`` for one that must not be built.
            blobs: what followed the JSON.
        """
        self._plan = plan
        self._blobs = blobs
        self._position = 0
        self._entries: list[tuple[Plan, Names]] = []

    def document(self, node: Node) -> Any:
        """The value, given all of the JSON."""
        header, root = node
        self._entries = [self._entry(*each) for each in header]
        value = self.read(root, 0)
        if self._position != len(self._blobs):
            raise CodecError("there are more bytes than the value mentions")
        return value

    def _entry(self, name: str, *names: str) -> tuple[Plan, Names]:
        # Errors and the log name them.
        if not all(len(each) <= _LONGEST_NAME and each.isprintable() for each in (name, *names)):
            raise CodecError("a class or a field is called what none is called")
        plan = self._plan(name)
        if len({*names}) != len(names):
            raise CodecError(f"{plan.name}: a field is named twice")
        plan.check(names)
        return plan, names

    def read(self, node: object, depth: int) -> Any:
        """The value of a JSON that is so deep in others."""
        cls = type(node)
        if cls in _ATOMS:
            return node
        if depth > DEPTH:
            raise too_deep()
        if cls is dict:
            return self._object(node, depth + 1)
        array = cast("list[Node]", node)
        return _READERS[array[0]](self, array, depth)

    def _object(self, node: Any, depth: int) -> dict[str, Any]:
        return {name: part if type(part) in _ATOMS else self.read(part, depth) for name, part in node.items()}

    def parts(self, node: list[Node], depth: int, start: int = 1) -> list[Any]:
        """The values in an array, without its tag and what else stands before them."""
        del node[:start]
        if len(node) >= MANY and _are_atoms(node):
            return node
        deeper = depth + 1
        return [part if type(part) in _ATOMS else self.read(part, deeper) for part in node]

    def pairs(self, node: list[Node], depth: int, start: int = 1) -> Any:
        """The keys and values in an array, as pairs."""
        parts = self.parts(node, depth, start)
        _check_hashes(parts[::2])
        pairs = iter(parts)
        return zip(pairs, pairs, strict=True)

    def members(self, node: list[Node], depth: int) -> list[Any]:
        """The values in an array, which will be a set."""
        parts = self.parts(node, depth)
        _check_hashes(parts)
        return parts

    def blob(self, size: int) -> bytes:
        """The next bytes that followed the JSON."""
        start, end = self._position, self._position + size
        if not start <= end <= len(self._blobs):
            raise CodecError("there are less bytes than the value mentions")
        self._position = end
        return self._blobs[start:end]

    def instance(self, node: list[Node], depth: int) -> Any:
        """An instance of a class that the header names."""
        index: int = node[1]
        if not 0 <= index < len(self._entries):
            raise CodecError("a class is not in the list of classes")
        plan, names = self._entries[index]
        return plan.build(names, self.parts(node, depth, 2))


def _are_atoms(nodes: Any) -> bool:
    return _ATOMS.issuperset(map(type, nodes))


def _check_hashes(keys: list[Any]) -> None:
    """Refuse many keys of one hash: each is compared with all, during which no other thread runs."""
    if len(keys) <= _SAME_HASH or _SALTED.issuperset(map(type, keys)):
        return
    hashes = [*map(hash, keys)]
    if len(keys) - len({*hashes}) >= _SAME_HASH and max(Counter(hashes).values()) > _SAME_HASH:
        raise CodecError("too many of its keys have the same hash")


def _deque(reader: Reader, node: list[Node], depth: int) -> Any:
    limit = node[1]
    parts = reader.parts(node, depth, 2)
    if limit is not None and len(parts) > limit:
        raise CodecError("a deque holds more than its limit")
    return deque(parts, limit)


def _default(reader: Reader, node: list[Node], depth: int) -> Any:
    factory = None if node[1] is None else FACTORIES[node[1]]
    return defaultdict(factory, reader.pairs(node, depth, 2))


def _counter(reader: Reader, node: list[Node], depth: int) -> Any:
    # Given pairs, it would count them.
    return Counter(dict(reader.pairs(node, depth)))


def _recording(reader: Reader, node: list[Node], depth: int) -> Recording:
    result, items = reader.parts(node, depth)
    if type(items) is not tuple:
        raise CodecError("a recording is of a tuple")
    return Recording(items, result)


def _known(build: Callable[..., Any]) -> Callable[[Reader, list[Node], int], Any]:
    return lambda reader, node, depth: build(*reader.parts(node, depth))


_READERS: Final[dict[str, Callable[[Reader, list[Node], int], Any]]] = {
    "l": Reader.parts,
    "t": lambda reader, node, depth: tuple(reader.parts(node, depth)),
    "S": lambda reader, node, depth: set(reader.members(node, depth)),
    "fs": lambda reader, node, depth: frozenset(reader.members(node, depth)),
    "d": lambda reader, node, depth: dict(reader.pairs(node, depth)),
    "od": lambda reader, node, depth: OrderedDict(reader.pairs(node, depth)),
    "ct": _counter,
    "dd": _default,
    "q": _deque,
    "s": lambda reader, node, _: reader.blob(*node[1:]).decode("utf-8", "surrogatepass"),
    "i": lambda _, node, __: int(node[1], 16),
    "f": lambda _, node, __: float.fromhex(node[1]),
    "b": lambda reader, node, _: reader.blob(*node[1:]),
    "B": lambda reader, node, _: bytearray(reader.blob(*node[1:])),
    "na": lambda reader, node, _: read_array(reader, *node[1:]),
    "ns": lambda reader, node, _: read_scalar(reader, *node[1:]),
    "U": _known(read_url),
    "R": _recording,
    "@": Reader.instance,
    **{known.tag: _known(known.build) for known in KNOWN.values()},
}
