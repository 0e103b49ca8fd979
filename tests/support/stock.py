"""A model as anybody would use it, without a line of ours: transformers' processor, forward and `generate()`."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from shared.speculation.request import Message, Text
from shared.vlm.families import FAMILIES


class Stock:
    """The model called `name`, a folder or one of the hub, in float32."""

    def __init__(self, name: str) -> None:
        import transformers

        config = transformers.AutoConfig.from_pretrained(name)
        self.model_class = FAMILIES[config.model_type].model_class
        self.model = getattr(transformers, self.model_class).from_pretrained(name, dtype=torch.float32).eval()
        self.processor = _processor(name, self.model)
        self.image_id: int = config.image_token_id

    def inputs(self, messages: Sequence[Message], images: Sequence[Image.Image], ids: Sequence[int] = ()) -> Any:
        """What the stock forward takes for a chat and the output tokens `ids` after it."""
        conversation = [
            {
                "role": message.role,
                "content": [
                    {"type": "text", "text": part.text}
                    if isinstance(part, Text)
                    else {"type": "image", "image": images[part.index]}
                    for part in message.parts
                ],
            }
            for message in messages
        ]
        inputs = self.processor.apply_chat_template(
            conversation, tokenize=True, add_generation_prompt=True, return_dict=True, return_tensors="pt"
        )
        more = torch.tensor([list(ids)], dtype=torch.long)
        for name in ("input_ids", "attention_mask", "mm_token_type_ids", "token_type_ids"):
            if name in inputs:
                tail = more if name == "input_ids" else torch.full_like(more, int(name == "attention_mask"))
                inputs[name] = torch.cat([inputs[name], tail], dim=1)
        return dict(inputs)

    def answer(self, inputs: Any, tokens: int) -> list[int]:
        """What greedy `generate()` says, at most `tokens` of it."""
        with torch.no_grad():
            output = self.model.generate(**inputs, max_new_tokens=tokens, do_sample=False)
        said: list[int] = output[0, inputs["input_ids"].shape[1] :].tolist()
        return said

    def logits(self, inputs: Any, masked: Sequence[int] = ()) -> Tensor:
        """The logits of one full forward in which nothing attends to the `masked` visual tokens: [tokens, rows]."""
        inputs = dict(inputs)
        sequence = inputs["input_ids"]
        if "mm_token_type_ids" in inputs and hasattr(self.model.model, "get_rope_index"):
            grid = inputs.get("image_grid_thw")
            inputs["position_ids"], _ = self.model.model.get_rope_index(sequence, inputs["mm_token_type_ids"], grid)
        else:
            inputs["position_ids"] = torch.arange(sequence.shape[1])[None]
        inputs["attention_mask"] = self._masks(inputs, masked)
        inputs.pop("token_type_ids", None)
        with torch.no_grad():
            logits: Tensor = self.model(**inputs).logits[0]
        return logits

    def _masks(self, inputs: Any, masked: Sequence[int]) -> Any:
        """Written from what the families' papers say, not from what transformers makes of it."""
        sequence = inputs["input_ids"][0]
        index = torch.arange(len(sequence))
        sees = index[None] <= index[:, None]
        text = self.model.config.get_text_config()
        if "token_type_ids" in inputs:  # the tokens of a picture see each other
            kinds = inputs["token_type_ids"][0]
            pictures = torch.where(kinds == 1, ((kinds == 1) & (kinds.roll(1) != 1)).cumsum(0), -index - 1)
            sees = sees | (pictures[None] == pictures[:, None])
        near = index[None] > index[:, None] - (getattr(text, "sliding_window", None) or len(sequence))
        places = (sequence == self.image_id).nonzero()[:, 0][list(masked)]
        forms = {}
        for name, window in {"full_attention": sees, "sliding_attention": sees & near}.items():
            form = window.clone()
            form[:, places] = False
            form[places, places] = True  # a row that sees nothing has no softmax
            forms[name] = torch.where(form, 0.0, torch.finfo(torch.float32).min)[None, None]
        windowed = "sliding_attention" in (getattr(text, "layer_types", None) or ())
        return forms if windowed else forms["full_attention"]


@functools.cache
def stock(name: str) -> Stock:
    """The stock model called `name`, loaded once."""
    return Stock(name)


def _processor(name: str, model: Any) -> Any:
    """The family's own processor, but for its reader of videos, which wants another library."""
    import transformers
    from transformers import AutoImageProcessor, AutoTokenizer
    from transformers.models.auto.processing_auto import PROCESSOR_MAPPING_NAMES
    from transformers.models.smolvlm import processing_smolvlm

    processing_smolvlm.num2words = str  # which it wants for videos alone
    tokenizer = AutoTokenizer.from_pretrained(name)
    image_processor = AutoImageProcessor.from_pretrained(name, backend="pil")
    kind = getattr(transformers, PROCESSOR_MAPPING_NAMES[model.config.model_type])
    config = model.config
    said: dict[str, Any] = {}
    match config.model_type:
        case "internvl":
            said = {"image_seq_length": config.image_seq_length}
        case "idefics3" | "smolvlm":
            side = config.vision_config.image_size // config.vision_config.patch_size // config.scale_factor
            said = {"image_seq_len": side**2}
        case "llava_onevision":
            side = config.vision_config.image_size // config.vision_config.patch_size
            said = {
                "num_image_tokens": side**2,
                "vision_feature_select_strategy": config.vision_feature_select_strategy,
                "vision_aspect_ratio": config.vision_aspect_ratio,
            }
        case "gemma3":
            said = {"image_seq_length": config.mm_tokens_per_image}
    takes = {"image_processor": image_processor, "tokenizer": tokenizer, **said}
    if "video_processor" in kind.get_attributes():
        takes["video_processor"] = SimpleNamespace(num_frames=None, fps=None)
    unchecked = type(kind.__name__, (kind,), {"check_argument_for_proper_class": lambda *_: None})
    return unchecked(**takes, chat_template=tokenizer.chat_template)
