"""What is right, for all processes of a load: a version per key, and what everybody must know by now."""

import mmap
import time

EIGHT = 8
COLUMNS = 5
VERSION, TOLD = 0, 1
"""Columns of a key: its version; then twice a version that was told, and when."""


class Truth:
    """Versions of keys in a file that processes share. Each key has one writer, so that nothing is locked.

    Args:
        path: of the file; it is made if it is empty.
        keys: how many there are.
    """

    def __init__(self, path, keys):
        size = keys * COLUMNS * EIGHT
        with path.open("a+b") as file:
            file.truncate(size)
            self._map = mmap.mmap(file.fileno(), size)
        self._cells = memoryview(self._map).cast("d")
        self._keys = keys

    def __len__(self):
        return self._keys

    def version(self, key):
        """Return what is right at this moment."""
        return int(self._cells[key * COLUMNS])

    def bump(self, key):
        """Change what a key stands for; answer the new version."""
        self._cells[key * COLUMNS] += 1
        return self.version(key)

    def told(self, key, version):
        """Note that an invalidation was acknowledged: nobody may see an older version for long."""
        slot = key * COLUMNS + TOLD + 2 * (version % 2)
        self._cells[slot + 1] = time.monotonic()  # first: a reader in between takes it for too recent
        self._cells[slot] = version

    def floor(self, key, before):
        """Return the youngest version that was told before an instant."""
        first = key * COLUMNS + TOLD
        cells = self._cells
        return max((int(cells[slot]) for slot in (first, first + 2) if cells[slot + 1] <= before), default=0)
