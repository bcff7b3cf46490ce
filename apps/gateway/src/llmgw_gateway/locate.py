"""Which line of a TOML text a path (`accounts[1].max_concurrency`) stands on.

`tomllib` forgets lines, so this walks the same text a second time and keeps nothing else. It relies on the text having
been accepted by `tomllib`: on any other it may give nonsense, but it always ends.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_STRING = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}(?!")' r"|'''.*?'{3,5}(?!')" r'|"(?:\\.|[^"\\\n])*"' r"|'[^'\n]*'", re.DOTALL
)
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_PLAIN = re.compile(r"[^\s,\]}#]+(?: \d[^\s,\]}#]*)?")


class Lines:
    """Lines by path. `find` also knows paths that are not there: by the line of the nearest table around them."""

    def __init__(self, lines: dict[str, int]) -> None:
        self._lines = lines

    @classmethod
    def of(cls, text: str) -> Lines:
        return cls(_Walk(text.replace("\r\n", "\n")).lines())

    def __contains__(self, path: str) -> bool:
        return path in self._lines

    def find(self, path: str) -> int | None:
        while path:
            if path in self._lines:
                return self._lines[path]
            path = around(path)
        return None


def around(path: str) -> str:
    """What holds the value at a path: `a[0].b` is in `a[0]`, which is in `a`, which is in nothing."""
    return path[: max(path.rfind("."), path.rfind("["), 0)]


class _Walk:
    """One pass over a text. Methods named after a thing of the grammar stand at its start and end behind it."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._line = 1
        self._lines: dict[str, int] = {}
        self._tables: dict[str, int] = {}

    def lines(self) -> dict[str, int]:
        table = ""
        while True:
            self._skip(_BLANK)
            before = self._at
            if before == len(self._text):
                break
            if self._peek("["):
                table = self._header()
            else:
                self._pair(table)
            if self._at == before:
                break
        return self._lines

    def _header(self) -> str:
        array = self._peek("[[")
        line = self._line
        self._take(2 if array else 1)
        *parents, last = self._key()
        path = ""
        for part in parents:
            path = self._newest(_join(path, part))
        path = _join(path, last)
        if array:
            self._lines.setdefault(path, line)
            self._tables[path] = self._tables.get(path, -1) + 1
            path = f"{path}[{self._tables[path]}]"
        self._lines.setdefault(path, line)
        self._take(2 if array else 1)
        return path

    def _newest(self, path: str) -> str:
        return f"{path}[{self._tables[path]}]" if path in self._tables else path

    def _pair(self, table: str) -> None:
        line = self._line
        path = table
        for part in self._key():
            path = _join(path, part)
            self._lines.setdefault(path, line)
        self._skip(_SPACE)
        self._take(1)
        self._skip(_SPACE)
        self._value(path)

    def _key(self) -> list[str]:
        parts: list[str] = []
        while True:
            self._skip(_SPACE)
            quoted = self._peek('"') or self._peek("'")
            part = self._skip(_STRING if quoted else _BARE)
            parts.append(part[1:-1] if quoted else part)
            self._skip(_SPACE)
            if not self._peek("."):
                return parts
            self._take(1)

    def _value(self, path: str) -> None:
        if self._peek("["):
            self._array(path)
        elif self._peek("{"):
            self._inline(path)
        elif self._peek('"') or self._peek("'"):
            self._skip(_STRING)
        else:
            self._skip(_PLAIN)

    def _array(self, path: str) -> None:
        for index in self._items("]"):
            item = f"{path}[{index}]"
            self._lines.setdefault(item, self._line)
            self._value(item)

    def _inline(self, path: str) -> None:
        for _ in self._items("}"):
            self._pair(path)

    def _items(self, end: str) -> Iterator[int]:
        """Stands at each item in turn; who iterates has to walk over it."""
        self._take(1)
        index = 0
        while self._at < len(self._text):
            self._skip(_BLANK)
            if self._peek(end):
                self._take(1)
                return
            before = self._at
            yield index
            index += 1
            self._skip(_BLANK)
            if self._peek(","):
                self._take(1)
            elif self._at == before:
                return

    def _peek(self, text: str) -> bool:
        return self._text.startswith(text, self._at)

    def _take(self, count: int) -> None:
        self._at = min(self._at + count, len(self._text))

    def _skip(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self._text, self._at)
        found = match[0] if match else ""
        self._line += found.count("\n")
        self._at += len(found)
        return found


def _join(path: str, part: str) -> str:
    return f"{path}.{part}" if path else part
