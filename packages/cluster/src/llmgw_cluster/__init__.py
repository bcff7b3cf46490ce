"""Links: between a worker and the control process of its host, and between nodes.

A link carries whole messages in order over one socket, comes back by itself after a break, and says so to both of its
ends, which then send what the other one missed. What the messages mean is the business of those who send them.
"""

from llmgw_cluster.frames import BadFrame
from llmgw_cluster.link import Link, LinkLost, NotAnswered, Peer, read
from llmgw_cluster.unix import serving, staying

__all__ = ["BadFrame", "Link", "LinkLost", "NotAnswered", "Peer", "read", "serving", "staying"]
