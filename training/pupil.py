"""A stock model with the two heads of dense supervision, which training throws away.

Each visual token shall be read by the embeddings of the nouns and colours themselves, and by a head for the cell.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import PreTrainedTokenizerFast, Qwen3VLForConditionalGeneration

from shared.demo.words import COLORS, NOUNS
from training.fast import read, see
from training.lessons import BOARDS, IGNORED, Lesson
from training.shapes import Shape, configuration

SHARPNESS = 4.0  # of the tied word head
ANSWERING_LAYER = 2  # whose first head looks at the cell that is about to be named


@dataclass(frozen=True)
class Sight:
    """What the tower saw: visual tokens, their deepstack companions, and how wrong the dense heads are."""

    tokens: Tensor  # [pictures, visual, width]
    deep: list[Tensor]
    loss: Tensor
    right: Tensor  # part of the things' tokens whose noun is read rightly


@dataclass(frozen=True)
class Reply:
    """What was answered, and how far two heads are from looking where they are told."""

    logits: Tensor  # [answer tokens, vocabulary]
    pointing: Tensor  # from a noun to its thing
    looking: Tensor  # from a place in the text to the cell that matters there


class Pupil(nn.Module):
    """The model under training."""

    words: Tensor  # [nouns + colours]: their token ids

    def __init__(self, shape: Shape, tokenizer: PreTrainedTokenizerFast) -> None:
        super().__init__()
        self.model = Qwen3VLForConditionalGeneration(configuration(shape, tokenizer))
        self.cell_head = nn.Linear(shape.text[0], sum(BOARDS))
        words = [tokenizer.encode(f" {word}", add_special_tokens=False) for word in (*NOUNS, *COLORS)]
        self.register_buffer("words", torch.tensor(words).flatten(), persistent=False)

    def look(self, lesson: Lesson) -> Sight:
        """The vision tower and its dense loss."""
        visual, embed = self.model.model.visual, self.model.model.language_model.embed_tokens
        with torch.set_grad_enabled(lesson.sight):
            tokens, deep = see(visual, lesson.patches.to(embed.weight.dtype), *lesson.grid)
        unit = functional.rms_norm(tokens, (tokens.shape[-1],))
        logits = SHARPNESS * (unit @ embed.weight[self.words].T).flatten(0, 1).float()
        words, cells = lesson.words.flatten(), lesson.cells.flatten()
        things = words < len(NOUNS)
        weights = torch.where(things, 1.0, 0.25)
        word_loss = (functional.cross_entropy(logits, words, reduction="none") * weights).sum() / weights.sum()
        cell_loss = self._cell_loss(unit.flatten(0, 1)[cells != IGNORED], cells[cells != IGNORED])
        right = (logits.argmax(-1) == words)[things].float().mean()
        return Sight(tokens, deep, word_loss + 0.3 * cell_loss, right)

    def _cell_loss(self, things: Tensor, cells: Tensor) -> Tensor:
        """Cross-entropy of the things' tokens [tokens, width] over the cells of each one's own board."""
        boards = torch.tensor([board for board, count in enumerate(BOARDS) for _ in range(count)])
        other = boards[None] != boards[cells][:, None]
        return functional.cross_entropy(self.cell_head(things).float().masked_fill(other, -1e4), cells)

    def reply(self, lesson: Lesson, sight: Sight) -> Reply:
        """The answers' logits, and how badly named nouns find their things."""
        text = self.model.model.language_model
        embeddings = text.embed_tokens(lesson.ids)
        first, count = lesson.first_visual, sight.tokens.shape[1]
        after = lesson.ids.shape[1] - first - count
        embeddings = torch.cat([embeddings[:, :first], sight.tokens, embeddings[:, first + count :]], dim=1)
        deep = [functional.pad(each, (0, 0, first, after)) for each in sight.deep]
        mask = torch.zeros(lesson.mask.shape, dtype=embeddings.dtype).masked_fill(~lesson.mask, -1e4)
        states, attention = read(text, embeddings, lesson.positions, mask, deep)
        logits: Tensor = self.model.lm_head(states[lesson.labels != IGNORED])
        answering = attention[min(ANSWERING_LAYER, len(attention) - 1)]
        return Reply(logits, self._pointing(lesson, attention[0][:, 0]), self._looking(lesson, answering[:, 0]))

    def _pointing(self, lesson: Lesson, attention: Tensor) -> Tensor:
        """Mean negative log of the first head's attention [pictures, length, length] from a noun to its thing.

        A noun that is not shown shall look at the very first token.
        """
        named = lesson.ids[:, :, None] == self.words[: len(NOUNS)]
        picture, place, noun = named.nonzero().unbind(1)
        first, count = lesson.first_visual, lesson.words.shape[1]
        rows = attention[picture, place].float()
        shown = lesson.words[picture] == noun[:, None]
        on_thing = (rows[:, first : first + count] * shown).sum(1)
        found = torch.where(shown.any(1), on_thing, rows[:, 0])
        return -found.clamp_min(1e-6).log().mean()

    @staticmethod
    def _looking(lesson: Lesson, attention: Tensor) -> Tensor:
        """Mean negative log of a head's attention [pictures, length, length] to the cell that matters at a place."""
        picture, place = (lesson.looks != IGNORED).nonzero().unbind(1)
        first, count = lesson.first_visual, lesson.words.shape[1]
        rows = attention[picture, place, first : first + count].float()
        there = lesson.spots[picture] == lesson.looks[picture, place][:, None]
        return -(rows * there).sum(1).clamp_min(1e-6).log().mean()
