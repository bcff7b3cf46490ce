"""Stay, wait, move or return: what a turn of a session does, by what each costs.

Everything is counted in tokens that must be read at full price. Going elsewhere re-reads what the cache there lacks;
waiting costs `tokens_per_second`. Nothing is remembered: the same pin, standings and terms give the same decision, so a
session that came home stays there until its home stands otherwise.

What is decided here is only whether the session's own accounts serve this turn. Where another must be found
(`Decision.account` is None) the balancer chooses it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import msgspec

from llmgw_affinity.pins import Pin, Stay

Kind = Literal["new", "stay", "wait", "move", "home", "rehome", "fail"]
"""`new`: there is no pin; choose freely. `stay`: where it was last. `wait`: until `account` can serve. `move`: choose
another account, the home is kept. `home`: return to it. `rehome`: the home moves, to `account` or to one that is to be
chosen. `fail`: only certain accounts may serve, and none of them can in time."""

Trouble = Literal["", "cooldown", "full", "herd", "failed", "drain", "removed", "disabled", "unfit"]
"""What keeps an account from serving: it pauses, or is suspected (`cooldown`); has no free slot or allowance (`full`);
starts slowly (`herd`); failed this very call (`failed`); drains; is no longer configured (`removed`); is disabled; may
not serve this model (`unfit`)."""

Reason = Literal[
    "unknown",
    "free",
    "cold",
    "gone",
    "waiting_costs_less",
    "leaving_costs_less",
    "waits_too_long",
    "home_is_warm",
    "home_is_cold",
    "home_costs_more",
    "away_costs_less",
    "only_there",
]
"""Why. `unknown`: no pin. `free`: its account can serve now. `cold`: nothing is cached anywhere any more. `gone`: its
accounts will not serve it again. `waiting_costs_less`, `leaving_costs_less`: a wait against reading all anew.
`waits_too_long`: beyond the longest wait, or the call's deadline. `home_is_warm`: so it returns. `home_is_cold`,
`home_costs_more`: so its home is where it is now. `away_costs_less`: it stays away, because home would have to be
waited for. `only_there`: no other account can read what the request holds."""

Cause = Literal["", "cooldown", "full", "drain", "herd", "expiry", "removal", "return"]
"""What cached tokens were lost to."""

_CAUSES: dict[Trouble, Cause] = {
    "": "",
    "cooldown": "cooldown",
    "failed": "cooldown",
    "full": "full",
    "herd": "herd",
    "drain": "drain",
    "removed": "removal",
    "disabled": "removal",
    "unfit": "removal",
}


def cause_of(trouble: Trouble) -> Cause:
    """The cause that tokens are lost to when a session leaves an account in this trouble."""
    return _CAUSES[trouble]


class Standing(msgspec.Struct, frozen=True):
    """How an account stands: seconds until it can serve this call, and what keeps it from serving now.

    `wait` is 0.0 for now, `math.inf` for nobody knows (also for an account that this call has tried in vain), None for
    never: it is gone, disabled, draining, or may not serve this model. An account with None is never used, and one that
    was a home is none any more.
    """

    wait: float | None
    trouble: Trouble = ""


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What a decision weighs: a second of waiting in tokens, the longest wait in seconds, the seconds left of the
    call's time (None: no end). `fixed`: accounts that alone can serve, because the request holds what only they can
    read; the balancer is then given no others."""

    tokens_per_second: float = 1000.0
    most_wait: float = 30.0
    deadline: float | None = None
    fixed: frozenset[str] | None = None

    def bears(self, wait: float) -> bool:
        """Whether a wait is worth thinking of. One that can't be left has all of the call's time."""
        limit = self.most_wait if self.deadline is None else self.deadline
        if self.fixed is None:
            limit = min(limit, self.most_wait)
        return wait <= limit


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of a turn. `account` None: the balancer chooses. `wait` is in seconds. `expected` are the tokens
    that this placement should find cached. `trouble` is that of the account that is waited for or left."""

    kind: Kind
    reason: Reason
    account: str | None = None
    trouble: Trouble = ""
    wait: float = 0.0
    expected: int = 0


class _Place(msgspec.Struct, frozen=True):
    """One of the session's accounts, as it stands now."""

    account: str
    standing: Standing
    cached: int
    cold: bool

    @property
    def wait(self) -> float:
        return math.inf if self.standing.wait is None else self.standing.wait

    @property
    def gone(self) -> bool:
        return self.standing.wait is None

    def to(self, kind: Kind, reason: Reason, trouble: Trouble | None = None) -> Decision:
        return Decision(
            kind=kind,
            reason=reason,
            account=self.account,
            trouble=self.standing.trouble if trouble is None else trouble,
            wait=self.wait,
            expected=self.cached,
        )


