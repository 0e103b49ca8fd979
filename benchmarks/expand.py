"""A larger model that says the same: for measuring with costs like those of real models, without real weights.

Guarantees: the expanded model computes the source's function, exactly but for the order of sums. It is a stock folder
of the same family, so whatever loads the source loads it. It does not make the vision tower larger.

    hidden size x width     new places are zero everywhere; RMS norms see 1/width of the mean square, so their weights
                            and eps are scaled by width**-1/2 and 1/width
    more heads, MLP columns, layers     drawn at random inside, but their outputs are projected to zero
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from shared.errors import InvalidValue

WEIGHTS = "model.safetensors"
LANGUAGE = "model.language_model."
Weights = dict[str, Tensor]


@dataclass(frozen=True)
class Expansion:
    """How much larger. `width`, `heads` and `mlp` multiply, `layers` are added."""

    width: int = 4
    heads: int = 4
    mlp: int = 4
    layers: int = 0

    def __post_init__(self) -> None:
        if self.width not in (1, 4, 16):
            raise InvalidValue("width", self.width, "must be 1, 4 or 16: its root must be a power of two to be exact")
        for name in ("heads", "mlp"):
            if getattr(self, name) < 1:
                raise InvalidValue(name, getattr(self, name), "must be at least 1")
        if self.layers < 0:
            raise InvalidValue("layers", self.layers, "must be at least 0")


def expanded(source: Path, into: Path, by: Expansion) -> Path:
    """Write the Qwen3-VL folder `source`, expanded, to the folder `into`, which is made. Returns `into`."""
    config = json.loads((source / "config.json").read_text(encoding="utf-8"))
    old = dict(config["text_config"])
    text = config["text_config"]
    text["hidden_size"] *= by.width
    text["intermediate_size"] *= by.mlp
    text["num_attention_heads"] *= by.heads
    text["num_key_value_heads"] *= by.heads
    text["num_hidden_layers"] += by.layers
    text["rms_norm_eps"] /= by.width
    text.pop("layer_types", None)
    config["vision_config"]["out_hidden_size"] *= by.width
    weights = load_file(source / WEIGHTS)
    grown = {name: _grown(name, tensor, by) for name, tensor in weights.items()}
    for number in range(by.layers):
        grown |= _idle_layer(grown, old["num_hidden_layers"] + number)
    into.mkdir(parents=True)
    for file in source.iterdir():
        if file.name not in ("config.json", WEIGHTS):
            shutil.copy(file, into)
    (into / "config.json").write_text(json.dumps(config, indent=2), encoding="utf-8")
    save_file(grown, into / WEIGHTS, metadata={"format": "pt"})
    return into


def _grown(name: str, tensor: Tensor, by: Expansion) -> Tensor:
    """One tensor of the expanded model."""
    shrink = 1 / math.sqrt(by.width)
    kind = name.removesuffix(".weight").removesuffix(".bias").rpartition(".")[2]
    if name.startswith(LANGUAGE):
        match kind:
            case "embed_tokens":
                return _padded(tensor, 1, by.width)
            case "q_proj" | "k_proj":  # eps is one for all norms: those of queries and keys see smaller values too
                return _noised(_padded(tensor * shrink, 1, by.width), by.heads)
            case "v_proj":
                return _noised(_padded(tensor, 1, by.width), by.heads)
            case "gate_proj" | "up_proj":
                return _noised(_padded(tensor, 1, by.width), by.mlp)
            case "o_proj":
                return _padded(_padded(tensor, 0, by.width), 1, by.heads)
            case "down_proj":
                return _padded(_padded(tensor, 0, by.width), 1, by.mlp)
            case "q_norm" | "k_norm":
                return tensor
            case "norm" | "input_layernorm" | "post_attention_layernorm":
                return _padded(tensor * shrink, 0, by.width)
    elif name == "lm_head.weight":
        return _padded(tensor, 1, by.width)
    elif "merger" in name and kind == "linear_fc2":  # what the language model takes in
        return _padded(tensor, 0, by.width)
    elif name.startswith("model.visual."):
        return tensor
    raise InvalidValue("weights", name, "is not a tensor of a Qwen3-VL model with dense layers")


def _padded(tensor: Tensor, axis: int, times: int) -> Tensor:
    """`times` as long along `axis`, with zeros."""
    shape = list(tensor.shape)
    shape[axis] *= times - 1
    return torch.cat([tensor, tensor.new_zeros(shape)], dim=axis)


def _noised(tensor: Tensor, times: int) -> Tensor:
    """`times` as many rows; the new ones are small noise, the same every time."""
    rows, columns = tensor.shape
    noise = torch.randn(rows * (times - 1), columns, generator=torch.Generator().manual_seed(rows * columns))
    return torch.cat([tensor, (0.02 * noise).to(tensor.dtype)])


def _idle_layer(weights: Weights, number: int) -> Weights:
    """A copy of the first layer whose two outputs are zero."""
    first = f"{LANGUAGE}layers.0."
    layer = {}
    for name, tensor in weights.items():
        if name.startswith(first):
            part = name.removeprefix(first)
            silent = part.endswith(("o_proj.weight", "down_proj.weight"))
            layer[f"{LANGUAGE}layers.{number}.{part}"] = torch.zeros_like(tensor) if silent else tensor.clone()
    return layer


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.expand", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("source", type=Path)
    parser.add_argument("into", type=Path)
    for name, meaning in (("width", "1, 4 or 16 times"), ("heads", "times"), ("mlp", "times"), ("layers", "more")):
        parser.add_argument(f"--{name}", type=int, default=getattr(Expansion, name), help=meaning)
    asked = parser.parse_args()
    expanded(asked.source, asked.into, Expansion(asked.width, asked.heads, asked.mlp, asked.layers))
    parameters = sum(tensor.numel() for tensor in load_file(asked.into / WEIGHTS).values())
    sys.stdout.write(f"{asked.into}: {parameters / 1e6:.0f} million parameters\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
