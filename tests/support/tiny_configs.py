"""What the tiny model of each family is made of: config, image processor, special tokens and chat template."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

TILE, PATCH = 32, 8
ROWS = 384
MEANS = {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}

CHATML = """\
{%- for message in messages %}
{{- '<|im_start|>' + message.role + '\\n' }}
{%- for part in message.content %}
{%- if part.type == 'image' %}{{- 'PICTURE' }}
{%- else %}{{- part.text }}{%- endif %}
{%- endfor %}
{{- '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}
"""
COLONS = """\
{%- for message in messages %}
{{- message.role | capitalize + ':' }}
{%- for part in message.content %}
{%- if part.type == 'image' %}{{- '<image>' }}
{%- else %}{{- ' ' + part.text }}{%- endif %}
{%- endfor %}
{{- '<end_of_utterance>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{- 'Assistant:' }}{%- endif %}
"""
TURNS = """\
{{- bos_token }}
{%- for message in messages %}
{{- '<start_of_turn>' + ('model' if message.role == 'assistant' else message.role) + '\\n' }}
{%- for part in message.content %}
{%- if part.type == 'image' %}{{- '<start_of_image>' }}
{%- else %}{{- part.text | trim }}{%- endif %}
{%- endfor %}
{{- '<end_of_turn>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<start_of_turn>model\\n' }}{%- endif %}
"""
CHAT = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
SPLIT = ("<|begin|>", "<end_of_utterance>", "<fake_token_around_image>", "<image>")


@dataclass(frozen=True)
class Recipe:
    """`config`: from what turns tokens into ids. `leads`: the tokenizer begins every text with `begin` by itself."""

    model_class: str
    config: Callable[[Callable[[str], int]], Any]
    processor: Any
    specials: tuple[str, ...]
    template: str
    end: str
    begin: str = ""
    leads: bool = False
    roles: Mapping[str, str] = field(default_factory=dict)


def text(**changes: Any) -> dict[str, Any]:
    """A language model of three layers."""
    return {
        "vocab_size": ROWS,
        "hidden_size": 48,
        "intermediate_size": 64,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 512,
        "initializer_range": 0.3,
        "tie_word_embeddings": True,
        "pad_token_id": 0,
        "bos_token_id": 0,
        "eos_token_id": 0,
        **changes,
    }


def vision(**changes: Any) -> dict[str, Any]:
    """A vision tower of two layers, for tiles of four times four patches."""
    return {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "image_size": TILE,
        "patch_size": PATCH,
        **changes,
    }


def qwen2_5_vl() -> Recipe:
    """Pictures of any sides in merged patches, most vision layers in windows."""
    from transformers import Qwen2_5_VLConfig
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    area = (2 * PATCH) ** 2
    names = ("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")
    rope = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 2, 2]}

    def config(token: Callable[[str], int]) -> Any:
        return Qwen2_5_VLConfig(
            text_config=text(rope_parameters=rope),
            vision_config={
                "depth": 3,
                "hidden_size": 32,
                "intermediate_size": 64,
                "num_heads": 2,
                "patch_size": PATCH,
                "spatial_merge_size": 2,
                "temporal_patch_size": 2,
                "out_hidden_size": 48,
                "window_size": 32,
                "fullatt_block_indexes": [1],
                "initializer_range": 0.3,
            },
            vision_start_token_id=token(names[0]),
            vision_end_token_id=token(names[1]),
            image_token_id=token(names[2]),
            video_token_id=token(names[3]),
            tie_word_embeddings=True,
        )

    size = {"shortest_edge": 4 * area, "longest_edge": 24 * area}
    return Recipe(
        "Qwen2_5_VLForConditionalGeneration",
        config,
        Qwen2VLImageProcessorPil(patch_size=PATCH, merge_size=2, size=size, **MEANS),
        (*CHAT, *names),
        CHATML.replace("PICTURE", "".join((names[0], names[2], names[1]))),
        end="<|im_end|>",
    )


def internvl() -> Recipe:
    """Up to six tiles, and a pixel shuffle."""
    from transformers import InternVLConfig
    from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import GotOcr2ImageProcessorPil

    roles = {
        "start_image_token": "<img>",
        "end_image_token": "</img>",
        "context_image_token": "<IMG_CONTEXT>",
        "video_token": "<video>",
    }

    def config(token: Callable[[str], int]) -> Any:
        return InternVLConfig(
            text_config=text(model_type="qwen2"),
            vision_config=vision(image_size=[TILE, TILE], patch_size=[PATCH, PATCH], layer_scale_init_value=1.0),
            image_token_id=token("<IMG_CONTEXT>"),
            image_seq_length=4,
            tie_word_embeddings=True,
        )

    # As released: its own config does not cut, the model's processor does.
    processor = GotOcr2ImageProcessorPil(size={"height": TILE, "width": TILE}, crop_to_patches=False, max_patches=6)
    return Recipe(
        "InternVLForConditionalGeneration",
        config,
        processor,
        (*CHAT, *roles.values()),
        CHATML.replace("PICTURE", "<IMG_CONTEXT>\\n"),
        end="<|im_end|>",
        roles=roles,
    )


def idefics3() -> Recipe:
    """Two times two tiles at most; the names of rows and columns are spelled, and the tokenizer begins by itself."""
    from transformers import Idefics3Config
    from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil

    processor = Idefics3ImageProcessorPil(size={"longest_edge": 2 * TILE}, max_image_size={"longest_edge": TILE})
    return _split("Idefics3ForConditionalGeneration", Idefics3Config, processor, (*SPLIT, "<global-img>"))


def smolvlm() -> Recipe:
    """Three times three tiles at most, whose names are tokens."""
    from transformers import SmolVLMConfig
    from transformers.models.smolvlm.image_processing_pil_smolvlm import SmolVLMImageProcessorPil

    names = tuple(f"<row_{row}_col_{column}>" for row in range(1, 4) for column in range(1, 4))
    processor = SmolVLMImageProcessorPil(size={"longest_edge": 3 * TILE}, max_image_size={"longest_edge": TILE})
    specials = (*SPLIT, "<global-img>", *names)
    return _split("SmolVLMForConditionalGeneration", SmolVLMConfig, processor, specials)


def _split(model_class: str, config_class: Any, processor: Any, specials: tuple[str, ...]) -> Recipe:
    def config(token: Callable[[str], int]) -> Any:
        return config_class(
            text_config=text(model_type="llama"),
            vision_config=vision(initializer_range=0.3),
            image_token_id=token("<image>"),
            scale_factor=2,
            tie_word_embeddings=True,
        )

    return Recipe(
        model_class, config, processor, specials, COLONS, end="<end_of_utterance>", begin="<|begin|>", leads=True
    )


def llava_onevision() -> Recipe:
    """Grids that are made smaller, because there may be two tiles' worth of tokens and no more."""
    from transformers import LlavaOnevisionConfig
    from transformers.models.llava_onevision.image_processing_pil_llava_onevision import LlavaOnevisionImageProcessorPil

    grids = [[TILE * rows, TILE * columns] for rows in (1, 2, 3) for columns in (1, 2, 3) if rows * columns <= 4]

    def config(token: Callable[[str], int]) -> Any:
        return LlavaOnevisionConfig(
            text_config=text(model_type="qwen2"),
            vision_config=vision(model_type="siglip_vision_model", vision_use_head=False),
            image_token_index=token("<image>"),
            video_token_index=token("<video>"),
            image_grid_pinpoints=grids,
            vision_aspect_ratio="anyres_max_2",
            tie_word_embeddings=True,
        )

    size = {"height": TILE, "width": TILE}
    return Recipe(
        "LlavaOnevisionForConditionalGeneration",
        config,
        LlavaOnevisionImageProcessorPil(size=size, image_grid_pinpoints=grids),
        (*CHAT, "<image>", "<video>"),
        CHATML.replace("PICTURE", "<image>\\n"),
        end="<|im_end|>",
    )


def gemma3() -> Recipe:
    """Windows of eight tokens in two layers of three; a cap on the logits that its stock model does not apply."""
    from transformers import Gemma3Config
    from transformers.models.gemma3.image_processing_pil_gemma3 import Gemma3ImageProcessorPil

    roles = {"boi_token": "<start_of_image>", "eoi_token": "<end_of_image>", "image_token": "<image_soft_token>"}
    layers = ["sliding_attention", "full_attention", "sliding_attention"]

    def config(token: Callable[[str], int]) -> Any:
        return Gemma3Config(
            text_config=text(
                head_dim=16,
                query_pre_attn_scalar=16,
                sliding_window=8,
                layer_types=layers,
                final_logit_softcapping=5.0,
                bos_token_id=token("<bos>"),
            ),
            vision_config=vision(vision_use_head=False),
            mm_tokens_per_image=16,
            boi_token_index=token(roles["boi_token"]),
            eoi_token_index=token(roles["eoi_token"]),
            image_token_index=token(roles["image_token"]),
            tie_word_embeddings=True,
        )

    return Recipe(
        "Gemma3ForConditionalGeneration",
        config,
        Gemma3ImageProcessorPil(size={"height": TILE, "width": TILE}),
        ("<bos>", "<start_of_turn>", "<end_of_turn>", *roles.values()),
        TURNS,
        end="<end_of_turn>",
        begin="<bos>",
        leads=True,
        roles=roles,
    )


RECIPES: Mapping[str, Callable[[], Recipe]] = {
    recipe.__name__: recipe for recipe in (qwen2_5_vl, internvl, idefics3, smolvlm, llava_onevision, gemma3)
}
