"""What an operator may not set is refused with the field, the value and the limit."""

from __future__ import annotations

from typing import Any

import pytest

from edge_server.config import EdgeConfig
from shared.errors import InvalidValue


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("port", -1),
        ("port", 65536),
        ("threads", -1),
        ("max_window", 0),
        ("max_window", 65),
        ("max_ahead", 0),
        ("turn", 0),
        ("turn", 1001),
        ("max_sessions", 0),
        ("max_queue", -1),
        ("max_queue", 100_001),
        ("max_images", -1),
        ("max_image_megapixels", 0.0),
        ("max_image_mib", float("nan")),
        ("image_cache_mib", -1.0),
        ("park_seconds", -1.0),
        ("drain_seconds", 3601.0),
    ],
)
def test_what_may_not_be_is_refused_by_name(field: str, value: Any) -> None:
    with pytest.raises(InvalidValue, match=rf"^{field} is .* must lie between"):
        EdgeConfig(**{field: value})


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "edge.example"])
def test_an_address_that_others_can_reach_must_be_wanted(host: str) -> None:
    with pytest.raises(InvalidValue, match="--insecure"):
        EdgeConfig(host=host)
    assert EdgeConfig(host=host, insecure=True).host == host


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_loopback_needs_no_word(host: str) -> None:
    assert EdgeConfig(host=host).host == host
