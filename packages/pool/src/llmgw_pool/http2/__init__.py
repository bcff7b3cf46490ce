"""HTTP/2, by a client of our own over the `h2` codec: many requests on a connection, and a proof that it is alive.

- `codec` hides `h2` behind ten methods and a handful of events, so that another codec can take its place.
- `connection` is one connection: its streams, its flow control, its PING.
- `stream` is one request and its response on a connection.
- `origin` holds the connections to one place and decides which of them takes the next request.
- `connect` opens sockets: names, proxies, TLS.
- `transport` is what the pool sees of it.
"""

from llmgw_pool.http2.connect import NotSpoken
from llmgw_pool.http2.transport import Http2

__all__ = ["Http2", "NotSpoken"]
