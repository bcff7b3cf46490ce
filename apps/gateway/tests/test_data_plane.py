"""The data plane by itself; what it serves is tested over whole gateways."""

from __future__ import annotations

import msgspec
import pytest

from llmgw_balancer import Balancer, Pause
from llmgw_domain import Account, Candidate, Provider, Secret, Target
from llmgw_gateway.data_plane import in_words, new_request_id

ACCOUNT = Account(id="a", provider=Provider.OPENAI, base_url="", credential=Secret("s"), pool="p")


def test_request_ids_sort_by_time() -> None:
    """They are UUIDv7s, all different."""
    ids = [new_request_id() for _ in range(100)]
    assert 100 == len(set(ids))
    assert {"7"} == {identifier[14] for identifier in ids}


@pytest.mark.parametrize(
    ("word", "pauses", "expected"),
    [
        ("ok", [], ""),
        ("open", [], "open"),
        ("paused", [(None, "tokens", 17.4)], "paused: tokens for 17 s"),
        (
            "ok",
            [("gpt-5", "forbidden", 3500.0), ("gpt-4", "overloaded", 0.2)],
            "gpt-5: forbidden for 58 min, gpt-4: overloaded for 1 s",
        ),
        ("rejected", [(None, "5h", 18_000.0)], "rejected: 5h for 5 h"),
    ],
)
def test_what_keeps_an_account_from_serving_is_said_in_words(
    word: str, pauses: list[tuple[str | None, str, float]], expected: str
) -> None:
    """Of the whole account, or of models of it, and for how long."""
    told = [Pause(account="a", model=m, verdict="pause", seconds=s, reason=r) for m, r, s in pauses]
    state = Balancer(clock=lambda: 0.0, rand=lambda: 0.0)
    state.take(Candidate(ACCOUNT, "m", Target(pool="p", model="m")))
    known = msgspec.structs.replace(state.states()["a"], word=word, pauses=tuple(told))
    assert expected == in_words(known)
