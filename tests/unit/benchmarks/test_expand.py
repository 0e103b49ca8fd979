"""An expanded model says what its source says, and is a stock folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from benchmarks.expand import Expansion, expanded
from shared.demo.pair import draft_folder, packaged_samples
from shared.errors import InvalidValue
from shared.media.images import open_image
from shared.speculation.request import Message, Picture, Text
from shared.vlm.load import load
from shared.vlm.port import Vlm
from shared.vlm.single import extend, prefill

BIGGER = [
    Expansion(width=4, heads=1, mlp=1),
    Expansion(width=1, heads=3, mlp=2),
    Expansion(width=1, heads=1, mlp=1, layers=2),
    Expansion(width=16, heads=2, mlp=2, layers=1),
]


def rows(vlm: Vlm, told: int = 12) -> torch.Tensor:
    """The logits along the model's own answer about a packaged picture, deepstack and all."""
    sample = packaged_samples()[0]
    picture = open_image(sample.picture.read_bytes(), 10**7, "sample")
    prompt = vlm.prepare((Message("user", (Picture(0), Text(sample.question))),), (picture,))
    decoder, first = prefill(vlm, prompt, vlm.see(prompt))
    seen = [first[-1]]
    for _ in range(told):
        seen.append(extend(vlm, decoder, [int(seen[-1].argmax())])[-1])
    return torch.stack(seen)


@pytest.mark.parametrize("by", BIGGER, ids=str)
def test_an_expanded_model_computes_the_same_function(by: Expansion, tmp_path: Path) -> None:
    source, grown = rows(load(str(draft_folder()))), rows(load(str(expanded(draft_folder(), tmp_path / "grown", by))))
    assert torch.equal(source.argmax(-1), grown.argmax(-1))
    torch.testing.assert_close(grown, source, rtol=1e-4, atol=1e-3)


def test_it_has_the_size_that_was_asked_for(tmp_path: Path) -> None:
    grown = expanded(draft_folder(), tmp_path / "grown", Expansion(4, 2, 3, 5))
    old, new = (json.loads((folder / "config.json").read_text())["text_config"] for folder in (draft_folder(), grown))
    assert new["hidden_size"] == 4 * old["hidden_size"]
    assert new["num_attention_heads"] == 2 * old["num_attention_heads"]
    assert new["num_key_value_heads"] == 2 * old["num_key_value_heads"]
    assert new["intermediate_size"] == 3 * old["intermediate_size"]
    assert new["num_hidden_layers"] == old["num_hidden_layers"] + 5


@pytest.mark.parametrize(("field", "value"), [("width", 2), ("heads", 0), ("mlp", 0), ("layers", -1)])
def test_what_cannot_be_exact_is_refused_by_name(field: str, value: int) -> None:
    with pytest.raises(InvalidValue, match=field):
        Expansion(**{field: value})
