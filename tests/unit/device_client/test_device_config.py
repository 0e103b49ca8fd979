"""What a person may not set about a device is refused with the field, the value and the limit."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_type_hints

import numpy as np
import pytest

from device_client.access import Access
from device_client.config import DeviceConfig, SamplingOptions
from shared.errors import InvalidValue
from shared.speculation.request import SamplingWish


@pytest.mark.parametrize(
    ("field", "value", "limit"),
    [
        ("edge", ":50051", "host:port"),
        ("edge", "host:0", "1 to 65535"),
        ("edge", "host:65536", "1 to 65535"),
        ("edge", "host:http", "host:port"),
        ("prune", "best", "one of covspec, none"),
        ("keep", "2.0", "at most 1"),
        ("keep", "9" * 5000, "at most 1"),
        ("prune", "random:" + "9" * 5000, "for random a seed"),
        ("window", 0, "between 1 and 64"),
        ("window", 65, "between 1 and 64"),
        ("tree", 16, "from 17, more than the window, to 64"),
        ("tree", 65, "from 17, more than the window, to 64"),
        ("tree", -1, "from 17, more than the window, to 64"),
        ("reconnect_seconds", -1.0, "between 0 and 86400"),
        ("reconnect_seconds", float("nan"), "between 0 and 86400"),
        ("threads", -1, "between 0 and 1024"),
    ],
)
def test_what_may_not_be_is_refused_by_name(field: str, value: Any, limit: str) -> None:
    with pytest.raises(InvalidValue, match=f"^{field} is .*{limit}"):
        DeviceConfig(**{field: value})


@pytest.mark.parametrize(
    "others", [{"branches": False}, {"most_branches": 0}, {"rule": "rejection", "pace": "thrifty"}, {"gate": 0.5}]
)
def test_a_tree_is_of_branches_that_are_compared(others: dict[str, Any]) -> None:
    DeviceConfig(tree=32)
    with pytest.raises(InvalidValue, match=r"^tree is 32: .*not with --"):
        DeviceConfig(tree=32, **others)


def test_where_the_edge_chooses_it_must_be_told_how_many() -> None:
    with pytest.raises(InvalidValue, match=r"^keep is 'auto': .*give a count, or a ratio"):
        DeviceConfig(prune="verifier")
    assert DeviceConfig(prune="verifier", keep="0").keep == "0"


def test_every_option_of_sampling_becomes_a_wish() -> None:
    options = SamplingOptions(temperature=0.5, top_k=3, top_p=0.9, min_p=0.1, seed=7, max_tokens=9, stop=("x",))
    assert options.wish() == SamplingWish(
        temperature=0.5, top_k=3, top_p=0.9, min_p=0.1, seed=7, max_tokens=9, stop=("x",)
    )
    assert SamplingOptions().wish() == SamplingWish()


WRONG: tuple[Any, ...] = (None, 3, 1.5, True, "words", b"bytes", ["list"], object())


@pytest.mark.parametrize("field", get_type_hints(DeviceConfig))
def test_a_value_of_a_wrong_type_is_refused_by_name_when_a_program_gives_it(field: str) -> None:
    refused = 0
    for value in WRONG:
        try:
            DeviceConfig(**{field: value})
        except InvalidValue:
            refused += 1
    assert refused >= 5


def test_a_program_may_give_a_file_s_name_as_text_and_numbers_of_numpy(tmp_path: Path) -> None:
    file = tmp_path / "token.txt"
    file.write_text("abc")
    config = DeviceConfig(token_file=str(file), window=np.int64(8), reconnect_seconds=np.float32(1))  # type: ignore[arg-type]
    assert dict(Access.of(config).metadata)["authorization"] == "Bearer abc"
    with pytest.raises(InvalidValue, match=r"^tls_ca is "):
        Access.of(DeviceConfig(tls_ca="/no/such/ca.pem"))  # type: ignore[arg-type]
