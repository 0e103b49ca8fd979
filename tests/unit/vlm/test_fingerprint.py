"""A fingerprint changes with everything that decides a text, and with nothing else."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from shared.errors import ModelError
from shared.speculation.prints import FINGERPRINT, short
from shared.vlm.fingerprint import fingerprint
from shared.vlm.generation import HARMLESS, HONOURED
from shared.vlm.load import load
from shared.vlm.parts import Parts
from shared.vlm.toy import ToyVlm
from tests.support.models import FAMILIES
from tests.support.tiny_families import folder_of
from tests.support.tiny_qwen import save, tiny_folder

DTYPES = (
    *(torch.float64, torch.float32, torch.bfloat16, torch.float16, torch.float8_e4m3fn, torch.float8_e5m2),
    *(torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool, torch.complex64),
)
PIECE = 2**24  # bytes that are taken at a time


def of(tensor: Any) -> bytes:
    return fingerprint({}, {"weight": tensor})


def noise(count: int, seed: int = 0) -> Tensor:
    """Random bytes."""
    return torch.randint(0, 256, (count,), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


def of_type(dtype: torch.dtype, elements: int) -> Tensor:
    """So many random elements: any bits, but of a bool."""
    if dtype is torch.bool:
        return noise(elements) > 127
    return noise(elements * dtype.itemsize).view(dtype)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("elements", [1, 7, 1025, 40_001])
def test_one_bit_of_any_element_changes_it(dtype: torch.dtype, elements: int) -> None:
    tensor = of_type(dtype, elements)
    before = of(tensor)
    for place in {0, elements // 2, elements - 1}:
        for bit in (1, 1 if dtype is torch.bool else 128):
            changed = tensor.clone()
            changed.view(torch.uint8)[place * dtype.itemsize] ^= bit
            assert of(changed) != before
    assert of(tensor.clone()) == before


def test_two_words_that_change_places_change_it() -> None:
    tensor = torch.arange(4096, dtype=torch.int64)
    for one, other in ((0, 1), (0, 1024), (5, 4000)):
        swapped = tensor.clone()
        swapped[one], swapped[other] = tensor[other], tensor[one]
        assert of(swapped) != of(tensor)
    assert of(-tensor) != of(tensor)


def test_name_shape_and_dtype_change_it_and_the_order_of_names_does_not() -> None:
    tensor = noise(64)
    told = {of(tensor), of(tensor.view(8, 8)), of(tensor.view(torch.int8)), of(tensor[:, None]), of(noise(0))}
    told |= {of(torch.zeros(count, dtype=torch.uint8)) for count in (0, 1, 7, 8, 9)}
    told.add(fingerprint({}, {"other": tensor}))
    assert len(told) == 10
    some, others = {"a": tensor, "b": noise(8)}, {"b": noise(8), "a": tensor}
    assert fingerprint({}, some) == fingerprint({}, others) != fingerprint({}, {"a": noise(8), "b": tensor})


def test_how_a_tensor_lies_in_memory_does_not_change_it() -> None:
    halves = noise(2 * 3_000).view(torch.bfloat16)
    for tensor in (halves[1:], halves[3::2], halves.view(30, 100).T, halves.view(3, 10, 100).permute(2, 0, 1)):
        assert of(tensor) == of(tensor.clone(memory_format=torch.contiguous_format))
    large = noise(PIECE + 30_000)
    for rows, columns in ((2, -1), (-1, 2)):
        tensor = large[: len(large) // 2 * 2].view(rows, columns)
        assert of(tensor.T) == of(tensor.T.contiguous())
    single = large[None, None]
    before = of(single)
    large[-1] ^= 1  # in the last piece
    assert of(single) != before


def test_the_number_of_threads_does_not_change_it() -> None:
    tensor, threads = noise(3 * 2**20 + 5), torch.get_num_threads()
    told = []
    for count in (1, 2):
        torch.set_num_threads(count)
        told.append(of(tensor))
    torch.set_num_threads(threads)
    assert told[0] == told[1]


class Packed(Tensor):
    """Two tensors that stand for a third, as libraries that quantise make them."""

    codes: Tensor
    scale: Tensor

    @staticmethod
    def __new__(cls, codes: Tensor, scale: Tensor) -> Packed:
        packed: Packed = Tensor._make_wrapper_subclass(cls, codes.shape, dtype=torch.float32)
        packed.codes, packed.scale = codes, scale
        return packed

    def __tensor_flatten__(self) -> tuple[list[str], None]:
        return ["codes", "scale"], None

    @classmethod
    def __torch_dispatch__(cls, *_: Any) -> Any:
        raise NotImplementedError


def quantised(weights: Tensor, scales: Tensor) -> Tensor:
    zeros = torch.zeros(len(weights), dtype=torch.int64)
    return torch.quantize_per_channel(weights, scales, zeros, 0, torch.qint8)


@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor")  # a form that models in use still have
def test_what_quantised_tensors_are_made_of_changes_it() -> None:
    codes, scales = noise(64).view(8, 8), torch.ones(8)
    halved = scales / 2
    assert len({of(codes), of(Packed(codes, scales)), of(Packed(codes, halved)), of(Packed(codes ^ 1, scales))}) == 4
    weights = torch.arange(64.0).view(8, 8)
    told = [quantised(weights, scales), quantised(weights + 1, scales), quantised(weights / 2, halved)]
    told.append(torch.quantize_per_tensor(weights, 1.0, 0, torch.qint8))
    assert len({of(each) for each in told}) == 4
    assert len({of((each, None)) for each in told}) == 4  # as such a layer's state has them
    assert of(quantised(weights, scales)) == of(told[0])


class Unpacked(Packed):
    """One that makes what it is of anew, whenever it is asked."""

    def __tensor_flatten__(self) -> tuple[list[str], None]:
        return ["unpacked"], None

    @property
    def unpacked(self) -> Tensor:
        """The codes, elsewhere in memory."""
        return self.codes.clone()


@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor")  # as above
@pytest.mark.parametrize(
    "kind",
    [
        lambda weights: weights.to_sparse(),
        lambda weights: weights.to_sparse_csr(),
        lambda weights: torch.quantize_per_tensor(weights, 1.0, 0, torch.qint8),
        lambda weights: quantised(torch.ones(len(weights), 2), weights[0]),
        lambda weights: Unpacked(weights, torch.ones(1)),
    ],
    ids=["sparse", "csr", "quantised", "scales", "unpacked"],
)
@pytest.mark.filterwarnings("ignore:Sparse CSR")
def test_each_of_many_tensors_counts_however_they_are_kept(kind: Callable[[Tensor], Any]) -> None:
    """Those that are made on the way may lie where the one before lay: it depends on the size."""
    for side in (8, 32, 128):
        state = {f"layer.{number:02}": kind(torch.full((side, side), 1.0 + number)) for number in range(12)}
        other, before = kind(torch.full((side, side), 99.0)), fingerprint({}, state)
        for name in state:
            assert fingerprint({}, {**state, name: other}) != before, (side, name)


@pytest.mark.parametrize("value", [object(), torch.empty(2, device="meta")], ids=["object", "meta"])
def test_a_weight_that_cannot_be_read_is_refused_by_name(value: Any) -> None:
    with pytest.raises(ModelError, match="its weight weight is"):
        of(value)


def test_weights_that_share_their_memory_are_weights_like_others() -> None:
    tensor = noise(100)
    assert fingerprint({}, {"a": tensor, "b": tensor}) == fingerprint({}, {"a": tensor, "b": tensor.clone()})


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of all that is no dictionary and no list in `value`."""
    match value:
        case dict():
            for key in value:
                yield from leaves(value[key], (*path, key))
        case list() | tuple() if value:
            for place in range(len(value)):
                yield from leaves(value[place], (*path, place))
        case _:
            yield path


