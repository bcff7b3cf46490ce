"""Token counts, read in every form and written in one."""

from typing import Any

import msgspec
import pytest

from llmgw_domain import Usage
from llmgw_protocols.chat import usage


@pytest.mark.parametrize(
    ("wire", "expected"),
    [
        ({"prompt_tokens": 10, "completion_tokens": 5}, Usage(uncached_input=10, output=5)),
        (
            {
                "prompt_tokens": 1212,
                "completion_tokens": 50,
                "total_tokens": 1262,
                "prompt_tokens_details": {"cached_tokens": 1000, "cache_write_tokens": 200},
                "completion_tokens_details": {"reasoning_tokens": 30},
            },
            Usage(uncached_input=12, cache_read=1000, cache_write_5m=200, output=50, reasoning=30),
        ),
        ({"prompt_tokens": 10, "prompt_cache_hit_tokens": 8}, Usage(uncached_input=2, cache_read=8)),
        ({"prompt_tokens": 10, "cached_tokens": 8}, Usage(uncached_input=2, cache_read=8)),
        ({"prompt_tokens": 10, "num_cached_tokens": 8}, Usage(uncached_input=2, cache_read=8)),
        (
            {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 40},
            Usage(uncached_input=10, output=30, reasoning=25),
        ),
        (
            {
                "prompt_tokens": 10,
                "completion_tokens": 5,
                "total_tokens": 40,
                "completion_tokens_details": {"reasoning_tokens": 25},
            },
            Usage(uncached_input=10, output=30, reasoning=25),
        ),
        ({"prompt_tokens": -5, "completion_tokens": None}, Usage()),
    ],
)
def test_read(wire: dict[str, Any], expected: Usage) -> None:
    """Cached and written tokens are taken out of the input; a total beyond its parts is reasoning."""
    assert expected == usage.read(msgspec.convert(wire, usage.WireUsage))


def test_write() -> None:
    """The prompt counts cached tokens, and details are there where they are known."""
    assert usage.write(
        Usage(uncached_input=12, cache_read=1000, cache_write_5m=150, cache_write_1h=50, output=50, reasoning=30)
    ) == {
        "prompt_tokens": 1212,
        "completion_tokens": 50,
        "total_tokens": 1262,
        "prompt_tokens_details": {"cached_tokens": 1000, "cache_write_tokens": 200},
        "completion_tokens_details": {"reasoning_tokens": 30},
    }
    assert usage.write(Usage(uncached_input=1, output=2)) == {
        "prompt_tokens": 1,
        "completion_tokens": 2,
        "total_tokens": 3,
        "prompt_tokens_details": {"cached_tokens": 0},
    }
