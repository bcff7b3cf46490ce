"""What is wrong with a configuration, and where it was written."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from llmgw_gateway.locate import Lines, around


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """`source` is a file, an environment variable or a flag; `line` is None outside of files."""

    source: str
    message: str
    path: str = ""
    line: int | None = None
    hint: str = ""

    def __str__(self) -> str:
        """One line, in the form that editors and compilers use, so that it can be clicked."""
        place = self.source if self.line is None else f"{self.source}:{self.line}"
        hint = f" ({self.hint})" if self.hint else ""
        return ": ".join(part for part in (place, self.path, self.message) if part) + hint


class ConfigError(Exception):
    """The configuration is not valid; `problems` says all that is wrong with it."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


class Unreadable(ConfigError):
    """The configuration file can't be read, or is not TOML, so nothing more can be said about it."""


class Origins(msgspec.Struct, frozen=True):
    """Where each value was written: `lines` of the file, or the variable or flag in `names`, which win over it."""

    file: str
    lines: Lines
    names: dict[str, str] = msgspec.field(default_factory=dict)

    def problem(self, path: str, message: str, hint: str = "") -> Problem:
        """The problem at `path`, with the place of the value or of the nearest thing around it."""
        step = path
        while step:
            if step in self.names:
                return Problem(source=self.names[step], path=path, message=message, hint=hint)
            if step in self.lines:
                break
            step = around(step)
        return Problem(source=self.file, line=self.lines.find(path), path=path, message=message, hint=hint)
