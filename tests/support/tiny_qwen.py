"""A Qwen3-VL of a few thousand random weights with its own tokenizer, saved as a stock model folder.

Its weights are drawn wide, so that pictures, deepstack and positions all change its logits far beyond rounding.
"""

from __future__ import annotations

import atexit
import functools
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from shared.speculation.request import Message, Picture, Text
from shared.vlm.load import load
from shared.vlm.port import Vlm

IMAGE_PAD = "<|image_pad|>"
SPECIALS = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|vision_pad|>",
    IMAGE_PAD,
    "<|video_pad|>",
)
PATCH, MERGE = 8, 2
ROWS = 384  # more than the tokenizer has pieces
CONTEXT_LENGTH = 512

TEMPLATE = """\
{%- for message in messages %}
{{- '<|im_start|>' + message.role + '\\n' }}
{%- for part in message.content %}
{%- if part.type == 'image' %}{{- '<|vision_start|><|image_pad|><|vision_end|>' }}
{%- else %}{{- part.text }}{%- endif %}
{%- endfor %}
{{- '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}
"""
CORPUS = (
    "a cat sits on the mat and the dog looks at it",
    "what is in the picture?",
    "describe the image, please: where",
)


@functools.cache
def tiny_folder() -> Path:
    """A folder with the model in stock form, made once and removed at exit."""
    folder = Path(tempfile.mkdtemp(prefix="tiny-qwen-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    save(folder)
    return folder


@functools.cache
def tiny_qwen() -> Vlm:
    """The model behind the port, loaded once."""
    return load(str(tiny_folder()))


def picture(seed: int, width: int = 50, height: int = 40) -> Image.Image:
    """A picture of noise."""
    values = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(values)


def question(text: str, pictures: int = 0) -> tuple[Message, ...]:
    """One message: `pictures` pictures, then `text`."""
    return (Message("user", (*(Picture(i) for i in range(pictures)), Text(text))),)


def save(folder: Path, seed: int = 0) -> None:
    """Write model, tokenizer, chat template and image processor to `folder`, as a release of the family does."""
    import torch  # a folder is made by few of the tests that import this
    from transformers import Qwen3VLForConditionalGeneration
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    tokenizer = make_tokenizer()
    tokenizer.save_pretrained(folder)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = Qwen3VLForConditionalGeneration(make_config(tokenizer))
    model.generation_config.eos_token_id = [tokenizer.convert_tokens_to_ids(t) for t in ("<|im_end|>", "<|endoftext|>")]
    model.generation_config.pad_token_id = tokenizer.convert_tokens_to_ids("<|endoftext|>")
    model.save_pretrained(folder)
    area = (PATCH * MERGE) ** 2
    size = {"shortest_edge": 4 * area, "longest_edge": 24 * area}
    means = {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}
    Qwen2VLImageProcessorPil(patch_size=PATCH, merge_size=MERGE, size=size, **means).save_pretrained(folder)


def make_tokenizer() -> Any:
    """A byte-level BPE tokenizer of the family, trained on a few sentences."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import AddedToken, Qwen2Tokenizer

    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trained.train_from_iterator(
        CORPUS, trainers.BpeTrainer(vocab_size=320, initial_alphabet=alphabet, show_progress=False)
    )
    parsed = json.loads(trained.to_str())["model"]
    tokenizer = Qwen2Tokenizer(
        vocab=parsed["vocab"],
        merges=[tuple(m) for m in parsed["merges"]],
        eos_token="<|im_end|>",
        chat_template=TEMPLATE,
    )
    tokenizer.add_tokens([AddedToken(text, special=True, normalized=False) for text in SPECIALS], special_tokens=True)
    return tokenizer


def make_config(tokenizer: Any) -> Any:
    """The shape of the tiny model: three layers of text, deepstack from two of the three layers of vision."""
    from transformers import Qwen3VLConfig

    ids = {text: tokenizer.convert_tokens_to_ids(text) for text in SPECIALS}
    return Qwen3VLConfig(
        text_config={
            "vocab_size": ROWS,
            "hidden_size": 48,
            "intermediate_size": 64,
            "num_hidden_layers": 3,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "head_dim": 16,
            "max_position_embeddings": CONTEXT_LENGTH,
            "initializer_range": 0.3,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 10000.0,
                "mrope_section": [4, 2, 2],
                "mrope_interleaved": True,
            },
        },
        vision_config={
            "depth": 3,
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_heads": 2,
            "patch_size": PATCH,
            "spatial_merge_size": MERGE,
            "temporal_patch_size": 2,
            "out_hidden_size": 48,
            "num_position_embeddings": 64,
            "deepstack_visual_indexes": [0, 1],
            "initializer_range": 0.3,
        },
        image_token_id=ids[IMAGE_PAD],
        video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"],
        tie_word_embeddings=True,
    )
