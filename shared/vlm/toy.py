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
from copy import copy
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from shared.errors import InvalidValue
from shared.speculation.prints import ModelPrints, VocabularyPrint
from shared.speculation.request import Message, ModelDefaults, Text
from shared.vlm.chat import check_room, pictures_in_order
from shared.vlm.gaze import Gaze
from shared.vlm.places import Places, Tile
from shared.vlm.port import Block, ModelInfo, Prompt, Tokenizer, VisualTokens, check_blocks, check_path
from shared.vlm.toy_vocabulary import ASSISTANT, CONTINUES, END, IMAGE, NEVER_FIRST, PIECES, ROLE_IDS, ToyTokenizer

_CELL = 16  # pixels on a side of what one visual token stands for
_MAX_SIDE = 8  # visual tokens on a side of a picture
_HIDDEN = 16
_MIN_ROWS = 32  # the special tokens and the bytes below it are in every toy

_SCALE = 2.0  # nats: the best id holds about half of the probability, a handful of others the rest
_UNSURE = 1.0  # nats, where a draft differs: flatter, as a draft's mistakes are
_BANNED = -30.0
_FORCED = 40.0
_END_LEAD = 3.0
# The chance of an end at output position n is (n - _FIRST_END) / _END_SPREAD: answers of 40 tokens, give or take 20.
_FIRST_END = 8
_END_SPREAD = 600
_PRUNED = 0.4  # share of the agreement lost when every visual token is dropped

_MASK = 2**64 - 1
_GOLDEN = 0x9E3779B97F4A7C15
_MIX_1, _MIX_2 = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB  # the finalizer of SplitMix64 (Steele, Lea, Flood 2014)
_DISAGREES, _ENDS = 0xD1B54A32D192ED03, 0x8CB92BA72F3D8DD7  # salts of independent decisions about one prefix


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
        self._lanes = np.arange(1, self.rows + 1, dtype=np.uint64) * np.uint64(_GOLDEN)

    def prepare(self, messages: Sequence[Message], images: Sequence[Image.Image]) -> Prompt:
        """Each message is its role, its words and its pictures. Raises InvalidValue, PromptTooLong."""
        pictures = [image.convert("RGB") for image in pictures_in_order(messages, images)]
        grids = [tuple(min(_MAX_SIDE, math.ceil(side / _CELL)) for side in picture.size) for picture in pictures]
        visual_tokens = tuple(math.prod(grid) for grid in grids)
        places = iter(visual_tokens)
        ids: list[int] = []
        for message in messages:
            ids.append(ROLE_IDS[message.role])
            for part in message.parts:
                ids += self._words.encode(part.text) if isinstance(part, Text) else [IMAGE] * next(places)
        ids.append(ASSISTANT)
        check_room(len(ids), sum(visual_tokens), self.context_length)
        return Prompt(tuple(ids), visual_tokens, tuple(zip(pictures, grids, strict=True)))

    def see(self, prompt: Prompt) -> VisualTokens:
        """A visual token is the mean colour of its cell, spread over the hidden size; the extras are a digest."""
        self.work(sum(prompt.visual_tokens))
        digest = hashlib.blake2b(digest_size=16)
        tints = [np.zeros((0, 3))]
        for picture, grid in prompt.pixels:
            digest.update(repr(picture.size).encode() + picture.tobytes())
            tints.append(np.asarray(picture.resize(grid, Image.Resampling.BOX), dtype=np.float64).reshape(-1, 3) / 255)
        spread = np.sin(np.arange(1, 3 * _HIDDEN + 1)).reshape(3, _HIDDEN)
        features = (np.concatenate(tints) @ spread).astype(np.float32)
        return VisualTokens(torch.from_numpy(features), digest.digest())

    def places(self, prompt: Prompt) -> Places:
        """As the port says: the cells, row by row."""
        return Places.of([[Tile(rows, columns)] for _, (columns, rows) in prompt.pixels])

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
        seen = hashlib.blake2b(repr((self.seed, prompt.ids)).encode() + visual.extras, digest_size=8)
        missing = 1 - len(kept) / total if total else 0.0
        pruning = hashlib.blake2b(repr(tuple(kept)).encode(), digest_size=8) if missing else None
        return ToyDecoder(
            self,
            prompt=len(prompt.ids) - total + len(kept),
            start=int.from_bytes(seen.digest()),
            agreement=self.agreement * (1 - _PRUNED * missing),
            salt=int.from_bytes(pruning.digest()) if pruning else 0,
        )

    def step(self, blocks: Sequence[Block]) -> list[Tensor]:
        """As the port says."""
        check_blocks(blocks)
        if not blocks:
            return []
        decoders = [_toy(block) for block in blocks]
        for decoder in decoders:
            decoder.check_kept()
        self.work(sum(block.prompt + len(block.ids) for block in blocks))
        return [decoder.take(block) for decoder, block in zip(decoders, blocks, strict=True)]

    def logits(self, keys: Sequence[int], unsure: Sequence[bool]) -> NDArray[np.float64]:
        """Independent exponential logits, one row for each key: [keys, rows]."""
        lanes = np.array(keys, dtype=np.uint64)[:, None] + self._lanes
        lanes = (lanes ^ (lanes >> np.uint64(30))) * np.uint64(_MIX_1)
        lanes = (lanes ^ (lanes >> np.uint64(27))) * np.uint64(_MIX_2)
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


