"""Every outgoing HTTP connection: the HTTP/1.1 transport behind the relay's `Upstream` port, on aiohttp.

The pool sends a request to an account and gives back a reply whose body is read as it arrives. It owns what nobody else
should know of: sockets, keep-alive, credentials on the wire, the deadline of each phase, and the one translation of
foreign exceptions into the error tree. It decides nothing about accounts: no choice, no limit, no waiting line. The one
retry that it makes is the one that only a transport can judge, after a keep-alive connection died under the request.

A connection is leased by `async with pool.open(request)` and comes back or is closed exactly once on every path;
`pool.counters()` proves it.

Apart from it stands `Fetcher`, behind the relay's `Fetch` port: media that a request names by address, from hosts that
the operator allowed.
"""

from llmgw_pool.config import FetchConfig, PoolConfig
from llmgw_pool.fetch import Fetcher
from llmgw_pool.pool import ConnectionPool, Counters

__all__ = ["ConnectionPool", "Counters", "FetchConfig", "Fetcher", "PoolConfig"]
