"""Whose token it is, and what no file of tenants may hold. A token is in no sentence."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from edge_server.tenants import Tenants
from shared.errors import InvalidValue, Unauthenticated

TOKEN, OTHER = "a-token-drawn-by-chance", "another-token-by-chance"


def tenants(folder: Path, text: str) -> Tenants:
    path = folder / "tenants.toml"
    path.write_text(text)
    return Tenants.read(path)


def test_a_token_a_hash_and_a_list_name_their_tenant(tmp_path: Path) -> None:
    hashed = hashlib.sha256(OTHER.encode()).hexdigest().upper()
    read = tenants(tmp_path, f'alice = "{TOKEN}"\nbob = ["sha256:{hashed}", "a-third-token-for-bob"]\n')
    assert [read.of(token) for token in (TOKEN, OTHER, "a-third-token-for-bob")] == ["alice", "bob", "bob"]
    assert TOKEN not in repr(read)


def test_a_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    assert tenants(tmp_path, f'\N{ZERO WIDTH NO-BREAK SPACE}alice = "{TOKEN}"\n').of(TOKEN) == "alice"


@pytest.mark.parametrize("token", [None, "", TOKEN[:-1], TOKEN + "x", TOKEN.upper(), f"sha256:{'0' * 64}", "é"])
def test_any_other_token_is_nobodys(tmp_path: Path, token: str | None) -> None:
    read = tenants(tmp_path, f'alice = "{TOKEN}"\n')
    with pytest.raises(Unauthenticated) as refused:
        read.of(token)
    assert not token or token not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("alice", "is no TOML file"),
        (f"alice = {'9' * 5000}", "is no TOML file"),
        (f"alice = {'[' * 100_000}", "is no TOML file"),
        ("", "names nobody"),
        ('"al ice" = "a-token-drawn-by-chance"', "a tenant's name"),
        ("alice = 5", "must be a token"),
        ('alice = "short"', "at least 16 characters"),
        ('alice = "a token with spaces in it"', "no spaces"),
        ('alice = "sha256:abc"', "64 hexadecimal digits"),
        (f'alice = "{TOKEN}"\nbob = "{TOKEN}"', "has the token of alice"),
    ],
)
def test_a_file_that_cannot_be_meant_is_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InvalidValue, match=said) as refused:
        tenants(tmp_path, text)
    assert TOKEN not in str(refused.value)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidValue, match="No such file"):
        Tenants.read(tmp_path / "nowhere.toml")
