"""A name becomes a model behind the port, or a ModelError that says in one sentence what is wrong with it.

A name is a folder, a model of the Hugging Face hub, or a toy such as `toy:seed=1,agreement=0.8`. Weights are read from
safetensors alone and no code comes with a model, so a folder of a stranger can be tried.
"""

from __future__ import annotations

import contextlib
import json
import logging
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch

from shared.errors import InvalidValue, ModelError
from shared.vlm import int8, toy
from shared.vlm.families import FAMILIES
from shared.vlm.family import Family
from shared.vlm.generation import model_defaults
from shared.vlm.hub_vlm import HubVlm
from shared.vlm.names import LONGEST, check_hub_name, hub_lines
from shared.vlm.parts import Parts
from shared.vlm.port import Vlm
from shared.vlm.quantization import loading
from shared.vlm.single import read_once
from shared.vlm.trial import best

log = logging.getLogger(__name__)

DTYPES = MappingProxyType({"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16})

INT8, AUTO = "int8", "auto"
TRIED = ("float32", "bfloat16", INT8)
FEWEST = 0.8  # of the best next tokens of a text; int8 that keeps fewer of them is told of

# Their state after a token is one sum over all tokens before it: a rejected proposal cannot be taken out again.
_RECURRENT = ("qwen3_5", "qwen3_next", "qwen4", "glm5_next", "lfm2", "mamba", "jamba", "bamba", "zamba", "falcon_h1")
_ATTENTION = frozenset({"full_attention", "sliding_attention", "chunked_attention"})


def load(name: str, dtype: str = "float32", device: str = "cpu", quantization: str = "") -> Vlm:
    """The model called `name`, in evaluation mode. Raises ModelError, and InvalidValue for what was asked for.

    `dtype`: one of DTYPES; int8 and auto are for drafts (`int8`, `trial`). `quantization`: see there.
    """
    if name == "toy" or name.startswith("toy:"):
        return toy.named(name)
    if dtype == AUTO:
        return best(lambda each: load(name, each, device, quantization), TRIED if device == "cpu" else TRIED[:2])[0]
    if dtype not in (*DTYPES, INT8):
        raise InvalidValue("dtype", dtype, f"must be one of {', '.join((*DTYPES, INT8, AUTO))}")
    if dtype == INT8 and (device != "cpu" or quantization):
        raise InvalidValue("dtype", dtype, "runs on a CPU, and there is no other quantisation beside it")
    _check_device(device)
    torch.backends.cudnn.allow_tf32 = False  # float32 is to mean it in the vision tower too; matmuls keep to it anyway
    with _quiet():
        family, config = _family(name), _read_config(name)
        generation = _read_generation(name, config)
        model_defaults(name, generation, None, rows=2**31)  # what is wrong whatever the rows is told before they load
        options = loading(quantization, config, DTYPES.get(dtype, torch.float32), device)
        model = _load_model(name, family.model_class, DTYPES.get(dtype, torch.float32), options)
        if not options:  # else it is there already, and must not be moved
            model = model.to(device)
        tokenizer = _load_tokenizer(name)
        if dtype == INT8:
            _to_int8(name, model, tokenizer)
        parts = Parts(
            name=Path(name).resolve().name if Path(name).is_dir() else name,  # nobody else is to learn of our folders
            model=model,
            tokenizer=tokenizer,
            image_processor=_load_image_processor(name),
            generation=generation,
        )
        with _or_model_error(name, "its parts do not fit together"):
            vlm = HubVlm(parts, family)
        with _or_model_error(name, "no picture can be asked about"):  # else it is ready, and refuses every request
            read_once(vlm)
        return vlm


def _family(name: str) -> type[Family]:
    config = _read_config(name)
    kind = str(config.get("model_type"))
    supported = f"supported are {', '.join(FAMILIES)}"
    if "model_type" not in config:
        raise ModelError(f"{name}: its config names no model_type; {supported}")
    text = config.get("text_config", config)
    text = text if isinstance(text, dict) else {}
    kinds = (kind, str(text.get("model_type")))
    if any(each.startswith(_RECURRENT) for each in kinds) or not _ATTENTION.issuperset(text.get("layer_types") or ()):
        raise ModelError(
            f"{name}: the family {kind} has recurrent or linear-attention layers, whose state cannot be rolled back "
            f"when a proposal is rejected; {supported}"
        )
    if kind not in FAMILIES:
        raise ModelError(f"{name}: the family {kind} is not supported; {supported}")
    return FAMILIES[kind]


def _read_config(name: str) -> Mapping[str, Any]:
    folder = Path(name)
    if name and len(name) < LONGEST and folder.is_dir():
        file = folder / "config.json"
        if not file.is_file():
            raise ModelError(f"{name}: the folder has no config.json")
        with _or_model_error(name, "its config.json cannot be read"):
            config = json.loads(file.read_text(encoding="utf-8"))
    else:
        check_hub_name(name)
        with _or_model_error(name, "neither a folder here nor a model that the hub or its cache can give"):
            from transformers import PretrainedConfig  # seconds to import, and a toy needs none of it

            config, _ = PretrainedConfig.get_config_dict(name)
    if not isinstance(config, dict):
        raise ModelError(f"{name}: its config.json is not a JSON object")
    return config


def _read_generation(name: str, config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The fields of the generation config; of a model without one those that its config has, as older ones do."""
    from transformers import GenerationConfig  # as above
    from transformers.utils import cached_file

    with _or_model_error(name, "its generation_config.json cannot be read"):
        file = cached_file(name, "generation_config.json", _raise_exceptions_for_missing_entries=False)
        said = json.loads(Path(file).read_text(encoding="utf-8")) if file else None
    if file is None:
        text = config.get("text_config")
        both = {
            **(text if isinstance(text, dict) else {}),
            **{key: each for key, each in config.items() if each is not None},
        }
        return {key: both[key] for key in vars(GenerationConfig()) if key in both}
    if not isinstance(said, dict):
        raise ModelError(f"{name}: its generation_config.json is not a JSON object")
    return said


def _load_model(name: str, model_class: str, dtype: torch.dtype, options: Mapping[str, Any]) -> Any:
    import transformers  # as above

    with _or_model_error(name, "its weights cannot be loaded"):
        model, found = getattr(transformers, model_class).from_pretrained(
            name,
            dtype=dtype,
            use_safetensors=True,
            output_loading_info=True,
            ignore_mismatched_sizes=True,
            generation_config=transformers.GenerationConfig(),  # ours is read apart (`generation`)
            **options,
        )
    # What does not fit or is not there transformers has drawn at random.
    if misfits := sorted(key for key, *_ in found["mismatched_keys"]):
        raise ModelError(
            f"{name}: {len(misfits)} tensors have another shape than its config says, such as {misfits[0]}"
        )
    if missing := sorted(found["missing_keys"]):
        raise ModelError(f"{name}: its weights lack {len(missing)} tensors, {missing[0]} among them")
    return model.eval().requires_grad_(False)


def _to_int8(name: str, model: Any, tokenizer: Any) -> None:
    with _or_model_error(name, "its weights cannot be int8 on this processor"):
        kept = int8.to_int8(model, tokenizer.encode(int8.TEXT))
    level = logging.INFO if kept >= FEWEST else logging.WARNING
    log.log(level, "int8 keeps %.0f %% of the best next tokens of a short text in %s", 100 * kept, name)


def _load_tokenizer(name: str) -> Any:
    from transformers import AutoTokenizer  # as above
    from transformers.utils import cached_file

    with _or_model_error(name, "it has no tokenizer that can be loaded"):
        tokenizer = AutoTokenizer.from_pretrained(name, trust_remote_code=False)
    if len(tokenizer) <= len(tokenizer.added_tokens_decoder):  # what transformers makes of a folder without one
        raise ModelError(f"{name}: it has no tokenizer")
    if tokenizer.chat_template is None:
        with _or_model_error(name, "its chat_template.json cannot be read"):
            file = cached_file(name, "chat_template.json", _raise_exceptions_for_missing_entries=False)
            tokenizer.chat_template = json.loads(Path(file).read_text("utf-8"))["chat_template"] if file else None
    if tokenizer.chat_template is None:
        raise ModelError(f"{name}: its tokenizer has no chat template")
    return tokenizer


def _load_image_processor(name: str) -> Any:
    from transformers import AutoImageProcessor  # as above

    with _or_model_error(name, "it has no image processor that can be loaded"):
        # The kind that works on Pillow alone: the same pixels on every machine, torchvision or not.
        return AutoImageProcessor.from_pretrained(name, backend="pil", trust_remote_code=False)


def _check_device(device: str) -> None:
    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise InvalidValue("device", device, f"cannot be used ({_first_line(error)})") from error


@contextlib.contextmanager
def _or_model_error(name: str, sentence: str) -> Iterator[None]:
    try:
        yield
    except ModelError:  # it says what is wrong already
        raise
    except Exception as error:  # whatever a library says of a folder that is not as it expects
        raise ModelError(f"{name}: {sentence} ({_first_line(error)})") from error


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the warnings and progress bars of the libraries off the terminal while a model is loaded."""
    from transformers.utils import logging  # as above

    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings(), hub_lines():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
