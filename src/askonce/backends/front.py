"""Memory in front of a tier behind it, which says what others have changed there.

Every method may be called by any thread. A fence that is looking is treated kindly: what others changed
before the tier's answer is in that answer, so the fence is marked and not broken, and the tier asks again.
"""

from collections.abc import Iterable

from askonce.backends.engine import Fence
from askonce.backends.memory_store import MemoryStore


class Front(MemoryStore):
    """Entries in memory that are copies of what is stored behind it."""

    def looked(self, fence: Fence) -> bool:
        """End the look of a tier; whether nobody changed the key meanwhile.

        Call it when the answer for the key is there, before anything else is asked: from then on the fence
        breaks with the key, and an entry whose tags change is not stored. Where it answers ``False``, look
        again, or let nothing be kept.
        """
        with self._lock:
            fence.looking = False
            if not fence.broken and not fence.dirty:
                self._fences.renew(fence, self._tags.now)
            return not fence.dirty

    def drop_copies(self, keys: Iterable[str]) -> None:
        """Remove the entries of keys that others changed, and break the fences of these."""
        with self._lock:
            now = self.clock()
            self._settle(now)
            entries, fences = self._entries, self._fences
            for key in keys:
                fences.touch_key(key)
                entry = entries.get(key)
                if entry is not None:
                    self._remove(entry, "changed elsewhere", now)
            _left = self._let_go()

    def drop_all_copies(self, why: str = "since the connection to Redis was lost") -> None:
        """Remove everything and break all fences, since nobody knows what others have changed."""
        with self._lock:
            self._fences.touch_all()
            self._remove_all("dropped", why)
            _left = self._let_go()

    def drop_tag_copies(self, tags: tuple[str, ...]) -> None:
        """Make every entry with one of these tags count no more, since others invalidated them."""
        with self._lock:
            self._fences.touch_tags(tags)
            self._outdate(tags)
