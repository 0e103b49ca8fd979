"""The tree of errors is the one that its docstring draws, and each says what a person can act on."""

from __future__ import annotations

import inspect
import re

import pytest

from shared import errors
from shared.errors import CovspecError, ImageError, InvalidValue, PromptTooLong

TREE = [kind for _, kind in inspect.getmembers(errors, inspect.isclass)]


def drawn() -> dict[str, str]:
    """Each error of the drawing and its parent there."""
    above: list[str] = []
    parents = {}
    for line in (errors.__doc__ or "").splitlines():
        if found := re.match(r"([│├└─ ]*)(\w+)(?:  |$)", line):
            depth = len(found[1]) // 4
            above[depth:] = [found[2]]
            parents[found[2]] = above[depth - 1] if depth else "Exception"
    return parents


def test_the_tree_is_as_drawn() -> None:
    assert drawn() == {kind.__name__: kind.__base__.__name__ for kind in TREE if kind.__base__ is not None}


@pytest.mark.parametrize("kind", TREE)
def test_every_error_says_what_it_is(kind: type[CovspecError]) -> None:
    assert issubclass(kind, CovspecError)
    assert kind.__doc__


@pytest.mark.parametrize("kind", [InvalidValue, ImageError, PromptTooLong])
def test_an_invalid_value_is_a_sentence_with_field_value_and_rule(kind: type[InvalidValue]) -> None:
    assert str(kind("top_p", 2.0, "must lie between 0 and 1")) == "top_p is 2.0: must lie between 0 and 1"
    assert str(kind("stop", "", "must not be empty")) == "stop is '': must not be empty"


@pytest.mark.parametrize("kind", [kind for kind in TREE if not issubclass(kind, InvalidValue)])
def test_every_other_error_is_its_sentence(kind: type[CovspecError]) -> None:
    assert str(kind("try again after a while")) == "try again after a while"
