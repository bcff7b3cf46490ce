"""A request on its way in, whatever carries it: its body in pieces, then the whole as the service takes it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from yarl import URL

from llmgw_simulator.config import SimulatorConfig
from llmgw_simulator.faults import HEADER, parse_fault
from llmgw_simulator.forms import BadForm, FormReader, boundary_of
from llmgw_simulator.wire import Form, Incoming


class Intake:
    """One request. A form's files go to disk as they come; a form that cannot be read has no fields."""

    def __init__(self, config: SimulatorConfig, method: str, target: str, headers: Mapping[str, str]) -> None:
        """`target` is the path with its query as it was sent; header names are in lower case."""
        self._method, self._target, self._headers = method, target, headers
        boundary = boundary_of(headers.get("content-type", ""))
        self._form = None if boundary is None else FormReader(boundary)
        self._most = config.max_body if boundary is None else config.max_upload
        self._parts: list[bytes] = []
        self._bad = False
        self._size = 0
        declared = headers.get("content-length", "")
        self.too_large = self._form is None and declared.isdigit() and int(declared) > self._most
        """Whether the body is over the limit, as far as it is known."""
        self.shut = HEADER in headers and _wants_no_window(headers[HEADER])
        """Whether the body's window is to stay shut, on a transport that has one."""

    def feed(self, data: bytes) -> bool:
        """The next piece of the body; whether it is still within the limit. What is over is dropped."""
        self._size += len(data)
        self.too_large = self.too_large or self._size > self._most
        if not self.too_large:
            self._take(data)
        return not self.too_large

    def _take(self, data: bytes) -> None:
        if self._form is None:
            self._parts.append(data)
        elif not self._bad:
            try:
                self._form.feed(data)
            except BadForm:
                self._bad = True

    def incoming(self, serial: Callable[[], int]) -> Incoming:
        """The request, once its body is whole or too large. `serial` gives the next request's number."""
        form = self._whole_form()
        url = URL(self._target, encoded=True)
        return Incoming(
            method=self._method,
            path=url.path,
            query=dict(url.query) if url.raw_query_string else {},
            headers=self._headers,
            body=b"" if self.too_large else b"".join(self._parts) if form is None else form.summary(),
            serial=0 if url.path.startswith("/_sim/") else serial(),
            now=time.time(),
            form=form,
            target=self._target,
        )

    def _whole_form(self) -> Form | None:
        if self._form is None or self.too_large:
            return None
        try:
            return Form({}) if self._bad else self._form.finish()
        except BadForm:
            return Form({})


def _wants_no_window(wish: str) -> bool:
    try:
        return bool(parse_fault(wish).no_window)
    except ValueError:
        # The service refuses it, once it has the request.
        return False
