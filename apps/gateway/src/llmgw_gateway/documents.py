"""TOML files, read with the line of what is wrong with them."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

from llmgw_gateway.problems import Problem, Unreadable


def text_of(file: Path) -> str:
    """Raises `Unreadable`."""
    try:
        return file.read_text("utf-8-sig")
    except OSError as error:
        raise Unreadable([Problem(source=str(file), message=f"can't be read: {error.strerror}")]) from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise Unreadable([Problem(source=str(file), line=line, message="is not valid UTF-8")]) from None


def parsed(text: str, file: Path) -> dict[str, Any]:
    """Raises `Unreadable`."""
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise Unreadable([Problem(source=str(file), message="is nested too deeply")]) from None
    except tomllib.TOMLDecodeError as error:
        # The line is only in the message before Python 3.14; without one the document ended too early.
        said = re.fullmatch(r"(.*) \(at (?:line (\d+), column \d+|end of document)\)", str(error), re.DOTALL)
        message = said[1] if said else str(error)
        line = int(said[2]) if said and said[2] else text.count("\n") + 1
        raise Unreadable([Problem(source=str(file), line=line, message=f"is not valid TOML: {message}")]) from None
