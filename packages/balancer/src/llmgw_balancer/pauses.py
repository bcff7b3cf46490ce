"""Rests that providers ask for: until when an account, or one model of it, is not to be asked.

A longer rest is never shortened. What a provider says is heeded within sane bounds; where it says nothing a rest
doubles from one refusal to the next, until the account answers.

What comes after a rest is paced: all who wait for its end would else come in one breath, where there is room for
a few.

An account that its provider rejects (its key, its credit) rests until its address or credential changes, or an operator
has it resume; but once an hour one call tries it, because credit is bought and keys are allowed again without anybody
telling the gateway.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Container, Iterable

from llmgw_balancer.config import BalanceConfig
from llmgw_balancer.states import Pause
from llmgw_domain import Account
from llmgw_domain.accounts import AwsKeys, ServiceAccount
from llmgw_domain.signals import Signal, Verdict

_MOST: dict[Verdict, float] = {"pause": 3600.0, "overloaded": 600.0, "exhausted": 8 * 86400.0, "disable": 86400.0}
"""Seconds. Windows of allowances are seven days long at most; whoever names a longer rest is wrong."""
_MOST_UNSAID: dict[Verdict, float] = {"pause": 60.0, "overloaded": 60.0, "exhausted": 3600.0, "disable": 86400.0}
"""The same where a rest is the gateway's own guess."""
_MOMENT = 1.0
"""Seconds that telling of a rest may take."""
_PACE = 0.2
"""Seconds between the first calls after a rest, each time a fifth less; a refusal comes back sooner than that."""
_QUIET = 10.0
"""Seconds after which nobody can have waited for its end."""
_PACED = 12
"""So many calls are paced, over a second or so; then the account is taken for free."""
_MANY = 64
"""Models of one account of which is remembered. A client chooses their names behind a star route."""


class Rest:
    """Until when, and why. Its `strikes` are the refusals in a row that did not say how long, `paced` the calls that
    went out since it was over.
    """

    __slots__ = ("mark", "paced", "reason", "strikes", "tried_at", "until", "verdict")

    def __init__(self, verdict: Verdict, until: float, reason: str, strikes: int, mark: str) -> None:
        self.verdict = verdict
        self.until = until
        self.reason = reason
        self.strikes = strikes
        self.mark = mark
        self.paced = 0
        self.tried_at = math.nan
        """When the call began that is to try a rejected account."""

    def __repr__(self) -> str:
        return f"<Rest {self.verdict} until {self.until:.1f}: {self.reason}>"


