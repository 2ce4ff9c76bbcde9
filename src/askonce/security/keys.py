"""Encryption keys in any of the forms that people keep them in."""

import base64
import binascii
import hashlib
import re
import secrets
from collections.abc import Iterable, Mapping
from typing import Final, TypeAlias, cast

from askonce.exceptions import ConfigurationError
from askonce.security.secret import HoldsSecret, Secret, revealed

KeyText: TypeAlias = bytes | str | HoldsSecret | Secret[bytes]
Keys: TypeAlias = KeyText | Mapping[str, KeyText] | Iterable[KeyText | tuple[str, KeyText]]

_SIZES: Final = (16, 24, 32)
_ID: Final = re.compile(r"[A-Za-z0-9_.-]{1,20}")  # shorter than a key: one in its place is not shown
_FORMS: Final = "give 32 (or 16, or 24) random bytes, or text made by askonce.security.generate_key()"


def generate_key() -> str:
    """A new key for ``encryption_keys``: 32 random bytes as text."""
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


def read_keys(given: object) -> tuple[tuple[str, Secret[bytes]], ...]:
    """All keys with their ids, in their order.

    Args:
        given: a mapping of ids to keys, several keys, with or without an id, or one.

    Raises:
        ConfigurationError: it is none of these, or names one id twice; it shows no key.
    """
    keys = tuple(_key(item) for item in _items(given))
    if len(dict(keys)) < len(keys):
        raise ConfigurationError("encryption_keys names one id, or one key without id, twice")
    return keys


def _items(given: object) -> Iterable[object]:
    if isinstance(given, str | bytes) or revealed(given) is not None:
        return (given,)
    if isinstance(given, Mapping):
        return cast("Mapping[object, object]", given).items()
    if isinstance(given, Iterable):
        return cast("Iterable[object]", given)
    raise ConfigurationError("encryption_keys is a mapping of key ids to keys, several keys, or one")


def _key(item: object) -> tuple[str, Secret[bytes]]:
    if isinstance(item, tuple):
        return _with_id(cast("tuple[object, ...]", item))
    plain = _plain(item, "a key in encryption_keys")
    digest = hashlib.blake2b(plain, digest_size=6, person=b"askonce key id").hexdigest()
    return digest, Secret(plain)


def _with_id(pair: tuple[object, ...]) -> tuple[str, Secret[bytes]]:
    match pair:
        case (str() as key_id, key) if _ID.fullmatch(key_id):
            return key_id, Secret(_plain(key, f"encryption_keys[{key_id!r}]"))
        case _:
            raise ConfigurationError(
                "encryption_keys: an id stands before its key, with 1 to 20 letters, digits, '-', '_', '.'"
            )


def _plain(key: object, what: str) -> bytes:
    text = key if isinstance(key, str | bytes) else revealed(key)
    if not isinstance(text, str | bytes):
        raise ConfigurationError(f"{what} is neither bytes nor text; {_FORMS}")
    if isinstance(text, bytes) and len(text) in _SIZES:
        return text
    decoded = _base64(text)
    if decoded is None:
        unit = "bytes" if isinstance(text, bytes) else "characters"
        raise ConfigurationError(f"{what} has {len(text)} {unit} that are no key; {_FORMS}")
    return decoded


def _base64(text: str | bytes) -> bytes | None:
    """What URL-safe or plain base64 stands for, padded or not, if that has the size of a key."""
    try:
        raw = text.strip().encode("ascii") if isinstance(text, str) else text.strip()
        raw = raw.translate(bytes.maketrans(b"-_", b"+/")).rstrip(b"=")
        decoded = base64.b64decode(raw + b"=" * (-len(raw) % 4), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        return None
    return decoded if len(decoded) in _SIZES else None
