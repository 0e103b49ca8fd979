"""A packaged model through the stock classes alone, for measuring: a picture is seen once and asked many questions."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor
from transformers import AutoImageProcessor, AutoTokenizer, Cache, Qwen3VLForConditionalGeneration

LONGEST = 320  # tokens of an answer
PAD, AFTER_PICTURE = "<|image_pad|>", "<|vision_end|>"


@dataclass(frozen=True)
class View:
    """A conversation up to the end of its picture: nothing writes to its cache, questions copy it."""

    cache: Cache
    length: int  # tokens
    shift: int  # from a token's index to its position


class Reader:
    """One model folder."""

    def __init__(self, folder: Path) -> None:
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.processor = AutoImageProcessor.from_pretrained(folder, backend="pil")
        model = Qwen3VLForConditionalGeneration.from_pretrained(folder, dtype=torch.float32)
        self.model = model.eval()
        self.ends = frozenset(model.generation_config.eos_token_id)

    def blind(self) -> Reader:
        """The same model, to which every visual token is zero."""
        reader = copy.copy(self)
        reader.model = copy.deepcopy(self.model)
        merger = reader.model.model.visual.merger.linear_fc2
        with torch.no_grad():
            merger.weight.zero_()
            merger.bias.zero_()
        return reader

    def _conversation(self, prompt: str) -> list[str]:
        """The chat template's text, up to the end of the picture and after it."""
        message = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": prompt}]}
        text = self.tokenizer.apply_chat_template([message], tokenize=False, add_generation_prompt=True)
        before, after = text.split(AFTER_PICTURE)
        return [before + AFTER_PICTURE, after]

    def _ids(self, text: str) -> Tensor:
        ids: list[int] = self.tokenizer.encode(text, add_special_tokens=False)
        return torch.tensor(ids)

    @torch.inference_mode()
    def look(self, picture: Image.Image) -> View:
        """Sees a picture."""
        seen = self.processor(images=[picture], return_tensors="pt")
        count = int(seen["image_grid_thw"].prod()) // self.processor.merge_size**2
        ids = self._ids(self._conversation("")[0].replace(PAD, PAD * count))[None]
        kinds = (ids == self.model.config.image_token_id).int()
        self.model.model.rope_deltas = None
        out = self.model(input_ids=ids, mm_token_type_ids=kinds, use_cache=True, logits_to_keep=1, **seen)
        return View(out.past_key_values, ids.shape[1], int(self.model.model.rope_deltas))

    def _read(self, view: View, cache: Cache, ids: Tensor) -> Tensor:
        """Logits [length, vocabulary] of further tokens [length], which the cache learns."""
        first = cache.get_seq_length() + view.shift
        positions = torch.arange(first, first + len(ids)).expand(3, 1, -1)
        logits: Tensor = self.model(input_ids=ids[None], position_ids=positions, cache=cache).logits
        return logits[0]

    @torch.inference_mode()
    def answer(self, view: View, prompt: str) -> Tensor:
        """The greedy answer's tokens [length], its end among them."""
        cache = copy.deepcopy(view.cache)
        said = [self._read(view, cache, self._ids(self._conversation(prompt)[1]))[-1].argmax()]
        while int(said[-1]) not in self.ends and len(said) < LONGEST:
            said.append(self._read(view, cache, said[-1][None])[-1].argmax())
        return torch.stack(said)

    @torch.inference_mode()
    def choices(self, view: View, prompt: str, answer: Tensor) -> Tensor:
        """What the model would say at each place of an answer, given the answer up to there: [length]."""
        asked = self._ids(self._conversation(prompt)[1])
        logits = self._read(view, copy.deepcopy(view.cache), torch.cat([asked, answer]))
        return logits[len(asked) - 1 : -1].argmax(-1)

    def greedy(self, view: View, prompt: str, right: str) -> tuple[Tensor, bool]:
        """The greedy answer [length], and whether it is the right one token for token.

        It is if and only if the model, led along the right answer, would choose each of its tokens; one forward tells.
        """
        wanted = self._ids(f"{right}<|im_end|>")
        if torch.equal(self.choices(view, prompt, wanted), wanted):
            return wanted, True
        return self.answer(view, prompt), False

    def text(self, answer: Tensor) -> str:
        """The answer as a person reads it."""
        return str(self.tokenizer.decode(answer, skip_special_tokens=True))
