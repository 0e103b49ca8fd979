"""A model without weights behind the port, for tests and for the cost of everything but a model.

Its logits are a hash of the whole prefix: prompt ids, what it saw, output ids. A toy of `agreement` below 1 is a draft
of the toy with the same seed: at each position its row is the target's with that probability, by hash, else another.
It pays O(len(ids)) for a block, and sleeps only if told to imitate a slow model.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from shared.errors import InvalidValue
from shared.media.pixels import strips
from shared.speculation.prints import ModelPrints, VocabularyPrint
from shared.speculation.request import Message, ModelDefaults, Text
from shared.vlm import marks
from shared.vlm.chat import check_room, pictures_in_order
from shared.vlm.fingerprint import fingerprint
from shared.vlm.gaze import Gaze
from shared.vlm.places import Places, Tile
from shared.vlm.port import Block, ModelInfo, Prompt, Tokenizer, VisualTokens, check_blocks
from shared.vlm.toy_decoder import GOLDEN, MIX_1, MIX_2, Manner, ToyDecoder, entering, mix, toy
from shared.vlm.toy_vocabulary import ASSISTANT, END, IMAGE, PIECES, ROLE_IDS, ToyTokenizer

_CELL = 16  # pixels on a side of what one visual token stands for
_MAX_SIDE = 8  # visual tokens on a side of a picture
_HIDDEN = 16
_MIN_ROWS = 32  # the special tokens and the bytes below it are in every toy

_SCALE = 2.0  # nats: the best id holds about half of the probability, a handful of others the rest
_UNSURE = 1.0  # nats, where a draft differs: flatter, as a draft's mistakes are
_PRUNED = 0.4  # share of the agreement lost when every visual token is dropped


@dataclass(eq=False)
class ToyVlm:
    """The model. `step_seconds` and `token_seconds` are slept in each forward: once, and per token of it."""

    name: str = "toy"
    seed: int = 0
    agreement: float = 1.0
    rows: int = len(PIECES)
    step_seconds: float = 0.0
    token_seconds: float = 0.0
    context_length: int = 4096
    sleep: Callable[[float], None] = time.sleep
    info: ModelInfo = field(init=False)
    tokenizer: Tokenizer = field(init=False)

    def __post_init__(self) -> None:
        _check("agreement", self.agreement, 0.0, 1.0)
        _check("rows", self.rows, _MIN_ROWS, 2**20)
        _check("step_seconds", self.step_seconds, 0.0, 60.0)
        _check("token_seconds", self.token_seconds, 0.0, 60.0)
        _check("context_length", self.context_length, 2, 2**31 - 1)
        pieces = PIECES[: self.rows]
        self._words = self.tokenizer = ToyTokenizer(pieces)
        self.info = ModelInfo(
            name=self.name,
            family="toy",
            context_length=self.context_length,
            rows=self.rows,
            placeholder_ids=frozenset({IMAGE}),
            defaults=ModelDefaults(eos_ids=(END,)),
            prints=ModelPrints(
                vocabulary=VocabularyPrint.of([piece.decode("latin-1") for piece in pieces]),
                special_tokens=hashlib.sha256(b"toy special tokens").digest(),
                chat_template=hashlib.sha256(b"toy chat template").digest(),
                image_processor=hashlib.sha256(b"toy cells").digest(),
            ),
        )
        self._lanes = np.arange(1, self.rows + 1, dtype=np.uint64) * np.uint64(GOLDEN)

    def fingerprint(self) -> bytes:
        """As the port says: of what its logits follow from. How long they take is no part of it."""
        settings = {
            "toy": (self.seed, self.agreement, self.rows, self.context_length),
            "vocabulary": self.info.prints.vocabulary.blocks,
            "eos": self.info.defaults.eos_ids,
        }
        return fingerprint(settings, {})

    def prepare(self, messages: Sequence[Message], images: Sequence[Image.Image]) -> Prompt:
        """Each message is its role, its words and its pictures. Raises InvalidValue, PromptTooLong."""
        pictures = [_cells(image) for image in pictures_in_order(messages, images)]
        visual_tokens = tuple(math.prod(grid) for _, _, grid in pictures)
        places = iter(visual_tokens)
        ids: list[int] = []
        for message in messages:
            ids.append(ROLE_IDS[message.role])
            for part in message.parts:
                ids += self._words.encode(part.text) if isinstance(part, Text) else [IMAGE] * next(places)
        ids.append(ASSISTANT)
        check_room(len(ids), sum(visual_tokens), self.context_length)
        return Prompt(tuple(ids), visual_tokens, tuple(pictures))

    def see(self, prompt: Prompt) -> VisualTokens:
        """A visual token is the mean colour of its cell, spread over the hidden size; the extras are its own hash."""
        self.work(sum(prompt.visual_tokens))
        hashes: list[int] = []
        tints = [np.zeros((0, 3))]
        for whole, cells, grid in prompt.pixels:
            hashes += [mix(whole + place) for place in range(math.prod(grid))]
            tints.append(cells)
        spread = np.sin(np.arange(1, 3 * _HIDDEN + 1)).reshape(3, _HIDDEN)
        features = (np.concatenate(tints) @ spread).astype(np.float32)
        grids = [grid for _, _, grid in prompt.pixels]
        known = marks.of_pictures(prompt.digests, grids, prompt.visual_tokens)
        return VisualTokens(torch.from_numpy(features), hashes, known)

    def places(self, prompt: Prompt) -> Places:
        """As the port says: the cells, row by row."""
        return Places.of([[Tile(rows, columns)] for _, _, (columns, rows) in prompt.pixels])

    def embed(self, ids: Sequence[int]) -> Tensor:
        """As the port says: no two ids alike."""
        return torch.sin(torch.tensor(ids)[:, None] * torch.arange(1, _HIDDEN + 1))

    def gaze(self, prompt: Prompt) -> tuple[VisualTokens, Gaze]:
        """As the port says: a toy looks at what differs from the mean."""
        visual = self.see(prompt)
        return visual, Gaze(self.attention(prompt, visual), visual.features)

    def first_update(self, prompt: Prompt, visual: VisualTokens) -> Tensor:
        """As the port says: it moves a token by how far it is from the mean."""
        del prompt
        moved: Tensor = (visual.features - visual.features.mean(0)).norm(dim=-1)
        return moved

    def attention(self, prompt: Prompt, visual: VisualTokens) -> Tensor:
        """As the port says: a toy looks at what differs from the mean."""
        return self.first_update(prompt, visual).softmax(-1)

    def begin(self, prompt: Prompt, visual: VisualTokens, kept: Sequence[int] | None = None) -> ToyDecoder:
        """As the port says. Visual tokens left out lower the agreement; which ones decides where."""
        total = sum(prompt.visual_tokens)
        kept = range(total) if kept is None else kept
        missing = 1 - len(kept) / total if total else 0.0
        pruning = hashlib.blake2b(repr(tuple(kept)).encode(), digest_size=8) if missing else None
        agreement = self.agreement * (1 - _PRUNED * missing)
        manner = Manner(self.seed, agreement, int.from_bytes(pruning.digest()) if pruning else 0, self.logits)
        return ToyDecoder(manner, entering(prompt, visual, frozenset(kept)))

    def step(self, blocks: Sequence[Block]) -> list[Tensor]:
        """As the port says."""
        check_blocks(blocks)
        if not blocks:
            return []
        decoders = [toy(block.decoder) for block in blocks]
        for decoder in decoders:
            decoder.check_kept()
        self.work(sum(block.prompt + len(block.ids) for block in blocks))
        return [decoder.take(block) for decoder, block in zip(decoders, blocks, strict=True)]

    def logits(self, keys: Sequence[int], unsure: Sequence[bool]) -> NDArray[np.float64]:
        """Independent exponential logits, one row for each key: [keys, rows]."""
        lanes = np.array(keys, dtype=np.uint64)[:, None] + self._lanes
        lanes = (lanes ^ (lanes >> np.uint64(30))) * np.uint64(MIX_1)
        lanes = (lanes ^ (lanes >> np.uint64(27))) * np.uint64(MIX_2)
        lanes ^= lanes >> np.uint64(31)
        uniform = (lanes >> np.uint64(11)).astype(np.float64) * 2.0**-53 + 2.0**-54
        scales = np.where(unsure, _UNSURE, _SCALE)[:, None]
        rows: NDArray[np.float64] = np.log(uniform) * -scales
        return rows

    def work(self, tokens: int) -> None:
        """Be slow, if this toy is."""
        seconds = self.step_seconds + self.token_seconds * tokens
        if seconds:
            self.sleep(seconds)


def named(name: str) -> ToyVlm:
    """The toy that `name` describes, such as "toy:seed=1,agreement=0.8". Raises InvalidValue."""
    kinds: dict[str, Callable[[str], float]] = {"seed": int, "rows": int, "context_length": int}
    kinds |= dict.fromkeys(("agreement", "step_seconds", "token_seconds"), float)
    chosen: dict[str, float] = {}
    for item in filter(None, name.removeprefix("toy").removeprefix(":").split(",")):
        key, _, value = item.partition("=")
        if key not in kinds:
            raise InvalidValue("toy model", item, f"must be one of {', '.join(kinds)}, '=' and a number")
        try:
            chosen[key] = kinds[key](value)
        except ValueError as error:
            raise InvalidValue(f"toy model {key}", value, "must be a number") from error
    return ToyVlm(name=name, **chosen)  # type: ignore[arg-type]  # the keys are the fields of ToyVlm


def _cells(image: Image.Image) -> tuple[int, NDArray[np.float64], tuple[int, int]]:
    """What a prompt holds of a picture: a hash of all of it, the mean colours of its cells, and those in a row and a
    column. Not the picture, which may be large."""
    picture = image if image.mode == "RGB" else image.convert("RGB")
    columns, rows = (min(_MAX_SIDE, math.ceil(side / _CELL)) for side in picture.size)
    whole = hashlib.blake2b(repr(picture.size).encode(), digest_size=8)
    for strip in strips(picture.size):
        whole.update(picture.crop(strip).tobytes())
    cells = picture.resize((columns, rows), Image.Resampling.BOX)
    tints = np.asarray(cells, dtype=np.float64).reshape(-1, 3) / 255
    return int.from_bytes(whole.digest()), tints, (columns, rows)


def _check(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:  # also refuses NaN
        raise InvalidValue(f"toy model {name}", value, f"must lie between {low} and {high}")
