"""Options of the test suite."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.support import heritage

# A busy machine is no fault of the code: speed is a matter of benchmarks.
settings.register_profile("covspec", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("covspec")


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


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """A command that runs inside a test sets up the log of the process: the next test has none of it."""
    root = logging.getLogger()
    level = root.level
    yield
    root.setLevel(level)
    for handler in [each for each in root.handlers if type(each) is logging.StreamHandler]:
        root.removeHandler(handler)
