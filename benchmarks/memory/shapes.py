"""The shapes of models that people would run, as their config.json has them: what decides how many weights there are.

Names and sizes only; everything that has no weights keeps transformers' default.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

Shape = dict[str, Any]


def _text(hidden: int, inter: int, layers: int, heads: tuple[int, int], **more: Any) -> Shape:
    """`heads`: of queries, of keys and values."""
    return {
        "hidden_size": hidden,
        "intermediate_size": inter,
        "num_hidden_layers": layers,
        "num_attention_heads": heads[0],
        "num_key_value_heads": heads[1],
        **more,
    }


def _qwen3(text: Shape, depth: int, width: int, inter: int) -> tuple[str, Shape]:
    deepstack = [5, 11, 17] if depth == 24 else [8, 16, 24]
    vision: Shape = {
        "depth": depth,
        "hidden_size": width,
        "intermediate_size": inter,
        "num_heads": 16,
        "patch_size": 16,
    }
    vision |= {"out_hidden_size": text["hidden_size"], "deepstack_visual_indexes": deepstack}
    tied = text.pop("tied", False)
    return "qwen3_vl", {
        "text_config": {**text, "head_dim": 128, "vocab_size": 151936},
        "vision_config": {**vision, "num_position_embeddings": 2304},
        "tie_word_embeddings": tied,
    }


def _qwen2_5(text: Shape, inter: int, rows: int) -> tuple[str, Shape]:
    tied = text.pop("tied", False)
    vision = {"depth": 32, "hidden_size": 1280, "intermediate_size": inter, "num_heads": 16, "patch_size": 14}
    return "qwen2_5_vl", {
        "text_config": {**text, "vocab_size": rows},
        "vision_config": {**vision, "out_hidden_size": text["hidden_size"]},
        "tie_word_embeddings": tied,
    }


def _internvl(text: Shape, kind: str, vision: Shape, rows: int) -> tuple[str, Shape]:
    tied = text.pop("tied", False)
    tower: Shape = {"image_size": [448, 448], "patch_size": [14, 14], **vision}
    return "internvl", {
        "text_config": {**text, "model_type": kind, "vocab_size": rows, "tie_word_embeddings": tied},
        "vision_config": tower,
        "tie_word_embeddings": tied,
    }


def _smolvlm(text: Shape, vision: Shape, scale: int) -> tuple[str, Shape]:
    return "smolvlm", {
        "text_config": {**text, "model_type": "llama"},
        "vision_config": vision,
        "scale_factor": scale,
        "tie_word_embeddings": False,
    }


def _gemma3(text: Shape) -> tuple[str, Shape]:
    vision = {"hidden_size": 1152, "intermediate_size": 4304, "num_hidden_layers": 27, "num_attention_heads": 16}
    return "gemma3", {
        "text_config": {**text, "vocab_size": 262208},
        "vision_config": {**vision, "image_size": 896, "patch_size": 14},
        "tie_word_embeddings": True,
    }


_VIT_300M = {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "num_attention_heads": 16}
_VIT_6B = {
    "hidden_size": 3200,
    "intermediate_size": 12800,
    "num_hidden_layers": 45,
    "num_attention_heads": 25,
    "use_qk_norm": True,
}
_SIGLIP_93M = {
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "patch_size": 16,
    "image_size": 512,
}
_SIGLIP_400M = {
    "hidden_size": 1152,
    "intermediate_size": 4304,
    "num_hidden_layers": 27,
    "num_attention_heads": 16,
    "patch_size": 14,
    "image_size": 384,
}

SHAPES: MappingProxyType[str, tuple[str, Shape]] = MappingProxyType(
    {
        "Qwen/Qwen3-VL-2B-Instruct": _qwen3(_text(2048, 6144, 28, (16, 8), tied=True), 24, 1024, 4096),
        "Qwen/Qwen3-VL-8B-Instruct": _qwen3(_text(4096, 12288, 36, (32, 8)), 27, 1152, 4304),
        "Qwen/Qwen3-VL-32B-Instruct": _qwen3(_text(5120, 25600, 64, (64, 8)), 27, 1152, 4304),
        "Qwen/Qwen2.5-VL-3B-Instruct": _qwen2_5(_text(2048, 11008, 36, (16, 2), tied=True), 3420, 151936),
        "Qwen/Qwen2.5-VL-7B-Instruct": _qwen2_5(_text(3584, 18944, 28, (28, 4)), 3420, 152064),
        "Qwen/Qwen2.5-VL-72B-Instruct": _qwen2_5(_text(8192, 29568, 80, (64, 8)), 3456, 152064),
        "OpenGVLab/InternVL3-1B-hf": _internvl(_text(896, 4864, 24, (14, 2)), "qwen2", _VIT_300M, 151674),
        "OpenGVLab/InternVL3_5-4B-HF": _internvl(
            _text(2560, 9728, 36, (32, 8), head_dim=128), "qwen3", _VIT_300M, 151936
        ),
        "OpenGVLab/InternVL3-8B-hf": _internvl(_text(3584, 18944, 28, (28, 4)), "qwen2", _VIT_300M, 151674),
        "OpenGVLab/InternVL3-78B-hf": _internvl(_text(8192, 29568, 80, (64, 8)), "qwen2", _VIT_6B, 151674),
        "HuggingFaceTB/SmolVLM-256M-Instruct": _smolvlm(_text(576, 1536, 30, (9, 3), vocab_size=49280), _SIGLIP_93M, 4),
        "HuggingFaceTB/SmolVLM-Instruct": _smolvlm(_text(2048, 8192, 24, (32, 32), vocab_size=49155), _SIGLIP_400M, 3),
        "google/gemma-3-4b-it": _gemma3(_text(2560, 10240, 34, (8, 4), head_dim=256)),
        "google/gemma-3-27b-it": _gemma3(_text(5376, 21504, 62, (32, 16), head_dim=128)),
    }
)
