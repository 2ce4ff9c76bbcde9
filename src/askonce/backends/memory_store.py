"""The memory cache as the engine uses it: entries, their fences, and why they leave."""

import math
import random
import threading
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

from askonce._types import (
    DEAD,
    Clock,
    Entry,
    Life,
    Meta,
    Windows,
    born_at,
    end_of,
    fresh_until,
    life_of,
)
from askonce.backends.checks import DIGESTED
from askonce.backends.drops import REMEMBERED, DropRecord
from askonce.backends.engine import Fence, HitSource, Names, QuickTier, RemoteTier, Sight
from askonce.backends.eviction import Policy
from askonce.backends.expiry import Calendar
from askonce.backends.fences import Fences
from askonce.backends.figures import HitSources
from askonce.backends.held import QUIET, CopiedHeld, Held
from askonce.backends.sights import sight_of
from askonce.backends.sizing import deep_size
from askonce.backends.tags import FORGOTTEN, TagLedger
from askonce.flight import Flights
from askonce.freshness import Draw, carefree_until

_EVENTS: Final = ("sets", "deletes", "evictions", "expirations", "invalidations", "too_large")
_SWEPT: Final = 64
WAITING_USES: Final = 1024
_OF_LONG_KEY: Final = Meta()
_ENTRY_BYTES: Final = 240  # the entry, its place in the table, its stamps; the key is counted by itself


