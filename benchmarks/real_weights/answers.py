"""Answers over real gRPC on loopback, with drafts and without, and what stock `generate()` says."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from device_client.answer import Question, Result
from device_client.client import Client
from device_client.config import DeviceConfig
from edge_server.config import EdgeConfig
from edge_server.server import EdgeServer
from shared.speculation.request import Message, Picture, SamplingWish, Text
from shared.vlm.load import load
from shared.vlm.port import Vlm


@dataclass(frozen=True)
class Asked:
    """What one draft did to the answers: `same` of them are what they should be."""

    title: str
    same: int
    answers: int
    drafted: int
    accepted: int
    rejected: int
    up: float
    down: float
    kinds: str


def questions(texts: Sequence[str], tokens: int, temperature: float, *, seen: bool = False) -> list[Question]:
    """Each text with a seed of its own; `seen`: about a picture."""
    file = io.BytesIO()
    picture = Image.linear_gradient("L").convert("RGB").resize((96, 64))
    picture.save(file, "png")
    asked = []
    for seed, text in enumerate(texts):
        parts = ((Picture(0),) if seen else ()) + (Text(text),)
        wish = SamplingWish(temperature=temperature, seed=seed, max_tokens=tokens)
        data, images = ((file.getvalue(),), (picture,)) if seen else ((), ())
        asked.append(Question((Message("user", parts),), data, images, wish))
    return asked


def stock(folder: Path, texts: Sequence[str], tokens: int) -> list[tuple[int, ...]]:
    """Greedy answers of stock transformers."""
    from transformers import AutoModelForImageTextToText, AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    model: Any = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).eval()
    answers = []
    for text in texts:
        chat = [{"role": "user", "content": [{"type": "text", "text": text}]}]
        written = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
        ids = tokenizer(written, return_tensors="pt", add_special_tokens=False)["input_ids"]
        with torch.inference_mode():
            said = model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=tokens)
        answers.append(tuple(said[0, ids.shape[1] :].tolist()))
    return answers


class Edge:
    """An edge with the target, on a free port of loopback, and devices that ask it one question after the other."""

    def __init__(self, folder: Path) -> None:
        self._server = EdgeServer(EdgeConfig(port=0, drain_seconds=0.2, warm_up=False), lambda: load(str(folder)))

    async def __aenter__(self) -> Edge:
        await self._server.__aenter__()
        return self

    async def __aexit__(self, *reason: Any) -> None:
        await self._server.__aexit__(*reason)

    async def results(self, draft: Vlm, asked: Sequence[Question], *, drafting: bool) -> list[Result]:
        """The answers by one device. Its draft proposes whether that pays or not, and the edge waits for it."""
        address = f"127.0.0.1:{self._server.port}"
        config = DeviceConfig(edge=address, drafting=drafting, policy="fixed", window=4, pace="thrifty")
        async with Client(config, draft) as client:
            results = []
            for question in asked:
                answer = await client.ask(question)
                async for _ in answer.pieces():
                    pass
                assert answer.result is not None
                results.append(answer.result)
        return results


def compared(title: str, results: Sequence[Result], expected: Sequence[tuple[int, ...]]) -> Asked:
    """The answers against what they should be, with what was drafted for them and what crossed the link."""
    figures = [result.figures for result in results]
    sums: dict[str, int] = {}
    for figure in figures:
        for entry in figure.traffic.entries:
            name = f"{entry.direction.value} {entry.kind}"
            sums[name] = sums.get(name, 0) + entry.tally.payload
    count = len(results)
    per_answer = {name: total / count for name, total in sums.items()}
    return Asked(
        title=title,
        same=sum(result.ids == ids for result, ids in zip(results, expected, strict=True)),
        answers=count,
        drafted=sum(figure.drafted for figure in figures),
        accepted=sum(figure.accepted for figure in figures),
        rejected=sum(figure.corrections for figure in figures),
        up=sum(value for name, value in per_answer.items() if name.startswith("up")),
        down=sum(value for name, value in per_answer.items() if name.startswith("down")),
        kinds=", ".join(f"{name} {value:.0f}" for name, value in sorted(per_answer.items()) if value >= 1),
    )
