"""A store that may be away is waited for within a bound; more of this is in `test_buffered`."""

from __future__ import annotations

import asyncio

from llmgw_eventstore import StoreAway
from llmgw_relay.patience import BoundedLook


async def test_a_store_that_is_away_is_asked_again_after_the_pause() -> None:
    """Whether it said so or hung; in between the answer is none, at once."""
    now, asked = 0.0, []

    async def look(question: str) -> str:
        asked.append(question)
        if question == "away":
            raise StoreAway
        if question == "hang":
            await asyncio.Event().wait()
        return question.upper()

    store = BoundedLook(look, lambda: now, patience=0.05, pause=5.0)
    assert "A" == await store.ask("a")
    for trouble in ("away", "hang"):
        assert await store.ask(trouble) is None
        assert store.away
        assert await store.ask("b") is None
        now += 5.0
        assert "C" == await store.ask("c")
    assert ["a", "away", "c", "hang", "c"] == asked
    await store.close()
    assert "<BoundedLook of 0.05 s>" == repr(store)
