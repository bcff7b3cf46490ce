"""Cache marks are found and taken out of raw JSON, wherever they stand, and nothing else is."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmgw_affinity._marks import last_mark, unmarked


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b'{"a":1,"cache_control":{"type":"ephemeral"}}', b'{"a":1}'),
        (b'{"cache_control":{"type":"ephemeral"},"a":1}', b'{"a":1}'),
        (b'{"a": 1, "cache_control": {"type": "ephemeral"}, "b": 2}', b'{"a": 1, "b": 2}'),
        (b'{"cache_control": {"type": "ephemeral"}, "a": 1}', b'{"a": 1}'),
        (b'{"a":1,"cache_control":null}', b'{"a":1}'),
        (b'{"cache_control":{"ttl":"1h"}}', b"{}"),
        (b'{"a":1,"prompt_cache_breakpoint":{"mode":"explicit"},"cache_control":{}}', b'{"a":1}'),
        (b'[{"a":1,"cache_control":{}},{"b":1,"cache_control":{}}]', b'[{"a":1},{"b":1}]'),
        (b'{"a":"cache_control"}', b'{"a":"cache_control"}'),
        (rb'{"a":"say \"cache_control\":{} here"}', rb'{"a":"say \"cache_control\":{} here"}'),
        (b'{"cache_control":7}', b'{"cache_control":7}'),
        (b"", b""),
    ],
)
def test_a_mark_goes_with_its_comma(raw: bytes, expected: bytes) -> None:
    """What is left is what the client would have written without the mark."""
    assert expected == unmarked(raw)


@given(st.lists(st.dictionaries(st.sampled_from("abc"), st.text(), max_size=3), max_size=5), st.integers(0, 9))
def test_a_marked_value_is_the_unmarked_one(blocks: list[dict[str, object]], place: int) -> None:
    """Whatever texts stand around it."""
    plain = msgspec.json.encode(blocks)
    if blocks:
        blocks[place % len(blocks)]["cache_control"] = {"type": "ephemeral"}
    assert plain == unmarked(msgspec.json.encode(blocks))


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b'[{"cache_control":{"ttl":"1h"}},{"cache_control":{"ttl":"5m"}}]', b'{"ttl":"5m"}'),
        (b'[{"cache_control":{"ttl":"1h"}},{"prompt_cache_breakpoint":{"ttl":"30m"}}]', b'{"ttl":"30m"}'),
        (b'[{"text":"none"}]', None),
        (b'["cache_control"]', None),
    ],
)
def test_the_last_mark_covers_the_most(raw: bytes, expected: bytes | None) -> None:
    """Marks stand at the end of what they cover."""
    assert expected == last_mark(raw)
