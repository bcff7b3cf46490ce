"""Serving an ASGI application on sockets that the worker owns.

The worker accepts, and hands each connection to an engine's per-connection code (Hypercorn's or uvicorn's). So a drain
can stop accepting while open connections go on and are told that they end, and a connection that does not read can be
cut. Neither engine installs signal handlers, writes an access log, or runs the lifespan protocol: what the application
needs is open before it is served.

A drain: no more connections; `draining` is true, so that responses say `connection: close`; after a short grace, in
which a request on its way still finds its connection open, idle connections are closed; requests in flight go on until
the deadline; what is left is reset.

The engines end a connection without the last chunk of its body when the application returns without having sent it.
`scope["state"]["abort"]` resets the connection at once.
"""

from llmgw_gateway.serving.connections import ServeConfig
from llmgw_gateway.serving.listener import Draining, Listener, serve
from llmgw_gateway.serving.sockets import CannotListen, bind
from llmgw_gateway.serving.tls import BadCertificate, Certificate, renew, watched

__all__ = [
    "BadCertificate",
    "CannotListen",
    "Certificate",
    "Draining",
    "Listener",
    "ServeConfig",
    "bind",
    "renew",
    "serve",
    "watched",
]
