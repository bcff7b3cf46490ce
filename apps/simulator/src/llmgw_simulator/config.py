"""What can be set when a simulator is started."""

from __future__ import annotations

import msgspec

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
    """All waits are divided by this."""

    models: tuple[str, ...] = MODELS
    """What the model lists show. Any other name is answered too, but for `missing-model`."""

    keyring: Keyring = Keyring()
    """Whose signatures are checked with what; without an entry there are rules that need none."""

    max_body: int = 32 * 1024 * 1024
    """Larger request bodies get 413, in bytes."""

    max_upload: int = 512 * 1024 * 1024
    """The same for forms with files, which are kept on disk."""

    log_entries: int = 1000
    log_bytes: int = 64 * 1024 * 1024
    """How many requests the log keeps, and how many bytes of their bodies."""
