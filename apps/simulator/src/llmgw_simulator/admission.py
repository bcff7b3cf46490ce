"""Whether a request is let in: its credential's trouble and limits, and what its prompt has to do with the cache.

The simulator's clock runs `time_scale` times as fast as the world's, and so do all times here. What answers tell of
them are its seconds too, for callers whose clock runs as fast; `told` divides them for the others.
"""

from __future__ import annotations

import msgspec

from llmgw_simulator.accounts import Accounts, Setting
from llmgw_simulator.config import SimulatorConfig
from llmgw_simulator.dialects.azure import Azure
from llmgw_simulator.dialects.denials import denied
from llmgw_simulator.engine import prompt_tokens
from llmgw_simulator.faults import Fault
from llmgw_simulator.limits import Denied, Meter
from llmgw_simulator.promptcache import Held, PromptCache
from llmgw_simulator.wire import Dialect, Incoming, Parsed

_NOTHING = Held()
_CACHING = frozenset({"chat", "responses", "messages", "gemini", "vertex", "vertex-claude", "bedrock"})

_READS_ARE_FREE = frozenset({"messages", "bedrock"})
_RESERVING = frozenset({"chat", "responses", "completions", "bedrock"})


class Admission:
    """The accounts and the caches of one simulator."""

    def __init__(self, config: SimulatorConfig) -> None:
        self.accounts = Accounts(config.accounts)
        self._cache = PromptCache()
        self._scale = config.time_scale
        self._told = 1.0 / config.time_scale if config.tells_real_seconds else 1.0

    def __repr__(self) -> str:
        return f"<Admission {self.accounts!r} {self._cache!r}>"

    def now(self, incoming: Incoming) -> float:
        """The simulator's clock, in seconds."""
        return incoming.now * self._scale

    def set(self, setting: Setting, world: float) -> None:
        """A setting that is made at this time of the world, in Unix seconds."""
        self.accounts.set(setting, world * self._scale)

    def trouble(self, incoming: Incoming) -> Fault | None:
        """What every request of this credential gets at this time, if it is down."""
        down = self.accounts.down(incoming.owner, self.now(incoming))
        if down is None:
            return None
        if down.how == "reset":
            return Fault(reset=True)
        left = down.left(self.now(incoming))
        return Fault(status=int(down.how), retry_after=None if left is None or down.how != 429 else self._tell(left))

    def is_reset(self, credential: str, world: float) -> bool:
        """Whether the credential is down, by resets, at this time of the world, in Unix seconds."""
        down = self.accounts.down(credential, world * self._scale)
        return down is not None and down.how == "reset"

    def standing(self, incoming: Incoming) -> Incoming:
        """The request with what is left of its credential's limits."""
        now = self.now(incoming)
        account = self.accounts.of(incoming.owner, now)
        if account is None or not account.buckets:
            return incoming
        standing = {name: self._shown(meter) for name, meter in account.standing(now).items()}
        return msgspec.structs.replace(incoming, standing=standing)

    def let_in(self, dialect: Dialect, incoming: Incoming, parsed: Parsed, in_flight: int) -> Held:
        """Count the request and keep its prompt; what the cache has to do with it.

        `in_flight` are the credential's requests with this one. Raises `Refusal` if a limit is reached.
        """
        now, total = self.now(incoming), prompt_tokens(parsed.ask)
        found = None
        if dialect.name in _CACHING:
            found = self._cache.find(dialect.name, incoming.owner, parsed, total, now)
        held = found.held if found else _NOTHING
        tokens = _counted(dialect, parsed, total, held)
        account = self.accounts.of(incoming.owner, now)
        if account is not None:
            if (denial := account.denial(tokens, in_flight, now)) is not None:
                raise denied(_words(dialect), self._told_of(denial), parsed.ask.model)
            account.take("requests", 1.0, now)
            account.take("tokens", tokens, now)
        if found:
            found.keep()
        return held

    def answered(self, incoming: Incoming, tokens: int) -> None:
        """Count the tokens of an answer."""
        account = self.accounts.of(incoming.owner, self.now(incoming))
        if account is not None:
            account.take("output-tokens", tokens, self.now(incoming))

    def _told_of(self, denial: Denied) -> Denied:
        wait = None if denial.wait is None else self._tell(denial.wait)
        return msgspec.structs.replace(denial, wait=wait, meter=self._shown(denial.meter))

    def _shown(self, meter: Meter) -> Meter:
        return msgspec.structs.replace(meter, reset=self._tell(meter.reset))

    def _tell(self, seconds: float) -> float:
        return seconds * self._told


def _counted(dialect: Dialect, parsed: Parsed, total: int, held: Held) -> float:
    """The tokens that the provider's limit counts: reads are free at Anthropic and Bedrock, OpenAI and Bedrock reserve
    the answer's limit beforehand.
    """
    read = held.read if dialect.name in _READS_ARE_FREE else 0
    reserved = (parsed.ask.limit or 0) if dialect.name in _RESERVING else 0
    return total - read + reserved


def _words(dialect: Dialect) -> str:
    return "azure" if isinstance(dialect, Azure) else dialect.name
