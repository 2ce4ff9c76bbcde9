"""AES-GCM over a frame's payload, bound to all that stands before it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from askonce.exceptions import CodecError, ConfigurationError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE: Final = 12
"""Bytes of a nonce: random ones of this size are good for 2**32 values per key."""

TAG: Final = 16
"""Bytes that encryption adds."""

LONGEST_ID: Final = 255
"""Bytes of the longest key id, in UTF-8."""


class Cipher:
    """Several keys: the first encrypts, all decrypt.

    To change the key, add the new one behind the old one in every process, then put it first, and take
    the old one out when the last value of its time has expired.

    Attributes:
        key_id: of the key that encrypts.
    """

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        """Make ready for some keys.

        Args:
            keys: key id to key, of 16, 24 or 32 bytes.

        Raises:
            ConfigurationError: a key or an id that cannot be, or the package ``cryptography`` is missing.
        """
        if not keys:
            raise ConfigurationError("encryption needs at least one key; leave the keys out to do without")
        self._keys: Final = {_encoded_id(key_id): _aes_gcm(key_id, key) for key_id, key in keys.items()}
        self.key_id: Final = next(iter(self._keys))
        self._first: Final = self._keys[self.key_id]

    def encrypt(self, nonce: bytes, payload: bytes, bound: bytes) -> bytes:
        """Encrypt with the first key.

        Args:
            nonce: never used before.
            payload: what to hide.
            bound: what the result counts with only, readable by all.

        Returns:
            ``TAG`` bytes more than the payload.
        """
        return self._first.encrypt(nonce, payload, bound)

    def decrypt(self, key_id: bytes, nonce: bytes, hidden: bytes, bound: bytes) -> bytes:
        """Undo ``encrypt``.

        Raises:
            CodecError: another key is needed, or anything is not as it was.
        """
        key = self._keys.get(key_id)
        if key is None:
            raise CodecError("the value is encrypted with a key that is not here; was its id taken out?")
        from cryptography.exceptions import InvalidTag

        try:
            return key.decrypt(nonce, hidden, bound)
        except InvalidTag:
            raise CodecError("the encrypted value is damaged, forged, or from another place") from None


def _encoded_id(key_id: str) -> bytes:
    encoded = key_id.encode("utf-8", "surrogatepass")
    if 0 < len(encoded) <= LONGEST_ID:
        return encoded
    raise ConfigurationError(f"an encryption key's id has 1 to {LONGEST_ID} bytes, not {len(encoded)}")


def _aes_gcm(key_id: str, key: bytes) -> "AESGCM":
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    except ImportError as error:
        raise ConfigurationError(
            'encryption needs the package cryptography: pip install "askonce[encryption]"'
        ) from error
    if len(key) not in (16, 24, 32):
        raise ConfigurationError(f"encryption key {key_id!r} has {len(key)} bytes; give 32 (or 16, or 24)")
    return AESGCM(key)
