"""Which tags were invalidated, and after what.

One counter for the cache: invalidating a tag notes the counter's next number as the tag's version, however
many entries bear it. An entry keeps the number from before its value was made and counts while none of its
tags has a larger version.
"""

from collections import OrderedDict
from collections.abc import Iterable
from typing import Any, Final, TypeAlias

from askonce._types import Entry, Life, Meta

Index: TypeAlias = dict[tuple[Any, ...], Entry]

_SHARED_METAS: Final = 256


class TagLedger:
    """Versions of tags, kept only while an entry or an open fence could still be older.

    Writing methods are called under the cache's lock; ``counts`` needs none.
    """

    __slots__ = ("_bearers", "_indexes", "_metas", "_orphans", "_versions", "now")

    def __init__(self) -> None:
        self.now = 0
        self._versions: Final[dict[str, int]] = {}
        self._bearers: Final[dict[str, int]] = {}
        self._orphans: Final[OrderedDict[str, None]] = OrderedDict()
        self._metas: Final[dict[tuple[str, ...], Meta]] = {}
        self._indexes: Final[dict[str, _Indexes]] = {}

    def counts(self, meta: Meta) -> bool:
        """Whether no tag was invalidated after the entry's value was made."""
        return self.unchanged(meta.tags, meta.version)

    def unchanged(self, tags: Iterable[str], version: int) -> bool:
        """Whether none of these tags was invalidated after that version."""
        versions = self._versions
        for tag in tags:  # noqa: SIM110 - all() with a generator costs three times as much
            if versions.get(tag, 0) > version:
                return False
        return True

    def invalidate(self, tags: Iterable[str]) -> None:
        """Make all entries with one of these tags count no more, and take their views from the indexes."""
        for tag in tags:
            self.now += 1
            self._versions[tag] = self.now
            if tag not in self._bearers:
                self._orphan(tag)
            indexes = self._indexes.pop(tag, None)
            if indexes is not None:
                indexes.clear()

    def bear(
        self, tags: tuple[str, ...], version: int, born: float | None, life: Life | None = None
    ) -> Meta | None:
        """Note one more entry with these tags, and answer its meta.

        Args:
            tags: of the entry, none of them invalidated after ``version``.
            version: the counter from before the value was made.
            born: where the entry has to keep it.
            life: the entry's windows, where it has some.
        """
        for tag in tags:
            self._bearers[tag] = self._bearers.get(tag, 0) + 1
        if born is not None or life is not None:
            return Meta(tags, version, born, life)
        return self._shared(tags, version) if tags else None

    def release(self, tags: tuple[str, ...]) -> None:
        """Note one entry less with these tags."""
        for tag in tags:
            left = self._bearers[tag] - 1
            if left:
                self._bearers[tag] = left
            else:
                del self._bearers[tag]
                self._indexes.pop(tag, None)
                self._orphan(tag)

    def viewed(self, tags: tuple[str, ...], index: Index) -> None:
        """Note that a fast index has a view of an entry with these tags."""
        for tag in tags:
            indexes = self._indexes.get(tag)
            if indexes is None:
                indexes = self._indexes[tag] = _Indexes()
            indexes.add(index)

    def forget(self, oldest: float) -> None:
        """Drop versions of tags that nothing bears, unless a fence from before the invalidation is open.

        Args:
            oldest: the version of the fence that is open longest.
        """
        orphans = self._orphans
        while orphans:
            tag = next(iter(orphans))
            if tag not in self._bearers:
                if self._versions.get(tag, 0) > oldest:
                    return
                self._versions.pop(tag, None)
            del orphans[tag]

    def _orphan(self, tag: str) -> None:
        if tag in self._versions:
            self._orphans[tag] = None

    def _shared(self, tags: tuple[str, ...], version: int) -> Meta:
        """A meta that decides like a new one: as long as it counts, its version makes no difference."""
        meta = self._metas.get(tags)
        if meta is None or not self.counts(meta):
            if len(self._metas) >= _SHARED_METAS:
                self._metas.clear()
            meta = self._metas[tags] = Meta(tags, version)
        return meta


class _Indexes:
    """The fast indexes with views of entries of one tag; empty ones leave as others come."""

    __slots__ = ("_by_id", "_limit")

    def __init__(self) -> None:
        self._by_id: dict[int, Index] = {}
        self._limit = 8

    def __len__(self) -> int:
        return len(self._by_id)

    def add(self, index: Index) -> None:
        if id(index) in self._by_id:
            return
        if len(self._by_id) >= self._limit:
            self._by_id = {place: one for place, one in self._by_id.items() if one}
            self._limit = max(8, 2 * len(self._by_id))
        self._by_id[id(index)] = index

    def clear(self) -> None:
        for index in self._by_id.values():
            index.clear()
