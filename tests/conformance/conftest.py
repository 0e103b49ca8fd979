"""What the laws of the port are tried on: tiny models of every family, or the one named by `--hub-model`."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from PIL import Image

from shared.vlm.port import Vlm
from tests.support.models import FAMILIES, MODELS, model_called
from tests.support.tiny_qwen import picture


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """`model`: each model's name in turn. `family`: the same without toys, which have no stock model beside them."""
    hub: str | None = metafunc.config.getoption("--hub-model")
    for argument, names in (("model", MODELS), ("family", FAMILIES)):
        if argument in metafunc.fixturenames:
            chosen: Iterable[str] = names if hub is None else [hub]
            metafunc.parametrize(argument, list(chosen), scope="session")


@pytest.fixture(scope="session")
def vlm(model: str) -> Vlm:
    """Each model in turn."""
    return model_called(model)


@pytest.fixture(params=[0, 1, 3], ids=["text only", "one picture", "three pictures"])
def images(request: pytest.FixtureRequest) -> list[Image.Image]:
    """Pictures of different sizes."""
    sizes = [(50, 40), (20, 90), (120, 33)]
    return [picture(i, *size) for i, size in enumerate(sizes[: request.param])]
