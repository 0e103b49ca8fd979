"""The oracle: stock transformers `generate()`, greedy, with one processor that masks and noises each row.

Nothing of ours runs in it but the processors and the noise of `Chooser`: no decoder, no cache handling, no verifying.
For the rule rejection the processor judges, at every position, one proposal of the draft: no block, no wire, no rounds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from transformers import (
    AutoImageProcessor,
    AutoTokenizer,
    GenerationConfig,
    LogitsProcessor,
    LogitsProcessorList,
    Qwen3VLForConditionalGeneration,
)
from transformers.utils import logging as transformers_logging

from shared.speculation.coupled import Chooser
from shared.speculation.laws import DraftLaw, TargetLaw
from shared.speculation.noise import Domain, word
from shared.speculation.rejection import stands
from shared.speculation.request import SamplingParameters
from shared.speculation.residual import drawn

Proposing = Callable[[list[int]], tuple[int, DraftLaw]]  # the draft's proposal after a text, and what it was drawn from


class NoisedScores(LogitsProcessor):  # type: ignore[misc]  # transformers is untyped
    """Turns a row of logits into the scores whose argmax is the coupled choice."""

    def __init__(self, chooser: Chooser, prompt_length: int) -> None:
        self._chooser = chooser
        self._prompt_length = prompt_length

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """scores: [1, rows]."""
        before = input_ids[0, self._prompt_length :].tolist()
        ids, noised = self._chooser.scores(scores[0], before)
        row = torch.full(scores.shape, -torch.inf, dtype=torch.float64)
        row[0, torch.from_numpy(ids)] = torch.from_numpy(noised)
        return row


class JudgedScores(LogitsProcessor):  # type: ignore[misc]  # transformers is untyped
    """Turns a row of logits into one whose argmax is what the rule rejection leaves of one proposal there.

    The first token is the target's own: a device has nothing to say before it.
    """

    def __init__(self, chooser: Chooser, prompt_length: int, proposing: Proposing) -> None:
        self._chooser = chooser
        self._prompt_length = prompt_length
        self._proposing = proposing

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """scores: [1, rows]."""
        before = input_ids[0, self._prompt_length :].tolist()
        row = torch.full(scores.shape, -torch.inf, dtype=torch.float64)
        row[0, self._token(scores[0], before) if before else self._chooser.choose(scores[0], before)] = 0.0
        return row

    def _token(self, row: torch.Tensor, before: list[int]) -> int:
        token, draft = self._proposing(before)
        target, seed = TargetLaw.rounded(*self._chooser.law(row, before)), self._chooser.seed
        bits = word(seed, len(before), Domain.ACCEPT)
        if stands(target.probability(token), draft.probability(token), bits):
            return token
        return drawn(target, draft, seed, len(before))


@dataclass(frozen=True)
class Said:
    """How a text is drawn."""

    temperature: float
    seed: int
    top_p: float = 1.0


class Oracle:
    """A stock Qwen3-VL from a folder, in float32."""

    def __init__(self, folder: Path) -> None:
        transformers_logging.disable_progress_bar()
        self._tokenizer: Any = AutoTokenizer.from_pretrained(folder)
        self._processor: Any = AutoImageProcessor.from_pretrained(folder, backend="pil")
        model: Any = Qwen3VLForConditionalGeneration.from_pretrained(folder, dtype=torch.float32)
        self._model: Any = model.eval()
        eos = self._model.generation_config.eos_token_id
        self.eos_ids = tuple(eos) if isinstance(eos, list) else (eos,)

    def answer(self, picture: Image.Image, prompt: str, temperature: float, seed: int, top_p: float = 1.0) -> list[int]:
        """What the model says by itself."""
        inputs, parameters = self._asked(picture, prompt, Said(temperature, seed, top_p))
        chooser = Chooser(parameters, inputs["input_ids"][0].tolist())
        return self._generated(inputs, parameters, NoisedScores(chooser, inputs["input_ids"].shape[1]))

    def judged(
        self, picture: Image.Image, prompt: str, said: Said, begin: Callable[[SamplingParameters], Proposing]
    ) -> list[int]:
        """What the model and a draft say by the rule rejection. `begin`: the draft, at work by these parameters."""
        inputs, parameters = self._asked(picture, prompt, said)
        chooser = Chooser(parameters, inputs["input_ids"][0].tolist())
        scores = JudgedScores(chooser, inputs["input_ids"].shape[1], begin(parameters))
        return self._generated(inputs, parameters, scores)

    def _asked(
        self, picture: Image.Image, prompt: str, said: Said
    ) -> tuple[dict[str, torch.Tensor], SamplingParameters]:
        inputs = self._inputs(picture, prompt)
        room = self._model.config.get_text_config().max_position_embeddings - inputs["input_ids"].shape[1]
        parameters = SamplingParameters(
            max_tokens=room, seed=said.seed, temperature=said.temperature, top_p=said.top_p, eos_ids=self.eos_ids
        )
        return inputs, parameters

    def _generated(
        self, inputs: dict[str, torch.Tensor], parameters: SamplingParameters, scores: LogitsProcessor
    ) -> list[int]:
        length = inputs["input_ids"].shape[1]
        config = GenerationConfig(
            do_sample=False,
            max_new_tokens=parameters.max_tokens,
            eos_token_id=list(self.eos_ids),
            pad_token_id=self.eos_ids[0],
        )
        with torch.inference_mode():
            output = self._model.generate(
                **inputs,
                generation_config=config,
                logits_processor=LogitsProcessorList([scores]),
            )
        said: list[int] = output[0, length:].tolist()
        return said

    def _inputs(self, picture: Image.Image, prompt: str) -> dict[str, torch.Tensor]:
        seen = self._processor(images=[picture], return_tensors="pt")
        chat = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": prompt}]}]
        text = self._tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
        merged = int(seen["image_grid_thw"].prod()) // self._model.config.vision_config.spatial_merge_size**2
        text = text.replace("<|image_pad|>", "<|image_pad|>" * merged)
        ids = self._tokenizer(text, return_tensors="pt")["input_ids"]
        kinds = (ids == self._model.config.image_token_id).int()
        return {
            "input_ids": ids,
            "attention_mask": torch.ones_like(ids),
            "mm_token_type_ids": kinds,
            "pixel_values": seen["pixel_values"],
            "image_grid_thw": seen["image_grid_thw"],
        }
