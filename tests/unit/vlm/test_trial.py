"""The fastest format is the one that is kept; what does not run is passed over; another format changes no text."""

from __future__ import annotations

import pytest
import torch

from shared.errors import InvalidValue, ModelError
from shared.speculation.request import SamplingWish
from shared.vlm.load import load
from shared.vlm.toy import ToyVlm
from shared.vlm.trial import fastest
from tests.support.system import alone, asked, device, edge, whole
from tests.support.tiny_qwen import tiny_folder, tiny_qwen


class Time:
    """A clock that only sleeping moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_the_fastest_is_kept_and_all_are_told() -> None:
    time, loaded = Time(), []
    speeds = {"slow": 0.003, "fast": 0.001, "middle": 0.002}

    def made(dtype: str) -> ToyVlm:
        loaded.append(dtype)
        return ToyVlm(dtype, seed=1, token_seconds=speeds[dtype], sleep=time.sleep)

    vlm, tried = fastest(made, tuple(speeds), time)
    assert vlm.info.name == "fast"
    assert {each.dtype: pytest.approx(each.token_seconds) for each in tried} == speeds
    assert loaded == ["slow", "fast", "middle", "fast"]


def test_what_does_not_run_here_is_passed_over() -> None:
    time = Time()

    def made(dtype: str) -> ToyVlm:
        if dtype == "int8":
            raise RuntimeError("no such kernel")
        return ToyVlm(dtype, seed=1, token_seconds=0.001, sleep=time.sleep)

    vlm, tried = fastest(made, ("float32", "int8"), time)
    assert vlm.info.name == "float32"
    assert [each.token_seconds for each in tried][1] is None
    with pytest.raises(ModelError, match="int8 does not run here: no such kernel"):
        fastest(made, ("int8",), time)


async def test_a_draft_in_int8_changes_no_text() -> None:
    draft = load(str(tiny_folder()), "int8")
    kinds = {type(module).__name__ for module in draft._model.get_decoder().modules()}  # type: ignore[attr-defined]
    assert not any(type(module) is torch.nn.Linear for module in draft._model.get_decoder().modules())  # type: ignore[attr-defined]
    assert any("Linear" in kind for kind in kinds)
    question = asked("what is in the picture?", max_tokens=24, temperature=1.0, seed=5)
    async with edge(tiny_qwen) as server, device(f"127.0.0.1:{server.port}", draft) as client:
        result = await whole(await client.ask(question))
    assert result.ids == alone(tiny_qwen(), question, 5)
    assert result.figures.drafted > 0
    assert question.sampling == SamplingWish(temperature=1.0, seed=5, max_tokens=24)


def test_int8_is_for_a_cpu() -> None:
    with pytest.raises(InvalidValue, match="dtype is 'int8': runs on a CPU"):
        load(str(tiny_folder()), "int8", "meta")
