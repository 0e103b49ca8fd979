"""Text and ids of a Hugging Face tokenizer, with the model's own chat template.

A chat becomes exactly the ids that the stock template, processor and tokenizer give, each run of visual tokens as one
image token. The one difference: where a message's text
spells a special token, such as <|im_end|>, it is read as that text and never as the token, so no text can end its
own turn or stand for a picture.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from shared.errors import InvalidValue
from shared.speculation.prints import ModelPrints, VocabularyPrint
from shared.speculation.request import Message, Text
from shared.vlm.chat import check_least
from shared.vlm.chat_template import ChatTemplate
from shared.vlm.least_tokens import least_tokens
from shared.vlm.spelled import Spelling


class ChatTokenizer:
    """`mark`: what the template puts where a picture goes. `image_id`: the token that stands for a visual token.

    Several threads may use it: once it is made, nothing of the tokenizer is set any more. Raises ValueError for a
    template that loses what is asked.
    """

    def __init__(self, tokenizer: Any, mark: str, image_id: int) -> None:
        self._tokenizer = tokenizer
        self._mark = mark
        self._image_id = image_id
        added = tokenizer.added_tokens_decoder.values()
        self._specials = sorted({token.content for token in added if token.special} | {mark})
        self._spelling = Spelling(self._specials)
        self._image: str = tokenizer.convert_ids_to_tokens(image_id)
        self._least = least_tokens(tokenizer)
        self._plain = dict(zip(self._specials, self._ids(self._specials, plain=True), strict=True))
        self._lead = self._leading()
        self._template = ChatTemplate(tokenizer, mark)
        self._ids(["a"])  # from now on the tokenizer takes special tokens for such

    def decode(self, ids: Sequence[int]) -> str:
        """The text of `ids`, special tokens left out; U+FFFD where a character is not complete."""
        text: str = self._tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return text

    def text_ids(self, text: str) -> list[int]:
        """The ids of plain text by itself, never a special one."""
        veils = self._spelling.hide([text])
        return self._encode(veils.pieces(veils.hidden(text)))

    def encode(self, messages: Sequence[Message], pictures: Sequence[str], context_length: int) -> list[int]:
        """The ids of a chat up to where the answer begins. Raises InvalidValue, and PromptTooLong early where it can.

        `pictures`: what stands for each picture, in their order, with one image token for each run of visual tokens.
        """
        texts = [part.text for message in messages for part in message.parts if isinstance(part, Text)]
        said = [message for message in messages if message.role != "assistant"]  # a template may cut what that has said
        shown = [part.text.strip() for message in said for part in message.parts if isinstance(part, Text)]
        check_least(sum(map(self._least, shown)), context_length)  # before anything else reads so long a text
        veils = self._spelling.hide(texts)
        pieces = self._template.render(messages, [veils.hidden(text) for text in texts]).split(self._mark)
        if len(pieces) != len(pictures) + 1:
            sentence = "the model's chat template does not take that many pictures there"
            raise InvalidValue("messages", len(pictures), sentence)
        rendered = pieces[0] + "".join(picture + piece for picture, piece in zip(pictures, pieces[1:], strict=True))
        parts = veils.pieces(rendered)
        plain = "".join(part for part, special in parts if not special)
        check_least(self._least(plain) + sum(special for _, special in parts), context_length)
        ids = self._encode(parts)
        runs = sum(picture.count(self._image) for picture in pictures)
        if ids.count(self._image_id) != runs:
            raise InvalidValue("messages", ids.count(self._image_id), f"texts spell image tokens: there are {runs}")
        bos = self._tokenizer.bos_token
        return ids if bos is not None and rendered.startswith(bos) else self._lead + ids

    def prints(self, image_processor: bytes) -> ModelPrints:
        """The fingerprints of vocabulary, special tokens and chat template, beside that of the image processor."""
        vocabulary: dict[str, int] = self._tokenizer.get_vocab()
        pieces: list[str | None] = [None] * (max(vocabulary.values()) + 1)
        for piece, token in vocabulary.items():
            pieces[token] = piece
        specials = {text: vocabulary[text] for text in sorted(self._specials)}
        named = {role: str(text) for role, text in sorted(self._tokenizer.special_tokens_map.items())}
        return ModelPrints(
            vocabulary=VocabularyPrint.of(pieces),
            special_tokens=hashlib.sha256(json.dumps([specials, named]).encode()).digest(),
            chat_template=hashlib.sha256(str(self._tokenizer.chat_template).encode()).digest(),
            image_processor=image_processor,
        )

    def settings(self) -> dict[str, Any]:
        """All that decides which ids a chat becomes and which text ids become, as JSON has it."""
        backend = getattr(self._tokenizer, "backend_tokenizer", None)
        whole = {} if backend is None else json.loads(backend.to_str())
        return {
            "tokenizer": {name: value for name, value in whole.items() if name not in ("truncation", "padding")},
            "vocabulary": self._tokenizer.get_vocab() if backend is None else {},  # else it is in the tokenizer
            "special_tokens": self._specials,
            "named_tokens": {role: str(text) for role, text in self._tokenizer.special_tokens_map.items()},
            "lead": self._lead,
            "chat_template": self._tokenizer.chat_template,
        }

    def _encode(self, pieces: Sequence[tuple[str, bool]]) -> list[int]:
        texts = [piece for piece, special in pieces if not special]
        encoded = iter(self._ids(texts) if texts else [])
        return [token for piece, special in pieces for token in (self._plain[piece] if special else next(encoded))]

    def _leading(self) -> list[int]:
        """What the tokenizer puts before any text by itself: the processors let it, unless the template has."""
        bare, framed = (self._tokenizer.encode("a", add_special_tokens=add) for add in (False, True))
        ids: list[int] = framed[: len(framed) - len(bare)]
        return ids

    def _ids(self, texts: Sequence[str], *, plain: bool = False) -> list[list[int]]:
        ids: list[list[int]] = self._tokenizer(
            list(texts),
            add_special_tokens=False,
            split_special_tokens=plain,
            return_attention_mask=False,
            return_token_type_ids=False,
            verbose=False,
        )["input_ids"]
        return ids
