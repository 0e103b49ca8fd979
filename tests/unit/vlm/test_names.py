"""A name that can be no model's is refused before the hub is asked, with the one that was meant."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from shared.errors import ModelError
from shared.vlm.load import load
from shared.vlm.names import hub_lines


@pytest.fixture(autouse=True)
def _asked_of_the_hub_is_seen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def asked(*_: object, **__: object) -> None:
        raise AssertionError("the hub was asked")

    monkeypatch.setattr("transformers.PretrainedConfig.get_config_dict", asked)
    (tmp_path / "Qwen-small").mkdir()
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("demoo", "a name of the hub is OWNER/MODEL; did you mean demo?"),
        ("Demo", "did you mean demo?"),
        ("toyy:seed=1", "did you mean toy?"),
        ("qwen-smal", "did you mean Qwen-small?"),
        ("./qwen-smal", "there is no such folder; did you mean Qwen-small?"),
        ("a/b/c", "there is no such folder"),
        ("~nobody-is-called-so/model", "there is no such folder"),
        ("/no/such/folder", "there is no such folder"),
        ("", "a name of the hub is OWNER/MODEL"),
        ("two words", "a name of the hub is OWNER/MODEL"),
        ("Qwen/", "a name of the hub is OWNER/MODEL"),
        ("Qwen/two words", "a name of the hub is OWNER/MODEL"),
        ("https://host/Qwen", "there is no such folder"),
        ("nul\0/x", "a name of the hub is OWNER/MODEL"),
        ("x" * 5000, "a name of the hub is OWNER/MODEL"),
    ],
)
def test_what_can_be_no_name_of_the_hub_is_told_at_once(name: str, sentence: str) -> None:
    with pytest.raises(ModelError) as refused:
        load(name)
    assert sentence in str(refused.value)
    assert len(str(refused.value)) < 240


def test_what_can_be_one_is_asked_for() -> None:
    with pytest.raises(ModelError, match="the hub was asked"):
        load("Qwen/Qwen3-VL-2B-Instruct")


def test_each_retry_of_the_hub_is_one_line(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    hub = logging.getLogger("huggingface_hub.utils")
    with hub_lines():
        hub.warning("'[Errno 111] Connection refused' thrown while requesting HEAD http://hub/x")
        hub.warning("Retrying in 2s [Retry 2/5].")
    assert caplog.messages == ["the hub cannot be reached, trying again (2 of 5)"]
    assert "Errno" not in capsys.readouterr().err
