"""The machine that figures were seen on, in one line."""

from __future__ import annotations

import os
import platform

import torch


def machine() -> str:
    """System, processors and what torch makes of them."""
    return (
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs ({torch.backends.cpu.get_cpu_capability()}), "
        f"Python {platform.python_version()}, torch {torch.__version__}"
    )
