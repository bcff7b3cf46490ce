"""A look at a store that may be away: bounded in time, and not repeated while it would only be waited for again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

from llmgw_eventstore import StoreAway

Question = TypeVar("Question")
Answer = TypeVar("Answer")


class BoundedLook(Generic[Question, Answer]):
    """Asks with `look`, which raises `StoreAway` where nobody answers.

    A store that does not answer within `patience` seconds is not asked again for `pause` seconds: without a store a
    call must not wait for it, one after the other. `clock` is monotonic.
    """

    def __init__(
        self,
        look: Callable[[Question], Coroutine[Any, Any, Answer]],
        clock: Callable[[], float],
        *,
        patience: float,
        pause: float,
    ) -> None:
        self._look = look
        self._clock = clock
        self._patience = patience
        self._pause = pause
        self._away_until = float("-inf")
        self._ending: set[asyncio.Task[Answer]] = set()

    @property
    def away(self) -> bool:
        """Whether the store did not answer lately."""
        return self._clock() < self._away_until

    async def ask(self, question: Question) -> Answer | None:
        """The store's answer; None while it is away."""
        if self.away:
            return None
        # A task of its own, because a look that is given up may take long to end: psycopg waits ten seconds and more
        # for a frozen server's answer to the cancellation. `close` waits for it.
        look = asyncio.get_running_loop().create_task(self._look(question))
        try:
            done, _ = await asyncio.wait({look}, timeout=self._patience)
            if done:
                return look.result()
        except StoreAway:
            pass
        finally:
            if not look.done():
                self._give_up(look)
        self._away_until = self._clock() + self._pause
        return None

    def _give_up(self, look: asyncio.Task[Answer]) -> None:
        look.cancel()
        self._ending.add(look)
        look.add_done_callback(self._ended)

    def _ended(self, look: asyncio.Task[Answer]) -> None:
        self._ending.discard(look)
        if not look.cancelled():
            look.exception()  # looked at, so that nobody is told of it: the store is known to be away

    async def close(self) -> None:
        """Waits for the looks that were given up, before their store is closed."""
        if self._ending:
            await asyncio.wait(self._ending)

    def __repr__(self) -> str:
        return f"<BoundedLook of {self._patience:g} s{' away' if self.away else ''}>"
