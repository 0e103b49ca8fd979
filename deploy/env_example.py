"""Writes every knob with its default, commented out: `python -m deploy.env_example > deploy/.env.example`.

What the options mean is their own docstring's word, so that the file cannot say anything else than `--help`.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import sys
import textwrap
from collections.abc import Iterator
from typing import Any

from device_client.config import DeviceConfig, SamplingOptions
from device_client.endpoint.config import EndpointConfig
from edge_server.config import EdgeConfig

HEAD = """\
# Copy to .env beside compose.yaml. Each line is a default: take the # away and change it.
# The commands in compose.yaml name hosts and ports themselves: those come from the first lines.
"""
OWN = (
    ("Cores of each service, as in `taskset`: give each its own.", {"EDGE_CORES": "0", "DEVICE_CORES": "1"}),
    ("Cores of Prometheus and Grafana.", {"WATCH_CORES": "1"}),
    ("Ports. Only those of device and Grafana are published, on this machine's loopback.", {"EDGE_PORT": "50051"}),
    ("", {"EDGE_METRICS_PORT": "9464", "DEVICE_PORT": "8000", "GRAFANA_PORT": "3000"}),
    ("Where the device finds the edge; link:50052 for the emulated link.", {"DEVICE_EDGE": "edge:50051"}),
    ("The emulated link: wifi, 5g, 4g or far.", {"LINK_PROFILE": "4g", "LINK_PORT": "50052"}),
    ("", {"LINK_REACH": "edge:50051"}),
    (
        "What the images are built with: the index that torch comes from (empty: pip's usual one, with CUDA; PyTorch's"
        " own for CPUs makes them a tenth as large); packages for --quantization.",
        {"TORCH_INDEX": "", "EXTRA_PACKAGES": ""},
    ),
    ("Versions of what watches.", {"PROMETHEUS_VERSION": "v3.5.0", "GRAFANA_VERSION": "12.1.0"}),
    ("Models: a token for those that ask for one; 1: nothing but the cache.", {"HF_TOKEN": "", "HF_HUB_OFFLINE": "0"}),
)
CONFIGS = (
    ("The edge (edge-server --help)", "COVSPEC_EDGE_", (EdgeConfig,)),
    ("The device (device-client serve --help)", "COVSPEC_DEVICE_", (EndpointConfig, DeviceConfig, SamplingOptions)),
)


def lines() -> Iterator[str]:
    """The lines of the file."""
    yield HEAD
    for what, knobs in OWN:
        if what:
            yield f"# {what}"
        yield from (f"#{name}={value}" for name, value in knobs.items())
    for title, prefix, kinds in CONFIGS:
        yield f"\n# {title}"
        for kind in kinds:
            yield from _options(prefix, kind)


def _options(prefix: str, kind: type[Any]) -> Iterator[str]:
    told = _docstrings(kind)
    for field in dataclasses.fields(kind):
        told_lines = textwrap.TextWrapper(116, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False)
        yield from told_lines.wrap(told.get(field.name, ""))
        yield f"#{prefix}{field.name.upper()}={_shown(field.default)}"


def _shown(default: object) -> str:
    match default:
        case None | () | dataclasses.MISSING:
            return ""
        case bool():
            return str(default).lower()
        case _:
            return str(default)


def _docstrings(kind: type[Any]) -> dict[str, str]:
    """The sentences below each field."""
    (made,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    assert isinstance(made, ast.ClassDef)
    told: dict[str, str] = {}
    for before, after in zip(made.body, made.body[1:], strict=False):
        if isinstance(before, ast.AnnAssign) and isinstance(before.target, ast.Name):
            match after:
                case ast.Expr(value=ast.Constant(value=str(sentences))):
                    told[before.target.id] = " ".join(sentences.split())
    return told


if __name__ == "__main__":
    sys.stdout.write("\n".join(lines()) + "\n")
