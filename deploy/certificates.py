"""Certificates and a token for a home lab: `python -m deploy.certificates FOLDER --name edge.lan --name 192.168.1.5`.

Makes an authority, a certificate of the edge for the given names, one of a device, and a bearer token of a tenant named
`home`. Guarantees: keys and tokens are readable by their owner alone; an authority that is there already is used again,
and nothing else is overwritten unasked. It is meant for machines of one household: a company has an authority already.
"""

from __future__ import annotations

import hashlib
import ipaddress
import os
import secrets
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from cyclopts import App

from shared.errors import CovspecError, InvalidValue

AUTHORITY_DAYS, LEAF_DAYS = 3650, 825  # 825: the most that Apple's systems take
_EARLY = timedelta(minutes=5)  # clocks of a household differ

app = App(name="certificates", help=__doc__, result_action="return_value")


@dataclass(frozen=True)
class Pair:
    """A certificate and its private key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def certificate_pem(self) -> bytes:
        """The certificate as PEM."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        """The key as PEM, not encrypted."""
        form = serialization.PrivateFormat.PKCS8
        return self.key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())


def authority(name: str, now: datetime) -> Pair:
    """An authority that can sign certificates of ends, but no other authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _called(name)
    builder = _dated(subject, subject, key, now, now + timedelta(days=AUTHORITY_DAYS))
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_usage(signs=True), critical=True)
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    return Pair(builder.add_extension(identifier, critical=False).sign(key, hashes.SHA256()), key)


def leaf(signer: Pair, name: str, hosts: tuple[str, ...], now: datetime, days: float = LEAF_DAYS) -> Pair:
    """A certificate of an end. `hosts`: names and addresses it is reached by; without any it is a client's."""
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _dated(_called(name), signer.certificate.subject, key, now, now + timedelta(days=days))
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_usage(signs=False), critical=True)
    purpose = ExtendedKeyUsageOID.SERVER_AUTH if hosts else ExtendedKeyUsageOID.CLIENT_AUTH
    builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.key.public_key())
    builder = builder.add_extension(issuer, critical=False)
    if hosts:
        names = x509.SubjectAlternativeName([_alternative(host) for host in hosts])
        builder = builder.add_extension(names, critical=False)
    return Pair(builder.sign(signer.key, hashes.SHA256()), key)


@app.default
def make(folder: Path, *, name: tuple[str, ...] = ("localhost", "127.0.0.1"), again: bool = False) -> int:
    """Make ca, edge and device certificates, tenants.toml for the edge and token.txt for the device.

    Parameters
    ----------
    folder
        Where they are written.
    name
        A host name or address by which devices reach the edge; may be given several times.
    again
        Replace the edge's and the device's certificates; the authority, tenants and token stay.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    now = datetime.now(UTC)
    signer = _authority_in(folder, now)
    for end, hosts in (("edge", name), ("device", ())):
        if again or not (folder / f"{end}.pem").exists():
            pair = leaf(signer, end, hosts, now)
            _write(folder / f"{end}-key.pem", pair.key_pem, 0o600)
            _write(folder / f"{end}.pem", pair.certificate_pem, 0o644)
    if not (folder / "tenants.toml").exists():
        token = secrets.token_urlsafe(32)
        _write(folder / "token.txt", f"{token}\n".encode(), 0o600)
        told = f'home = "sha256:{hashlib.sha256(token.encode()).hexdigest()}"\n'
        _write(folder / "tenants.toml", told.encode(), 0o600)
    print(_USE.format(folder=folder, host=name[0]))  # noqa: T201 - a command line's own output
    return 0


_USE = """edge:    edge-server --host 0.0.0.0 --tls-cert {folder}/edge.pem --tls-key {folder}/edge-key.pem \\
             --tenants {folder}/tenants.toml     (and --tls-client-ca {folder}/ca.pem, to ask devices for theirs)
device:  device-client ask ... --edge {host}:50051 --tls-ca {folder}/ca.pem --token-file {folder}/token.txt
             (and --tls-cert {folder}/device.pem --tls-key {folder}/device-key.pem, where the edge asks)
A device needs ca.pem and token.txt, and nothing else of this folder. ca-key.pem signs: keep it off both."""


def _authority_in(folder: Path, now: datetime) -> Pair:
    certificate, key = folder / "ca.pem", folder / "ca-key.pem"
    if not certificate.exists():
        made = authority("CoVSpec home lab", now)
        _write(key, made.key_pem, 0o600)
        _write(certificate, made.certificate_pem, 0o644)
    try:
        private = serialization.load_pem_private_key(key.read_bytes(), None)
        known = x509.load_pem_x509_certificate(certificate.read_bytes())
    except (OSError, ValueError) as broken:
        raise InvalidValue("folder", str(folder), f"its ca.pem or ca-key.pem cannot be used: {broken}") from broken
    if not isinstance(private, ec.EllipticCurvePrivateKey):
        raise InvalidValue("folder", str(folder), "its ca-key.pem is not a key that this command made")
    return Pair(known, private)


def _dated(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, begin: datetime, end: datetime
) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder(subject_name=subject, issuer_name=issuer, public_key=key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    return builder.not_valid_before(min(begin, end) - _EARLY).not_valid_after(end)


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(not signs, False, False, False, False, signs, signs, False, False)


def _called(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _alternative(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _write(path: Path, data: bytes, mode: int) -> None:
    path.unlink(missing_ok=True)  # else an old file's mode would stay
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(data)


def main() -> None:
    """The entry point."""
    try:
        sys.exit(app())
    except (CovspecError, OSError) as refused:
        sys.exit(f"certificates: {refused}")


if __name__ == "__main__":
    main()
