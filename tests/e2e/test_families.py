"""Two processes over gRPC: for every family the target's own answer, with a draft of weights a little beside it."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.vlm.load import load
from tests.support.models import FAMILIES
from tests.support.stock import stock
from tests.support.system import alone, asked, device, whole
from tests.support.tiny_families import folder_of, nudge, tiny
from tests.support.tiny_qwen import picture

NUDGE = 0.05  # of the spread of each weight: some of what such a draft proposes stands, some does not
LENGTH = 32


@pytest.fixture(scope="module")
def edges() -> Iterator[dict[str, str]]:
    """One other process with all targets; where each is served."""
    command = [sys.executable, "-m", "tests.support.edges", *(str(folder_of(family)) for family in FAMILIES)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        ports = [process.stdout.readline().strip() for _ in FAMILIES]
        yield {family: f"127.0.0.1:{port}" for family, port in zip(FAMILIES, ports, strict=True)}
        process.communicate(timeout=60)
    assert process.returncode == 0


def encoded(seed: int, width: int, height: int) -> bytes:
    """A picture as PNG."""
    file = io.BytesIO()
    picture(seed, width, height).save(file, "png")
    return file.getvalue()


ASKED: tuple[tuple[tuple[bytes, ...], float], ...] = (
    ((), 0.0),
    ((encoded(0, 90, 40),), 0.0),
    ((encoded(1, 40, 40), encoded(2, 30, 70)), 1.0),
)


@pytest.mark.parametrize("family", FAMILIES)
async def test_the_answer_is_the_targets_own(family: str, edges: dict[str, str], tmp_path: Path) -> None:
    nudge(folder_of(family), tmp_path, NUDGE)
    steps, said = 0, 0
    # Thrifty: targets this small would be done before anybody proposes. Fixed: who weighs times is quiet beside them.
    async with device(edges[family], load(str(tmp_path)), pace="thrifty", policy="fixed") as client:
        for pictures, temperature in ASKED:
            question = asked("where is the dog?", *pictures, max_tokens=LENGTH, temperature=temperature)
            result = await whole(await client.ask(question))
            assert result.ids == alone(tiny(family), question, result.parameters.seed)
            if temperature == 0:
                oracle = stock(str(folder_of(family)))
                inputs = oracle.inputs(question.messages, question.images)
                assert list(result.ids) == oracle.answer(inputs, LENGTH)
            steps += result.figures.steps
            said += len(result.ids)
    assert steps < said  # some proposals stood
