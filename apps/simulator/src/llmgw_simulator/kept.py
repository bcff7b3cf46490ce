"""What the simulated OpenAI keeps of its answers: responses and their items, each the property of a credential.

Nothing is found under another credential than its own. The oldest are forgotten when there are too many.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import msgspec

from llmgw_simulator.ask import Answers
from llmgw_simulator.wire import Parsed, Refusal

_MOST_RESPONSES = 2_000
_MOST_ITEMS = 50_000
"""Responses are kept for 30 days by the provider; by the simulator until so many newer ones have come."""


class Stored(msgspec.Struct):
    """A response that is kept: its object, the items that were its input, and what its events are made of.

    `status` is `queued` for one in the background that nobody has fetched yet, else that of the object.
    """

    response: dict[str, Any]
    items: list[dict[str, Any]]
    history: list[dict[str, Any]]
    parsed: Parsed
    answers: Answers
    status: str

    def shown(self) -> dict[str, Any]:
        """The object as of now."""
        if self.status == self.response["status"]:
            return self.response
        return {**self.response, "status": self.status, "output": [], "usage": None, "completed_at": None}


class Kept:
    """The responses of all credentials."""

    def __init__(self) -> None:
        self._responses: OrderedDict[tuple[str, str], Stored] = OrderedDict()
        self._items: OrderedDict[tuple[str, str], dict[str, Any]] = OrderedDict()

    def __repr__(self) -> str:
        return f"<Kept {len(self._responses)} responses>"

    def put(self, credential: str, stored: Stored) -> None:
        """Keep a response and its items."""
        self._responses[credential, stored.response["id"]] = stored
        for item in stored.items + stored.response["output"]:
            if item.get("id"):
                self._items[credential, item["id"]] = item
        while len(self._responses) > _MOST_RESPONSES:
            self._responses.popitem(last=False)
        while len(self._items) > _MOST_ITEMS:
            self._items.popitem(last=False)

    def get(self, credential: str, response_id: str) -> Stored:
        """A response. Raises `Refusal` with 404."""
        found = self._responses.get((credential, response_id))
        if found is None:
            raise Refusal(404, f"Response with id '{response_id}' not found.")
        return found

    def delete(self, credential: str, response_id: str) -> None:
        """Forget a response. Raises `Refusal` with 404."""
        stored = self.get(credential, response_id)
        del self._responses[credential, response_id]
        for item in stored.response["output"]:
            self._items.pop((credential, item["id"]), None)

    def history(self, credential: str, response_id: str) -> list[dict[str, Any]]:
        """All items up to and with those of a response. Raises `Refusal` with 400."""
        found = self._responses.get((credential, response_id))
        if found is None:
            message = f"Previous response with id '{response_id}' not found."
            raise Refusal(400, message, param="previous_response_id", code="previous_response_not_found")
        return [*found.history, *found.items, *found.response["output"]]

    def item(self, credential: str, item_id: str) -> dict[str, Any]:
        """An item by its id. Raises `Refusal` with 404."""
        found = self._items.get((credential, item_id))
        if found is None:
            message = (
                f"Item with id '{item_id}' not found. Items are not persisted when `store` is set to false. Try again "
                "with `store` set to true, or remove this item from your input."
            )
            raise Refusal(404, message, param="input")
        return found

    def refuse_conversation(self, conversation_id: Any) -> None:
        """There are no conversations. Raises `Refusal` with 404."""
        raise Refusal(404, f"Conversation with id '{conversation_id}' not found.", param="conversation")
