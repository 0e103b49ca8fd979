"""An emulated link between commands of one machine: real TCP with a delay, a rate, losses and faults."""

from benchmarks.link.link import Kind, Link, emulated_link
from benchmarks.link.profile import PRESETS, Profile, round_trip

__all__ = ["PRESETS", "Kind", "Link", "Profile", "emulated_link", "round_trip"]
