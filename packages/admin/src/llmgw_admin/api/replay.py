"""Folding the log anew, and saying where the tables that are read differ from it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec

from llmgw_admin.api.operations import Answer, Call, Operation
from llmgw_admin.api.records import ROOT
from llmgw_control.refusal import Forbidden

Replay = Callable[[bool], Awaitable[list[str]]]
"""Folds the whole log anew, and gives the differences of the tables from that, a line each; with True the new ones take
their place. Raises a `GatewayError` where the log can't be read."""


class ReplayRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`repair`: put the tables that were made anew in the place of those that differ."""

    repair: bool = False


class ReplayAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """`differences` is empty where the tables say what the log says; at most 100 are listed of each table."""

    differences: tuple[str, ...]
    repaired: bool


def replay_operations(replay: Replay) -> list[Operation]:
    async def run(call: Call) -> Answer:
        if call.actor.role != "owner":
            raise Forbidden("Only an owner may have the log folded anew.")
        repair = bool(call.fields.get("repair", False))
        found = await replay(repair)
        return Answer(body=ReplayAnswer(differences=tuple(found), repaired=repair and bool(found)))

    return [
        Operation(
            name="replay",
            method="POST",
            path=f"{ROOT}/replay",
            summary="Rebuild every projection from the log, and report any difference",
            run=run,
            tag="events",
            answer=ReplayAnswer,
            body=ReplayRequest,
        )
    ]
