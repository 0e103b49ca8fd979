"""Energy is what the packages' counters say between two looks, and nothing where there are none."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.power import Joules, busy_ticks


def zone(folder: Path, name: str, microjoules: int, most: int = 1_000_000_000) -> Path:
    at = folder / name
    at.mkdir(exist_ok=True)
    (at / "energy_uj").write_text(f"{microjoules}\n")
    (at / "max_energy_range_uj").write_text(f"{most}\n")
    return at


def test_packages_are_added_and_their_parts_are_not(tmp_path: Path) -> None:
    for name, before in (("intel-rapl:0", 5_000_000), ("intel-rapl:1", 0), ("intel-rapl:0:0", 7)):
        zone(tmp_path, name, before)
    meter = Joules(tmp_path)
    for name, after in (("intel-rapl:0", 7_500_000), ("intel-rapl:1", 1_000_000), ("intel-rapl:0:0", 900_000_000)):
        zone(tmp_path, name, after)
    assert meter.used() == pytest.approx(3.5)
    assert meter.used() == 0


def test_a_counter_that_begins_anew_is_counted_on(tmp_path: Path) -> None:
    zone(tmp_path, "intel-rapl:0", 9_000_000, most=10_000_000)
    meter = Joules(tmp_path)
    zone(tmp_path, "intel-rapl:0", 2_000_000, most=10_000_000)
    assert meter.used() == pytest.approx(3.0)


def test_a_machine_that_does_not_tell_has_no_figure(tmp_path: Path) -> None:
    (tmp_path / "intel-rapl:0").mkdir()  # may not be read, as for other users than the superuser
    assert Joules(tmp_path).used() is None
    assert Joules(tmp_path / "none").used() is None


def test_a_core_that_waits_is_not_busy(tmp_path: Path) -> None:
    stat = tmp_path / "stat"
    stat.write_text("cpu  10 1 5 1000 300 2 3 4 50 60\ncpu0 1 1 1 1 1 1 1 1 1 1\n")
    assert busy_ticks(stat) == 10 + 1 + 5 + 2 + 3  # what another machine took of it is not ours
    assert busy_ticks(tmp_path / "none") == 0
