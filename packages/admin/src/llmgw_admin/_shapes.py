"""The shapes of llmgw_control's administration, until that is merged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from llmgw_control.views import Actor, Committed, Diff, Kind, Proposal, View


class Administration(Protocol):
    def get(self, kind: Kind, id: str) -> View: ...
    def list(self, kind: Kind, *, after: str | None, limit: int) -> tuple[list[View], str | None]: ...
    def create(
        self, kind: Kind, id: str | None, fields: dict[str, object], actor: Actor, cause: str | None = None
    ) -> Committed: ...
    def patch(
        self,
        kind: Kind,
        id: str,
        fields: dict[str, object],
        actor: Actor,
        expected: str | None = None,
        cause: str | None = None,
    ) -> Committed: ...
    def delete(
        self, kind: Kind, id: str, actor: Actor, expected: str | None = None, cause: str | None = None
    ) -> Committed: ...
    def switch(
        self, kind: Kind, id: str, *, enabled: bool | None, drain: bool | None, actor: Actor, cause: str | None = None
    ) -> Committed: ...
    def try_out(self, changes: Sequence[Proposal]) -> Diff: ...
    def actor_of(self, token: str) -> Actor | None: ...
