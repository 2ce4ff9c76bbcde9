"""The settings of a safe connection."""

import os
import ssl
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Literal, NoReturn, TypeAlias, cast

from askonce._logging import get_logger
from askonce.exceptions import ConfigurationError
from askonce.security.keys import Keys, read_keys
from askonce.security.secret import Secret, SecretText, as_secret

FilePath: TypeAlias = str | os.PathLike[str]

_TLS_SETTINGS: Final = ("cert_file", "key_file", "key_password", "ca_file")
_LONGEST_PASSWORD: Final = 1024


@dataclass(frozen=True, kw_only=True)
class SecurityConfig:
    """How to reach a server safely. Secrets do not show in ``repr``, and it is not pickled.

    Attributes:
        use_tls: ``None`` leaves it to the URL (``rediss://`` means TLS).
        username: the user of the server's access list; left out, its default user.
        password: text, a ``Secret``, or a ``SecretStr`` of pydantic.
        cert_file: the client's certificate in PEM, with those between it and the CA, and perhaps its key.
        key_file: the certificate's key, where it is not in ``cert_file``.
        key_password: of the key, where it has one.
        ca_file: the CAs in PEM that may vouch for the server, in place of those that the system trusts.
        verify: ``True``: the server's certificate and name; ``"chain"``: its certificate, whatever name it
            bears, for servers that are known by changing addresses; ``False``: nothing, which lets anybody
            between read and write all.
        encryption_keys: values are encrypted with AES-GCM (``pip install "askonce[encryption]"``), and only
            encrypted ones are believed. A mapping of key ids to keys, several keys, or one; the first
            encrypts, all decrypt. A key is 16, 24 or 32 bytes, or text in base64. Ids are up to 20 letters,
            digits, ``-``, ``_`` and ``.``; those left out are made of the key's digest.
    """

    use_tls: bool | None = None
    username: str | None = None
    password: SecretText | None = None
    cert_file: FilePath | None = None
    key_file: FilePath | None = None
    key_password: SecretText | None = None
    ca_file: FilePath | None = None
    verify: bool | Literal["chain"] = True
    encryption_keys: Keys = ()

    def __post_init__(self) -> None:
        for name in ("password", "key_password"):
            object.__setattr__(self, name, as_secret(name, getattr(self, name)))
        object.__setattr__(self, "encryption_keys", read_keys(self.encryption_keys))
        self._check_kinds()
        self._check_contradictions()

    def _check_kinds(self) -> None:
        if self.use_tls is not None and not isinstance(self.use_tls, bool):
            raise ConfigurationError("use_tls is True, False, or None for what the URL says")
        if not isinstance(self.verify, bool) and self.verify != "chain":
            raise ConfigurationError(
                'verify is True, "chain" or False; a CA of your own is named by ca_file='
            )
        for name in ("cert_file", "key_file", "ca_file"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, str | os.PathLike) or not os.fspath(value)):
                raise ConfigurationError(
                    f"{name} is the path of a file in PEM form; leave it out to do without"
                )
        if self.username is not None and not (isinstance(self.username, str) and self.username):
            raise ConfigurationError("username is a text; leave it out for the server's default user")

    def _check_contradictions(self) -> None:
        if self.use_tls is False and (useless := self._tls_settings()):
            raise ConfigurationError(f"use_tls=False leaves {useless} without effect; drop one or the other")
        for name in ("key_file", "key_password"):
            if getattr(self, name) is not None and self.cert_file is None:
                raise ConfigurationError(f"{name} belongs to a certificate; name that by cert_file=")
        if self.verify is False and self.ca_file is not None:
            raise ConfigurationError("verify=False leaves ca_file without effect; drop one of them")

    def __getstate__(self) -> dict[str, object]:
        """The settings alone, which can be copied; what TLS made of them cannot."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def _tls_settings(self) -> str:
        given = [name for name in _TLS_SETTINGS if getattr(self, name) is not None]
        return ", ".join(given + ["verify"] * (self.verify is not True))

    def uses_tls(self, url_says_so: bool) -> bool:
        """Whether to connect with TLS.

        Args:
            url_says_so: the URL begins with ``rediss``.

        Raises:
            ConfigurationError: the URL and the settings contradict each other.
        """
        if self.use_tls is False and url_says_so:
            raise ConfigurationError(
                "the URL asks for TLS (rediss://), use_tls=False forbids it; drop one of them"
            )
        if self.use_tls is None and not url_says_so and (useless := self._tls_settings()):
            raise ConfigurationError(
                f"without TLS {useless} would have no effect; say rediss:// or use_tls=True"
            )
        return url_says_so or self.use_tls is True

    def login(self) -> tuple[str | None, str | None]:
        """User name and password in the clear, for the connection."""
        password = cast("Secret[str] | None", self.password)
        return self.username, None if password is None else password.get_secret_value()

    def keys(self) -> dict[str, bytes]:
        """The encryption keys in the clear, by their ids, the one that encrypts first; empty for none."""
        return {key_id: key.get_secret_value() for key_id, key in cast("Any", self.encryption_keys)}

    def ssl_context(self) -> ssl.SSLContext:
        """What TLS connections are made with, the same at each call: making one takes milliseconds.

        Raises:
            ConfigurationError: a file is missing, cannot be read, or is not what it should be.
        """
        return self._ssl_context

    @cached_property
    def _ssl_context(self) -> ssl.SSLContext:
        # Not create_default_context: that refuses, since Python 3.13, CAs as many made for themselves.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._trust(context)
        if self.cert_file is not None:
            self._identify(context, self.cert_file)
        return context

    def _trust(self, context: ssl.SSLContext) -> None:
        context.check_hostname = self.verify is True
        if self.verify is False:
            context.verify_mode = ssl.CERT_NONE
            get_logger().warning("tls_not_verified")
        elif self.ca_file is None:
            context.load_default_certs()
        else:
            _must_be_readable("ca_file", self.ca_file)
            try:
                context.load_verify_locations(self.ca_file)
            except ssl.SSLError as error:
                _refuse_file("ca_file", self.ca_file, f"holds no certificates in PEM form ({error.reason})")

    def _identify(self, context: ssl.SSLContext, cert_file: FilePath) -> None:
        _must_be_readable("cert_file", cert_file)
        if self.key_file is not None:
            _must_be_readable("key_file", self.key_file)
        try:
            context.load_cert_chain(cert_file, self.key_file, self._key_password)
        except ssl.SSLError as error:
            place = "" if self.key_file is None else f" with key_file={os.fspath(self.key_file)!r}"
            reason = error.reason or "wrong key_password, or not in PEM form"
            _refuse_file(
                "cert_file", cert_file, f"{place} is not a certificate with its key ({reason})".lstrip()
            )

    def _key_password(self) -> str:
        """Asked for only where the key has one; without this, OpenSSL would ask at the terminal."""
        if self.key_password is None:
            raise ConfigurationError("the certificate's key is encrypted; give its key_password")
        password = cast("Secret[str]", self.key_password).get_secret_value()
        if len(password.encode("utf-8", "surrogatepass")) > _LONGEST_PASSWORD:
            raise ConfigurationError(f"key_password is too long: OpenSSL takes {_LONGEST_PASSWORD} bytes")
        return password


def _must_be_readable(option: str, path: FilePath) -> None:
    try:
        with Path(path).open("rb") as file:
            file.read(1)
    except OSError as error:
        _refuse_file(option, path, f"cannot be read: {error.strerror}")


def _refuse_file(option: str, path: FilePath, reason: str) -> NoReturn:
    raise ConfigurationError(f"{option}={os.fspath(path)!r} {reason}") from None
