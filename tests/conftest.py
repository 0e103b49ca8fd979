"""Options of the test suite."""

from __future__ import annotations

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