class ToyDecoder:
    """One answer's states: the hash of all that came before each position, so that to truncate is to forget some."""

    def __init__(self, model: ToyVlm, prompt: int, start: int, agreement: float, salt: int) -> None:
        self.prompt_left = prompt
        self._model = model
        self._states = [start]  # one before each output token, and one after the last
        self._tokens: list[int] = []
        self._agreed = round(agreement * 2**64)
        self._salt = salt
        self._tree: Block | None = None  # taken by the last step, until a path of it is kept

    @property
    def length(self) -> int:
        """How many output tokens are held."""
        return len(self._tokens)

    def truncate(self, length: int) -> None:
        """As the port says."""
        self.check_kept()
        if not 0 <= length <= self.length:
            raise ValueError(f"cannot truncate {self.length} tokens to {length}")
        del self._tokens[length:]
        del self._states[length + 1 :]

    def fork(self) -> ToyDecoder:
        """As the port says."""
        self.check_kept()
        if self.prompt_left:
            raise ValueError(f"a decoder whose prompt has {self.prompt_left} tokens left cannot be forked")
        fork = copy(self)
        fork._states, fork._tokens = list(self._states), list(self._tokens)
        return fork

    def keep(self, path: Sequence[int]) -> None:
        """As the port says."""
        tree = self._tree
        check_path(None if tree is None else tree.parents, path)
        assert tree is not None
        begin = len(self._tokens) - len(tree.ids)
        self._tokens[begin:] = [self._tokens[begin + place] for place in path]
        self._states[begin + 1 :] = [self._states[begin + 1 + place] for place in path]
        self._tree = None

    def check_kept(self) -> None:
        """Raise ValueError if it holds a tree."""
        if self._tree is not None:
            raise ValueError(f"a path of the tree of {len(self._tree.ids)} tokens has to be kept first")

    def take(self, block: Block) -> Tensor:
        """Hold the block. The rows that it yields."""
        held, ends = self.length, block.rows > len(block.ids)
        self.prompt_left -= block.prompt
        positions = [0] * ends
        for place, token in enumerate(block.ids):
            parent = place - 1 if block.parents is None else block.parents[place]
            positions.append(1 + (held if parent < 0 else positions[ends + parent]))
            self._tokens.append(token)
            self._states.append(_mix(self._states[held + 1 + parent] ^ _mix(token + 1)))
        self._tree = None if block.parents is None else block
        states = self._states[held + 1 - ends :]
        differs = [_mix(state ^ _DISAGREES) >= self._agreed for state in states]
        keys = [_mix(s ^ _DISAGREES ^ self._salt) if d else s for s, d in zip(states, differs, strict=True)]
        rows = self._model.logits(keys, differs)
        rows[:, NEVER_FIRST] = _BANNED
        rows[:, len(PIECES) :] = _BANNED  # rows that pad a vocabulary
        rows[:, END] = _BANNED
        for row, key, position, last in zip(rows, keys, positions, (*[None] * ends, *block.ids), strict=True):
            self._end_or_go_on(row, key, position, last)
        return torch.from_numpy(rows.astype(np.float32))

    def _end_or_go_on(self, row: NDArray[np.float64], key: int, position: int, last: int | None) -> None:
        """A character begun is finished; elsewhere an end comes by hash, more likely as the answer grows."""
        token = None if last is None else CONTINUES.get(last)
        if token is not None:
            row[token] = _FORCED
        elif _mix(key ^ _ENDS) * _END_SPREAD < (position - _FIRST_END) << 64:
            row[END] = row.max() + _END_LEAD


def _toy(block: Block) -> ToyDecoder:
    if not isinstance(block.decoder, ToyDecoder):
        raise TypeError("a decoder of another model")
    return block.decoder


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


def _mix(value: int) -> int:
    """SplitMix64 of one 64-bit integer."""
    value = (value + _GOLDEN) & _MASK
    value = ((value ^ (value >> 30)) * _MIX_1) & _MASK
    value = ((value ^ (value >> 27)) * _MIX_2) & _MASK
    return value ^ (value >> 31)


def _check(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:  # also refuses NaN
        raise InvalidValue(f"toy model {name}", value, f"must lie between {low} and {high}")
