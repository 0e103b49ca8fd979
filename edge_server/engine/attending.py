"""Where the target's text looks, for a device that asked: found once, when the prompt has been read.

Guarantees: it changes nothing of the answer; what fails here costs the device a hint, and nobody an answer. It runs a
forward over the whole prompt, in which nobody else steps: hence an edge offers it only if it is told to.
"""

from __future__ import annotations

import logging

from edge_server.engine.port import Request
from shared.logs import about
from shared.shares import share_of
from shared.speculation.attended import Attended
from shared.vlm.attending import most_attended, told
from shared.vlm.port import Prompt, VisualTokens, Vlm

log = logging.getLogger(__name__)


def attended(vlm: Vlm, request: Request, prompt: Prompt, visual: VisualTokens) -> Attended | None:
    """What `request` is to be told; None if it did not ask, would keep every token, or it could not be found."""
    tokens = len(visual.features)
    if request.attend is None or (count := share_of(request.attend, tokens)) >= tokens:
        return None
    if count == 0:
        return Attended(tuple(() for _ in prompt.visual_tokens))
    try:
        attention = vlm.attention(prompt, visual).float().cpu()
        return told(vlm.places(prompt), most_attended(attention, count))
    except Exception:
        log.exception("the target's attention was not found; the device goes on without", extra=about(request.name))
        return None
