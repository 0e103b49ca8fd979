"""Records answers of two models in one process: what the target says, where the draft would have said the same.

The target goes token by token, the draft is taught the target's own text (teacher forcing): what it would say at each
position if all before it stood, which is what a device drafts on. It runs in a process of its own, so that the one that
plays the recordings holds no model.
"""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median
from time import perf_counter

import torch

from benchmarks.replay.script import Recording
from device_client.draft.drafter import Drafter
from shared.demo.pair import draft_folder, target_folder
from shared.demo.world import HELD_OUT, KINDS, ask_kind, draw, scene
from shared.media.images import open_image
from shared.speculation.coupled import Chooser
from shared.speculation.ending import Ending
from shared.speculation.prints import fit
from shared.speculation.request import Message, Picture, SamplingWish, Text, resolve
from shared.vlm.load import load
from shared.vlm.port import Vlm
from shared.vlm.single import extend, prefill

BLOCK = 8  # tokens of the larger of the two forwards that are compared
_STEPS = 9  # of each, after one to warm up
_MOST_PIXELS = 10**6


@dataclass(frozen=True)
class Wanted:
    """What is recorded: `count` answers of at most `tokens` (with `whole`, of exactly so many) by these two models."""

    target: str
    draft: str
    dtype: str
    count: int
    tokens: int
    whole: bool


@dataclass(frozen=True)
class Found:
    """The recordings, and how long one forward of the target over one token and over BLOCK tokens takes, in seconds."""

    recordings: tuple[Recording, ...]
    one_seconds: float
    block_seconds: float


def record(wanted: Wanted) -> Found:
    """Record with one thread. Raises ModelError, ModelMismatch."""
    torch.set_num_threads(1)
    target = load(str(target_folder()) if wanted.target == "demo" else wanted.target, wanted.dtype)
    draft = load(str(draft_folder()) if wanted.draft == "demo" else wanted.draft)
    wish = SamplingWish(temperature=0.0, max_tokens=wanted.tokens, ignore_eos=wanted.whole)
    recordings = tuple(recorded(target, draft, question(number), wish) for number in range(wanted.count))
    return Found(recordings, *step_seconds(target, recordings[0]))


def question(number: int) -> tuple[tuple[Message, ...], bytes]:
    """A held-out picture and what is asked about it: every other time for a description, the only long answers."""
    unseen = scene(HELD_OUT + number)
    kind = tuple(KINDS)[number // 2 % len(KINDS)] if number % 2 else "describe"
    asked = ask_kind(unseen, kind, random.Random(number))
    encoded = io.BytesIO()
    draw(unseen).save(encoded, "PNG")
    return (Message("user", (Picture(0), Text(asked.prompt))),), encoded.getvalue()


def recorded(target: Vlm, draft: Vlm, asked: tuple[tuple[Message, ...], bytes], wish: SamplingWish) -> Recording:
    """One answer: the target's, and beside each of its tokens the draft's guess. Raises ModelMismatch."""
    messages, picture = asked
    images = (open_image(picture, _MOST_PIXELS, "held-out scene"),)
    prompt = target.prepare(messages, images)
    room = target.info.context_length - len(prompt.ids)
    parameters = resolve(wish, target.info.defaults, room, seed=0)
    chooser, ending = Chooser(parameters, prompt.ids), Ending(parameters, target.tokenizer.decode)
    decoder, rows = prefill(target, prompt, target.see(prompt))
    ids = [chooser.choose(rows[-1], [])]
    while ending.push(ids[-1]) is None:
        ids.append(chooser.choose(extend(target, decoder, ids[-1:])[-1], ids))

    begin = perf_counter()
    drafter = Drafter(draft, messages, images)
    first_seconds = perf_counter() - begin
    common = fit(draft.info.prints.vocabulary, target.info.prints.vocabulary).cut(draft.info.rows)
    drafter.follow(parameters, common, draft.info.placeholder_ids)
    guesses, seconds = [], []
    for position in range(len(ids)):
        begin = perf_counter()
        guesses.append(drafter.next(ids[:position]))
        seconds.append(perf_counter() - begin)
    return Recording(messages, (picture,), wish, tuple(ids), tuple(guesses), first_seconds, median(seconds))


def step_seconds(target: Vlm, recording: Recording) -> tuple[float, float]:
    """The median time of the target's forward over one token and over BLOCK tokens behind a prompt, in turn."""
    images = tuple(open_image(picture, _MOST_PIXELS, "held-out scene") for picture in recording.pictures)
    prompt = target.prepare(recording.messages, images)
    decoder, _ = prefill(target, prompt, target.see(prompt))
    ids = (recording.ids * BLOCK)[:BLOCK]

    def forward(count: int) -> None:
        extend(target, decoder, ids[:count])
        decoder.truncate(0)

    return medians([partial(forward, 1), partial(forward, BLOCK)], _STEPS)


def medians(jobs: Sequence[Callable[[], None]], times: int) -> tuple[float, float]:
    """The median seconds of each of two jobs, done in turn so that what else the machine does meets both."""
    seconds: list[list[float]] = [[] for _ in jobs]
    for number in range(times + 1):
        for job, spent in zip(jobs, seconds, strict=True):
            begin = perf_counter()
            job()
            if number:
                spent.append(perf_counter() - begin)
    one, block = map(median, seconds)
    return one, block
