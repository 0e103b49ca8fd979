"""Steps of one decoder alone, for those who have one."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image
from torch import Tensor

from shared.speculation.request import Message, Picture, Text
from shared.vlm.port import Block, Decoder, Prompt, VisualTokens, Vlm


def prefill(
    vlm: Vlm, prompt: Prompt, visual: VisualTokens, kept: Sequence[int] | None = None, ids: Sequence[int] = ()
) -> tuple[Decoder, Tensor]:
    """The prompt, and after it output tokens `ids`, in one forward.

    Returns a decoder that holds them, and the logits after the prompt and after each of `ids`: [1 + ids, rows].
    """
    decoder = vlm.begin(prompt, visual, kept)
    (rows,) = vlm.step([Block(decoder, decoder.prompt_left, ids)])
    return decoder, rows


def extend(vlm: Vlm, decoder: Decoder, ids: Sequence[int], parents: Sequence[int] | None = None) -> Tensor:
    """Output tokens `ids`, at least one, behind those held; the logits after each of them: [ids, rows]."""
    (rows,) = vlm.step([Block(decoder, ids=ids, parents=parents)])
    return rows


def read_once(vlm: Vlm) -> Prompt:
    """The prompt of a few words about a small picture. Runs no forward. Raises what `prepare` does."""
    return vlm.prepare((Message("user", (Picture(0), Text("Hello."))),), (Image.new("RGB", (64, 64), "gray"),))


def answer_once(vlm: Vlm) -> None:
    """See a small picture, read a few words, say one token: what a model does for the first time is done then."""
    prompt = read_once(vlm)
    decoder, rows = prefill(vlm, prompt, vlm.see(prompt))
    extend(vlm, decoder, [int(rows[-1].argmax())])
