"""Who may ask: tokens by tenant, from a file.

Guarantees: the file's tokens are not kept, only their hashes; how long a look takes does not tell how much of a token
was right. It does not know gRPC.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

from shared import pem
from shared.errors import InvalidValue, Unauthenticated

SHORTEST = 16  # characters: a token is drawn by chance, not thought up
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_HASH = re.compile(r"sha256:([0-9a-f]{64})", re.IGNORECASE)


@dataclass(frozen=True)
class Tenants:
    """Pairs of a token's SHA-256 and the tenant whose token it is."""

    known: tuple[tuple[bytes, str], ...]

    @classmethod
    def read(cls, path: Path) -> Tenants:
        """The tenants of a file. Raises InvalidValue, whose sentence repeats no token."""
        try:
            table = tomllib.loads(pem.read("tenants", path).decode("utf-8-sig"))
        except (ValueError, RecursionError):  # what is wrong with it may hold a token
            raise InvalidValue("tenants", str(path), "is no TOML file in UTF-8") from None
        known: dict[bytes, str] = {}
        for name, value in table.items():
            if not _NAME.fullmatch(name):
                raise InvalidValue("tenants", name, "a tenant's name has 1 to 64 letters, digits and . _ -")
            tokens = value if isinstance(value, list) else [value]
            for token in tokens:
                digest = _digest(name, token)
                if known.setdefault(digest, name) != name:
                    raise InvalidValue("tenants", name, f"has the token of {known[digest]}")
        if not known:
            raise InvalidValue("tenants", str(path), "names nobody: nobody could ask")
        return cls(tuple(known.items()))

    def of(self, token: str | None) -> str:
        """Whose `token` it is. Raises Unauthenticated."""
        if token is None:
            raise Unauthenticated("this edge asks for a token, and none was sent")
        digest, found = hashlib.sha256(token.encode()).digest(), None
        for known, name in self.known:  # all of them, so that the time does not tell who was found
            if hmac.compare_digest(known, digest):
                found = name
        if found is None:
            raise Unauthenticated("this edge does not know the token that was sent")
        return found


def _digest(name: str, token: object) -> bytes:
    if not isinstance(token, str):
        raise InvalidValue("tenants", name, "must be a token, sha256:HEX, or a list of these")
    if hashed := _HASH.fullmatch(token):
        return bytes.fromhex(hashed[1])
    if token.lower().startswith("sha256:"):
        raise InvalidValue("tenants", name, "has a hash that is not sha256: and 64 hexadecimal digits")
    if len(token) < SHORTEST or not token.isascii() or any(character.isspace() for character in token):
        raise InvalidValue("tenants", name, f"a token has at least {SHORTEST} characters of ASCII, and no spaces")
    return hashlib.sha256(token.encode()).digest()
