"""Turns a packaged folder back into a finished checkpoint: `python -m training.adopt STAGE FOLDER CHECKPOINTS`.

Rows of the vocabulary are found by their token; one that the folder did not know starts near the
mean of all. The heads of dense supervision, which no folder holds, start afresh.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import Tensor
from transformers import AutoTokenizer, Qwen3VLForConditionalGeneration

from training.optimiser import Learner
from training.plans import PLANS
from training.tokenizer import make_tokenizer
from training.train import load_pupil, write


def rows(old: Tensor, old_ids: dict[str, int], new_ids: dict[str, int]) -> Tensor:
    """Embeddings [new tokens, width] out of [old tokens, width], by token."""
    found = old.mean(0, keepdim=True).repeat(len(new_ids), 1)
    for token, index in new_ids.items():
        if token in old_ids:
            found[index] = old[old_ids[token]]
        else:
            found[index] += torch.randn(old.shape[1], generator=torch.Generator().manual_seed(index)) * old.std(0)
    return found


def adopt(stage: str, folder: Path, checkpoints: Path) -> None:
    """Writes the checkpoint that `stage` would have left."""
    pupil = load_pupil(PLANS[stage].model, None)
    stock = Qwen3VLForConditionalGeneration.from_pretrained(folder, dtype=torch.float32)
    values = dict(stock.state_dict())
    new_ids = make_tokenizer().get_vocab()
    old_ids = AutoTokenizer.from_pretrained(folder).get_vocab()
    for name in ("model.language_model.embed_tokens.weight", "lm_head.weight"):
        values[name] = rows(values[name], old_ids, new_ids)
    pupil.model.load_state_dict(values)
    checkpoints.mkdir(parents=True, exist_ok=True)
    write(checkpoints / f"{stage}.pt", Learner(pupil).state(), PLANS[stage].steps, 0.0)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stage", choices=PLANS)
    parser.add_argument("folder", type=Path)
    parser.add_argument("checkpoints", type=Path)
    asked = parser.parse_args()
    adopt(asked.stage, asked.folder, asked.checkpoints)


if __name__ == "__main__":
    main()
