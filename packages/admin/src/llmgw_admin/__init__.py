"""Control-plane HTTP: the operator's pages, the JSON API, metrics and health, on a listener of their own.

`admin_app` is a plain ASGI application. A guard stands before everything: the Host header must name this listener (a
page of another site could otherwise reach it through a name that is rebound to loopback). Pages and metrics are open on
loopback, and ask for a bearer token elsewhere; the JSON API (`api`) asks for one everywhere, and who its bearer is
decides what may be changed. Pages are rendered on the server, load nothing from elsewhere and run no script. Nothing
here ever shows a credential, but for the text of a new key or token, once.

The audit trail comes through the port `History`.
"""

from llmgw_admin.app import admin_app
from llmgw_admin.guard import AdminConfig
from llmgw_admin.history import History
from llmgw_admin.status import Status

__all__ = ["AdminConfig", "History", "Status", "admin_app"]
