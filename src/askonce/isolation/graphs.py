"""Copies data of any form: aliases, cycles, any depth."""

from collections.abc import Iterator
from operator import is_
from typing import Any, Final

from askonce.isolation import shapes
from askonce.isolation.flat import flat_copy
from askonce.isolation.shapes import Shape

_NOTHING: Final = object()
TREE_DEPTH: Final = 50


def copy_graph(value: Any) -> Any:
    """Copy all data in a value, or answer the value itself where nothing in it can change.

    Aliases and cycles inside the value stay what they are. No recursion: the depth is unlimited.
    """
    return Walk().copy(value)


class _Frame:
    """A value whose parts are being copied."""

    __slots__ = ("made", "names", "new", "parts", "shape", "size", "todo", "value")

    def __init__(self, value: Any, shape: Shape | None, parts: list[Any], new: Any = _NOTHING) -> None:
        self.value = value
        self.shape = shape
        self.parts = parts
        self.size = len(parts)
        self.new = new
        self.names: tuple[Any, ...] = ()
        self.made: list[Any] = []
        self.todo: Iterator[object] = iter(parts)

    def add_state(self, shape: Shape) -> None:
        if shape.stateful:
            self.names, values = shape.state(self.value)
            self.parts += values

    def unchanged(self) -> bool:
        return all(map(is_, self.parts, self.made))

    def fill(self) -> None:
        assert self.shape
        self.shape.base.fill(self.new, self.made[: self.size])
        if self.shape.stateful:
            self.shape.restore(self.new, self.names, self.made[self.size :])


class Walk:
    """One copy of one value: parts before wholes, with a stack of its own.

    A mutable value has its copy from the beginning, so that a cycle finds it. A tuple or frozenset has
    none before its parts have theirs: one that is met again inside itself is copied there, and the
    outer frame takes that copy. A frozen object gets its copy early only when it meets itself.

    Attributes:
        is_tree: whether the value is no deeper than a recursion may go, and no copy was met twice.
    """

    def __init__(self) -> None:
        self.done: dict[int, Any] = {}
        self.frames: list[_Frame] = []
        self.alive: list[list[Any]] = []
        self.frozen: set[int] = set()
        self.unfilled: set[int] = set()
        self.tangled = False
        self.is_tree = True
        self.late: list[_Frame] = []
        self.attributes: list[_Frame] = []

    def copy(self, value: Any) -> Any:
        """Copy the data in a value."""
        top = _Frame(None, None, [value])
        self._finish_all(top)
        while self.attributes:
            frame = self.attributes.pop()
            self._finish_all(frame)
            frame.fill()
        for frame in self.late:
            frame.fill()
        return top.made[0]

    def _finish_all(self, top: _Frame) -> None:
        frames = self.frames
        frames.append(top)
        while True:
            frame = frames[-1]
            if self._parts_are_made(frame):
                frames.pop()
                if frame is top:
                    return
                frames[-1].made.append(self._finish(frame))

    def _parts_are_made(self, frame: _Frame) -> bool:
        """Go on copying parts; ``False`` where one became a frame of its own."""
        shared, done, made = shapes.shared, self.done, frame.made
        for part in frame.todo:
            cls = type(part)
            if cls in shared:
                made.append(part)
            elif (known := done.get(id(part), _NOTHING)) is not _NOTHING:
                self.is_tree = self.is_tree and known is part
                self.tangled = self.tangled or id(part) in self.unfilled
                made.append(known)
            elif (flat := flat_copy(part)) is not None:
                done[id(part)] = flat
                made.append(flat)
            elif (shape := shapes.shape_of(cls)) is None:
                made.append(part)
            elif self._open(part, shape):
                return False
            else:
                made.append(done.get(id(part), part))
        return True

    def _open(self, value: Any, shape: Shape) -> bool:
        """Begin the copy of a value with parts; ``False`` where there is nothing to wait for."""
        key = id(value)
        frame = _Frame(value, shape, shape.base.parts(value))
        if shape.base.whole is None:
            if key in self.frozen or not shape.frozen:
                frame.new = self._shell(frame)
            if key in self.frozen or frame.new is value:
                return False
            if shape.frozen:
                self.frozen.add(key)
            if shape.hashed_by_value:
                self.unfilled.add(key)
            frame.add_state(shape)
        self.alive.append(frame.parts)
        self.frames.append(frame)
        self.is_tree = self.is_tree and len(self.frames) <= TREE_DEPTH
        return True

    def _shell(self, frame: _Frame) -> Any:
        assert frame.shape
        key = id(frame.value)
        self.done[key] = new = frame.shape.shell(frame.value)
        self.is_tree = self.is_tree and key not in self.frozen
        self.tangled = self.tangled or key in self.unfilled
        return new

    def _finish(self, frame: _Frame) -> Any:
        assert frame.shape
        if frame.shape.base.whole:
            return self._finish_whole(frame, frame.shape)
        key = id(frame.value)
        self.unfilled.discard(key)
        self.frozen.discard(key)
        if frame.new is _NOTHING:
            if frame.unchanged():
                self.done[key] = frame.value
                return frame.value
            frame.new = self.done[key] if key in self.done else self._shell(frame)
        if frame.new is not frame.value:
            self._fill(frame, frame.shape)
        return frame.new

    def _fill(self, frame: _Frame, shape: Shape) -> None:
        # A part that is met inside itself may have no hash yet.
        if self.tangled and shape.base.hashes:
            self.late.append(frame)
        else:
            frame.fill()

    def _finish_whole(self, frame: _Frame, shape: Shape) -> Any:
        key, value = id(frame.value), frame.value
        if key in self.done:
            return self.done[key]
        self.done[key] = value
        if shape.stateful or not frame.unchanged():
            self.done[key] = self._whole(frame, shape)
        return self.done[key]

    def _whole(self, frame: _Frame, shape: Shape) -> Any:
        if shape.base.hashes and not self.unfilled.isdisjoint(map(id, frame.parts)):
            return frame.value
        new = shape.whole(frame.value, frame.made)
        if shape.stateful and new is not frame.value:
            attributes = _Frame(frame.value, shape, [], new)
            attributes.add_state(shape)
            self.alive.append(attributes.parts)
            self.attributes.append(attributes)
        return new
