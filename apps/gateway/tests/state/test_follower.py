"""A worker without its control process; with it, see `test_hub`."""

from __future__ import annotations

import time

import msgspec
import pytest

from llmgw_cluster import Link, NotAnswered
from llmgw_control import Replica
from llmgw_control.testing import ReversedSealing
from llmgw_eventstore import StoreAway
from llmgw_gateway.state.follower import Follower
from llmgw_gateway.state.messages import State
from llmgw_gateway.state.served import Served
from llmgw_relay.keep import Sought

NO_LINK: Link = None  # type: ignore[assignment]


@pytest.fixture
def follower() -> Follower:
    served = Served(ReversedSealing().reveal, lambda catalog: None, time.monotonic)
    return Follower(0, Replica("n"), served, lambda: None, time.monotonic)  # type: ignore[arg-type, return-value]


async def test_without_a_link_what_is_kept_is_away(follower: Follower) -> None:
    """Putting goes to the worker's spool alone; looking says that the answer is not complete."""
    follower.note(b"frame")
    with pytest.raises(StoreAway, match="no link"):
        await follower.find(Sought(kinds=("k",), tenant="t"))


async def test_an_empty_state_is_a_state(follower: Follower) -> None:
    """A node on which nothing is administered serves all the same: it refuses every key."""
    body = msgspec.Raw(msgspec.msgpack.encode(State(dump=None, overlay=None)))
    follower.told(NO_LINK, "state", body)
    assert follower.loaded.is_set()


async def test_a_question_of_another_release_is_not_answered(follower: Follower) -> None:
    """It is told so, and the link goes on."""
    with pytest.raises(NotAnswered, match="no question 'weather'"):
        await follower.asked(NO_LINK, "weather", msgspec.Raw(b"\xc0"))