def at(value: Any, path: tuple[Any, ...], changed: Callable[[Any], Any]) -> Any:
    """A copy of `value` with what is at `path` changed."""
    if not path:
        return changed(value)
    inner = copy.deepcopy(value) if isinstance(value, dict) else list(value)
    inner[path[0]] = at(inner[path[0]], path[1:], changed)
    return inner


VOLATILE = {"_name_or_path", "transformers_version", "architectures", "dtype", "_from_model_config"}
NAMES = {"image_processor_type", "processor_class", "feature_extractor_type", "transformers_version"}


def parts_of(folder: Path) -> Parts:
    """The stock model, tokenizer and image processor of a folder."""
    from transformers import AutoImageProcessor, AutoModelForImageTextToText, AutoTokenizer

    model = AutoModelForImageTextToText.from_pretrained(folder)
    return Parts("m", model, AutoTokenizer.from_pretrained(folder), AutoImageProcessor.from_pretrained(folder))


@pytest.mark.parametrize("family", FAMILIES)
def test_every_setting_of_config_and_image_processor_changes_it(family: str) -> None:
    parts = parts_of(folder_of(family))

    def told(**changes: Mapping[str, Any]) -> bytes:
        config = changes.get("config", parts.model.config.to_dict())
        stand_in: Any = type("Model", (), {"state_dict": lambda _: {}})()
        stand_in.config = SimpleNamespace(to_dict=lambda: config)
        processor = changes.get("image_processor", parts.image_processor.to_dict())
        return Parts("m", stand_in, None, SimpleNamespace(to_dict=lambda: processor)).fingerprint({})

    before, seen = told(), 0
    for name, owner, ignored in (
        ("config", parts.model, VOLATILE),
        ("image_processor", parts, NAMES),
    ):
        settings = getattr(owner, name).to_dict()
        for path in leaves(settings):
            counts = not ignored.intersection(path)
            changed = at(settings, path, lambda value: "changed" if value != "changed" else "other")
            assert (told(**{name: changed}) != before) is counts, (name, path)
            seen += counts
    assert seen > 50


