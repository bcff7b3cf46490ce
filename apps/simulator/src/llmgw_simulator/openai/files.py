"""`/v1/files`: uploads, lists, contents. A file is on disk, and its owner's alone."""

from __future__ import annotations

from typing import Any

import msgspec

from llmgw_simulator.blobs import Blob
from llmgw_simulator.dialects._rules import missing
from llmgw_simulator.dialects.chat_messages import invalid
from llmgw_simulator.opaque import token
from llmgw_simulator.openai.page import as_json, page_of
from llmgw_simulator.wire import Form, Frame, Incoming, Product, Refusal

_PURPOSES = ("fine-tune", "assistants", "batch", "user_data", "vision", "evals")
_PRIVATE = ("assistants", "user_data", "vision")
"""Purposes whose files the provider does not give back."""


class File(msgspec.Struct, frozen=True):
    """A file and its description."""

    shown: dict[str, Any]
    blob: Blob


class Files:
    """The files of all credentials."""

    def __init__(self) -> None:
        self._files: dict[str, dict[str, File]] = {}
        self._serial = 0

    def __repr__(self) -> str:
        return f"<Files {sum(len(own) for own in self._files.values())} files>"

    def add(self, owner: str, filename: str, purpose: str, blob: Blob, now: float, expires_after: int | None) -> str:
        """Keep a file and return its id."""
        self._serial += 1
        file_id = f"file-{token(f'{owner}/{self._serial}/{blob.digest}', 22)}"
        shown = {
            "object": "file",
            "id": file_id,
            "purpose": purpose,
            "filename": filename,
            "bytes": blob.size,
            "created_at": int(now),
            "expires_at": None if expires_after is None else int(now) + expires_after,
            "status": "processed",
            "status_details": None,
        }
        self._files.setdefault(owner, {})[file_id] = File(shown, blob)
        return file_id

    def get(self, owner: str, file_id: str) -> File:
        """A file. Raises `Refusal` with 404."""
        found = self._files.get(owner, {}).get(file_id)
        if found is None:
            raise Refusal(404, f"No such File object: {file_id}", param="id")
        return found

    def upload(self, incoming: Incoming) -> Product:
        """Take a form with `file` and `purpose`."""
        form = incoming.form or Form({})
        for name in form.fields:
            if name not in ("purpose", "expires_after[anchor]", "expires_after[seconds]", "file"):
                invalid(f"Unknown parameter: '{name}'.", name, "unknown_parameter")
        upload = next((one for one in form.uploads if one.field == "file"), None)
        if upload is None:
            missing("file")
        purpose = (form.fields.get("purpose") or [""])[0]
        if not purpose:
            missing("purpose")
        if purpose not in _PURPOSES:
            invalid(f"'{purpose}' is not one of {list(_PURPOSES)!r} - 'purpose'", "purpose")
        if purpose in ("batch", "fine-tune") and not upload.filename.endswith(".jsonl"):
            what = "Batch API" if purpose == "batch" else "Fine-Tuning API"
            invalid(f"Invalid file format for {what}. Must be .jsonl", "file", "invalid_file_format")
        expires = _expiry(form)
        file_id = self.add(incoming.owner, upload.filename, purpose, upload.blob, incoming.now, expires)
        return as_json(self.get(incoming.owner, file_id).shown)

    def list(self, incoming: Incoming) -> Product:
        """The files of the owner, newest first."""
        found = [file.shown for file in self._files.get(incoming.owner, {}).values()]
        purpose = incoming.query.get("purpose")
        if purpose is not None:
            found = [shown for shown in found if shown["purpose"] == purpose]
        return as_json(page_of(found, incoming.query, 10_000, 10_000))

    def retrieve(self, incoming: Incoming, file_id: str) -> Product:
        """A file's description."""
        return as_json(self.get(incoming.owner, file_id).shown)

    def content(self, incoming: Incoming, file_id: str) -> Product:
        """A file's bytes, as a stream."""
        file = self.get(incoming.owner, file_id)
        if file.shown["purpose"] in _PRIVATE:
            invalid(f"Not allowed to download files of purpose: {file.shown['purpose']}")
        name = file.shown["filename"].replace('"', "")
        headers = {"content-type": "application/octet-stream", "content-disposition": f'attachment; filename="{name}"'}
        frames = (Frame(block) for block in file.blob.blocks())
        return Product(headers=headers, frames=frames, length=file.blob.size)

    def delete(self, incoming: Incoming, file_id: str) -> Product:
        """Forget a file."""
        self.get(incoming.owner, file_id)
        del self._files[incoming.owner][file_id]
        return as_json({"object": "file", "id": file_id, "deleted": True})


def _expiry(form: Form) -> int | None:
    values = form.fields.get("expires_after[seconds]")
    if values is None:
        return None
    given = values[0]
    if not given.isdigit() or not 3600 <= int(given) <= 2_592_000:
        message = "Invalid 'expires_after.seconds': expected an integer from 3600 to 2592000."
        invalid(message, "expires_after.seconds", "invalid_value")
    return int(given)
