"""The memory cache as the engine uses it: entries, their fences, and why they leave."""

import math
import threading
from collections.abc import Callable, Mapping
from typing import Any, Final

from askonce._types import DEAD, Clock, Entry, Meta
from askonce.backends.checks import DIGESTED
from askonce.backends.drops import REMEMBERED, DropRecord, ago
from askonce.backends.engine import Fence, HitSource, Names, RemoteTier, Sight
from askonce.backends.eviction import Policy
from askonce.backends.expiry import Calendar
from askonce.backends.fences import Fences
from askonce.backends.figures import HitSources
from askonce.backends.held import QUIET, CopiedHeld, Held
from askonce.backends.sizing import deep_size
from askonce.backends.tags import TagLedger
from askonce.flight import Flights

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
    """

    clock: Clock
    default_ttl: float
    operation_ttls: Mapping[str, float]
    enabled: bool = True
    remote: RemoteTier | None = None

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
        self._bytes = 0
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
        """The fresh entry of a key, marked as used, or ``None``."""
        entry = self._fresh(key)
        if entry is not None:
            self._note_use(entry)
        return entry

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
    ) -> Entry | None:
        """Store a value whose fence held; ``None`` where it was not stored."""
        if not ttl > 0:
            return None
        size = self._size(fence.key, value)
        with self._lock:
            if fence.broken or not self._tags.unchanged((*fence.tags, *tags), fence.version):
                return None
            return self._store(fence.key, value, ttl, tags, fence.version, copy, size)

    def drop(self, key: str) -> bool:
        """Remove an entry and break the fences of its key; whether a fresh entry was there."""
        with self._lock:
            now = self.clock()
            self._settle(now)
            self._fences.break_key(key)
            entry = self._entries.get(key)
            if entry is None:
                return False
            fresh = self._fresh(key) is not None
            self._remove(entry, "deleted", now)
            self._events["deletes"] += fresh
            return fresh

    def drop_tags(self, tags: tuple[str, ...]) -> None:
        """Make every entry with one of these tags count no more, and break the fences that know them."""
        with self._lock:
            self._tags.invalidate(tags)
            self._fences.break_tags(tags)
            self._tags.forget(self._fences.oldest_version())
            self._events["invalidations"] += len(tags)

    def admit(self, entry: Entry, index: dict[tuple[Any, ...], Entry], index_key: tuple[Any, ...]) -> None:
        """Give a living entry a view in a fast index, in place of one that it has."""
        with self._lock:
            meta, held = entry.meta, self._entries.get(entry.key)
            if held is None or held is not entry or not (meta is None or self._tags.counts(meta)):
                return
            if self.max_bytes is not None and not self._makes_room(held, _size_of_view(index_key)):
                return
            _take_view(entry)
            entry.index = index
            entry.index_key = index_key
            if meta is not None:
                self._tags.viewed(meta.tags, index)
            index[index_key] = entry

    def _makes_room(self, entry: Held, size: int) -> bool:
        """Count the arguments that a view keeps, if there is room for them."""
        if self._bytes + size > self._room:
            return False
        entry.size += size
        self._bytes += size
        return True

    def sight(self, key: str) -> Sight:
        """Why a look would find something or not."""
        with self._lock:
            now = self.clock()
            entry = self._entries.get(key)
            if entry is None:
                return Sight(None, None, None, (), self._drops.explain(key, now))
            meta = entry.meta
            tags = () if meta is None else meta.tags
            born = entry.until - entry.ttl if meta is None or meta.born is None else meta.born
            if self._fresh(key) is None:
                return Sight(None, None, None, tags, self._why_stale(entry, now))
            return Sight("memory", now - born, entry.until - now, tags, None)

    def count(self, source: HitSource) -> None:
        """Take a decorated function's figures into the cache's own statistics."""
        with self._lock:
            self._sources.add(source)

    def _fresh(self, key: str) -> Held | None:
        while (entry := self._entries.get(key)) is not None:
            meta = entry.meta
            # Tags first: the version of a tag is forgotten only after its last entry is DEAD.
            if (meta is None or self._tags.counts(meta)) and entry.until > self.clock():
                return entry
            if entry.until != DEAD:
                return None
            # It was replaced or removed between the two looks; the dictionary knows which.
        return None

    def _store(
        self,
        key: str,
        value: Any,
        ttl: float,
        tags: tuple[str, ...],
        version: int,
        copy: Callable[[Any], Any] | None,
        size: int,
    ) -> Held | None:
        """Put a new entry in place and whatever it displaces out; ``None`` if it is too large."""
        now = self.clock()
        self._settle(now)
        old = self._entries.get(key)
        if size > self._room:
            self._refuse(key, old, now)
            return None
        born = now if ttl == math.inf else None
        meta = self._tags.bear(tags, version, born) if tags or born is not None else None
        if meta is None and key.startswith(DIGESTED):
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
        self._calendar.add(entry, ttl)
        if old is None:
            self._policy.insert(entry)
        else:
            self._policy.replace(old, entry)
            self._unlink(old)
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
            self._evict_one(newest, now, f"to keep max_size={self.max_size}")
        while self._bytes > self._room:
            self._evict_one(newest, now, f"to keep max_bytes={self.max_bytes}")

    def _evict_one(self, newest: Held, now: float, purpose: str) -> None:
        entry = self._policy.evict()
        if entry is newest:  # what was just stored should be there, if only for a while
            entry = self._policy.evict()
            self._policy.insert(newest)
        if entry.until <= now:
            self._expire(entry)
        else:
            self._events["evictions"] += 1
            self._remove(entry, "evicted", now, purpose)

    def _expire(self, entry: Held) -> None:
        self._events["expirations"] += 1
        self._remove(entry, "expired", entry.until)

    def _note_use(self, entry: Held) -> None:
        self._uses.append(entry)
        if len(self._uses) >= WAITING_USES:
            self._shorten_uses()

    def _shorten_uses(self) -> None:
        """Forget the older half of the uses: replaying them would cost reads a fifth of their time."""
        with self._lock:
            del self._uses[: WAITING_USES // 2]

    def _replay(self) -> None:
        uses = self._uses
        self._uses = []  # a reader that still has the old list may lose the note of one use
        self._policy.replay(uses)

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
        if entry.index is not None:
            _take_view(entry)
        self._calendar.remove(entry)
        self._bytes -= entry.size
        if entry.meta is not None and entry.meta.tags:
            self._tags.release(entry.meta.tags)
            self._tags.forget(self._fences.oldest_version())

    def _prolong(self, entry: Held, ttl: float) -> None:
        """Let an entry live ``ttl`` from now; its age stays what it is."""
        now = self.clock()
        meta = entry.meta
        born = entry.until - entry.ttl if meta is None or meta.born is None else meta.born
        self._calendar.remove(entry)
        if ttl == math.inf:
            entry.meta = Meta(born=born) if meta is None else Meta(meta.tags, meta.version, born)
        entry.ttl = now + ttl - born
        entry.until = now + ttl
        self._calendar.add(entry, ttl)

    def _empty(self) -> None:
        with self._lock:
            self._fences.break_all()
            self._uses = []
            now = self.clock()
            entries = list(self._entries.values())
            self._entries.clear()
            for entry in entries:
                self._policy.remove(entry)
                self._unlink(entry)
            for entry in entries[-REMEMBERED:]:
                self._drops.note(entry.key, "cleared", now)

    def _why_stale(self, entry: Held, now: float) -> str:
        if entry.meta is not None:
            for tag in entry.meta.tags:
                if not self._tags.unchanged((tag,), entry.meta.version):
                    return f"invalidated by tag {tag!r}"
        return f"expired {ago(now - entry.until)}"


def _size_of_view(index_key: tuple[Any, ...]) -> int:
    """The bytes of the arguments; their classes are there anyway."""
    return deep_size(tuple(item for item in index_key if not isinstance(item, type)))


def _take_view(entry: Entry) -> None:
    index = entry.index
    if index is not None and entry.index_key is not None:
        if index.get(entry.index_key) is entry:
            index.pop(entry.index_key, None)  # a function that changes its cache may be emptying the index
        entry.index = entry.index_key = None