def test_of_the_generation_config_what_changes_a_text_changes_it() -> None:
    parts = parts_of(folder_of("qwen3_vl"))

    def told(**said: Any) -> bytes:
        return replace(parts, generation=said).fingerprint({})

    assert len({told(), *(told(**{field: 1}) for field in HONOURED)}) == len(HONOURED) + 1
    assert {told(**{field: 1}) for field in HARMLESS} == {told()}


@pytest.mark.parametrize("family", FAMILIES)
def test_a_model_that_lies_elsewhere_or_is_saved_again_keeps_it(family: str, tmp_path: Path) -> None:
    folder = folder_of(family)
    here = load(str(folder)).fingerprint()
    assert len(here) == FINGERPRINT
    assert here.hex().startswith(short(here))
    assert load(str(shutil.copytree(folder, tmp_path / "copy"))).fingerprint() == here
    parts = parts_of(folder)
    for part in (parts.model, parts.tokenizer, parts.image_processor):
        part.save_pretrained(tmp_path / "again")
    assert load(str(tmp_path / "again")).fingerprint() == here


def edited(file: str, change: Callable[[dict[str, Any]], object]) -> Callable[[Path], object]:
    def edit(folder: Path) -> None:
        content = json.loads((folder / file).read_text())
        change(content)
        (folder / file).write_text(json.dumps(content))

    return edit


def one_weight(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    last = weights[max(weights)]
    last.view(-1)[-1] = torch.nextafter(last.view(-1)[-1], torch.tensor(9.0))
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def template(folder: Path) -> None:
    file = folder / "chat_template.jinja"
    file.write_text(file.read_text() + " ")


CHANGES: dict[str, Callable[[Path], object]] = {
    "one weight by the least there is": one_weight,
    "all weights": lambda folder: save(folder, seed=1),
    "the rotary base": edited("config.json", lambda c: c["text_config"]["rope_parameters"].update(rope_theta=9999.0)),
    "the largest picture": edited("preprocessor_config.json", lambda c: c["size"].update(longest_edge=5000)),
    "the mean of a picture": edited("preprocessor_config.json", lambda c: c.update(image_mean=[0.5, 0.5, 0.4])),
    "the end of an answer": edited("generation_config.json", lambda c: c.update(eos_token_id=[40])),
    "a default of sampling": edited("generation_config.json", lambda c: c.update(do_sample=True, top_k=7)),
    "the merges": edited("tokenizer.json", lambda c: c["model"]["merges"].reverse()),
    "a token called as a setting that does not count": edited(
        "tokenizer.json", lambda c: c["model"]["vocab"].update(dtype=c["model"]["vocab"].pop("\u0143"))
    ),
    "the chat template": template,
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_decides_a_text_changes_it(change: str, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_folder(), tmp_path / "model"))
    before = load(str(folder)).fingerprint()
    CHANGES[change](folder)
    assert load(str(folder)).fingerprint() != before


def test_each_form_of_the_weights_has_one_of_its_own() -> None:
    told = [load(str(tiny_folder()), dtype).fingerprint() for dtype in ("float32", "bfloat16", "float16", "int8")]
    assert len(set(told)) == len(told)


def test_that_of_a_toy_follows_from_what_its_logits_do() -> None:
    toys = [ToyVlm(seed=1), ToyVlm(seed=2), ToyVlm(seed=1, agreement=0.5), ToyVlm(seed=1, rows=128)]
    toys.append(ToyVlm(seed=1, context_length=100))
    assert len({toy.fingerprint() for toy in toys}) == len(toys)
    assert ToyVlm("another name", seed=1, step_seconds=0.1).fingerprint() == toys[0].fingerprint()


def test_the_sums_are_whole_numbers_modulo_a_power_of_two() -> None:
    words = noise(8 * 1024 * 40, seed=3).view(torch.int64).view(40, 1024)
    factors = noise(8 * 1024, seed=4).view(torch.int64)
    right = [sum(map(int.__mul__, row, factors.tolist())) % 2**64 for row in words.tolist()]
    for sums in (words @ factors, (words * factors).sum(1)):  # what a CPU has, what accelerators have
        assert [each % 2**64 for each in sums.tolist()] == right