class MemoryStore:
    """Entries by key, bounded in number and, if wanted, in bytes.

    The truth is one dictionary. Reads take no lock: they see an entry, whole, or none. Writes take one lock.
    An entry never comes back to life: whoever removes it sets ``until`` to ``DEAD``, but leaves the value,
    since a reader who found the entry fresh may be about to take it.

    Uses wait in a log until a write replays them; of a long run of reads the log keeps the last ones.

    What leaves stays alive until the lock is released: its finalizer may wait for a lock whose holder waits
    for this one.
    """

    clock: Clock
    default_ttl: float
    operation_ttls: Mapping[str, float]
    enabled: bool = True
    keeps_windows: bool = True
    remote: RemoteTier | None = None
    quick: QuickTier | None = None

    def __init__(
        self,
        policy: Callable[[], Policy],
        *,
        default_ttl: float,
        operation_ttls: Mapping[str, float],
        clock: Clock,
        max_size: int,
        max_bytes: int | None,
    ) -> None:
        self.clock = clock
        self.draw: Draw = random.random
        self.default_ttl = default_ttl
        self.operation_ttls = operation_ttls
        self.flights: Final = Flights(self)
        self.names: Final = Names()
        self.max_size: Final = max_size
        self.max_bytes: Final = max_bytes
        self._entries: Final[dict[str, Held]] = {}
        # A finalizer that the collector runs inside a write may use the cache: no deadlock.
        self._lock: Final = threading.RLock()
        self._policy: Final = policy()
        self._calendar: Final = Calendar()
        self._tags: Final = TagLedger()
        self._fences: Final = Fences()
        self._drops: Final = DropRecord()
        self._sources: Final = HitSources()
        self._uses: list[Held] = []
        self._left: list[Held | list[Held]] = []
        self._bytes = 0
        self._for_want_of_room: Final = f"to keep max_size={max_size}"
        self._room: Final = math.inf if max_bytes is None else max_bytes
        self._events: Final = dict.fromkeys(_EVENTS, 0)

    def engine_store(self) -> "MemoryStore":
        """This cache, as the engine sees it."""
        return self

    def hold(self) -> None:
        """Let nobody write until ``release``."""
        self._lock.acquire()

    def release(self, *, child: bool) -> None:
        """Let writers in again; in a forked child, forget the fills of the parent."""
        if child:
            self._fences.forget_all()
            self._tags.forget(self._fences.oldest_version())
        self._lock.release()

    def look(self, key: str) -> Entry | None:
        """The entry of a key that may be served without a second thought, marked as used, or ``None``."""
        while (entry := self._entries.get(key)) is not None:
            meta = entry.meta
            # Tags first: the version of a tag is forgotten only after its last entry is DEAD.
            if (meta is None or self._tags.counts(meta)) and entry.until > self.clock():
                self._note_use(entry)
                return entry
            if entry.until != DEAD:
                return None
            # It was replaced or removed between the two looks; the dictionary knows which.
        return None

    def held(self, key: str) -> Entry | None:
        """The entry of a key whatever its age, marked as used, unless it was invalidated."""
        while (entry := self._entries.get(key)) is not None:
            meta = entry.meta
            counts = meta is None or self._tags.counts(meta)
            if entry.until != DEAD:  # read after the tags, as in ``look``
                if counts:
                    self._note_use(entry)
                return entry if counts else None
        return None

    def rest(self, entry: Entry, retry: float) -> None:
        """Have nobody try to replace an entry with windows before an instant."""
        with self._lock:
            life = life_of(entry)
            if life is not None and self._entries.get(entry.key) is entry:
                life.retry = retry
                entry.until = carefree_until(life)

    def open_fence(self, key: str, tags: tuple[str, ...] = ()) -> Fence:
        """Begin a fill."""
        with self._lock:
            fence = Fence(key, tags, self._tags.now)
            self._fences.open(fence)
            return fence

    def close_fence(self, fence: Fence) -> None:
        """Forget a fence."""
        with self._lock:
            self._fences.close(fence)
            if self._tags._orphans:
                self._tags.forget(self._fences.oldest_version())

    def break_fences(self, key: str) -> None:
        """Let no fill of this key that is under way be stored."""
        with self._lock:
            self._fences.break_key(key)

    def fill(
        self,
        fence: Fence,
        value: Any,
        ttl: float,
        tags: tuple[str, ...] = (),
        copy: Callable[[Any], Any] | None = None,
        windows: Windows | None = None,
        age: float = 0.0,
    ) -> Entry | None:
        """Store a value whose fence held; ``None`` where it was not stored."""
        if not ttl > 0 and (windows is None or not ttl + max(windows.stale, windows.grace) > 0):
            return None
        size = self._size(fence.key, value)
        with self._lock:
            known = fence.tags if tags == fence.tags else (*fence.tags, *tags)
            if fence.broken or not self._tags.unchanged(known, fence.version):
                return None
            entry = self._store(fence.key, value, ttl, tags, fence.version, copy, size, windows, age)
            if age and entry is not None:
                entry.ttl += age
            _left = self._let_go()
        return entry

    def take_back(self, entry: Entry) -> None:
        """Remove this entry, should it still be there; breaks no fences."""
        with self._lock:
            held = self._entries.get(entry.key)
            if held is not None and held is entry:
                self._remove(held, "taken back", self.clock(), "since the key had changed elsewhere")
            _left = self._let_go()

    def drop(self, key: str) -> bool:
        """Remove an entry and break the fences of its key; whether there was one, fresh or in its windows."""
        with self._lock:
            was_there = self._drop(key)
            _left = self._let_go()
        return was_there

    def drop_tags(self, tags: tuple[str, ...]) -> None:
        """Make every entry with one of these tags count no more, and break the fences that know them."""
        with self._lock:
            self._fences.break_tags(tags)
            self._outdate(tags)

    def _outdate(self, tags: tuple[str, ...]) -> None:
        for entry in self._tags.invalidate(tags):
            self._lose_view(entry)
        self._tags.forget(self._fences.oldest_version(), FORGOTTEN + len(tags))
        self._events["invalidations"] += len(tags)

    def admit(self, entry: Entry, index: dict[tuple[Any, ...], Entry], index_key: tuple[Any, ...]) -> None:
        """Give a living entry a view in a fast index, in place of one that it has."""
        with self._lock:
            meta, held = entry.meta, self._entries.get(entry.key)
            if held is None or held is not entry or not (meta is None or self._tags.counts(meta)):
                return
            if self.max_bytes is not None and not self._makes_room(held, index_key):
                return
            first = entry.index is None
            _take_view(entry)
            entry.index = index
            entry.index_key = index_key
            if meta is not None:
                self._tags.viewed(entry, index, meta.tags, first=first)
            index[index_key] = entry

    def _makes_room(self, entry: Held, index_key: tuple[Any, ...]) -> bool:
        """Count the arguments that a view keeps in place of those of the last one, if there is room."""
        more = _size_of_view(index_key) - _size_of_known_view(entry)
        if self._bytes + more > self._room:
            return False
        entry.size += more
        self._bytes += more
        return True

    def _lose_view(self, entry: Entry) -> None:
        """Take the view of an entry that counts no more, but stays until its place is needed."""
        held = cast("Held", entry)
        if self.max_bytes is not None:
            less = _size_of_known_view(held)
            held.size -= less
            self._bytes -= less
        _take_view(held)

    def sight(self, key: str) -> Sight:
        """Why a look would find something or not."""
        with self._lock:
            now = self.clock()
            entry = self._entries.get(key)
            if entry is None:
                return Sight(None, None, None, (), self._drops.explain(key, now))
            return sight_of(entry, now, self._tags)

    def _counts_now(self, entry: Held) -> bool:
        return entry.meta is None or self._tags.counts(entry.meta)

    def count(self, source: HitSource) -> None:
        """Take a decorated function's figures into the cache's own statistics."""
        with self._lock:
            self._sources.add(source)

    def _fresh(self, key: str) -> Held | None:
        """The entry of a key before the end of its ttl, for those who ask by hand."""
        while (entry := self._entries.get(key)) is not None:
            counts, until, life = self._counts_now(entry), entry.until, life_of(entry)
            if until != DEAD:  # read after the tags, as in ``look``
                end = until if life is None else life.fresh
                return entry if counts and end > self.clock() else None
        return None

    def _let_go(self) -> list[Held | list[Held]]:
        """What has left; the caller keeps it alive until it has released the lock."""
        left, self._left = self._left, []
        return left

    def _drop(self, key: str) -> bool:
        now = self.clock()
        self._settle(now)
        self._fences.break_key(key)
        entry = self._entries.get(key)
        if entry is None:
            return False
        was_there = self._counts_now(entry) and now < end_of(entry)
        self._remove(entry, "deleted", now)
        self._events["deletes"] += was_there
        return was_there

    def _store(
        self,
        key: str,
        value: Any,
        ttl: float,
        tags: tuple[str, ...],
        version: int,
        copy: Callable[[Any], Any] | None,
        size: int,
        windows: Windows | None = None,
        age: float = 0.0,
    ) -> Held | None:
        """Put a new entry in place and whatever it displaces out; ``None`` if it is too large."""
        now = self.clock()
        self._settle(now)
        old = self._entries.get(key)
        if size > self._room:
            self._refuse(key, old, now)
            return None
        born = now - age if ttl == math.inf else None
        meta = self._tags.shared(tags, version) if tags else None
        life: Life | None = None
        if windows is not None:
            life = meta = Life(now + ttl, windows, () if meta is None else meta.tags, version, born)
        elif born is not None:
            meta = Meta(() if meta is None else meta.tags, version, born)
        elif meta is None and key.startswith(DIGESTED):
            meta = _OF_LONG_KEY  # sends a get by hand the slow way, which tells a digest from a key like one
        entry: Held = Held(key, value, ttl, now, meta)
        if copy is not None:
            entry = CopiedHeld(key, value, ttl, now, meta)
            entry.copy = copy
        entry.used = QUIET
        entry.size = size
        self._bytes += size
        self._events["sets"] += 1
        self._entries[key] = entry
        if life is None:
            self._calendar.add(entry, entry.until, ttl)
        else:
            entry.until = carefree_until(life)
            self._calendar.add(entry, life.end, life.end - now)
        if old is None:
            self._policy.insert(entry)
        else:
            self._policy.replace(old, entry)
            self._unlink(old)
        if tags:  # after the old one has left: most tags so know one entry at a time
            self._tags.bear(entry, tags)
        if len(self._entries) > self.max_size or self._bytes > self._room:
            self._evict(entry, now)
        return entry

    def _size(self, key: str, value: Any) -> int:
        """What an entry takes, measured outside the lock; 0 where nothing depends on it."""
        return 0 if self.max_bytes is None else _ENTRY_BYTES + deep_size((key, value))

    def _refuse(self, key: str, old: Held | None, now: float) -> None:
        self._events["too_large"] += 1
        if old is not None:
            self._remove(old, "replaced", now)
        self._drops.note(key, "not stored", now, f"since it is larger than max_bytes={self.max_bytes}")

    def _evict(self, newest: Held, now: float) -> None:
        while len(self._entries) > self.max_size:
            self._evict_one(newest, now, self._for_want_of_room)
        while self._bytes > self._room:
            self._evict_one(newest, now, f"to keep max_bytes={self.max_bytes}")

    def _evict_one(self, newest: Held, now: float, purpose: str) -> None:
        entry = self._policy.evict()
        if entry is newest:  # what was just stored should be there, if only for a while
            entry = self._policy.evict()
            self._policy.insert(newest)
        if end_of(entry) <= now:
            self._expire(entry)
        else:
            self._events["evictions"] += 1
            self._remove(entry, "evicted", now, purpose)

    def _expire(self, entry: Held) -> None:
        self._events["expirations"] += 1
        self._remove(entry, "expired", fresh_until(entry))

    def _note_use(self, entry: Held) -> None:
        self._uses.append(entry)
        if len(self._uses) >= WAITING_USES:
            self._shorten_uses()

    def _shorten_uses(self) -> None:
        """Forget the older half of the uses: replaying them would cost reads a fifth of their time."""
        with self._lock:
            _forgotten = self._uses[: WAITING_USES // 2]
            del self._uses[: WAITING_USES // 2]

    def _replay(self) -> None:
        uses = self._uses
        self._uses = []  # a reader that still has the old list may lose the note of one use
        self._policy.replay(uses)
        self._left.append(uses)

    def _settle(self, now: float) -> None:
        """Replay uses and let go of some of what has expired: bounded, whatever has piled up."""
        if self._uses:
            self._replay()
        if now < self._calendar.next:
            return
        for _ in range(_SWEPT):
            entry = self._calendar.expired(now)
            if entry is None:
                break
            self._expire(self._entries[entry.key])

    def _remove(self, entry: Held, how: str, when: float, purpose: str = "") -> None:
        del self._entries[entry.key]
        self._policy.remove(entry)
        self._unlink(entry)
        self._drops.note(entry.key, how, when, purpose)

    def _unlink(self, entry: Held) -> None:
        """Let an entry that is out of the dictionary leave everything else."""
        entry.until = DEAD
        self._left.append(entry)
        if entry.index is not None:
            _take_view(entry)
        self._calendar.remove(entry)
        self._bytes -= entry.size
        if entry.meta is not None and entry.meta.tags:
            self._tags.release(entry, entry.meta.tags)
            if self._tags._orphans:
                self._tags.forget(self._fences.oldest_version())

    def _prolong(self, entry: Held, ttl: float) -> None:
        """Let an entry live ``ttl`` from now, with no windows after that; its age stays what it is."""
        now = self.clock()
        meta, born = entry.meta, born_at(entry)
        self._calendar.remove(entry)
        if ttl == math.inf:
            entry.meta = Meta(born=born) if meta is None else Meta(meta.tags, meta.version, born)
        elif isinstance(meta, Life):
            entry.meta = Meta(meta.tags, meta.version, meta.born)
        entry.ttl = now + ttl - born
        entry.until = now + ttl
        self._calendar.add(entry, entry.until, ttl)

    def _empty(self) -> None:
        with self._lock:
            self._fences.break_all()
            self._remove_all("cleared")
            _left = self._let_go()

    def _remove_all(self, how: str, purpose: str = "") -> None:
        self._left.append(self._uses)
        self._uses = []
        now = self.clock()
        entries = list(self._entries.values())
        self._entries.clear()
        for entry in entries:
            self._policy.remove(entry)
            self._unlink(entry)
        for entry in entries[-REMEMBERED:]:
            self._drops.note(entry.key, how, now, purpose)


def _size_of_view(index_key: tuple[Any, ...]) -> int:
    """The bytes of the arguments; their classes are there anyway."""
    return deep_size(tuple(item for item in index_key if not isinstance(item, type)))


def _size_of_known_view(entry: Entry) -> int:
    """What is counted of the view that an entry has, or had until its index was emptied."""
    return 0 if entry.index is None or entry.index_key is None else _size_of_view(entry.index_key)


def _take_view(entry: Entry) -> None:
    index = entry.index
    if index is not None and entry.index_key is not None:
        if index.get(entry.index_key) is entry:
            index.pop(entry.index_key, None)  # a function that changes its cache may be emptying the index
        entry.index = entry.index_key = None
