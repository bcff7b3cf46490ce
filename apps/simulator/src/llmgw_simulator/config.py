"""What can be set when a simulator is started."""

from __future__ import annotations

import msgspec

from llmgw_simulator.accounts import Setting
from llmgw_simulator.certificates import Identity
from llmgw_simulator.keyring import Keyring
from llmgw_simulator.script import Pace

MODELS = (
    "sim/gpt",
    "sim/claude",
    "sim/gemini",
    "gpt-4o",
    "gpt-5",
    "claude-sonnet-4-5",
    "claude-opus-4-5",
    "gemini-2.5-flash",
    "gemini-3-pro",
    "deepseek-chat",
)


class SimulatorConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of a `Simulator`."""

    seed: int = 0
    """Goes into every answer: another seed, other answers."""

    pace: Pace = Pace()
    """Timing of answers, in seconds before the time scale."""

    time_scale: float = 1.0
    """All waits are divided by this, and so are the lives of caches and the minutes of limits."""

    tells_real_seconds: bool = False
    """With a time scale: what headers and errors tell of times is in the caller's seconds, not in the simulator's."""

    accounts: tuple[Setting, ...] = ()
    """Limits and trouble of credentials from the start on."""

    models: tuple[str, ...] = MODELS
    """What the model lists show. Any other name is answered too, but for `missing-model`."""

    keyring: Keyring = Keyring()
    """Whose signatures are checked with what; without an entry there are rules that need none."""

    max_body: int = 32 * 1024 * 1024
    """Larger request bodies get 413, in bytes."""

    max_upload: int = 512 * 1024 * 1024
    """The same for forms with files, which are kept on disk."""

    tls: Identity | None = None
    """With it, connections are TLS."""

    protocols: tuple[str, ...] = ("h2", "http/1.1")
    """What TLS agrees on (ALPN), in this order; none for a server that knows no ALPN."""

    max_streams: int = 128
    """Streams of an HTTP/2 connection; more are refused, one by one."""

    initial_window: int | None = None
    """HTTP/2: bytes of a request's body before the caller has to wait; the protocol's 65,535 unless given."""

    opens_windows: bool = True
    """HTTP/2: whether a caller that waits may ever go on."""

    calm_pings: int | None = None
    calm_seconds: float = 10.0
    """HTTP/2: a caller that sends more PINGs than that in so many seconds loses its connection (ENHANCE_YOUR_CALM)."""

    log_entries: int = 1000
    log_bytes: int = 64 * 1024 * 1024
    """How many requests the log keeps, and how many bytes of their bodies."""

    ledger_entries: int = 100_000
    """How many answers the ledger keeps, which has no bodies."""
