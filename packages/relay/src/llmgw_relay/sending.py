"""A request's body on its way to be passed through: held where it is small, else a head that was read and the rest.

What is held can be sent again to another account, what is streamed can't. Only a large form's head is held, until its
model is found.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec

from llmgw_domain.errors import InvalidField, TooLarge
from llmgw_protocols import resources, toplevel
from llmgw_protocols.embeddings.clients import model_of
from llmgw_protocols.multipart import Form
from llmgw_relay.ports import Upload

MAX_JSON = 4 * 1024 * 1024
"""Bytes of a JSON request, or of a JSON answer that is read for ids; OpenAI's are some kilobytes."""

_MAX_HELD = 1024 * 1024
"""Bytes of a form that is held as a whole. Most files are smaller, and may then be sent to a second account."""


class Sending:
    """A request's body: held whole (`whole`, `form`), or followed by what is left of `stream`.

    `declared` is the body's length in bytes, if the client said it. `begun` tells that a part of the stream is gone.
    """

    def __init__(
        self, whole: bytes = b"", *, form: Form | None = None, stream: Upload | None = None, declared: int | None = None
    ) -> None:
        self._whole = whole
        self._form = form
        self._stream = stream
        self._declared = declared
        self.begun = False

    @classmethod
    async def of_json(cls, upload: Upload) -> Sending:
        """Raises `TooLarge`."""
        parts: list[bytes] = []
        size = 0
        async for part in upload:
            size += len(part)
            if size > MAX_JSON:
                raise TooLarge(f"A JSON body may be {MAX_JSON} bytes long here.")
            upload.hold(len(part))
            parts.append(part)
        return cls(whole=b"".join(parts))

    @classmethod
    async def of_form(cls, upload: Upload, form: Form, declared: int | None, *, names_model: bool) -> Sending:
        """Reads a small form to its end, and of another as much as it takes to know its model.

        Raises `InvalidField` for a form that names none, though it has to (`names_model`), or several.
        """
        small = declared is not None and declared <= _MAX_HELD
        if small or names_model:
            async for part in upload:
                upload.hold(len(part))
                form.feed(part)
                if not small and (form.model is not None or form.ended):
                    break
        if names_model:
            if form.model is None:
                raise InvalidField("The form names no model: send a field 'model'.", param="model")
            form.watch()
        return cls(form=form, stream=None if small else upload, declared=declared)

    def model(self) -> str:
        """Raises `InvalidField`."""
        if self._form is not None:
            return self._form.model or ""
        return model_of(toplevel.split(self._whole))

    def references(self) -> tuple[str, ...]:
        """The objects that a JSON body names."""
        return resources.references(self._whole)

    def body(self, model: str) -> bytes:
        """What is held whole, with the target's model in it, if there is one."""
        if self._form is not None:
            return b"" if self._stream is not None else self._head(model)
        if not self._whole or not model:
            return self._whole
        fields = {name: bytes(raw) for name, raw in toplevel.split(self._whole).items()}
        return toplevel.join({**fields, "model": msgspec.json.encode(model)})

    def rest(self, model: str) -> AsyncIterator[bytes] | None:
        """What is streamed. Once it is begun it can't be sent again."""
        return None if self._stream is None else self._streamed(self._stream, self._head(model))

    def length(self, model: str) -> int | None:
        """The length of what is streamed; None where the client did not say."""
        if self._stream is None or self._declared is None or self._form is None:
            return None
        return self._declared + len(self._head(model)) - len(self._form.held)

    def _head(self, model: str) -> bytes:
        if self._form is None:
            return b""
        return self._form.with_model(model) if model and self._form.model is not None else self._form.held

    async def _streamed(self, stream: Upload, head: bytes) -> AsyncIterator[bytes]:
        self.begun = True
        if head:
            yield head
        async for part in stream:
            if self._form is not None and self._form.model is not None:
                self._form.watch(part)
            yield part

    def __repr__(self) -> str:
        return f"<Sending {'streamed' if self._stream is not None else 'held'}{' begun' if self.begun else ''}>"
