"""Which tags were invalidated, and after what.

One counter for the cache: invalidating a tag notes the counter's next number as the tag's version, however
many entries bear it. An entry keeps the number from before its value was made and counts while none of its
tags has a larger version.
"""

from collections import OrderedDict
from collections.abc import Iterable
from typing import Any, Final, TypeAlias

from askonce._types import Entry, Meta

Index: TypeAlias = dict[tuple[Any, ...], Entry]

MOST_VIEWS: Final = 64
"""Entries with views up to which a tag knows each of them; beyond, an invalidation empties their indexes."""

FORGOTTEN: Final = 64
"""Versions that one step of housekeeping drops at most."""

_SHARED_METAS: Final = 256


class TagLedger:
    """Versions of tags, kept only while an entry or an open fence could still be older.

    Writing methods are called under the cache's lock; ``counts`` needs none.
    """

    __slots__ = ("_bearers", "_metas", "_orphans", "_versions", "now")

    def __init__(self) -> None:
        self.now = 0
        self._versions: Final[dict[str, int]] = {}
        self._bearers: Final[dict[str, Entry | _Bearers]] = {}  # of most tags there is one
        self._orphans: Final[OrderedDict[str, None]] = OrderedDict()
        self._metas: Final[dict[tuple[str, ...], Meta]] = {}

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

    def invalidate(self, tags: Iterable[str]) -> list[Entry]:
        """Make all entries with one of these tags count no more.

        Where many bear a tag this empties the indexes that have views of them; else it answers the entries
        whose views the caller has to take.
        """
        viewed: list[Entry] = []
        for tag in tags:
            self.now += 1
            self._versions[tag] = self.now
            bearers = self._bearers.get(tag)
            if bearers is None:
                self._orphan(tag)
            elif isinstance(bearers, Entry):
                viewed.append(bearers)
            else:
                viewed += bearers.give_up_views()
        return viewed

    def bear(self, entry: Entry, tags: tuple[str, ...]) -> None:
        """Note one more entry with these tags, none of them invalidated since its value was made."""
        for tag in tags:
            bearers = self._bearers.get(tag)
            if bearers is None:
                self._bearers[tag] = entry
            elif isinstance(bearers, Entry):
                self._bearers[tag] = _Bearers(bearers)
            else:
                bearers.count += 1

    def release(self, entry: Entry, tags: tuple[str, ...]) -> None:
        """Note that an entry with these tags has left."""
        for tag in tags:
            bearers = self._bearers[tag]
            if isinstance(bearers, _Bearers) and bearers.count > 1:
                bearers.lose(entry)
            else:
                del self._bearers[tag]
                self._orphan(tag)

    def viewed(self, entry: Entry, index: Index, tags: tuple[str, ...], *, first: bool) -> None:
        """Note that a fast index gets a view of an entry with these tags.

        Args:
            entry: the entry, its ``index`` being the fast index.
            index: the fast index.
            tags: of the entry, which counts.
            first: whether it had no view in any index before.
        """
        for tag in tags:
            bearers = self._bearers[tag]
            if isinstance(bearers, _Bearers):
                bearers.view(entry, index, first=first)

    def forget(self, oldest: float, most: int = FORGOTTEN) -> None:
        """Drop versions of tags that nothing bears, unless a fence from before the invalidation is open.

        Args:
            oldest: the version of the fence that is open longest.
            most: how many are dropped at once.
        """
        orphans = self._orphans
        for _ in range(min(most, len(orphans))):
            tag = next(iter(orphans))
            if tag not in self._bearers:
                if self._versions.get(tag, 0) > oldest:
                    return
                self._versions.pop(tag, None)
            del orphans[tag]

    def _orphan(self, tag: str) -> None:
        if tag in self._versions:
            self._orphans[tag] = None

    def shared(self, tags: tuple[str, ...], version: int) -> Meta:
        """A meta that decides like a new one: as long as it counts, its version makes no difference."""
        meta = self._metas.get(tags)
        if meta is None or not self.counts(meta):
            if len(self._metas) >= _SHARED_METAS:
                self._metas.clear()
            meta = self._metas[tags] = Meta(tags, version)
        return meta


class _Bearers:
    """How many entries bear a tag, and which of those that count have views, or where these are."""

    __slots__ = ("_views", "count")

    def __init__(self, other: Entry) -> None:
        self.count = 2
        self._views: list[Entry] | _Indexes = [] if other.index is None else [other]

    def __len__(self) -> int:
        """How many entries with views, or indexes, are noted."""
        return len(self._views)

    def lose(self, entry: Entry) -> None:
        self.count -= 1
        views = self._views
        if isinstance(views, list) and entry in views:
            views.remove(entry)

    def view(self, entry: Entry, index: Index, *, first: bool) -> None:
        views = self._views
        if isinstance(views, _Indexes):
            views.add(index)
        elif first:
            if len(views) >= MOST_VIEWS:  # some may have lost theirs through another tag
                views = [one for one in views if one.index is not None]
            views.append(entry)
            self._views = views if len(views) <= MOST_VIEWS else _Indexes.of(views)

    def give_up_views(self) -> list[Entry]:
        """The entries that are known to have views; of more than that, the indexes are emptied."""
        views, self._views = self._views, []
        if isinstance(views, list):
            return views
        views.clear()
        return []


class _Indexes:
    """The fast indexes with views of entries of one tag; empty ones leave as others come."""

    __slots__ = ("_by_id", "_limit")

    def __init__(self) -> None:
        self._by_id: dict[int, Index] = {}
        self._limit = 8

    @classmethod
    def of(cls, views: list[Entry]) -> "_Indexes":
        """Those that have views of these entries."""
        indexes = cls()
        for entry in views:
            if entry.index is not None:
                indexes.add(entry.index)
        return indexes

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
