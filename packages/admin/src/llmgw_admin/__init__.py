"""Control-plane HTTP: the operator's pages, metrics and health, on a listener of their own.

`admin_app` is a plain ASGI application. A guard stands before every page: the Host header must name this listener (a
page of another site could otherwise reach it through a name that is rebound to loopback), and beyond loopback a bearer
token is asked for. Pages are rendered on the server, load nothing from elsewhere and run no script. They show states
and counts, never a credential.
"""

from llmgw_admin.app import admin_app
from llmgw_admin.guard import AdminConfig
from llmgw_admin.status import Status

__all__ = ["AdminConfig", "Status", "admin_app"]
