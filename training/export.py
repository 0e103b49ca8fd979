"""Writes a checkpoint as a stock folder in bfloat16: `python -m training.export MODEL CHECKPOINT FOLDER`."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from transformers import GenerationConfig, PreTrainedTokenizerFast
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from training.shapes import MERGE, PATCH, SHAPES
from training.tokenizer import make_tokenizer
from training.train import load_pupil

FEWEST_PIXELS = 96 * 160  # the range of areas seen in training
MOST_PIXELS = 384 * 384


def image_processor() -> Qwen2VLImageProcessorPil:
    """Scales any picture into the trained range and cuts it into patches."""
    return Qwen2VLImageProcessorPil(
        patch_size=PATCH,
        merge_size=MERGE,
        temporal_patch_size=2,
        size={"shortest_edge": FEWEST_PIXELS, "longest_edge": MOST_PIXELS},
        image_mean=[0.5] * 3,
        image_std=[0.5] * 3,
    )


def generation_config(tokenizer: PreTrainedTokenizerFast) -> GenerationConfig:
    """Greedy, until the end of the turn or of the text."""
    ids = tokenizer.convert_tokens_to_ids(["<|im_end|>", "<|endoftext|>"])
    return GenerationConfig(eos_token_id=ids, pad_token_id=ids[1], do_sample=False)


def export(name: str, checkpoint: Path, folder: Path) -> None:
    """Everything that a stock `from_pretrained` needs."""
    tokenizer = make_tokenizer()
    model = load_pupil(name, checkpoint).model.to(torch.bfloat16).eval()
    model.generation_config = generation_config(tokenizer)
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    image_processor().save_pretrained(folder)
    for path in folder.iterdir():
        path.chmod(0o644)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", choices=SHAPES)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("folder", type=Path)
    asked = parser.parse_args()
    export(asked.model, asked.checkpoint, asked.folder)


if __name__ == "__main__":
    main()
