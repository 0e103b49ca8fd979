"""What `make certs` makes: for their owner alone, used again and not overwritten, good for edge and device."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.certificates import make
from edge_server.tenants import Tenants
from shared import pem
from shared.errors import InvalidValue

NAMES = ("edge.lan", "192.168.1.5")
KEPT = ("ca.pem", "ca-key.pem", "tenants.toml", "token.txt")
RENEWED = ("edge.pem", "edge-key.pem", "device.pem", "device-key.pem")


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_lab_has_all_it_needs_and_keeps_its_secrets(tmp_path: Path) -> None:
    folder = tmp_path / "certs"
    make(folder, name=NAMES)
    assert set(contents(folder)) == {*KEPT, *RENEWED}
    assert folder.stat().st_mode & 0o777 == 0o700
    for path in folder.iterdir():
        is_secret = "key" in path.name or path.suffix in (".txt", ".toml")
        assert path.stat().st_mode & 0o777 == (0o600 if is_secret else 0o644)
    for end in ("edge", "device"):
        pem.pair(folder / f"{end}.pem", folder / f"{end}-key.pem", pem.today())
    token = (folder / "token.txt").read_text().strip()
    assert Tenants.read(folder / "tenants.toml").of(token) == "home"
    assert token not in (folder / "tenants.toml").read_text()


def test_what_is_there_stays_and_certificates_are_renewed_only_if_asked(tmp_path: Path) -> None:
    make(tmp_path, name=NAMES)
    before = contents(tmp_path)
    make(tmp_path, name=NAMES)
    assert contents(tmp_path) == before
    make(tmp_path, name=NAMES, again=True)
    after = contents(tmp_path)
    assert {name for name in after if after[name] != before[name]} == set(RENEWED)


def test_an_authority_that_cannot_sign_is_refused(tmp_path: Path) -> None:
    make(tmp_path)
    (tmp_path / "ca-key.pem").write_text("nothing of the kind")
    with pytest.raises(InvalidValue, match="cannot be used"):
        make(tmp_path, again=True)
