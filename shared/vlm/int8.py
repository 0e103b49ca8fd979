"""Weights of a language model as int8, for CPUs: each Linear's activations are rounded as they come (dynamic).

For drafts alone: its proposals may differ from those of the model it was made of. The vision tower stays as it is, for
it runs once, and what it loses every token loses.
"""

from __future__ import annotations

import warnings
from typing import Any

import torch


def to_int8(model: Any) -> None:
    """Replace the Linears of the language model, and its head, in place. Float32 on CPU only."""
    with warnings.catch_warnings():
        # torch wants this to be asked of torchao, whose int8 is several times slower without a compiler.
        warnings.simplefilter("ignore")
        from torch.ao.quantization import per_channel_dynamic_qconfig, quantize_dynamic

        chosen = {torch.nn.Linear: per_channel_dynamic_qconfig}  # a scale for each output, not one for a whole matrix
        quantize_dynamic(model.get_decoder(), chosen, inplace=True)  # type: ignore[no-untyped-call]
        head = torch.nn.Sequential(model.get_output_embeddings())
        quantize_dynamic(head, chosen, inplace=True)  # type: ignore[no-untyped-call]
        model.set_output_embeddings(head[0])
