"""The family that docs/families.md shows in one file is one: the stock model's answer comes out of it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch

from shared.vlm.hub_vlm import HubVlm
from shared.vlm.parts import Parts
from shared.vlm.single import extend, prefill
from tests.support import tiny_configs
from tests.support.tiny_families import make_model, make_tokenizer
from tests.support.tiny_qwen import picture, question

PAGE = Path(__file__).parents[3] / "docs" / "families.md"


def llava() -> tiny_configs.Recipe:
    """A tiny LLaVA."""
    from transformers import LlavaConfig
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    side = tiny_configs.TILE

    def config(token: Any) -> Any:
        vision = tiny_configs.vision(model_type="clip_vision_model", initializer_range=0.3)
        text = tiny_configs.text(model_type="llama")
        return LlavaConfig(text_config=text, vision_config=vision, image_token_index=token("<image>"))

    processor = CLIPImageProcessorPil(size={"shortest_edge": side}, crop_size={"height": side, "width": side})
    specials = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<image>")
    template = tiny_configs.CHATML.replace("PICTURE", "<image>\\n")
    return tiny_configs.Recipe("LlavaForConditionalGeneration", config, processor, specials, template, end="<|im_end|>")


def test_the_family_of_the_page_gives_the_stock_answer() -> None:
    (source,) = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    page: dict[str, Any] = {"__name__": "page"}
    exec(source, page)
    recipe = llava()
    tokenizer = make_tokenizer(recipe)
    stock, ours = (make_model(recipe, tokenizer) for _ in range(2))
    vlm = HubVlm(Parts("tiny", ours, tokenizer, recipe.processor), page["Llava"])
    prompt = vlm.prepare(question("what is it?", 2), [picture(0), picture(1, 30, 80)])
    assert prompt.visual_tokens == (16, 16)
    ids = torch.tensor([prompt.ids])
    with torch.no_grad():
        expected = stock.generate(
            ids, do_sample=False, max_new_tokens=12, attention_mask=torch.ones_like(ids), **prompt.pixels.pixels
        )
    decoder, rows = prefill(vlm, prompt, vlm.see(prompt))
    answer = [int(rows[-1].argmax())]
    while len(answer) < expected.shape[1] - len(prompt.ids):
        answer.append(int(extend(vlm, decoder, answer[-1:])[-1].argmax()))
    assert answer == expected[0, len(prompt.ids) :].tolist()
