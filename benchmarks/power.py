"""The energy that the machine's processors have used, where it tells: Linux, Intel and AMD, by the RAPL counters.

Guarantees: None where no counter can be read (virtual machines have none; many systems let only the superuser read);
a counter that begins anew is counted on.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

_COUNTERS = Path("/sys/class/powercap")
_STAT = Path("/proc/stat")
_WAITING = (3, 4)  # idle and waiting for a disk, of the numbers in a line of /proc/stat


class Joules:
    """A meter from now on. `counters`: a folder as Linux has it; packages alone, their parts are in them."""

    def __init__(self, counters: Path = _COUNTERS) -> None:
        self._zones = list(_readable(counters))
        self._last = [_number(zone / "energy_uj") for zone in self._zones]

    def used(self) -> float | None:
        """Joules since the last time that this was asked, of the whole machine; None: it does not tell."""
        if not self._zones:
            return None
        now = [_number(zone / "energy_uj") for zone in self._zones]
        spans = zip(self._zones, self._last, now, strict=True)
        total = sum(_number(zone / "max_energy_range_uj") * (new < old) + new - old for zone, old, new in spans)
        self._last = now
        return total / 1e6


def busy_ticks(stat: Path = _STAT) -> int:
    """Ticks that all cores have computed so far; 0 where the system does not tell."""
    if not stat.exists():
        return 0
    numbers = [int(word) for word in stat.read_text(encoding="ascii").splitlines()[0].split()[1:8]]
    return sum(number for place, number in enumerate(numbers) if place not in _WAITING)


def _readable(counters: Path) -> Iterator[Path]:
    for zone in sorted(counters.glob("*-rapl:[0-9]*")) if counters.exists() else ():
        if zone.name.count(":") == 1:  # two: a part of a package
            try:
                _number(zone / "energy_uj"), _number(zone / "max_energy_range_uj")
            except OSError:
                continue
            yield zone


def _number(file: Path) -> int:
    return int(file.read_text(encoding="ascii"))
