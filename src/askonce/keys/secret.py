"""The secret that keys the digests of a process, read from its environment."""

import os
import threading
from pathlib import Path

from askonce._forks import hold_at_fork
from askonce.exceptions import ConfigurationError
from askonce.keys.encoding import Encoder

_VARIABLE = "CACHE_KEY_SECRET"

_lock = threading.Lock()
hold_at_fork(_lock)
_encoder: Encoder | None = None


def default_encoder() -> Encoder:
    """The encoder of this process, made when first asked for.

    Its digests are keyed with ``CACHE_KEY_SECRET``, or what the file ``CACHE_KEY_SECRET_FILE`` holds; an
    empty secret is none.

    Raises:
        ConfigurationError: the file cannot be read.
    """
    global _encoder  # noqa: PLW0603
    with _lock:
        if _encoder is None:
            _encoder = Encoder(_secret())
        return _encoder


def reset_default_encoder() -> None:
    """Read the environment again at the next call, for tests."""
    global _encoder  # noqa: PLW0603
    with _lock:
        _encoder = None


def _secret() -> bytes:
    direct = os.environ.get(_VARIABLE)
    if direct:
        return os.fsencode(direct)
    file = os.environ.get(f"{_VARIABLE}_FILE")
    return _read(Path(file)) if file else b""


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes().rstrip(b"\r\n")
    except OSError as error:
        raise ConfigurationError(f"{_VARIABLE}_FILE: {file} cannot be read: {error.strerror}") from None
