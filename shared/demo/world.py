"""The world of the embedded pair, in one place: scenes from seeds, their pictures, questions and answers."""

from __future__ import annotations

from shared.demo.descriptions import placed_nouns
from shared.demo.drawing import draw
from shared.demo.questions import KINDS, Question, ask, ask_kind, held_out_questions, held_out_rich_questions
from shared.demo.rich import RICH_SIZES, rich_scene
from shared.demo.scenes import HELD_OUT, SIZES, Scene, Thing, held_out_scenes, scene, training_scenes

__all__ = [
    "HELD_OUT",
    "KINDS",
    "RICH_SIZES",
    "SIZES",
    "Question",
    "Scene",
    "Thing",
    "ask",
    "ask_kind",
    "draw",
    "held_out_questions",
    "held_out_rich_questions",
    "held_out_scenes",
    "placed_nouns",
    "rich_scene",
    "scene",
    "training_scenes",
]
