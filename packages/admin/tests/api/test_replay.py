"""The log folded anew."""

from __future__ import annotations

import pytest

from llmgw_admin.api.operations import Call
from llmgw_admin.api.replay import replay_operations
from llmgw_control.refusal import Forbidden
from llmgw_control.views import Actor


@pytest.mark.parametrize("repair", [False, True])
async def test_differences_are_told(repair: bool) -> None:
    """And repaired where that is asked for."""
    asked: list[bool] = []

    async def replay(repair: bool) -> list[str]:
        asked.append(repair)
        return ["usage x: calls is 1, should be 2"]

    [operation] = replay_operations(replay)
    fields: dict[str, object] = {"repair": True} if repair else {}
    answer = await operation.run(Call(actor=Actor("admin:o", "owner"), fields=fields))
    assert ([repair], repair, 1) == (asked, answer.body.repaired, len(answer.body.differences))  # type: ignore[attr-defined]
    with pytest.raises(Forbidden):
        await operation.run(Call(actor=Actor("admin:v", "viewer")))
