"""Options of the test suite."""

from __future__ import annotations

import pytest

from tests.support import heritage


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--hub-model` needs a network, or a model that is in the cache, and minutes."""
    parser.addoption(
        "--hub-model",
        metavar="NAME",
        help="run tests/conformance on this model, a folder or one of the hub, instead of tiny ones",
    )


def pytest_runtest_setup() -> None:
    """What earlier tests have left alive is none of this one's."""
    heritage.begin()
