"""Data-plane HTTP: from an ASGI request to a `Call`, and from a `Reply` to ASGI messages.

`data_app` gives one plain ASGI callable. Paths that carry calls are found by a dict look-up and served without any
framework object in between; what is left (health pages, wrong paths) falls through to a small Starlette application.

This package knows HTTP and nothing of providers: it finds the dialect, authenticates before it reads, bounds what it
reads, watches the client while the relay works, and writes what the relay gives. Refusals of its own are written in the
client's dialect. It relies on the server for parsing and for limits on headers.
"""

from llmgw_httpapi.app import data_app
from llmgw_httpapi.config import HttpConfig
from llmgw_httpapi.ports import Relay

__all__ = ["HttpConfig", "Relay", "data_app"]
