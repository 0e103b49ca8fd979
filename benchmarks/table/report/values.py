"""The same as the page, for other programs: a JSON file of everything, and a CSV file with a line for each cell."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import asdict

from benchmarks.table.cell import Cell
from benchmarks.table.report.findings import (
    OURS,
    below_the_floor,
    compared,
    differing,
    front,
    late,
    saved,
    spots,
    talkative,
)
from benchmarks.table.report.page import Results
from benchmarks.table.report.paper import ABLATIONS, SYSTEMS

_FLAT = (  # fields that are written as they are
    *("answers", "tokens", "tokens_per_second", "first_token_ms", "inter_token_p50_ms", "inter_token_p99_ms"),
    *("accepted_per_step", "passes_per_token", "target_tokens_per_token", "accuracy", "agreement", "differing"),
    *("unverified", "corrections", "foreseen", "device_seconds", "device_joules", "draft_agreement"),
)


def as_json(results: Results) -> str:
    """`cells` as in their files, `findings` by their names here, `paper` in the paper's units."""
    found = spots(results.cells)
    comparisons = [one for spot in found if (one := compared(spot)) is not None]
    told = {
        "made": [asdict(each) for each in results.made],
        "cells": [json.loads(cell.as_json()) for spot in found for cell in spot.cells.values()],
        "findings": {
            "differing": [_place(cell) for cell in differing(results.cells)],
            "late": [_place(cell) for cell in late(results.cells)],
            "below_the_floor": [_place(cell) for cell in below_the_floor(results.cells)],
            "too_many_bytes": [_place(cell) for cell in talkative(results.cells)],
            "front": [_place(cell) for spot in found for cell in front(spot)],
            OURS: [
                {**_place(one.ours), "beside": one.best.method, "rank": one.rank.value, "worth": one.worth}
                for one in comparisons
            ],
        },
        "paper": {
            name: {method: asdict(line) for method, line in lines.items()}
            for name, lines in (("systems", SYSTEMS), ("ablations", ABLATIONS))
        },
        "acceptance": [asdict(each) for each in results.kept],
    }
    return json.dumps(told, indent=1, ensure_ascii=False) + "\n"


def as_csv(results: Results) -> str:
    """A line for each cell; nothing stands where it has no such figure. Bytes are for 1024 tokens."""
    rows = [_row(cell) for spot in spots(results.cells) for cell in spot.cells.values()]
    file = io.StringIO()
    writer = csv.DictWriter(file, list(rows[0]) if rows else ["clock"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()


def _place(cell: Cell) -> dict[str, object]:
    return {
        "clock": cell.clock.value,
        "setting": cell.setting,
        "data": cell.data,
        "link": cell.link.name,
        "temperature": cell.temperature,
        "method": cell.method,
    }


def _row(cell: Cell) -> dict[str, object]:
    return {
        **_place(cell),
        "exact": cell.exact.value,
        "round_trip_ms": cell.link.round_trip_ms,
        "mbit": cell.link.mbit,
        "loss": cell.link.loss,
        "ratio": cell.ratio.middle,
        "ratio_low": cell.ratio.low,
        "ratio_high": cell.ratio.high,
        **{name: getattr(cell, name) for name in _FLAT},
        "first_token_ratio": cell.first_token_ratio and cell.first_token_ratio.middle,
        "payload_bytes": cell.payload,
        "framed_bytes": cell.framed,
        "cost_saved_percent": saved(cell),
        "step_alone_ms": cell.costs.step_alone_ms,
        "draft_ms": cell.costs.draft_ms,
        "message_ms": cell.costs.message_ms,
    }