def decide(pin: Pin | None, now: float, standing: Callable[[str], Standing], terms: Terms) -> Decision:
    """What this turn of a session does. `now` in Unix seconds; `standing` is asked at most once for each account."""
    if pin is not None and pin.forgotten:
        pin = None
    if terms.fixed is not None:
        return _fixed(pin, now, standing, terms)
    if pin is None:
        return Decision(kind="new", reason="unknown")
    home = _place(pin.home, now, standing)
    if not pin.away:
        return _at_home(home, terms)
    return _away(home, _place(pin.current, now, standing), terms)


def _place(stay: Stay, now: float, standing: Callable[[str], Standing]) -> _Place:
    # Of what is cached nothing is lost until its time is over, and a session that was bound just now is held as well.
    cached = stay.cached if stay.warm(now) else 0
    return _Place(stay.account, standing(stay.account), cached, now >= stay.warm_until)


def _at_home(home: _Place, terms: Terms) -> Decision:
    if home.gone:
        return Decision(kind="rehome", reason="gone", trouble=home.standing.trouble)
    if home.cold:
        return Decision(kind="rehome", reason="cold")
    if not home.wait:
        return home.to("stay", "free")
    return _waits_or_moves(home, terms)


def _waits_or_moves(place: _Place, terms: Terms) -> Decision:
    if not terms.bears(place.wait):
        return Decision(kind="move", reason="waits_too_long", trouble=place.standing.trouble)
    if place.wait * terms.tokens_per_second > place.cached:
        return Decision(kind="move", reason="leaving_costs_less", trouble=place.standing.trouble)
    return place.to("wait", "waiting_costs_less")


def _away(home: _Place, current: _Place, terms: Terms) -> Decision:
    if home.gone or home.cold:
        return _homeless(home, current, terms)
    if current.gone:
        return home.to("home", "home_is_warm") if not home.wait else _waits_or_moves(home, terms)
    if not home.wait:
        # Home has missed what was said meanwhile. While it holds the better part, that is read anew once.
        if 2 * home.cached >= current.cached:
            return home.to("home", "home_is_warm", current.standing.trouble)
        if not current.wait:
            return current.to("rehome", "home_costs_more")
    return _cheapest(home, current, terms)


def _homeless(home: _Place, current: _Place, terms: Terms) -> Decision:
    """Home is gone or cold: it will be where the session is now, if that can serve; else another is chosen."""
    trouble = home.standing.trouble if home.gone else ""
    if current.gone or current.cold:
        return Decision(kind="rehome", reason="gone" if home.gone else "cold", trouble=trouble)
    if not current.wait:
        return current.to("rehome", "gone" if home.gone else "home_is_cold", trouble)
    decision = _waits_or_moves(current, terms)
    return decision if decision.kind == "wait" else msgspec.structs.replace(decision, kind="rehome")


def _cheapest(home: _Place, current: _Place, terms: Terms) -> Decision:
    """Neither is where the session simply goes: by the tokens that each way costs this turn."""
    most = max(home.cached, current.cached)

    def cost(place: _Place) -> float:
        waiting = place.wait * terms.tokens_per_second if terms.bears(place.wait) else math.inf
        return waiting + most - place.cached

    place = home if cost(home) < cost(current) else current
    if cost(place) > most:
        return _waits_or_moves(place, terms)
    if place.wait:
        return place.to("wait", "waiting_costs_less")
    if place is home:
        return home.to("home", "home_is_warm", current.standing.trouble)
    return current.to("stay", "away_costs_less", home.standing.trouble)


def _fixed(pin: Pin | None, now: float, standing: Callable[[str], Standing], terms: Terms) -> Decision:
    """Only some accounts may serve: the session's own of them, or those that can the soonest."""
    stays = {} if pin is None else {stay.account: stay for stay in (pin.home, pin.current)}
    places = [
        _place(stays[name], now, standing) if name in stays else _Place(name, standing(name), 0, True)
        for name in sorted(terms.fixed or ())
    ]
    able = [place for place in places if not place.gone]
    if not able:
        trouble = places[0].standing.trouble if places else "removed"
        return Decision(kind="fail", reason="only_there", trouble=trouble, wait=math.inf)
    best = min(able, key=lambda place: (place.wait, -place.cached, place.account not in stays))
    if not terms.bears(best.wait):
        return best.to("fail", "only_there")
    if best.wait:
        return best.to("wait", "only_there")
    if best.account not in stays and sum(not place.wait for place in able) > 1:
        return Decision(kind=_kind_at(pin, best.account), reason="only_there")
    return best.to(_kind_at(pin, best.account), "only_there")


def _kind_at(pin: Pin | None, account: str) -> Kind:
    if pin is None:
        return "new"
    if account == pin.current.account:
        return "stay"
    return "home" if account == pin.home.account else "move"
