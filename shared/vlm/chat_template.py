"""A model's own chat template: how it takes the content of a message, and that nothing of a chat is lost in it.

Templates take parts (texts and pictures in their order) or strings alone; a template that gets the wrong one may write
Python's brackets, or nothing, without a word. Guarantees: what a user or the system says stands in the prompt, or the
chat is refused. What an assistant said a template may cut: some leave its reasoning out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from shared.errors import InvalidValue
from shared.speculation.request import Message, Picture, Text

_PROBE = "What is\n'here'?"  # as it is in no list that is written out
_Content: TypeAlias = str | list[dict[str, str]]


class ChatTemplate:
    """The template of `tokenizer`. `mark`: what it puts where a picture goes. Raises ValueError if it loses a chat."""

    def __init__(self, tokenizer: Any, mark: str) -> None:
        self._tokenizer = tokenizer
        self._mark = mark
        faults = []
        for content in (_parts, self._string):
            self._content: Callable[[Message, Sequence[str]], _Content] = content
            fault = self._fault()
            if fault is None:
                return
            faults.append(fault)
        raise ValueError(f"its chat template {faults[0]}")

    def render(self, messages: Sequence[Message], texts: Sequence[str]) -> str:
        """The chat as the template writes it, up to where the answer begins. Raises InvalidValue.

        `texts`: what stands for the text of each text part, in their order.
        """
        rest = iter(texts)
        written = [[next(rest) for part in message.parts if isinstance(part, Text)] for message in messages]
        said = list(zip(messages, written, strict=True))
        conversation = [{"role": message.role, "content": self._content(message, own)} for message, own in said]
        roles = [message.role for message in messages]
        try:
            rendered: str = self._tokenizer.apply_chat_template(
                conversation, tokenize=False, add_generation_prompt=True
            )
        except Exception as error:  # a template is a program of the model's makers, its refusals take any form
            raise InvalidValue("messages", roles, f"the model's chat template refuses them ({error})") from error
        place = 0
        for number, (message, own) in enumerate(said):
            for text in own if message.role != "assistant" else ():
                found = rendered.find(text.strip(), place)
                if found < 0 and text.strip() not in rendered:  # some put what the system says behind the rest
                    sentence = f"the model's chat template leaves out what message {number} ({message.role}) says"
                    raise InvalidValue("messages", roles, sentence)
                place = max(place, found)
        return rendered

    def _fault(self) -> str | None:
        """What is wrong with a question so written, about no picture and about one."""
        for pictures in (0, 1):
            message = Message("user", (*[Picture(0)] * pictures, Text(_PROBE)))
            try:
                marked = self.render([message], [_PROBE]).count(self._mark)
            except InvalidValue as refused:
                return f"takes no question ({refused})"
            if marked != pictures:
                return f"marks {marked} pictures where a message has {pictures}"
        return None

    def _string(self, message: Message, texts: Sequence[str]) -> str:
        """A picture is its mark and a new line, as users of such templates write it."""
        rest = iter(texts)
        return "".join(next(rest) if isinstance(part, Text) else f"{self._mark}\n" for part in message.parts)


def _parts(message: Message, texts: Sequence[str]) -> list[dict[str, str]]:
    rest = iter(texts)
    return [
        {"type": "text", "text": next(rest)} if isinstance(part, Text) else {"type": "image"} for part in message.parts
    ]
