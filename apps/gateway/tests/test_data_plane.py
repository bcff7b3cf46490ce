"""The data plane by itself; what it serves is tested over whole gateways."""

from __future__ import annotations

from llmgw_gateway.data_plane import new_request_id


def test_request_ids_sort_by_time() -> None:
    """They are UUIDv7s, all different."""
    ids = [new_request_id() for _ in range(100)]
    assert 100 == len(set(ids))
    assert {"7"} == {identifier[14] for identifier in ids}
