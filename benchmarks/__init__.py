"""Measurements. Each prints what it saw and the machine it saw it on; CI only checks that they run."""
