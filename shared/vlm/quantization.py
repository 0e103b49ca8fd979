"""Weights that take less memory, through transformers' own configurations: what a name asks for and what it needs.

Guarantees: a name that this machine cannot serve is refused in a sentence before any weight is read. The text is then
that of the quantised target: drafts are compared with it and with nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from types import MappingProxyType
from typing import Any

import torch

from shared.errors import InvalidValue


@dataclass(frozen=True)
class Method:
    """How full weights are quantised while they are loaded. `packages`: names of distributions it needs."""

    packages: tuple[str, ...]
    make: Callable[[torch.dtype], Any]


def _bits(**which: bool) -> Callable[[torch.dtype], Any]:
    def make(dtype: torch.dtype) -> Any:
        from transformers import BitsAndBytesConfig  # seconds to import

        return BitsAndBytesConfig(**which, bnb_4bit_compute_dtype=dtype, bnb_4bit_quant_type="nf4")

    return make


def _torchao(dtype: torch.dtype) -> Any:
    from torchao.quantization import Int8WeightOnlyConfig  # only where it is installed
    from transformers import TorchAoConfig  # as above

    return TorchAoConfig(Int8WeightOnlyConfig())


def _quanto(dtype: torch.dtype) -> Any:
    from transformers import QuantoConfig  # as above

    return QuantoConfig(weights="int8")


METHODS: Mapping[str, Method] = MappingProxyType(
    {
        "bitsandbytes_4bit": Method(("bitsandbytes", "accelerate"), _bits(load_in_4bit=True)),
        "bitsandbytes_8bit": Method(("bitsandbytes", "accelerate"), _bits(load_in_8bit=True)),
        "quanto": Method(("optimum-quanto", "accelerate"), _quanto),
        "torchao": Method(("torchao", "accelerate"), _torchao),
    }
)
_MODULES = {"optimum-quanto": "optimum.quanto"}


def loading(method: str, config: Mapping[str, Any], dtype: torch.dtype, device: str) -> dict[str, Any]:
    """What `from_pretrained` is told for `method` ("": none) and a model with `config`. Raises InvalidValue."""
    came = _came_as(config)
    if came is not None:
        if method not in ("", came, f"{came}_4bit", f"{came}_8bit"):
            raise InvalidValue("quantization", method, f"these weights come quantised as {came}: leave it out")
        return {"device_map": {"": device}}
    if not method:
        return {}
    if method not in METHODS:
        known = ", ".join(METHODS)
        rule = f"is none that full weights are quantised by ({known}); weights that come so need no --quantization"
        raise InvalidValue("quantization", method, rule)
    chosen = METHODS[method]
    if missing := [package for package in chosen.packages if not _is_there(package)]:
        raise InvalidValue("quantization", method, f"needs what is not installed: pip install {' '.join(missing)}")
    return {"quantization_config": chosen.make(dtype), "device_map": {"": device}}


def _came_as(config: Mapping[str, Any]) -> str | None:
    """How weights on disk are quantised, by their config; None: they are not."""
    said = config.get("quantization_config")
    return str(said.get("quant_method")) if isinstance(said, Mapping) else None


def _is_there(package: str) -> bool:
    try:
        return find_spec(_MODULES.get(package, package)) is not None
    except ModuleNotFoundError:  # of the package above it
        return False
