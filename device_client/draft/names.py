"""The names by which a person chooses. Light to import: the command line's help needs them."""

from __future__ import annotations

from typing import Literal

PolicyName = Literal["marginal", "fixed", "confidence", "adaedl", "sage", "average", "unsure"]
GateRule = Literal["margin", "probability", "uncertainty"]
TreeShape = Literal["best", "eagle2", "sage"]
Preference = Literal["speed", "battery", "data", "cost"]
