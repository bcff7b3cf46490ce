"""One call as a turn of its session: where it is served, how long that was waited for, and what became of the pin.

The pin of the session and the standing of its accounts give a decision (`llmgw_affinity.decide`); where that leaves the
choice open, the balancer makes it; where nobody can serve now, the call queues. An account is leased in the step in
which it is chosen, and the next thing that happens is that the attempt is written down.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Hashable, Mapping
from functools import partial
from itertools import islice

import msgspec

from llmgw_affinity import Decision, Pin, Standing, Terms, answered, decide, lost, placed, rule
from llmgw_affinity.carriers import Form
from llmgw_affinity.elsewhere import goes_on, served_elsewhere
from llmgw_affinity.loss import Loss
from llmgw_affinity.placing import Instant, Placement, placement
from llmgw_balancer import Exclusion, Pick, Wanted
from llmgw_domain import Candidate, Route, Usage
from llmgw_domain.errors import NoAccount
from llmgw_protocols import Envelope
from llmgw_relay.call import Admission
from llmgw_relay.candidates import Candidates, Chosen
from llmgw_relay.facts import Choice, SessionFacts, SessionPlaced
from llmgw_relay.fallbacks import Instead
from llmgw_relay.naming import Named, named
from llmgw_relay.parts import Parts
from llmgw_relay.queue import QueueFull

_BYTES_A_TOKEN = 4
_SHOWN = 12
"""Accounts that a record names as left out; of the others it has the number."""


class Turn:
    """`begin` it once the request is read, `place` it for each attempt, `leave` it at the end."""

    def __init__(self, parts: Parts, admission: Admission, call: str, remaining: Callable[[], float | None]) -> None:
        """`call` is the call's own id; `remaining` gives the seconds that are left of its time."""
        self._parts = parts
        self._accounts = admission.catalog.accounts
        self._call = call
        self._tenant = admission.key.tenant
        self._key = admission.key.id
        self._remaining = remaining
        self._form: Form | None = None
        self._envelope: Envelope | None = None
        self._instead: Instead | None = None
        self._named = Named()
        self._model = ""
        self._tokens = 0
        self._fixed: frozenset[str] | None = None
        self._before: Pin | None = None
        self._pin: Pin | None = None
        self._unknown = False
        """Whether its conversation goes on, and nobody here knows of it."""
        self._elsewhere = False
        """Whether others serve it, as its account's cache tells."""
        self._decision: Decision | None = None
        self._account: str | None = None
        self._pick: Pick | None = None
        self._loss: Loss | None = None
        self.excluded: dict[str, Exclusion] = {}
        """Why no account could serve it, where the last one that was looked for was not found."""
        self.waited = 0.0
        """Seconds in the queue."""
        self.waits_since: float | None = None
        """Since when it is in the queue, by the relay's clock; None while it is not."""
        self.most_wait = parts.config.max_wait_seconds
        """Seconds that it waits where nobody can serve it; its session's own account may be worth a longer wait."""

    # --- the session ------------------------------------------------------------------------------------------------

    async def begin(self, form: Form | None, envelope: Envelope) -> None:
        """Finds out which session this is a turn of, and where that is pinned. No form: of none."""
        self._form, self._envelope = form, envelope
        self._tokens = len(envelope.wire.body) // _BYTES_A_TOKEN
        await self._find(envelope.model)

    async def fall_back(self, instead: Instead) -> None:
        """Another model is asked from now on. There the session has a place of its own: the one that it left waits for
        it to come back.
        """
        self.leave()
        self._instead = instead
        self._named, self._before, self._pin, self._fixed, self._unknown = Named(), None, None, None, False
        self._decision, self._pick, self._account, self._loss = None, None, None, None
        await self._find(instead.model)

    async def _find(self, model: str) -> None:
        if self._form is None or self._envelope is None:
            return
        parts, self._model = self._parts, model
        self._named = named(self._form, model, self._envelope, self._tenant, parts.session_keys(), parts.crowd)
        if self._named.session is not None:
            pin = self._pin = await self._known(self._named.session)
            self._before = None if pin is None or pin.forgotten else pin
            # At another model than it was asked for a conversation is new, whoever serves it.
            self._unknown = pin is None and self._instead is None and goes_on(self._form, self._envelope.fields)

    async def _known(self, key: str) -> Pin | None:
        """The session's pin. One that looks cold here may have been served elsewhere meanwhile."""
        pin, now = self._parts.pins.known(key), self._parts.session_wall()
        if pin is not None and (pin.home.warm(now) or pin.current.warm(now)):
            return pin
        return await self._parts.pins.find(key)

    def leave(self) -> None:
        """The call is over."""
        if self._named.crowd is not None:
            self._parts.crowd.leave(self._named.crowd)
            self._named = msgspec.structs.replace(self._named, crowd=None)

    def is_warm_at(self, account: str) -> bool:
        """Whether the account holds the session's cache."""
        pin, now = self._pin, self._parts.session_wall()
        return pin is not None and any(s.account == account and s.warm(now) for s in (pin.home, pin.current))

    @property
    def last_account(self) -> str | None:
        """Where the session was served last."""
        return None if self._pin is None else self._pin.current.account

    def only_at(self, accounts: Collection[str] | None) -> None:
        """The request holds what only these accounts can read. None: it does not."""
        self._fixed = None if accounts is None else frozenset(accounts)

    # --- placing ----------------------------------------------------------------------------------------------------

    async def place(self, route: Route, tried: Collection[str] = ()) -> Chosen:
        """An account for the next attempt, with its lease; `tried` are those that this call will not ask again.

        Raises `NoAccount` where none can serve in time.
        """
        wanted = Wanted(
            prefix=self._named.prefix,
            session=self._named.rank or self._call,
            tokens=self._tokens,
            tried=tried,
            only=self._fixed,
            last=self.last_account,
        )
        parts = self._parts
        among = Candidates(parts.balancer, route, wanted, self._accounts, lambda: parts.current().accounts)
        self.excluded = {}
        while True:
            self._pick = None
            decision = decide(self._pin, parts.session_wall(), partial(self._standing, among), self._terms())
            chosen = self._take(decision, among) or await self._queue(decision, among)
            if chosen is not None:
                self._serve_at(decision, chosen.candidate.account.id)
                return chosen

    def _standing(self, among: Candidates, account: str) -> Standing:
        """How an account stands for one who comes last: for a place there, those who wait already come before."""
        standing = among.standing(account)
        if standing.trouble not in ("full", "herd") or standing.wait is None:
            return standing
        ahead = self._parts.queue.waiting(account)
        return msgspec.structs.replace(standing, wait=standing.wait * (1 + ahead))

    def _terms(self) -> Terms:
        config, remaining = self._parts.config, self._remaining()
        return Terms(
            tokens_per_second=config.wait_tokens_per_second,
            most_wait=self._patience() * config.time_scale,
            deadline=None if remaining is None else remaining * config.time_scale,
            fixed=self._fixed,
        )

    def _take(self, decision: Decision, among: Candidates) -> Chosen | None:
        """What the decision says, if that can be had now. Nobody takes what another waits for already."""
        awaited = self._parts.queue.awaited
        if decision.kind in ("wait", "fail"):
            return None
        if decision.account is not None:
            return None if awaited(decision.account) else among.take(decision.account)
        chosen = self._choose(among)
        if chosen is not None and awaited(chosen.candidate.account.id):
            chosen.give_back()
            return None
        return chosen

    def _choose(self, among: Candidates) -> Chosen | None:
        pick = self._pick = among.choose()
        if pick.candidate is None or pick.lease is None:
            return None
        return Chosen(pick.candidate, pick.lease)

    def _serve_at(self, decision: Decision, account: str) -> None:
        self._decision, self._account = decision, account
        key = self._named.session
        if key is None:
            return
        parts, before = self._parts, self._pin
        at = Instant(hlc=parts.stamp(), node=parts.node, now=parts.session_wall())
        self._pin = placed(before, key, decision, account, at)
        parts.balancer.bound(account, key)
        if self._pin is not before:
            parts.pins.put(self._pin, changed=True)

    # --- waiting ----------------------------------------------------------------------------------------------------

    async def _queue(self, decision: Decision, among: Candidates) -> Chosen | None:
        """Waits for what was decided. None where it took so long that it should be decided anew.

        Raises `NoAccount`.
        """
        if decision.kind == "fail":
            raise self._nobody(among)
        account, patience = decision.account, self._patience()
        if account is None:
            if among.soonest() is None and (rejected := among.last_resort()) is not None:
                return rejected
            first, patience = among.soonest(), min(patience, max(self._real(self.most_wait) - self.waited, 0.0))
            accounts = tuple(among.by_account)
            return await self._join(
                among.group, accounts, lambda: self._choose(among), among.soonest, first, patience, among
            )

        def soonest() -> float | None:
            return among.standing(account).wait

        group, accounts = ("account", account, among.by_account[account].model), (account,)
        seconds = min(self._real(2 * decision.wait) + 1.0, patience)
        return await self._join(group, accounts, lambda: among.take(account), soonest, soonest(), seconds, among)

    async def _join(
        self,
        group: Hashable,
        accounts: Collection[str],
        take: Callable[[], Chosen | None],
        soonest: Callable[[], float | None],
        first: float | None,
        seconds: float,
        among: Candidates,
    ) -> Chosen | None:
        """Waits in the queue for `seconds` at most, unless it is known to be in vain."""
        if first is None or seconds <= 0 or (math.isfinite(first) and self._real(first) > seconds):
            raise self._nobody(among)
        parts, began = self._parts, self._parts.clock()
        self.waits_since = began
        try:
            return await parts.queue.join(group, accounts, take, soonest, seconds)
        except TimeoutError:
            pass
        except QueueFull:
            raise NoAccount(
                f"{len(parts.queue)} calls wait for an account, and no more may.", retry_after=5.0
            ) from None
        finally:
            self.waits_since = None
            self.waited += parts.clock() - began
        if self._patience() <= 0:
            raise self._nobody(among)
        return None

    def _patience(self) -> float:
        """Seconds that the call may still wait."""
        left, remaining = self._real(self._parts.config.max_wait_seconds) - self.waited, self._remaining()
        return max(left if remaining is None else min(left, remaining), 0.0)

    def _real(self, seconds: float) -> float:
        """How long that is, of the clock of pauses."""
        return seconds / self._parts.config.time_scale

    def _nobody(self, among: Candidates) -> NoAccount:
        """Why no account can serve, and when one may."""
        self.excluded, soonest, name = among.excluded(), among.soonest(), among.route.model.name
        retry_after = 1.0 if soonest is None or math.isinf(soonest) else max(self._real(soonest), 1.0)
        waited = f", after {self.waited:.0f} s in the queue" if self.waited >= 1 else ""
        return NoAccount(
            f"No account is available for the model {name!r} now{waited}: {said(self.excluded)}.",
            retry_after=retry_after,
        )

    # --- afterwards -------------------------------------------------------------------------------------------------

    def heard(self, candidate: Candidate, usage: Usage | None, sent: float) -> None:
        """What the answer tells of the account's cache; `sent` is when it was asked, by the sessions' clock."""
        if self._pin is None or self._decision is None or usage is None:
            return
        parts, account = self._parts, candidate.account.id
        self._loss = lost(self._before, self._decision, account, usage, sent)
        cache = rule(candidate.account, candidate.model, self._named.asked)
        self._pin = answered(self._pin, account, usage, sent=sent, told=parts.stamp(), rule=cache)
        parts.pins.put(self._pin, changed=False)
        if self._unknown and self._envelope is not None:
            prefix = self._named.prefix_bytes / len(self._envelope.wire.body)
            if served_elsewhere(usage, prefix):
                self._elsewhere = True
                parts.balancer.met()

    @property
    def placement(self) -> Placement:
        """The word of the header `x-gw-session`."""
        return placement(self._before, self._account if self._named.session is not None else None)

    def moved(self, at: float) -> SessionPlaced | None:
        """That the session was bound or moved by the placement just made, `at` Unix seconds; None where it stayed."""
        before, pin, decision = self._before, self._pin, self._decision
        if pin is None or decision is None or (before is not None and _same_place(before, pin)):
            return None
        return SessionPlaced(
            call=self._call,
            at=at,
            tenant=self._tenant,
            key=self._key,
            session=pin.key,
            model=self._model,
            pin=pin,
            reason=decision.reason,
            moved=before is not None,
        )

    def choice(self) -> Choice | None:
        """What was known when the account was chosen, for the record; None before that."""
        decision, pick, before = self._decision, self._pick, self._before
        if decision is None:
            return None
        excluded, more = shown({} if pick is None else pick.excluded)
        return Choice(
            placement=self.placement,
            decision=decision.kind,
            reason=decision.reason,
            trouble=decision.trouble,
            waited=round(self.waited, 4),
            expected=decision.expected,
            session=self._named.session,
            home=before.home.account if before else None,
            current=before.current.account if before else None,
            scores=() if pick is None else pick.scores,
            by=None if pick is None else pick.by,
            excluded=excluded,
            more_excluded=more,
            model=self._instead.model if self._instead else None,
            cause=self._instead.cause if self._instead else None,
        )

    def facts(self) -> SessionFacts | None:
        """What the call was to its session; None where it belongs to none."""
        session, decision, loss = self._named.session, self._decision, self._loss
        if session is None or decision is None:
            return None
        return SessionFacts(
            key=session,
            placement=self.placement,
            reason=decision.reason,
            expected=loss.expected if loss else decision.expected,
            observed=loss.observed if loss else None,
            lost=loss.tokens if loss else 0,
            cause=(loss.cause or None) if loss else None,
            elsewhere=self._elsewhere,
            pin=self._pin,
        )

    def __repr__(self) -> str:
        return f"<Turn of {self._named.session or 'no session'} at {self._account or 'no account'}>"


def shown(excluded: Mapping[str, Exclusion]) -> tuple[dict[str, str], int]:
    """As many as are recorded by their names, and how many more there are."""
    named = {name: str(why) for name, why in islice(excluded.items(), _SHOWN)}
    return named, len(excluded) - len(named)


def said(excluded: dict[str, Exclusion]) -> str:
    """Why accounts are left out, in words for whoever waits for them."""
    reasons = list(excluded.values())
    found = [f"{reasons.count(reason)} {reason}" for reason in Exclusion if reason in reasons]
    return f"its accounts are: {', '.join(found)}" if found else "its pools hold no account"


def _same_place(one: Pin, other: Pin) -> bool:
    """But for what is cached there."""
    return (one.epoch, one.home.since, one.current.since) == (other.epoch, other.home.since, other.current.since)
