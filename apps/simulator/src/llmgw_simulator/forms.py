"""`multipart/form-data`, piece by piece: bytes in, a `Form` out. Files go to disk as they come.

RFC 7578, as HTTP clients write it: no nesting, no transfer encodings.
"""

from __future__ import annotations

import re

from llmgw_simulator.blobs import Blob
from llmgw_simulator.wire import Form, Upload

_BOUNDARY = re.compile(r'boundary=(?:"([^"]+)"|([^;\s]+))', re.IGNORECASE)
_PARAMETER = re.compile(rb';\s*([a-zA-Z*]+)=(?:"((?:[^"\\]|\\.)*)"|([^;\r\n]*))')
_MOST_FIELD = 1024 * 1024
"""A field that is no file is kept in memory up to this many bytes."""


class BadForm(ValueError):
    """The body is not a form."""


def boundary_of(content_type: str) -> str | None:
    """The boundary of a multipart content type, or None if it is none."""
    found = _BOUNDARY.search(content_type) if content_type.lower().startswith("multipart/form-data") else None
    return (found.group(1) or found.group(2)) if found else None


class FormReader:
    """Takes a body in pieces of any size. `feed` them all, then `finish`."""

    def __init__(self, boundary: str) -> None:
        self._mark = b"\r\n--" + boundary.encode()
        # The first mark has no line before it.
        self._pending = b"\r\n"
        self._part: _Part | None = None
        self._ended = False
        self._fields: dict[str, list[str]] = {}
        self._uploads: list[Upload] = []

    def feed(self, data: bytes) -> None:
        """The next bytes. Raises `BadForm`."""
        self._pending += data
        while not self._ended and self._step():
            pass

    def finish(self) -> Form:
        """The form. Raises `BadForm` if its end has not come."""
        if not self._ended:
            raise BadForm("the form has no end")
        return Form(self._fields, tuple(self._uploads))

    def _step(self) -> bool:
        """Take a part's content, or a mark and the head behind it; False if more bytes are needed."""
        at = self._pending.find(self._mark)
        if at < 0:
            return self._take_content(len(self._pending) - len(self._mark) + 1)
        self._take_content(at)
        return self._take_mark()

    def _take_content(self, length: int) -> bool:
        if length > 0:
            if self._part is not None:
                self._part.append(self._pending[:length])
            self._pending = self._pending[length:]
        return False

    def _take_mark(self) -> bool:
        """The pending bytes begin with a mark: close the part before it and open the one after it."""
        behind = self._pending[len(self._mark) :]
        if behind.startswith(b"--"):
            self._close()
            self._ended = True
            return False
        head, found, rest = behind.partition(b"\r\n\r\n")
        if not found:
            if len(behind) > 65536:
                raise BadForm("the head of a part is too long")
            return False
        self._close()
        self._part = _Part(head)
        self._pending = rest
        return True

    def _close(self) -> None:
        part = self._part
        if part is None:
            return
        self._part = None
        if part.blob is not None:
            self._uploads.append(Upload(part.name, part.filename, part.media_type, part.blob))
        else:
            self._fields.setdefault(part.name, []).append(part.text())


class _Part:
    """A part under way: a file, whose bytes go to disk, or a field."""

    def __init__(self, head: bytes) -> None:
        titles = {
            title.strip().lower(): value.strip()
            for title, _, value in (line.partition(b":") for line in head.split(b"\r\n"))
        }
        parameters = _PARAMETER.findall(titles.get(b"content-disposition", b""))
        found = {name.lower(): quoted or plain for name, quoted, plain in parameters}
        if not found.get(b"name"):
            raise BadForm("a part has no name")
        self.name = _unquoted(found[b"name"])
        self.filename = _unquoted(found.get(b"filename", b""))
        self.media_type = titles.get(b"content-type", b"application/octet-stream").decode("latin-1")
        self.blob = Blob() if b"filename" in found else None
        self._data = bytearray()

    def append(self, data: bytes) -> None:
        """The next bytes of its content. Raises `BadForm`."""
        if self.blob is not None:
            self.blob.append(data)
            return
        self._data += data
        if len(self._data) > _MOST_FIELD:
            raise BadForm("a field is too long")

    def text(self) -> str:
        """A field's value."""
        return self._data.decode("utf-8", "replace")


def _unquoted(value: bytes) -> str:
    text = value.decode("utf-8", "replace").replace("%22", '"')
    return re.sub(r"\\(.)", r"\1", text)
