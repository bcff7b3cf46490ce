"""Collects reasons under their paths while records are checked."""

from __future__ import annotations

from llmgw_control.refusal import Reason


class Report:
    """`at` gives the same report one step deeper; `add` notes what is wrong there."""

    def __init__(self, reasons: list[Reason] | None = None, path: str = "") -> None:
        self.reasons: list[Reason] = [] if reasons is None else reasons
        self.path = path

    def at(self, step: str) -> Report:
        return Report(self.reasons, f"{self.path}.{step}" if self.path else step)

    def add(self, message: str) -> None:
        self.reasons.append(Reason(self.path, message))

    def __repr__(self) -> str:
        return f"<Report {self.path or '/'}: {len(self.reasons)} reasons>"
