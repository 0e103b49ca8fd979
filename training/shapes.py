"""The sizes of target and draft, as stock Qwen3-VL configurations over one tokenizer."""

from __future__ import annotations

from dataclasses import dataclass

from transformers import PreTrainedTokenizerFast, Qwen3VLConfig

PATCH = 8
MERGE = 2
FACTOR = PATCH * MERGE  # pixels per visual token, each way


@dataclass(frozen=True)
class Shape:
    """What differs between the two models."""

    vision: tuple[int, int, int, int]  # width, depth, heads, mlp
    deepstack: tuple[int, ...]
    text: tuple[int, int, int, int, int]  # width, layers, heads, key-value heads, mlp


TARGET = Shape(vision=(128, 6, 4, 384), deepstack=(2,), text=(192, 5, 6, 3, 512))
DRAFT = Shape(vision=(64, 3, 2, 192), deepstack=(), text=(96, 2, 3, 1, 256))
SHAPES = {"target": TARGET, "draft": DRAFT}


def configuration(shape: Shape, tokenizer: PreTrainedTokenizerFast) -> Qwen3VLConfig:
    """The stock configuration of a shape."""
    ids = tokenizer.convert_tokens_to_ids
    vision_width, depth, vision_heads, vision_mlp = shape.vision
    width, layers, heads, kv_heads, mlp = shape.text
    return Qwen3VLConfig(
        vision_config={
            "hidden_size": vision_width, "depth": depth, "num_heads": vision_heads, "intermediate_size": vision_mlp,
            "out_hidden_size": width, "patch_size": PATCH, "spatial_merge_size": MERGE, "temporal_patch_size": 2,
            "num_position_embeddings": 256, "deepstack_visual_indexes": list(shape.deepstack),
        },
        text_config={
            "vocab_size": len(tokenizer), "hidden_size": width, "num_hidden_layers": layers, "head_dim": 32,
            "num_attention_heads": heads, "num_key_value_heads": kv_heads, "intermediate_size": mlp,
            "max_position_embeddings": 4096, "tie_word_embeddings": True,
            "pad_token_id": ids("<|endoftext|>"), "eos_token_id": ids("<|im_end|>"),
            "rope_parameters": {
                "rope_type": "default", "rope_theta": 10000.0, "mrope_section": [6, 5, 5], "mrope_interleaved": True,
            },
        },
        image_token_id=ids("<|image_pad|>"), video_token_id=ids("<|video_pad|>"),
        vision_start_token_id=ids("<|vision_start|>"), vision_end_token_id=ids("<|vision_end|>"),
        tie_word_embeddings=True,
    )  # fmt: skip
