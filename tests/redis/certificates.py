"""Certificates for a run of the tests: an authority, a server and a client that it vouches for."""

import datetime as dt
import ipaddress
from pathlib import Path
from typing import NamedTuple

DAY = dt.timedelta(days=1)
KEY_PASSWORD = "opens-the-key"


class Pair(NamedTuple):
    """A certificate, its key, and the key once more under `KEY_PASSWORD`; all as paths of PEM files."""

    cert: Path
    key: Path
    locked_key: Path


class Certificates(NamedTuple):
    """What one authority gave out. Another call of `make` is another authority, that nobody here trusts."""

    ca: Path
    server: Pair
    client: Pair

    @classmethod
    def make(cls, directory, *, host="localhost", expired=False):
        """Make all of them in a directory.

        Args:
            directory: Made if it is not there.
            host: The name that the server's certificate is for. `localhost` is for 127.0.0.1 as well.
            expired: The server's certificate was good until yesterday.
        """
        directory = Path(directory)
        directory.mkdir(parents=True, exist_ok=True)
        authority = _Authority()
        ca = directory / "ca.crt"
        ca.write_bytes(_pem(authority.certificate))
        until = -DAY if expired else 30 * DAY
        server = authority.pair(directory, "server", host, until)
        return cls(ca, server, authority.pair(directory, "client", "client", 30 * DAY))


class _Authority:
    def __init__(self):
        from cryptography import x509

        self._key = _new_key()
        self._name = _name("an authority of the tests")
        constraints = x509.BasicConstraints(ca=True, path_length=0)
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        builder = _builder(self._name, self._name, self._key, 30 * DAY)
        builder = builder.add_extension(constraints, critical=True).add_extension(usage, critical=True)
        self.certificate = self._signed(builder.add_extension(self._identifier(), critical=False))

    def pair(self, directory, role, host, until):
        """Write a certificate and its key."""
        from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, NoEncryption

        key = _new_key()
        files = Pair(*(directory / f"{role}.{kind}" for kind in ("crt", "key", "locked.key")))
        files.cert.write_bytes(_pem(self._vouch(key, host, until)))
        files.key.write_bytes(_key_pem(key, NoEncryption()))
        files.locked_key.write_bytes(_key_pem(key, BestAvailableEncryption(KEY_PASSWORD.encode())))
        return files

    def _vouch(self, key, host, until):
        from cryptography import x509

        names = [x509.DNSName(host)]
        if host == "localhost":
            names.append(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
        builder = _builder(_name(host), self._name, key, until)
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        known = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        return self._signed(builder.add_extension(known, critical=False))

    def _identifier(self):
        from cryptography import x509

        return x509.SubjectKeyIdentifier.from_public_key(self._key.public_key())

    def _signed(self, builder):
        from cryptography.hazmat.primitives.hashes import SHA256

        return builder.sign(self._key, SHA256())


def _builder(subject, issuer, key, until):
    from cryptography import x509

    now = dt.datetime.now(dt.UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    return builder.not_valid_before(now - 3 * DAY).not_valid_after(now + until)


def _name(text):
    from cryptography import x509

    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


def _new_key():
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.generate_private_key(ec.SECP256R1())


def _pem(certificate):
    from cryptography.hazmat.primitives.serialization import Encoding

    return certificate.public_bytes(Encoding.PEM)


def _key_pem(key, encryption):
    from cryptography.hazmat.primitives.serialization import Encoding, PrivateFormat

    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
