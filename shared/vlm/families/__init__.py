"""The families of models that there are, one file each. `docs/families.md` shows how to add one."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from shared.vlm.families.gemma3 import Gemma3
from shared.vlm.families.idefics3 import Idefics3, SmolVlm
from shared.vlm.families.internvl import InternVl
from shared.vlm.families.llava_onevision import LlavaOnevision
from shared.vlm.families.qwen2_5_vl import Qwen25Vl
from shared.vlm.families.qwen3_vl import Qwen3Vl
from shared.vlm.family import Family

FAMILIES: Mapping[str, type[Family]] = MappingProxyType(  # by the model_type of their config
    {
        "qwen2_5_vl": Qwen25Vl,
        "qwen3_vl": Qwen3Vl,
        "internvl": InternVl,
        "idefics3": Idefics3,
        "smolvlm": SmolVlm,
        "llava_onevision": LlavaOnevision,
        "gemma3": Gemma3,
    }
)
