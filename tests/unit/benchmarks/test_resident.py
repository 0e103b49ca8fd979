"""Memory in use is what was asked for and not given back."""

from __future__ import annotations

import ctypes
import gc

import pytest

from benchmarks import soak
from benchmarks.resident import in_use_mib, python_blocks
from benchmarks.soak import Held


def test_what_malloc_gave_out_is_in_use_until_it_comes_back() -> None:
    before = in_use_mib()
    kept = ctypes.create_string_buffer(8 * 2**20)
    assert in_use_mib() - before == pytest.approx(8, abs=1)
    del kept
    assert in_use_mib() - before == pytest.approx(0, abs=1)


def test_blocks_of_python_are_counted() -> None:
    gc.collect()
    before = python_blocks()
    kept = [str(number) + "x" for number in range(10_000)]
    assert python_blocks() - before >= 10_000
    del kept
    assert python_blocks() - before < 1000


@pytest.mark.parametrize(
    ("left", "tensors", "grows"), [(0.0, 0, False), (400.0, 0, False), (2000.0, 0, True), (0.0, 17, True)]
)
def test_a_soak_that_leaves_something_of_each_session_has_failed(left: float, tensors: int, grows: bool) -> None:
    looks = [Held(n, 250.0, 90 + n * left / 2**20, 700_000, 50 + tensors * (n == 5000)) for n in range(250, 5001, 250)]
    assert soak._grows(looks) is grows
