"""A home lab on loopback: an authority, certificates and tokens in files, good ones and others."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from deploy.certificates import Pair, authority, leaf

HOSTS = ("localhost", "127.0.0.1")
ALICE, BOB = "token-of-alice-" + "a" * 20, "token-of-bob-" + "b" * 20


@dataclass(frozen=True)
class Lab:
    """Files of an authority that this folder's certificates are signed by."""

    folder: Path
    signer: Pair

    @property
    def ca(self) -> Path:
        """The authority's certificate."""
        return self.folder / "ca.pem"

    def signed(self, name: str, hosts: tuple[str, ...] = (), days_ago: float = 0, days: float = 30) -> dict[str, Any]:
        """Options with a certificate for `name`, an edge's if it has `hosts`, made `days_ago` for so many `days`."""
        made = leaf(self.signer, name, hosts, datetime.now(UTC) - timedelta(days=days_ago), days)
        cert, key = self.folder / f"{name}.pem", self.folder / f"{name}-key.pem"
        cert.write_bytes(made.certificate_pem)
        key.write_bytes(made.key_pem)
        return {"tls_cert": cert, "tls_key": key}

    def tenants(self, **tokens: str) -> Path:
        """A file of tenants."""
        path = self.folder / "tenants.toml"
        path.write_text("".join(f'{name} = "{token}"\n' for name, token in tokens.items()))
        return path


def lab(folder: Path) -> Lab:
    """A new authority in `folder`."""
    folder.mkdir(exist_ok=True)
    made = Lab(folder, authority("lab", datetime.now(UTC)))
    made.ca.write_bytes(made.signer.certificate_pem)
    return made
