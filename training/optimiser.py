"""Mixed precision on a CPU: a bfloat16 copy works, float32 masters learn.

Matrices of the towers learn with Muon, everything else with AdamW; both take one learning rate a step.
"""

from __future__ import annotations

import copy
from typing import Any, Generic, TypeVar

import torch
from torch import nn

TOWERS = ("blocks.", "layers.", "merger")
CLIP = 1.0
Learnt = TypeVar("Learnt", bound=nn.Module)


def _groups(model: nn.Module, towers: bool) -> list[dict[str, Any]]:
    """The towers' matrices or all other parameters, the vision tower's apart."""
    chosen: dict[bool, list[nn.Parameter]] = {True: [], False: []}
    for name, value in model.named_parameters():
        if (value.ndim == 2 and any(tower in name for tower in TOWERS)) == towers:
            chosen["visual." in name].append(value)
    return [{"params": values, "visual": visual} for visual, values in chosen.items() if values]


class Learner(Generic[Learnt]):
    """Owns the masters, the working copy and the optimisers' state."""

    def __init__(self, model: Learnt, decay: float = 0.05) -> None:
        self.master = model.float()
        self.work = copy.deepcopy(self.master).to(torch.bfloat16)
        matrices, others = _groups(self.master, True), _groups(self.master, False)
        self._muon = torch.optim.Muon(matrices, lr=1e-3, weight_decay=decay, adjust_lr_fn="match_rms_adamw")
        self._adam = torch.optim.AdamW(others, lr=1e-3, betas=(0.9, 0.98), weight_decay=0.01, fused=True)
        self._pairs = list(zip(self.master.parameters(), self.work.parameters(), strict=True))

    def step(self, loss: torch.Tensor, rate: float, visual_rate: float) -> float:
        """One update of the masters from the loss of the working copy; returns the gradient's norm."""
        torch.autograd.backward(loss)
        for master, work in self._pairs:
            master.grad = None if work.grad is None else work.grad.float()
            work.grad = None
        norm = nn.utils.clip_grad_norm_(self.master.parameters(), CLIP)
        for optimiser in (self._muon, self._adam):
            for group in optimiser.param_groups:
                group["lr"] = visual_rate if group["visual"] else rate
            optimiser.step()  # type: ignore[no-untyped-call]
        with torch.no_grad():
            for master, work in self._pairs:
                work.copy_(master)
        return float(norm)

    def state(self) -> dict[str, Any]:
        """Everything needed to go on."""
        return {"model": self.master.state_dict(), "muon": self._muon.state_dict(), "adam": self._adam.state_dict()}

    def restore(self, state: dict[str, Any]) -> None:
        """The inverse of `state`."""
        self.master.load_state_dict(state["model"])
        self._muon.load_state_dict(state["muon"])
        self._adam.load_state_dict(state["adam"])
        with torch.no_grad():
            for master, work in self._pairs:
                work.copy_(master)
