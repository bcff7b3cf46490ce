"""A worker by itself; with its control process, see `test_control`."""

from __future__ import annotations

from collections import deque
from types import SimpleNamespace

import pytest

from llmgw_gateway.processes.worker import _ready


@pytest.mark.parametrize(
    ("loaded", "held", "said"),
    [
        (False, [], (False, "no catalog is loaded")),
        (True, [b"x"], (False, "the spool is full")),
        (True, [], (True, "")),
    ],
)
def test_when_a_worker_is_ready(loaded: bool, held: list[bytes], said: tuple[bool, str]) -> None:
    """With a catalog and room to write; neither a database nor a control process is asked."""
    recorder = SimpleNamespace(held=len(deque(held)))
    assert said == _ready(SimpleNamespace(loaded=loaded), recorder)  # type: ignore[arg-type]
