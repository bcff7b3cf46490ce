"""What a verb works with: the API, what it says, and what it is told beside its arguments."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Callable
from pathlib import Path

from llmgw_gateway.verbs.client import Client, Wrong


class Desk:
    """One command's surroundings; `say` takes a text without its last newline."""

    def __init__(self, client: Client, say: Callable[[str], None]) -> None:
        self.client = client
        self.say = say

    def ask(self, name: str) -> str:
        """A secret: from standard input, or from a person, without showing it."""
        if sys.stdin.isatty():
            return getpass.getpass(f"{name} (not shown): ")
        return sys.stdin.read().removesuffix("\n").removesuffix("\r")

    def read(self, path: Path) -> str:
        """The text of a file, or of standard input for `-`. Raises `Wrong` if there is none."""
        try:
            return sys.stdin.read() if str(path) == "-" else path.read_text("utf-8")
        except UnicodeDecodeError:
            raise Wrong(f"{path}: is not UTF-8") from None
        except OSError as error:
            raise Wrong(f"{path}: {error.strerror}") from None

    def __repr__(self) -> str:
        return f"<Desk at {self.client!r}>"
