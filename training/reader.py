"""A packaged model through the stock classes alone, for measuring: one picture, one question, greedy answers."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor
from transformers import AutoImageProcessor, AutoTokenizer, Qwen3VLForConditionalGeneration

LONGEST = 320  # tokens of an answer


@dataclass(frozen=True)
class Asked:
    """The model's inputs for one question."""

    ids: Tensor  # [1, length]
    kinds: Tensor  # [1, length]: 1 where a visual token stands
    pixels: Tensor
    grid: Tensor


class Reader:
    """One model folder."""

    def __init__(self, folder: Path) -> None:
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.processor = AutoImageProcessor.from_pretrained(folder, backend="pil")
        model = Qwen3VLForConditionalGeneration.from_pretrained(folder, dtype=torch.float32)
        self.model = model.eval()

    def blind(self) -> Reader:
        """The same model, to which every visual token is zero."""
        reader = copy.copy(self)
        reader.model = copy.deepcopy(self.model)
        merger = reader.model.model.visual.merger.linear_fc2
        with torch.no_grad():
            merger.weight.zero_()
            merger.bias.zero_()
        return reader

    def ask(self, picture: Image.Image, prompt: str) -> Asked:
        """Chat template, image processor and the placeholder spread over the visual tokens."""
        message = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": prompt}]}
        text = self.tokenizer.apply_chat_template([message], tokenize=False, add_generation_prompt=True)
        seen = self.processor(images=[picture], return_tensors="pt")
        count = int(seen["image_grid_thw"].prod()) // self.processor.merge_size**2
        text = text.replace("<|image_pad|>", "<|image_pad|>" * count)
        ids = self.tokenizer(text, return_tensors="pt")["input_ids"]
        kinds = (ids == self.model.config.image_token_id).int()
        return Asked(ids, kinds, seen["pixel_values"], seen["image_grid_thw"])

    @torch.inference_mode()
    def answer(self, asked: Asked) -> Tensor:
        """The greedy answer's tokens [length], its end among them."""
        out: Tensor = self.model.generate(
            input_ids=asked.ids,
            attention_mask=torch.ones_like(asked.ids),
            mm_token_type_ids=asked.kinds,
            pixel_values=asked.pixels,
            image_grid_thw=asked.grid,
            max_new_tokens=LONGEST,
        )
        return out[0, asked.ids.shape[1] :]

    @torch.inference_mode()
    def choices(self, asked: Asked, answer: Tensor) -> Tensor:
        """What the model would say at each place of an answer, given the answer up to there: [length]."""
        self.model.model.rope_deltas = None
        ids = torch.cat([asked.ids, answer[None]], dim=1)
        kinds = torch.cat([asked.kinds, torch.zeros_like(answer[None], dtype=asked.kinds.dtype)], dim=1)
        logits: Tensor = self.model(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            mm_token_type_ids=kinds,
            pixel_values=asked.pixels,
            image_grid_thw=asked.grid,
            logits_to_keep=len(answer) + 1,
        ).logits
        return logits[0, :-1].argmax(-1)

    def tokens(self, answer: str) -> Tensor:
        """An answer and its end as tokens [length]."""
        ids: list[int] = self.tokenizer.encode(f"{answer}<|im_end|>", add_special_tokens=False)
        return torch.tensor(ids)

    def greedy(self, asked: Asked, right: str) -> tuple[Tensor, bool]:
        """The greedy answer [length], and whether it is the right one token for token.

        It is if and only if the model, led along the right answer, would choose each of its tokens; one forward tells.
        """
        wanted = self.tokens(right)
        if torch.equal(self.choices(asked, wanted), wanted):
            return wanted, True
        return self.answer(asked), False

    def text(self, answer: Tensor) -> str:
        """The answer as a person reads it."""
        return str(self.tokenizer.decode(answer, skip_special_tokens=True))
