"""Certificates and keys from files: read whole, and refused by the name of the option that named them.

Guarantees: what it gives back parses, its key fits its certificate, and it has not expired. Light to import.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from shared.errors import InvalidValue

SOON = timedelta(days=14)


def read(option: str, path: Path) -> bytes:
    """The bytes of a file. Raises InvalidValue."""
    try:
        return path.read_bytes()
    except OSError as refused:
        raise InvalidValue(option, str(path), f"cannot be read: {refused.strerror}") from refused


def authorities(option: str, path: Path) -> bytes:
    """Certificates of authorities. Raises InvalidValue."""
    from cryptography import x509  # heavy: the command line's help needs this module

    data = read(option, path)
    try:
        x509.load_pem_x509_certificates(data)
    except ValueError as broken:
        raise InvalidValue(option, str(path), "holds no certificate in PEM form") from broken
    return data


def pair(cert: Path, key: Path, now: datetime) -> tuple[bytes, bytes]:
    """A certificate with its chain, and its private key. Raises InvalidValue."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

    chain, private = authorities("tls_cert", cert), read("tls_key", key)
    end = x509.load_pem_x509_certificates(chain)[0]
    try:
        public = load_pem_private_key(private, None).public_key()
    except (ValueError, TypeError) as broken:
        raise InvalidValue("tls_key", str(key), "holds no private key in PEM form without a passphrase") from broken
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if public.public_bytes(*form) != end.public_key().public_bytes(*form):
        raise InvalidValue("tls_key", str(key), f"is not the key of {cert}")
    if end.not_valid_after_utc < now:
        raise InvalidValue("tls_cert", str(cert), f"expired on {end.not_valid_after_utc:%Y-%m-%d}")
    return chain, private


def expiry(chain: bytes) -> datetime:
    """When the first certificate of a chain expires."""
    from cryptography import x509

    return x509.load_pem_x509_certificates(chain)[0].not_valid_after_utc


def today() -> datetime:
    """Now, in UTC."""
    return datetime.now(UTC)
