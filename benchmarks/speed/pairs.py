"""Pairs and their intervals: those of `device-client bench`."""

from device_client.bench.pairs import Estimate, in_turn, of_pairs

__all__ = ["Estimate", "in_turn", "of_pairs"]
