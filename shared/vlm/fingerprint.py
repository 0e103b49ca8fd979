"""The fingerprint of a loaded model: 16 bytes over all that decides its text, however and wherever its files lie.

Guarantees: every byte of every tensor counts, with its name, shape and dtype, and every setting. Any change inside one
8-byte word changes the fingerprint for certain; other changes are missed with a chance of about 2^-64. It is the same
on each device and for any number of threads. It guards against mistakes, not against a forger: an edge can lie anyway.

Each tensor is summed where it lies. A row of 1024 words of 8 bytes becomes the sum of words times odd factors, modulo
2^64; SHA-256 takes these sums. So the host hashes a thousandth of the weights, and an accelerator reads the rest.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from shared.errors import ModelError
from shared.speculation.prints import FINGERPRINT

_ROW = 1024  # words of a sum
_WORD = 8  # bytes
_PIECE = 2**24  # bytes that may be copied at a time
_FACTORS = torch.from_numpy(np.frombuffer(hashlib.shake_256(b"covspec fingerprint").digest(_ROW * _WORD), np.int64) | 1)
# Where a model lies, what wrote it, and what its tensors say better.
_VOLATILE = frozenset(
    {"_name_or_path", "name_or_path", "_commit_hash", "transformers_version", "architectures", "dtype", "torch_dtype"}
    | {"_from_model_config", "_attn_implementation", "attn_implementation", "_attn_implementation_autoset"}
)


def fingerprint(settings: Mapping[str, Any], state: Mapping[str, Any]) -> bytes:
    """The fingerprint of a model with `settings` (what JSON can say) and `state`, as of `Module.state_dict`.

    Raises ModelError for a state that holds what is no tensor and no plain value.
    """
    whole = hashlib.sha256(json.dumps(_plain(settings), sort_keys=True).encode())
    sums: dict[tuple[object, ...], bytes] = {}  # of tensors that have several names
    with torch.no_grad():
        for name in sorted(state):
            for label, tensor in _leaves(name, state[name]):
                whole.update(f"{len(label)}:{label}".encode())
                if tensor is not None:
                    place = (tensor.device, tensor.data_ptr(), tensor.dtype, tensor.shape, tensor.stride())
                    if place not in sums:
                        sums[place] = _checksum(tensor)
                    whole.update(sums[place])
    return whole.digest()[:FINGERPRINT]


def lasting(config: Any) -> Any:
    """A Hugging Face config, as a dictionary, without what changes when the same model lies or is written elsewhere."""
    if isinstance(config, Mapping):
        return {key: lasting(each) for key, each in config.items() if key not in _VOLATILE}
    return [lasting(each) for each in config] if isinstance(config, list | tuple) else config


def _plain(value: Any) -> Any:
    """`value` as JSON has it. Keys are strings; what JSON cannot say goes by its type's name."""
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, set | frozenset):
        return sorted((_plain(each) for each in value), key=str)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, torch.dtype):
        return str(value)
    return _plain(value.to_dict()) if callable(getattr(value, "to_dict", None)) else type(value).__qualname__


def _leaves(name: str, value: Any) -> Iterator[tuple[str, Tensor | None]]:
    """What `value` is made of: a label for each part, and its dense tensor if it has one that lasts."""
    match value:
        case Tensor():
            yield from _tensors(name, value)
        case tuple() | list():
            for place, each in enumerate(value):
                yield from _leaves(f"{name}.{place}", each)
        case None | bool() | int() | float() | str() | bytes() | torch.dtype():
            yield f"{name} = {value!r}", None
        case _:
            kind = type(value).__qualname__
            raise ModelError(f"the model cannot be told from others: its weight {name} is a {kind}, not a tensor")


def _tensors(name: str, tensor: Tensor) -> Iterator[tuple[str, Tensor | None]]:
    label = f"{name} {tensor.dtype} {tuple(tensor.shape)}"
    if tensor.is_meta:
        raise ModelError(f"the model cannot be told from others: its weight {name} is not loaded")
    flatten = getattr(type(tensor), "__tensor_flatten__", None)
    if flatten is not None:  # a tensor that is made of tensors, as those that are quantised
        yield f"{label} {type(tensor).__qualname__}", None
        for inner in sorted(flatten(tensor)[0]):
            yield from _summed(_leaves(f"{name}.{inner}", getattr(tensor, inner)))
    elif tensor.is_quantized:
        yield from _summed([(f"{label} {tensor.qscheme()}", tensor.int_repr())])
        yield from _summed(_leaves(f"{name}.scales", _scales(tensor)))
    elif tensor.layout is not torch.strided:
        yield from _summed([(f"{label} {tensor.layout}", tensor.to_dense())])
    else:
        yield label, tensor.detach().as_subclass(Tensor)


def _summed(leaves: Iterable[tuple[str, Tensor | None]]) -> Iterator[tuple[str, None]]:
    """The same with sums in the labels: of tensors made on the way, in whose place the next one may lie."""
    for label, tensor in leaves:
        yield label if tensor is None else f"{label} {_checksum(tensor).hex()}", None


def _scales(tensor: Tensor) -> tuple[Any, ...]:
    if tensor.qscheme() in (torch.per_tensor_affine, torch.per_tensor_symmetric):
        return tensor.q_scale(), tensor.q_zero_point()
    return tensor.q_per_channel_scales(), tensor.q_per_channel_zero_points(), tensor.q_per_channel_axis()


def _checksum(tensor: Tensor) -> bytes:
    """SHA-256 over the sums of a tensor's rows of words."""
    digest = hashlib.sha256()
    factors = _FACTORS.to(tensor.device)
    for words in _words(tensor):
        # The same, modulo 2^64: a CPU has the product of a matrix in whole numbers, and accelerators have not.
        sums = words @ factors if words.device.type == "cpu" else (words * factors).sum(1)
        digest.update(sums.cpu().numpy().astype("<i8").tobytes())
    return digest.digest()


def _pieces(tensor: Tensor) -> Iterator[Tensor]:
    """A tensor in the order of its elements, flat and in pieces of at most _PIECE bytes, cut by its shape alone."""
    size = tensor.numel() * tensor.element_size()
    if size <= _PIECE:
        yield tensor.reshape(-1)
    elif len(tensor) == 1:
        yield from _pieces(tensor[0])
    else:
        for part in torch.split(tensor, max(1, _PIECE * len(tensor) // size)):
            yield from _pieces(part)


def _words(tensor: Tensor) -> Iterator[Tensor]:
    """The bytes of a tensor as rows of words, what is left of a piece filled up with zeros: [rows, _ROW] each."""
    for piece in _pieces(tensor):
        raw = piece.contiguous().view(torch.uint8)
        if raw.storage_offset() % _WORD:
            raw = raw.clone()
        whole = len(raw) // (_ROW * _WORD) * _ROW * _WORD
        yield raw[:whole].view(torch.int64).view(-1, _ROW)
        if whole < len(raw):
            last = raw.new_zeros(_ROW * _WORD)
            last[: len(raw) - whole] = raw[whole:]
            yield last.view(torch.int64)[None]
