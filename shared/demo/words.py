"""The words of the world: every noun, colour and number is one token of the pair's tokenizer.

Pure data; the emoji of a noun names its sprite.
"""

from __future__ import annotations

EMOJI = {
    "dog": "🐶", "cat": "🐱", "fox": "🦊", "frog": "🐸", "pig": "🐷", "monkey": "🐵", "penguin": "🐧", "owl": "🦉",
    "bee": "🐝", "butterfly": "🦋", "snail": "🐌", "turtle": "🐢", "fish": "🐠", "whale": "🐳", "octopus": "🐙",
    "crab": "🦀", "tree": "🌳", "cactus": "🌵", "flower": "🌻", "mushroom": "🍄", "apple": "🍎", "banana": "🍌",
    "lemon": "🍋", "strawberry": "🍓", "carrot": "🥕", "robot": "🤖", "pizza": "🍕", "cake": "🎂", "car": "🚗",
    "bus": "🚌", "train": "🚂", "plane": "✈", "rocket": "🚀", "boat": "⛵", "house": "🏠", "tent": "⛺",
    "star": "⭐", "moon": "🌙", "cloud": "☁", "crown": "👑", "heart": "❤", "ball": "⚽", "guitar": "🎸",
    "drum": "🥁", "key": "🔑", "clock": "⏰", "book": "📕", "umbrella": "☂",
}  # fmt: skip

NOUNS = tuple(EMOJI)

COLORS = {
    "white": (244, 244, 242),
    "gray": (158, 160, 164),
    "blue": (120, 170, 226),
    "green": (140, 205, 150),
    "yellow": (246, 226, 120),
    "pink": (246, 176, 206),
    "purple": (176, 146, 220),
    "orange": (246, 176, 104),
}

PLACES = (
    "at the top left",
    "at the top",
    "at the top right",
    "on the left",
    "in the middle",
    "on the right",
    "at the bottom left",
    "at the bottom",
    "at the bottom right",
)

NUMBERS = ("zero", "one", "two", "three", "four", "five")
ROWS = ("top", "middle", "bottom")


def with_article(noun: str) -> str:
    """`a dog`, `an apple`."""
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def sentence(text: str) -> str:
    """The text with its first letter large."""
    return text[0].upper() + text[1:]


def enumerated(parts: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} and {parts[-1]}"
