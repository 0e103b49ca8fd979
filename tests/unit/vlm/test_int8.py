"""int8: outliers do not round the rest away, no token depends on another, and no text changes."""

from __future__ import annotations

import logging

import pytest
import torch
from torch import Tensor, nn

from shared.errors import InvalidValue
from shared.speculation.request import SamplingWish
from shared.vlm.hub_vlm import HubVlm
from shared.vlm.int8 import Int8Linear, to_int8
from shared.vlm.load import load
from tests.support.system import alone, asked, device, edge, whole
from tests.support.tiny_families import FAMILIES, folder_of
from tests.support.tiny_qwen import tiny_folder, tiny_qwen

INPUTS, OUTPUTS = 256, 96


def layer(bias: bool = False) -> nn.Linear:
    """A Linear of random weights."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return nn.Linear(INPUTS, OUTPUTS, bias=bias).requires_grad_(False)


def tokens(count: int, outlier: float = 1.0, seed: int = 0) -> Tensor:
    """Activations of some tokens, one of whose columns is `outlier` times as large as the rest."""
    x = torch.randn(count, INPUTS, generator=torch.Generator().manual_seed(seed))
    x[:, 7] *= outlier
    return x


def error(said: Tensor, true: Tensor) -> float:
    """The largest error of a token, in the size of its result."""
    return float(((said - true).norm(dim=-1) / true.norm(dim=-1)).max())


@pytest.mark.parametrize("levels", [127, 63])  # with VNNI and without
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("count", [1, 2, 7, 64])
def test_the_product_is_that_of_the_linear(count: int, bias: bool, levels: int) -> None:
    linear, x = layer(bias), tokens(count)
    said = Int8Linear(linear, torch.tensor([7, 9]), levels)(x)
    assert said.shape == (count, OUTPUTS)
    assert error(said, linear(x)) < 1.3 / levels


@pytest.mark.parametrize("outlier", [1.0, 1e2, 1e4])
def test_an_outlier_does_not_round_the_others_away(outlier: float) -> None:
    """Of a column whose weights stay float32, which the error of the others does not grow with."""
    linear, x = layer(), tokens(4, outlier)
    weight, row = linear.weight.double(), x.double()
    own = row[:, 7:8] @ weight[:, 7:8].t()
    said = Int8Linear(linear, torch.tensor([7]), 127)(x)
    assert error(said.double() - own, row @ weight.t() - own) < 0.015


def test_an_outlier_that_no_text_had_shown_costs_less_than_eight_bits_would() -> None:
    linear, x = layer(), tokens(4, 30.0)
    said = Int8Linear(linear, torch.tensor([8]), 127)(x)
    scale = x.abs().amax(1, keepdim=True) / 127
    eight_bits = linear((x / scale).round() * scale)
    assert error(said, linear(x)) < 0.5 * error(eight_bits, linear(x))


def test_a_token_is_rounded_by_itself() -> None:
    """Whoever stands beside it, large or nothing at all."""
    quantised, x = Int8Linear(layer(), torch.tensor([7]), 127), tokens(5)
    x[1] *= 1e5
    x[3] = 0
    together = quantised(x)
    assert together.isfinite().all()
    assert (together[3] == 0).all()
    for place in range(len(x)):
        torch.testing.assert_close(quantised(x[place : place + 1])[0], together[place], rtol=1e-5, atol=1e-6)


def test_the_shape_in_front_is_kept() -> None:
    quantised, x = Int8Linear(layer(), torch.tensor([7]), 127), tokens(6)
    torch.testing.assert_close(quantised(x.view(1, 2, 3, INPUTS)).view(6, OUTPUTS), quantised(x))


@pytest.mark.parametrize("family", FAMILIES)
def test_every_linear_of_every_family_is_int8(family: str) -> None:
    vlm = load(str(folder_of(family)), "int8")
    assert isinstance(vlm, HubVlm)
    modules = list(vlm._model.get_decoder().modules())
    assert not any(isinstance(module, nn.Linear) for module in modules)
    assert any(isinstance(module, Int8Linear) for module in modules)
    assert isinstance(vlm._model.get_output_embeddings(), Int8Linear)


def test_a_model_that_int8_ruins_is_told_of(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    with caplog.at_level(logging.INFO):
        load(str(tiny_folder()), "int8")
    (record,) = (each for each in caplog.records if "int8 keeps" in each.message)
    assert record.levelno == logging.INFO
    caplog.clear()
    monkeypatch.setattr("shared.vlm.int8.to_int8", lambda model, ids: to_int8(model, ids) / 2)
    with caplog.at_level(logging.INFO):
        load(str(tiny_folder()), "int8")
    (record,) = (each for each in caplog.records if "int8 keeps" in each.message)
    assert record.levelno == logging.WARNING


async def test_a_draft_in_int8_changes_no_text() -> None:
    draft = load(str(tiny_folder()), "int8")
    question = asked("what is in the picture?", max_tokens=24, temperature=1.0, seed=5)
    async with edge(tiny_qwen) as server, device(f"127.0.0.1:{server.port}", draft) as client:
        result = await whole(await client.ask(question))
    assert result.ids == alone(tiny_qwen(), question, 5)
    assert result.figures.drafted > 0
    assert question.sampling == SamplingWish(temperature=1.0, seed=5, max_tokens=24)


def test_int8_is_for_a_cpu() -> None:
    with pytest.raises(InvalidValue, match="dtype is 'int8': runs on a CPU"):
        load(str(tiny_folder()), "int8", "meta")
