"""Models of a few thousand random weights of every family but Qwen3-VL (`tiny_qwen`), saved as stock model folders.

Their weights are drawn wide, so that pictures and positions change their logits far beyond rounding; their tokenizers,
templates and image processors have the traps of the real ones: text that grows together with what a picture brings,
tokens that the tokenizer puts first by itself, tiles, padding, windows of eight tokens.
"""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from shared.vlm.load import load
from shared.vlm.port import Vlm
from tests.support import tiny_configs
from tests.support.tiny_qwen import CORPUS, tiny_folder

WIDE = 0.3  # what weights are drawn with
FAMILIES: Mapping[str, Callable[[], tiny_configs.Recipe]] = tiny_configs.RECIPES


@functools.cache
def folder_of(name: str) -> Path:
    """A folder with the tiny model of family `name` in stock form, made once and removed at exit."""
    if name == "qwen3_vl":
        return tiny_folder()
    folder = Path(tempfile.mkdtemp(prefix=f"tiny-{name}-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    save(name, folder)
    return folder


@functools.cache
def tiny(name: str) -> Vlm:
    """The tiny model of family `name` behind the port, loaded once."""
    return load(str(folder_of(name)))


def save(name: str, folder: Path) -> None:
    """Write the model of family `name` to `folder`, as a release of the family is."""
    recipe = FAMILIES[name]()
    tokenizer = make_tokenizer(recipe)
    tokenizer.save_pretrained(folder)
    make_model(recipe, tokenizer).save_pretrained(folder)
    recipe.processor.save_pretrained(folder)


def make_model(recipe: tiny_configs.Recipe, tokenizer: Any) -> Any:
    """A model with random weights, always the same ones."""
    import torch  # a folder is made by few of the tests that import this
    import transformers

    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        model = getattr(transformers, recipe.model_class)(recipe.config(tokenizer.convert_tokens_to_ids))
        for weight in model.parameters():
            if weight.ndim > 1 and not bool(weight.any()):  # what a release never leaves at nothing
                weight.normal_(0, WIDE)
    model.generation_config.eos_token_id = tokenizer.convert_tokens_to_ids(recipe.end)
    model.generation_config.pad_token_id = model.generation_config.eos_token_id
    return model.eval()


def nudge(folder: Path, into: Path, share: float) -> None:
    """Copy a model; each weight moves by a normal draw of `share` times the spread of its tensor."""
    import torch  # as above
    from safetensors.torch import load_file, save_file

    shutil.copytree(folder, into, dirs_exist_ok=True)
    draw = torch.Generator().manual_seed(1)
    weights = load_file(into / "model.safetensors")
    for weight in weights.values():
        spread = weight.std() if weight.numel() > 1 else weight.new_zeros(())
        weight.add_(torch.randn(weight.shape, generator=draw) * spread * share)
    save_file(weights, into / "model.safetensors", metadata={"format": "pt"})


def make_tokenizer(recipe: tiny_configs.Recipe) -> Any:
    """A byte-level BPE tokenizer with the specials of the family."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trained.decoder = decoders.ByteLevel()
    alphabet: Sequence[str] = pre_tokenizers.ByteLevel.alphabet()
    corpus = [*CORPUS, "\n\n\n\n\n\n", "user\n\n\n", "  \n\n"]  # whose line ends grow together, as in real ones
    trained.train_from_iterator(
        corpus, trainers.BpeTrainer(vocab_size=320, initial_alphabet=alphabet, show_progress=False)
    )
    trained.add_special_tokens(list(recipe.specials))
    if recipe.leads:
        lead = (recipe.begin, trained.token_to_id(recipe.begin))
        trained.post_processor = processors.TemplateProcessing(single=f"{recipe.begin} $A", special_tokens=[lead])
    return PreTrainedTokenizerFast(
        tokenizer_object=trained,
        bos_token=recipe.begin or None,
        eos_token=recipe.end,
        pad_token=recipe.end,
        extra_special_tokens=dict(recipe.roles),
        chat_template=recipe.template,
    )
