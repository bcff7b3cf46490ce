"""What a provider says of its limits with an answer, in one form for all of them.

It is what one account was told at one moment: evidence for those who choose accounts, never passed on to clients, whose
limits are the gateway's own.
"""

from __future__ import annotations

import msgspec


class Allowance(msgspec.Struct, frozen=True, kw_only=True):
    """One limit: `limit` units in `window` seconds, of which `remaining` are left; None where it was not said.

    `reset` is in seconds from when the answer came: when all of it is there again, or, at some providers, one more.
    """

    limit: int | None = None
    remaining: int | None = None
    reset: float | None = None
    window: float | None = None

    @property
    def spent(self) -> bool:
        return self.remaining == 0


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """A limit beside the usual ones, by the provider's own name for it (`5h`, `7d`, `tokens-month`).

    `used` is the used part, 0 to 1 and above; `status` is in the provider's words, such as `allowed` or `rejected`.
    """

    name: str
    used: float | None = None
    reset: float | None = None
    status: str | None = None


class RateLimits(msgspec.Struct, frozen=True, kw_only=True):
    """The limits of an account, as far as its provider told them. Of several of one kind the shortest is here.

    `retry_after` is in seconds. Some providers send it with good answers too, where it asks for nothing.
    `should_retry` is the provider's own word on whether the same request may be sent again.
    """

    requests: Allowance | None = None
    tokens: Allowance | None = None
    input_tokens: Allowance | None = None
    output_tokens: Allowance | None = None
    windows: tuple[Window, ...] = ()
    retry_after: float | None = None
    should_retry: bool | None = None

    @property
    def wait(self) -> float | None:
        """Seconds until a refused account may serve again: what it asked for, else when what is spent is back."""
        if self.retry_after is not None:
            return self.retry_after
        allowances = (self.requests, self.tokens, self.input_tokens, self.output_tokens)
        resets = [a.reset for a in allowances if a is not None and a.spent and a.reset is not None]
        resets += [w.reset for w in self.windows if w.status == "rejected" and w.reset is not None]
        return max(resets, default=None)
