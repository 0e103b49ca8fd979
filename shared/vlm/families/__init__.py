"""The families of models that there are, one file each."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from shared.vlm.families.qwen3_vl import Qwen3Vl
from shared.vlm.family import Family

FAMILIES: Mapping[str, type[Family]] = MappingProxyType({"qwen3_vl": Qwen3Vl})  # by the model_type of their config
