"""When an answer ends, and how its text is read out piece by piece.

Guarantees: `Ending` says the same for the same tokens wherever it runs; `TextStream` never emits half a character,
and never a part of a stop string; its pieces add up to the text of the answer before the stop string.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from shared.speculation.messages import FinishReason
from shared.speculation.request import SamplingParameters

Decode: TypeAlias = Callable[[Sequence[int]], str]  # ids -> text, U+FFFD where a character is not complete

_INCOMPLETE = "\N{REPLACEMENT CHARACTER}"


class Detokenizer:
    """Turns growing ids into growing text, whole characters only."""

    def __init__(self, decode: Decode) -> None:
        self._decode = decode
        self._ids: list[int] = []
        self._context = 0  # ids before it are read; decoding starts here because a piece may depend on the one before
        self._read = 0  # ids before it have been emitted

    def push(self, token: int) -> str:
        """The text that `token` completes, maybe none."""
        self._ids.append(token)
        return self._emit(self._decode(self._ids[self._context :]), final=False)

    def flush(self) -> str:
        """What is left at the end of the answer."""
        return self._emit(self._decode(self._ids[self._context :]), final=True)

    def ahead(self, ids: Sequence[int]) -> str:
        """What `ids` would add, half a character at its end included; nothing is changed."""
        old = len(self._decode(self._ids[self._context : self._read]))
        return self._decode([*self._ids[self._context :], *ids])[old:]

    def _emit(self, window: str, final: bool) -> str:
        old = len(self._decode(self._ids[self._context : self._read]))
        if len(window) <= old or (window.endswith(_INCOMPLETE) and not final):
            return ""  # nothing new: what follows is read after the same tokens, for some have no text of their own
        self._context, self._read = self._read, len(self._ids)
        return window[old:]


class Ending:
    """Watches one answer for its end. `decode` is called only if there are stop strings."""

    def __init__(self, parameters: SamplingParameters, decode: Decode) -> None:
        self._parameters = parameters
        self._text = TextStream(decode, parameters.stop) if parameters.stop else None
        self._length = 0

    def push(self, token: int) -> FinishReason | None:
        """Take the next token; the reason if the answer ends with it."""
        self._length += 1
        p = self._parameters
        if token in p.eos_ids:
            return FinishReason.EOS
        if token in p.stop_ids:
            return FinishReason.STOP
        last = self._length >= p.max_tokens
        if self._text is not None:
            self._text.push(token)
            if last:
                self._text.flush()  # a stop string may stand before half a character
            if self._text.stopped:
                return FinishReason.STOP
        return FinishReason.LENGTH if last else None


class TextStream:
    """The text of an answer, piece by piece, cut before the first stop string. `stopped`: one was found."""

    def __init__(self, decode: Decode, stop: Sequence[str] = ()) -> None:
        self._detokenizer = Detokenizer(decode)
        self._stop = stop
        self._held = ""  # may be the beginning of a stop string
        self.stopped = False

    def push(self, token: int) -> str:
        """The text that may be shown now."""
        return self._release(self._detokenizer.push(token), final=False)

    def flush(self) -> str:
        """What is left at the end of the answer."""
        return self._release(self._detokenizer.flush(), final=True)

    def ahead(self, ids: Sequence[int]) -> str:
        """The whole characters that would follow what was shown, if `ids` came next; nothing is changed."""
        if self.stopped:
            return ""
        text = self._held + self._detokenizer.ahead(ids)
        end = min((place for stop in self._stop if (place := text.find(stop)) >= 0), default=len(text))
        return text[:end].rstrip(_INCOMPLETE)

    def _release(self, text: str, final: bool) -> str:
        if self.stopped:
            return ""
        text = self._held + text
        found = [place for stop in self._stop if (place := text.find(stop)) >= 0]
        if found:
            self.stopped = True
            return text[: min(found)]
        keep = 0 if final else self._overlap(text)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]

    def _overlap(self, text: str) -> int:
        """The longest end of `text` with which a stop string begins."""
        longest = max((len(stop) for stop in self._stop), default=1) - 1
        for size in range(min(longest, len(text)), 0, -1):
            if any(stop.startswith(text[-size:]) for stop in self._stop):
                return size
        return 0
