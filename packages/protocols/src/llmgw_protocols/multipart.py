"""Finding the model in a multipart form as it passes, without holding the files that follow it.

SDKs write a form's plain fields before its files, so the model is mostly found in the first bytes. Only as much of the
form is held as stands before the model's end; a form that names it last is held whole, within the bound on bodies. What
follows is watched for a second model: whoever reads the form may take the last one, which nobody has allowed.
Framing is RFC 7578 and RFC 2046, section 5.1.
"""

from __future__ import annotations

import re

from llmgw_domain.errors import InvalidField

_BOUNDARY = re.compile(r'multipart/form-data\s*;.*?boundary=(?:"([^"]{1,70})"|([^;\s"]{1,70}))', re.IGNORECASE)
_MODEL = re.compile(rb'(?im)^content-disposition:[^\r\n]*;\s*name="?model"?\s*(?:;|\r|$)')
_MAX_HEAD = 16 * 1024
_MAX_MODEL = 1024


def boundary_of(content_type: str) -> bytes:
    """The boundary that a content type names. Raises `InvalidField`."""
    found = _BOUNDARY.match(content_type.strip())
    if found is None:
        raise InvalidField("Send the form as multipart/form-data with a boundary.", param="content-type")
    return (found[1] or found[2]).encode("latin-1")


class Form:
    """A form as it comes in. `feed` until `model` is known or the form has `ended`; `held` is all that was fed."""

    def __init__(self, boundary: bytes) -> None:
        self._mark = b"\r\n--" + boundary
        # The first boundary has no line break before it; with one, all of them look alike.
        self._held = bytearray(b"\r\n")
        self._at = 0
        self._part: int | None = None
        self._span: tuple[int, int] | None = None
        self._tail: bytes | None = None
        self.ended = False

    @property
    def held(self) -> bytes:
        return bytes(self._held[2:])

    @property
    def model(self) -> str | None:
        if self._span is None:
            return None
        start, end = self._span
        return self._held[start:end].decode("utf-8", "replace")

    def feed(self, data: bytes) -> None:
        """Raises `InvalidField` for what is no form."""
        self._held += data
        while self._span is None and not self.ended and self._step():
            pass

    def watch(self, data: bytes = b"") -> None:
        """Looks into what follows the model: first what was fed of that, then `data`, of which little is held.

        Raises `InvalidField` for another model.
        """
        assert self._span is not None
        held = bytes(self._held[self._span[1] :]) if self._tail is None else self._tail
        self._tail = held + data
        while not self.ended and self._pass_part():
            pass

    def with_model(self, model: str) -> bytes:
        """What was fed, with another model in it."""
        assert self._span is not None
        start, end = self._span
        return bytes(self._held[2:start]) + model.encode() + bytes(self._held[end:])

    def _step(self) -> bool:
        """Looks at the next part; False where its end has not come yet."""
        if self._part is not None:
            return self._read_model(self._part)
        mark = self._held.find(self._mark, self._at)
        if mark < 0:
            self._at = max(self._at, len(self._held) - len(self._mark))
            return False
        after = mark + len(self._mark)
        if self._held[after : after + 2] == b"--":
            self.ended = True
            return False
        head = self._held.find(b"\r\n\r\n", after)
        if head < 0:
            self._at = mark
            if len(self._held) - after > _MAX_HEAD:
                raise InvalidField("The form's boundary or a part's head is broken.", param="body")
            return False
        self._at = head + 2
        if _MODEL.search(self._held[after : head + 2]):
            self._part = head + 4
        return True

    def _pass_part(self) -> bool:
        """Goes past the next part's head; False where its end has not come yet."""
        tail = self._tail or b""
        mark = tail.find(self._mark)
        if mark < 0:
            self._tail = tail[-len(self._mark) :]
            return False
        after = mark + len(self._mark)
        self.ended = tail[after : after + 2] == b"--"
        head = tail.find(b"\r\n\r\n", after)
        if head < 0 or self.ended:
            self._tail = tail[mark:]
            if head < 0 and len(tail) - after > _MAX_HEAD:
                raise InvalidField("The form's boundary or a part's head is broken.", param="body")
            return False
        if _MODEL.search(tail[after : head + 2]):
            raise InvalidField("The form names its model twice: send one field 'model'.", param="model")
        self._tail = tail[head + 2 :]
        return True

    def _read_model(self, start: int) -> bool:
        end = self._held.find(self._mark, start)
        if end < 0:
            if len(self._held) - start > _MAX_MODEL + len(self._mark):
                raise InvalidField(f"model: must not be longer than {_MAX_MODEL} bytes.", param="model")
            return False
        self._span = (start, end)
        return True

    def __repr__(self) -> str:
        return f"<Form {len(self._held) - 2} bytes, model {self.model!r}>"
