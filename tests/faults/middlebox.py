"""A box in the middle of a network, as NAT is one: it forgets TCP flows that are idle, and drops their packets then.

    python middlebox.py INTERFACE INTERFACE FORGET_SECONDS

It copies Ethernet frames between two interfaces. A flow that it does not know, because nothing passed for
FORGET_SECONDS or ever, can only begin with a SYN. SIGUSR1 has it drop everything,
SIGUSR2 nothing any more. It says `ready` once.
"""

from __future__ import annotations

import select
import signal
import socket
import sys
import time
from pathlib import Path

_ALL = 0x0003
_PACKET_VNET_HDR = 15
"""Frames come and go with what the kernel has not done yet: checksums and segmentation (linux/if_packet.h)."""
_HDR = 10
_IPV4 = b"\x08\x00"
_TCP = 6
_SYN = 2


class Flows:
    """Which TCP flows are known, by both ends."""

    def __init__(self, forget: float) -> None:
        self._forget = forget
        self._seen: dict[frozenset[bytes], float] = {}

    def passes(self, frame: bytes, now: float) -> bool:
        if frame[12:14] != _IPV4 or frame[23] != _TCP:
            return True
        start = 14 + (frame[14] & 15) * 4
        source, target = frame[26:30] + frame[start : start + 2], frame[30:34] + frame[start + 2 : start + 4]
        flow = frozenset((source, target))
        known = now - self._seen.get(flow, -self._forget - 1) <= self._forget
        if known or frame[start + 13] & _SYN:
            self._seen[flow] = now
            return True
        return False


def opened(interface: str) -> socket.socket:
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ALL))
    sock.setsockopt(263, _PACKET_VNET_HDR, 1)  # 263 is SOL_PACKET
    sock.bind((interface, 0))
    return sock


def main(left: str, right: str, forget: float) -> None:
    for interface in (left, right):
        # Neighbours that ask by IPv6 would be a noise.
        Path(f"/proc/sys/net/ipv6/conf/{interface}/disable_ipv6").write_text("1")
    sides = {}
    one, two = opened(left), opened(right)
    sides[one], sides[two] = two, one
    flows = Flows(forget)
    dropping = False

    def drop(number: int, _: object) -> None:
        nonlocal dropping
        dropping = number == signal.SIGUSR1

    signal.signal(signal.SIGUSR1, drop)
    signal.signal(signal.SIGUSR2, drop)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while True:
        ready, _, _ = select.select(list(sides), [], [])
        for sock in ready:
            data, origin = sock.recvfrom(1 << 17)
            if origin[2] == socket.PACKET_OUTGOING or dropping:
                continue
            if flows.passes(data[_HDR:], time.monotonic()):
                try:
                    sides[sock].send(data)
                except OSError:
                    continue  # The other side is down.


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]))
