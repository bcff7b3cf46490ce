"""The other models of a call: which is asked where the one that was asked for can't answer.

An operator names them with the causes for which each may stand in (`Model.fallbacks`). Only the first model's own list
counts, so no two models can send a call back and forth.
"""

from __future__ import annotations

import msgspec

from llmgw_domain import Model, Route
from llmgw_domain.errors import GatewayError, KeyNotAllowed, UnknownModel
from llmgw_domain.models import Cause
from llmgw_relay.call import Admission
from llmgw_relay.retry import rule_of


class Instead(msgspec.Struct, frozen=True):
    """Another model that is asked, by its name, and why."""

    model: str
    cause: Cause
    route: Route


class Fallbacks:
    """Those of one call that are left. Each is asked once, in the order of the list."""

    def __init__(self, admission: Admission, model: Model | None = None) -> None:
        """Without a `model` there are none."""
        self._admission = admission
        self._left = list(model.fallbacks) if model is not None else []
        self._asked = {model.name} if model is not None else set()

    def help(self, cause: Cause) -> bool:
        """Whether one is left for this cause."""
        return any(cause in fallback.on for fallback in self._left)

    def after(self, error: GatewayError) -> Instead | None:
        """What is asked after this error; None where the error is the answer. One that the key may not use is left
        out."""
        cause = rule_of(error).cause
        while cause is not None and self.help(cause):
            fallback = next(fallback for fallback in self._left if cause in fallback.on)
            self._left.remove(fallback)
            route = self._route(fallback.model)
            if route is not None:
                return Instead(fallback.model, cause, route)
        return None

    def _route(self, model: str) -> Route | None:
        try:
            route = self._admission.catalog.route(model, self._admission.policy)
        except (UnknownModel, KeyNotAllowed):
            return None
        if route.model.name in self._asked:
            return None
        self._asked.add(route.model.name)
        return route

    def __repr__(self) -> str:
        return f"<Fallbacks {[fallback.model for fallback in self._left]}>"
