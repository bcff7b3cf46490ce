"""What outlives a call, in its durable forms over one keep."""

from __future__ import annotations

import time

from llmgw_gateway.data_plane import Kept
from llmgw_relay.conversations import KeptConversations
from llmgw_relay.keep import Keep
from llmgw_relay.objects import KeptObjects
from llmgw_relay.stash import KeptStash
from llmgw_relay.wrapping import Sealer


def kept_forms(keep: Keep, sealer: Sealer) -> Kept:
    """Objects, reasoning and responses, sealed with `sealer`."""
    return Kept(
        objects=KeptObjects(keep, sealer, time.monotonic, time.time),
        stash=KeptStash(keep, sealer, time.monotonic),
        conversations=KeptConversations(keep, sealer, time.monotonic),
    )
