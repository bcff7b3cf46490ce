"""The use case: carry one call from a client to a provider and back.

The path of a call reads top to bottom in `exchange`: admit, split the envelope, route, choose and lease, send, wait
for the first semantic byte (the commit point), pass bytes or translate events, settle. Before the commit point a call
may be tried on another account (`retry` is the only loop); after it, never. Every path, also a cancelled one, settles
exactly once: lease back, facts written, upstream closed.

The relay does no I/O of its own. It owns the ports (`ports`) that the edges implement, and knows no HTTP server, no
client library, no database. `llmgw_relay.testing` has the in-memory forms of the ports.
"""

from llmgw_relay.call import Admission, Call, Knock, Reply
from llmgw_relay.facts import CallOpened, CallSettled, SessionFacts, SessionPlaced
from llmgw_relay.parts import RelayConfig
from llmgw_relay.ports import Facts, Fetch, Upstream, UpstreamReply, UpstreamRequest
from llmgw_relay.relay import Relay

__all__ = [
    "Admission",
    "Call",
    "CallOpened",
    "CallSettled",
    "Facts",
    "Fetch",
    "Knock",
    "Relay",
    "RelayConfig",
    "Reply",
    "SessionFacts",
    "SessionPlaced",
    "Upstream",
    "UpstreamReply",
    "UpstreamRequest",
]