class Pauses:
    """By account and model; None is every model of the account."""

    def __init__(self, config: BalanceConfig) -> None:
        self._config = config
        self._rests: dict[str, dict[str | None, Rest]] = {}

    def hear(self, account: Account, model: str, signal: Signal, now: float) -> None:
        """What a provider told of the account, when this model was asked for."""
        scope = None if signal.whole else model
        rests = self._rests.setdefault(account.id, {})
        known = rests.get(scope)
        strikes = known.strikes if known is not None else 0
        seconds, strikes = self._seconds(signal, strikes)
        mark = mark_of(account) if signal.verdict == "disable" else ""
        self._put(rests, scope, Rest(signal.verdict, now + seconds, signal.reason, strikes, mark), now)

    def answered(self, account: str, model: str, began: float, now: float) -> bool:
        """The account answered a call that began then. What is over and paced is forgotten with its strikes, and so is
        a rejection that the call was to try. Whether something was.
        """
        rests = self._rests.get(account, {})
        before = len(rests)
        for scope in (None, model):
            rest = rests.get(scope)
            if rest is None:
                continue
            if rest.tried_at == began:
                del rests[scope]
            elif rest.paced or rest.until <= now:
                rest.strikes = 0
                if rest.paced >= _PACED or now - rest.until > _QUIET:
                    del rests[scope]
        if not rests:
            self._rests.pop(account, None)
        return len(rests) != before

    def at(self, account: Account, model: str | None, now: float) -> Rest | None:
        """The rest that keeps calls for this model away now; of two the longer."""
        rests = self._rests.get(account.id)
        if rests is None:
            return None
        found: Rest | None = None
        for scope in (None, model):
            rest = rests.get(scope)
            if rest is None or rest.until <= now or (found is not None and rest.until <= found.until):
                continue
            if rest.mark and rest.mark != mark_of(account):
                del rests[scope]
            else:
                found = rest
        return found

    def taken(self, account: str, model: str, now: float) -> None:
        """A call goes there. If it is the one that tries a rejected account, the others wait for what it tells; after
        any other rest the next one waits a moment.
        """
        rests = self._rests.get(account)
        if rests is None:
            return
        for scope in (None, model):
            rest = rests.get(scope)
            if rest is None:
                continue
            if rest.verdict == "disable":
                rest.until, rest.tried_at = max(rest.until, now + self._config.disabled_seconds), now
            elif rest.until <= now and rest.paced < _PACED and now - rest.until <= _QUIET:
                rest.until = now + _PACE * 0.8**rest.paced
                rest.paced += 1

    def resume(self, account: str) -> None:
        """An operator knows better."""
        self._rests.pop(account, None)

    def retain(self, accounts: Container[str]) -> None:
        """Forgets every other account."""
        for gone in [account for account in self._rests if account not in accounts]:
            del self._rests[gone]

    def of(self, account: str, now: float) -> Iterable[Pause]:
        """The rests of the account that are not over."""
        for scope, rest in self._rests.get(account, {}).items():
            if rest.until > now and not rest.paced:
                yield Pause(
                    account=account,
                    model=scope,
                    verdict=rest.verdict,
                    seconds=rest.until - now,
                    reason=rest.reason,
                    mark=rest.mark,
                )

    def relearn(self, pause: Pause, now: float) -> None:
        """One that was told of, here before a restart or elsewhere."""
        rests = self._rests.setdefault(pause.account, {})
        until = now + _bounded(pause.seconds, _MOST[pause.verdict])
        known = rests.get(pause.model)
        # It took a moment to be told. Two who tell each other must not make it longer each time.
        if known is None or until > known.until + _MOMENT:
            strikes = 0 if known is None else known.strikes
            self._put(rests, pause.model, Rest(pause.verdict, until, pause.reason, strikes, pause.mark), now)

    def accounts(self) -> tuple[str, ...]:
        """Those of which something is remembered."""
        return tuple(self._rests)

    def _put(self, rests: dict[str | None, Rest], scope: str | None, rest: Rest, now: float) -> None:
        known = rests.get(scope)
        if known is not None and known.until >= rest.until:
            known.strikes = rest.strikes
            return
        if len(rests) >= _MANY and scope not in rests:
            for over in [s for s, r in rests.items() if r.until <= now] or [next(iter(rests))]:
                del rests[over]
        rests[scope] = rest

    def _seconds(self, signal: Signal, strikes: int) -> tuple[float, int]:
        config, verdict = self._config, signal.verdict
        if verdict == "disable":
            return config.disabled_seconds, 0
        if signal.seconds is not None and not math.isnan(signal.seconds):
            return _bounded(signal.seconds, _MOST[verdict]), strikes
        first = {
            "pause": config.pause_seconds,
            "overloaded": config.overloaded_seconds,
            "exhausted": config.exhausted_seconds,
        }[verdict]
        return min(first * 2.0 ** min(strikes, 32), max(first, _MOST_UNSAID[verdict])), strikes + 1


def _bounded(seconds: float, most: float) -> float:
    return min(max(seconds, 0.0), most)


def mark_of(account: Account) -> str:
    """A digest of where the account is and what it is authenticated with: what a provider may reject."""
    credential = account.credential
    names: tuple[str, ...] = (type(credential).__name__,)
    match credential:
        case AwsKeys(access_key_id=key):
            names += (key,)
        case ServiceAccount(client_email=email, private_key_id=key):
            names += (email, key)
        case _:
            pass
    digest = hashlib.blake2b(digest_size=8)
    for text in (account.base_url, *names, *account.secrets()):
        raw = text.encode()
        digest.update(len(raw).to_bytes(4, "big") + raw)
    return digest.hexdigest()
