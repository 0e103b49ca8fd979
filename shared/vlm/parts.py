"""What loading finds in any family's folder, and what the port says of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from shared.errors import ModelError
from shared.excerpts import excerpt
from shared.speculation.prints import ModelPrints
from shared.vlm.fingerprint import fingerprint, lasting
from shared.vlm.generation import HONOURED, model_defaults
from shared.vlm.port import ModelInfo

_NAMES = ("image_processor_type", "processor_class", "feature_extractor_type", "transformers_version")


@dataclass(frozen=True)
class Parts:
    """A Hugging Face model with what it needs to read a chat.

    `name`: what the model is called towards others. `generation`: the fields of its generation config.
    """

    name: str
    model: Any  # transformers.PreTrainedModel
    tokenizer: Any  # transformers.PreTrainedTokenizerBase, with a chat template
    image_processor: Any  # transformers.BaseImageProcessor, of the kind that needs Pillow alone
    generation: Mapping[str, Any] = field(default_factory=dict)

    def info(self, placeholder_ids: frozenset[int], prints: ModelPrints) -> ModelInfo:
        """What the port says of this model. Raises ModelError."""
        config = self.model.config
        rows = self.model.get_output_embeddings().out_features
        context_length = config.get_text_config().max_position_embeddings
        if not isinstance(context_length, int) or not 0 < context_length < 2**31:
            told = f"its config says max_position_embeddings is {excerpt(context_length)}"
            raise ModelError(f"{self.name}: {told}: must be a whole number of tokens, from 1 on")
        return ModelInfo(
            name=self.name,
            family=config.model_type,
            context_length=context_length,
            rows=rows,
            placeholder_ids=placeholder_ids,
            defaults=model_defaults(self.name, self.generation, self.tokenizer.eos_token_id, rows),
            prints=prints,
        )

    def image_print(self) -> bytes:
        """SHA-256 of what the image processor does to a picture, whatever class it is written as."""
        return hashlib.sha256(json.dumps(self._image_settings(), sort_keys=True, default=str).encode()).digest()

    def fingerprint(self, chat: Mapping[str, Any]) -> bytes:
        """The fingerprint of the whole model, with the tokenizer's settings `chat`. Raises ModelError."""
        settings = {
            "class": type(self.model).__qualname__,
            "config": lasting(self.model.config.to_dict()),
            "generation_config": {name: self.generation.get(name) for name in sorted(HONOURED)},
            "image_processor": self._image_settings(),
            "chat": chat,
        }
        return fingerprint(settings, self.model.state_dict())

    def _image_settings(self) -> dict[str, Any]:
        return {name: value for name, value in self.image_processor.to_dict().items() if name not in _NAMES}
