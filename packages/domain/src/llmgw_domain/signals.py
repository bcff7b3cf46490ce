"""What an answer or a refusal says of the account that gave it, for those who choose accounts."""

from __future__ import annotations

from typing import Literal

import msgspec

Verdict = Literal["pause", "exhausted", "overloaded", "disable"]
"""`pause`: a limit by the minute or less; what waits may wait for it. `exhausted`: the allowance of a longer window is
used up. `overloaded`: the provider can't serve it now, whoever asks. `disable`: an operator must see to it."""


class Signal(msgspec.Struct, frozen=True, kw_only=True):
    """An account is not to be asked for a while, or at all.

    `whole` says that all of the account is meant; else only the model that was asked for. `seconds` are from now, None
    where the provider does not say how long. `reason` is one word for logs, metrics and people: `requests`, `tokens`,
    `input_tokens`, `5h`, `credit`, `key`, `forbidden`, `overloaded`, ...
    """

    verdict: Verdict
    whole: bool
    seconds: float | None
    reason: str
