"""Qwen3-VL behind the port: M-RoPE positions on three axes, and deepstack features added in the first text layers.

Visual tokens left out take their deepstack features with them; those kept stay at the positions of the full prompt.
Every forward is told its positions: the model's own `rope_deltas` is what another prompt left there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor

from shared.errors import ImageError
from shared.speculation.request import Message
from shared.vlm.chat import check_room, pictures_in_order
from shared.vlm.chat_tokenizer import ChatTokenizer
from shared.vlm.packed import Packed, pack
from shared.vlm.packed_decoder import PackedDecoder, Tokens, step
from shared.vlm.parts import Parts
from shared.vlm.places import Places, cells
from shared.vlm.port import Block, Prompt, Tokenizer, VisualTokens


@dataclass(frozen=True)
class _Pixels:
    """`positions`: those of the whole prompt, known once its pictures' sizes are."""

    patches: Tensor  # [patches of all pictures, channels x frames x height x width of a patch]
    grid: Tensor  # [pictures, 3]: frames, rows and columns of patches
    positions: Tensor  # [3, prompt]: time, row and column


class Qwen3Vl:
    """A `Qwen3VLForConditionalGeneration` as a `Vlm`, which nobody else may use from now on."""

    def __init__(self, parts: Parts) -> None:
        self._model = parts.model
        pack(self._model)
        self._image_processor = parts.image_processor
        config = parts.model.config
        self._image_id: int = config.image_token_id
        self._merge: int = config.vision_config.spatial_merge_size  # patches on a side of a visual token
        self._chat = ChatTokenizer(parts.tokenizer, self._image_id)
        self.tokenizer: Tokenizer = self._chat
        self.info = parts.info(frozenset({self._image_id, config.video_token_id}), self._chat.prints())

    def prepare(self, messages: Sequence[Message], images: Sequence[Image.Image]) -> Prompt:
        """As the port says. Raises InvalidValue, ImageError, PromptTooLong."""
        pictures = pictures_in_order(messages, images)
        chat = self._chat.encode(messages)
        patches, grid = self._patches(pictures)
        visual_tokens = tuple(int(count) // self._merge**2 for count in grid.prod(-1))
        places = iter(visual_tokens)
        ids = [i for token in chat for i in ([token] * next(places) if token == self._image_id else [token])]
        check_room(len(ids), sum(visual_tokens), self.info.context_length)
        return Prompt(tuple(ids), visual_tokens, _Pixels(patches, grid, self._positions(ids, grid)))

    def see(self, prompt: Prompt) -> VisualTokens:
        """As the port says. The extras are the deepstack features, one [visual tokens, hidden] for each layer."""
        pixels: _Pixels = prompt.pixels
        if not prompt.visual_tokens:
            return VisualTokens(torch.zeros(0, self._model.config.text_config.hidden_size), ())
        with torch.inference_mode():
            seen = self._model.get_image_features(
                pixels.patches.to(self._model.device), pixels.grid.to(self._model.device), return_dict=True
            )
        extras = tuple(torch.cat(layer).clone() for layer in seen.deepstack_features)
        return VisualTokens(torch.cat(seen.pooler_output).clone(), extras)

    def places(self, prompt: Prompt) -> Places:
        """As the port says: the merged patches, row by row."""
        pixels: _Pixels = prompt.pixels
        sides = (pixels.grid[:, 1:] // self._merge).tolist()
        return Places.of([cells(rows, columns) for rows, columns in sides])

    def embed(self, ids: Sequence[int]) -> Tensor:
        """As the port says."""
        with torch.inference_mode():
            embedded = self._model.model.language_model.embed_tokens(torch.tensor(ids, device=self._model.device))
        copy: Tensor = embedded.clone()
        return copy

    def begin(self, prompt: Prompt, visual: VisualTokens, kept: Sequence[int] | None = None) -> PackedDecoder:
        """As the port says."""
        ids = torch.tensor(prompt.ids)
        positions: Tensor = prompt.pixels.positions
        first = int(positions.max()) + 1
        features = (visual.features, *visual.extras)
        if kept is not None:
            enters = _entering(ids == self._image_id, kept)
            ids, positions = ids[enters], positions[:, enters]
            index = torch.tensor(kept, dtype=torch.long, device=visual.features.device)
            features = tuple(level[index] for level in features)
        return PackedDecoder(Tokens(ids, positions, ids == self._image_id, features), first)

    def step(self, blocks: Sequence[Block]) -> list[Tensor]:
        """As the port says."""
        return step(blocks, self._forward)

    def _forward(self, row: Tokens, packed: Packed, wanted: Tensor) -> Tensor:
        """The logits after the `wanted` tokens of the row: [wanted, vocabulary].

        It goes to the language model itself: the whole model would lose the deepstack features of given embeddings.
        """
        device = self._model.device
        text = self._model.model.language_model
        with torch.inference_mode():
            embeddings = text.embed_tokens(row.ids.to(device))
            places, deeper = None, None
            if row.features:
                places = row.visual.to(device)
                embeddings[places] = row.features[0].to(device, embeddings.dtype)
                deeper = row.features[1:]
            hidden = text(
                inputs_embeds=embeddings[None],
                position_ids=row.positions.expand(3, -1)[:, None].to(device),
                visual_pos_masks=None if places is None else places[None],
                deepstack_visual_embeds=deeper,
                use_cache=False,
                packed=packed,
            ).last_hidden_state[0]
            logits = self._model.lm_head(hidden if len(wanted) == len(hidden) else hidden[wanted.to(device)])
        # A copy made outside of inference mode is an ordinary tensor: a caller may write to it.
        copy: Tensor = logits.to(torch.float32, copy=True)
        return copy

    def _patches(self, pictures: Sequence[Image.Image]) -> tuple[Tensor, Tensor]:
        """The patches of all pictures and the grid of each. Raises ImageError."""
        patches, grids = [], [torch.zeros(0, 3, dtype=torch.long)]
        for number, picture in enumerate(pictures):
            try:
                features = self._image_processor(images=[picture], return_tensors="pt")
            except ValueError as error:
                rule = f"the model's image processor refuses it ({error})"
                raise ImageError(f"picture {number}", picture.size, rule) from error
            patches.append(features["pixel_values"])
            grids.append(features["image_grid_thw"])
        return torch.cat(patches) if patches else torch.zeros(0), torch.cat(grids)

    def _positions(self, ids: Sequence[int], grid: Tensor) -> Tensor:
        sequence = torch.tensor([ids])
        positions: Tensor
        positions, _ = self._model.model.get_rope_index(
            sequence, mm_token_type_ids=(sequence == self._image_id).int(), image_grid_thw=grid
        )
        return positions[:, 0]


def _entering(placeholders: Tensor, kept: Sequence[int]) -> Tensor:
    """Which tokens of a prompt enter the model: all its text, and the `kept` of its visual tokens."""
    enters = ~placeholders
    enters[placeholders.nonzero()[:, 0][torch.tensor(kept, dtype=torch.long)]] = True
    return enters
