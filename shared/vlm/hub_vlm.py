"""A model of the Hugging Face library behind the port: what is the same for all families.

The stock language model runs over packed rows; the family says how a picture is shown, seen and placed. Every forward
is told its positions. It does not know how any family does that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor

from shared.errors import ImageError, ModelError, Unsupported
from shared.speculation.request import Message
from shared.vlm import marks
from shared.vlm.chat import check_room, pictures_in_order
from shared.vlm.chat_tokenizer import ChatTokenizer
from shared.vlm.family import Family, Pixels, Shown
from shared.vlm.gaze import Gaze, Look, watching
from shared.vlm.packed import Packed, Sight, pack
from shared.vlm.packed_decoder import PackedDecoder, Tokens, step
from shared.vlm.parts import Parts
from shared.vlm.places import Places
from shared.vlm.port import Block, Prompt, Tokenizer, VisualTokens
from shared.vlm.watching import first_update, text_attention


@dataclass(frozen=True)
class Shot:
    """The pictures of a prompt: as shown, and what the vision tower takes of all of them."""

    shown: tuple[Shown, ...]
    pixels: Pixels
    positions: Tensor  # [axes, prompt], of the whole prompt


class HubVlm:
    """A model of `family`, which nobody else may use from now on. Raises ModelError."""

    def __init__(self, parts: Parts, family: type[Family]) -> None:
        self._parts = parts
        self._family = family(parts)
        self._model = parts.model
        pack(self._model)
        self._text = self._model.get_decoder()
        self._head = self._model.get_output_embeddings()
        self._windowed = "sliding_attention" in (getattr(self._text.config, "layer_types", None) or ())
        self._chat = ChatTokenizer(parts.tokenizer, self._family.mark, self._family.image_id)
        self.tokenizer: Tokenizer = self._chat
        self.info = parts.info(self._family.placeholder_ids, self._chat.prints(parts.image_print()))

    def fingerprint(self) -> bytes:
        """As the port says."""
        return self._parts.fingerprint(self._chat.settings())

    def prepare(self, messages: Sequence[Message], images: Sequence[Image.Image]) -> Prompt:
        """As the port says. Raises InvalidValue, ImageError, PromptTooLong."""
        pictures = pictures_in_order(messages, images)
        shown = tuple(self._show(number, picture, len(pictures)) for number, picture in enumerate(pictures))
        chat = self._chat.encode(messages, [each.text for each in shown], self.info.context_length)
        runs = iter(sum(tile.tokens for tile in run) for each in shown for run in each.runs)
        image_id = self._family.image_id
        ids = [i for token in chat for i in ([token] * next(runs) if token == image_id else [token])]
        visual_tokens = tuple(sum(tile.tokens for tile in each.tiles) for each in shown)
        check_room(len(ids), sum(visual_tokens), self.info.context_length)
        names = shown[0].pixels if shown else ()
        pixels = {name: torch.cat([each.pixels[name] for each in shown]) for name in names}
        return Prompt(tuple(ids), visual_tokens, Shot(shown, pixels, self._family.positions(ids, pixels)))

    def see(self, prompt: Prompt) -> VisualTokens:
        """As the port says. The extras are the features for deeper layers, each [visual tokens, hidden]."""
        shot: Shot = prompt.pixels
        if not shot.shown:
            return VisualTokens(torch.zeros(0, self._text.config.hidden_size), (), marks.unlike(0))
        with torch.inference_mode():
            features, *deeper = self._family.see({k: v.to(self._model.device) for k, v in shot.pixels.items()})
        if len(features) != sum(prompt.visual_tokens):
            raise ModelError(
                f"{self.info.name}: its vision tower gives {len(features)} visual tokens where its prompt has "
                f"{sum(prompt.visual_tokens)}: model and image processor do not fit each other"
            )
        known = marks.of_pictures(prompt.digests, [each.manner for each in shot.shown], prompt.visual_tokens)
        return VisualTokens(features.clone(), tuple(level.clone() for level in deeper), known)

    def places(self, prompt: Prompt) -> Places:
        """As the port says."""
        shot: Shot = prompt.pixels
        return Places.of([each.tiles for each in shot.shown])

    def embed(self, ids: Sequence[int]) -> Tensor:
        """As the port says."""
        with torch.inference_mode():
            embedded = self._text.embed_tokens(torch.tensor(ids, device=self._model.device))
        copy: Tensor = embedded.clone()
        return copy

    def gaze(self, prompt: Prompt) -> tuple[VisualTokens, Gaze]:
        """As the port says."""
        with watching(self._family.watched()) as looks:
            visual = self.see(prompt)
        return visual, self._gaze(prompt, looks)

    def first_update(self, prompt: Prompt, visual: VisualTokens) -> Tensor:
        """As the port says."""
        return first_update(self._text.layers[0], self.begin(prompt, visual), self._forward)

    def attention(self, prompt: Prompt, visual: VisualTokens) -> Tensor:
        """As the port says."""
        return text_attention(self.begin(prompt, visual), self._forward)

    def begin(self, prompt: Prompt, visual: VisualTokens, kept: Sequence[int] | None = None) -> PackedDecoder:
        """As the port says."""
        ids = torch.tensor(prompt.ids)
        places = ids == self._family.image_id
        ids[places] = 0  # features stand there: their own id need not be one that the embedding has
        positions: Tensor = prompt.pixels.positions
        first = int(positions.max()) + 1
        features = (visual.features, *visual.extras)
        told = marks.of_text(ids)
        told[places] = marks.unlike(len(visual.features)) if visual.marks is None else visual.marks
        enters = torch.ones_like(places)
        if kept is not None:
            enters = _entering(places, kept)
            index = torch.tensor(kept, dtype=torch.long, device=visual.features.device)
            features = tuple(level[index] for level in features)
        tokens = Tokens(ids[enters], positions[:, enters], places[enters], features)
        return PackedDecoder(tokens, first, told[enters], self._sight(places, enters))

    def step(self, blocks: Sequence[Block]) -> list[Tensor]:
        """As the port says."""
        return step(blocks, self._forward, self.info.rows)

    def _forward(self, row: Tokens, packed: Packed, wanted: Tensor) -> Tensor:
        """The logits after the `wanted` tokens of the row: [wanted, vocabulary]."""
        device = self._model.device
        with torch.inference_mode():
            embeddings = self._text.embed_tokens(row.ids.to(device))
            if row.features:
                embeddings[row.visual.to(device)] = row.features[0].to(device, embeddings.dtype)
            hidden = self._text(
                inputs_embeds=embeddings[None],
                use_cache=False,
                packed=packed,
                **self._family.text_inputs(row, device),
            ).last_hidden_state[0]
            logits = self._head(hidden if len(wanted) == len(hidden) else hidden[wanted.to(device)])
        # A copy made outside of inference mode is an ordinary tensor: a caller may write to it.
        copy: Tensor = logits.to(torch.float32, copy=True)
        if self.info.defaults.suppressed_ids:
            copy[:, self.info.defaults.suppressed_ids] = -torch.inf
        if device.type != "cpu":  # work is only queued there, and whoever times a step wants all of it
            torch.accelerator.synchronize(device)
        return copy

    def _gaze(self, prompt: Prompt, looks: Sequence[Look]) -> Gaze:
        shot: Shot = prompt.pixels
        if not shot.shown:
            return Gaze(torch.zeros(0), torch.zeros(0, 1))
        if not looks:
            raise Unsupported(f"{self.info.name}: its vision tower attends by a function that cannot be watched")
        told = [look.channels(class_token=self._family.class_token).flatten(0, 1) for look in looks]
        return Gaze.of(self._family.gathered(torch.cat(told), shot.pixels))

    def _show(self, number: int, picture: Image.Image, pictures: int) -> Shown:
        try:
            return self._family.show(picture, pictures)
        except ValueError as error:
            rule = f"the model's image processor refuses it ({error})"
            raise ImageError(f"picture {number}", picture.size, rule) from error

    def _sight(self, places: Tensor, enters: Tensor) -> Sight | None:
        """What the tokens that enter see, where that is not simply what is before them. `places`: the visual ones."""
        ahead = self._family.runs_see_themselves and bool((places & enters).any())
        gaps = self._windowed and not bool(enters.all())
        if not ahead and not gaps:
            return None
        whole = torch.arange(len(places))
        ends = whole + 1
        if ahead:  # a run ends where a text token, or nothing, follows
            last = places & ~torch.cat([places[1:], places.new_zeros(1)])
            text = torch.where(~places | last, ends, len(places) + 1)
            ends = text.flip(0).cummin(0).values.flip(0)
        entered = enters.cumsum(0)[ends - 1]
        return Sight(entered[enters], whole[enters], len(places))


def _entering(places: Tensor, kept: Sequence[int]) -> Tensor:
    """Which tokens of a prompt enter the model: all its text, and the `kept` of its visual tokens."""
    enters = ~places
    enters[places.nonzero()[:, 0][torch.tensor(kept, dtype=torch.long)]] = True
    return enters
