"""The catalog of a process, over changes of its replica."""

from __future__ import annotations

import asyncio
import time

import pytest

from llmgw_control.testing import Desk, ReversedSealing
from llmgw_control.views import Actor
from llmgw_domain import Catalog
from llmgw_gateway.state.served import Served

OWNER = Actor("admin:o", "owner")


@pytest.fixture
def desk() -> Desk:
    """Another node, whose changes come here."""
    return Desk("other")


class Here:
    """A process that serves what the desk administers."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.replica = Desk("here").replica
        self.published: list[Catalog] = []
        self.served = Served(ReversedSealing().reveal, self.published.append, time.monotonic)

    def bring(self) -> None:
        events, self.desk.journal.events[:] = list(self.desk.journal.events), []
        self.served.take(self.replica.apply(events))

    def policy(self, id: str) -> None:
        self.desk.administration.create("policy", id, {}, OWNER)
        self.bring()


async def test_it_is_loaded_once_something_was_published(desk: Desk) -> None:
    """Also where there is nothing to serve."""
    here = Here(desk)
    assert not here.served.loaded
    here.served.flush()
    assert here.served.loaded


async def test_a_burst_is_published_ten_times_a_second(desk: Desk) -> None:
    """The first change at once, what follows it together a tenth of a second later."""
    here = Here(desk)
    for number in range(30):
        here.policy(f"p{number}")
    assert ["p0"] == [*here.served.current().policies][1:]
    await asyncio.sleep(0.15)
    assert (2, 31) == (len(here.published), len(here.served.current().policies))


async def test_a_revocation_waits_for_nothing(desk: Desk) -> None:
    """A key that is deleted in the middle of a burst is gone in that moment, with all that waited."""
    here = Here(desk)
    made = desk.administration.create("key", "k", {}, OWNER)
    here.bring()
    assert made.secret is not None
    await asyncio.sleep(0.15)
    assert "k" == here.served.current().key_for(made.secret).id
    here.policy("p1")
    here.policy("p2")
    desk.administration.delete("key", "k", OWNER)
    here.bring()
    assert not here.served.current().keys
    assert "p2" in here.served.current().policies


async def test_nothing_new_is_not_published(desk: Desk) -> None:
    """What was taken in twice makes one catalog."""
    here = Here(desk)
    desk.administration.create("policy", "p", {}, OWNER)
    events = list(desk.journal.events)
    here.served.take(here.replica.apply(events))
    here.served.take(here.replica.apply(events))
    here.served.flush()
    assert 1 == len(here.published)
