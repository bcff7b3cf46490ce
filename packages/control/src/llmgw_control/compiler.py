"""Records in one by one, a `Catalog` out at any time: incremental, and total.

Each record is compiled by itself when it changes (`_forms`): its secrets are revealed then, and not again. What hangs
on other records is looked at where it may have changed (`_links`): a pool's kind, whether a key's policy is there,
whether two keys have one text. The catalog is derived from the one before it, and shares with it what did not change.
So a change costs what it touches, whatever else there is; the result is the same as if all had been compiled afresh.

**Total**: there is always a catalog. A record that is broken, by itself or by what a merge left of others, is put into
quarantine with its reasons, and everything else is published:

- a key whose policy is missing or broken does not authenticate: the built-in policy would give it more than it had;
- keys of one text do not authenticate, none of them: which of them called could not be told, nor whether one of them
  was revoked;
- in a pool of two kinds, the accounts of the kind that fewer have are left out (of equals, that without the first id);
- a model's target in a pool without accounts is left out; a model without any target keeps its name and answers that
  no account is there: its calls must not go to a wider pattern's pool;
- a model's fallback to a name that no model has is left out, and the model is served without it;
- of several prices for the same models from the same day on, the one with the first id counts.

A large change need not hold the event loop: `in_slices` takes it in pieces. There is no catalog of a piece.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

import msgspec

from llmgw_control import _checks as checks
from llmgw_control import _forms as forms
from llmgw_control._credentials import Reveal
from llmgw_control._links import Links
from llmgw_control._report import Report
from llmgw_control.records import AccountRecord, KeyRecord, ModelRecord, PolicyRecord, PriceRecord, TokenRecord
from llmgw_control.refusal import Reason, Unrevealed
from llmgw_control.sources import Changed, Ref, Source
from llmgw_domain import Account, Catalog, ClientKey, Model, Secret, Target, Tenant
from llmgw_domain.models import Fallback
from llmgw_domain.prices import Price
from llmgw_domain.servers import Server

_SLICE = 100
"""Records at a time: a few milliseconds."""

_ORDER = {"policy": 0, "account": 1, "model": 2, "key": 3}
"""What others hang on comes first, so that a slice does not put into quarantine what the next one takes out."""

_DEFAULT = "default"
"""The policy, and the tenant, that is there without a record of it."""


class Part(msgspec.Struct, frozen=True, gc=False):
    """A record compiled by itself. `form` is None where nothing of it can be served; `content` is the form's digest.

    The garbage collector does not walk it: there are as many as there are records, and none leads back to itself.
    """

    form: msgspec.Struct | None
    content: int
    reasons: tuple[Reason, ...] = ()


_NOTHING = Part(None, 0)


class Parts(dict[Ref, Part]):
    """Parts by record. A class of its own, so that it grows old: the collector forgets a plain dict of what it does not
    walk, and takes it for a new one with the next key, all of which is then walked (6 ms for 11,650 records).
    """

    __slots__ = ()


class Trial:
    """A change that is looked at before it is made: see `Compiler.trial`."""

    def __init__(self, catalog: Catalog, added: tuple[tuple[Ref, Reason], ...], cured: tuple[tuple[Ref, Reason], ...]):
        self.catalog = catalog
        self.added = added
        """What is wrong with it that was right before, in any record."""
        self.cured = cured
        self.kept = False

    def keep(self) -> None:
        """Makes the change: it is not undone at the end."""
        self.kept = True

    def __repr__(self) -> str:
        return f"<Trial {self.catalog.version}: {len(self.added)} reasons more, {len(self.cured)} less>"


class Compiler:
    """Keeps the parts of a catalog. `servers` are the node's own, which its accounts may name."""

    def __init__(self, reveal: Reveal, servers: Iterable[Server] = ()) -> None:
        """`reveal` turns a reference into its secret, and raises `Unrevealed`."""
        self._reveal = _total(reveal)
        self._servers = {server.name: server for server in servers}
        self._parts = Parts()
        self._served = Parts()
        self._reasons: dict[Ref, tuple[Reason, ...]] = {}
        self._links = Links()
        self._policies = {_DEFAULT}
        self._sum = 0
        self._tenants: Counter[str] = Counter()
        # What changed since the last catalog: what that has of these records, and the reasons that there were.
        self._before: dict[Ref, Part] = {}
        self._doubts: dict[Ref, tuple[Reason, ...]] = {}
        self._catalog = Catalog.of(version=forms.version(0), tenants=[Tenant(id=_DEFAULT)])

    @property
    def reasons(self) -> Mapping[Ref, tuple[Reason, ...]]:
        """Every record that is in quarantine, whole or in part, with the reasons; their paths are inside of it."""
        return self._reasons

    def know(self, servers: Iterable[Server]) -> None:
        """Takes these servers for those of before. Accounts that name one have to be fed again: `Replica.overlay` gives
        them.
        """
        self._servers = {server.name: server for server in servers}

    def feed(self, changed: Changed) -> None:
        """Takes in records that changed. What it makes of them is in the next catalog."""
        for ref, change in changed.items():
            self._place(ref, _NOTHING if change.after is None else self._part(change.after))
        self._settle()

    def in_slices(self, changed: Changed, size: int = _SLICE) -> Iterator[None]:
        """Takes in many records, `size` of them at a step, so that an event loop can serve between two steps.

        The catalog is prepared on the way, and means something only after the last step.
        """
        ordered = sorted(changed.items(), key=lambda item: _ORDER.get(item[0][0], len(_ORDER)))
        for start in range(0, len(ordered), size):
            piece = Changed()
            for ref, change in ordered[start : start + size]:
                piece.note(ref, *change)
            self.feed(piece)
            self.compile()
            yield

    def compile(self) -> Catalog:
        """The catalog of everything that was taken in; the last one itself where nothing changed."""
        if self._before:
            self._catalog = self._derived()
        self._before.clear()
        self._doubts.clear()
        return self._catalog

    @contextmanager
    def trial(self, changed: Changed) -> Iterator[Trial]:
        """What the catalog would be. At the end the change is undone, unless it is kept.

        Nothing may be taken in meanwhile.
        """
        before = self.compile()
        parts = {ref: self._parts.get(ref, _NOTHING) for ref, _ in changed.items()}
        kept = False
        try:
            self.feed(changed)
            added, cured = self._differing()
            trial = Trial(self.compile(), added, cured)
            yield trial
            kept = trial.kept
        finally:
            if not kept:
                self._undo(parts, before)

    def __repr__(self) -> str:
        return f"<Compiler of {len(self._parts)} records, {len(self._reasons)} in quarantine: {self._catalog!r}>"

    # --- one record ---------------------------------------------------------------------------------------------------

    def _part(self, source: Source) -> Part:
        record, reasons = source.read()
        report = Report(list(reasons))
        form = None if record is None else self._form(report, record)
        if report.reasons:
            form = _held_name(source, report)
        return Part(form, forms.content(form) if form is not None else 0, tuple(report.reasons))

    def _form(self, report: Report, record: Any) -> msgspec.Struct | None:
        match record:
            case AccountRecord():
                return forms.account(report, record, self._reveal, self._servers)
            case ModelRecord():
                return forms.model(report, record)
            case KeyRecord():
                return forms.key(report, record, self._reveal)
            case PolicyRecord():
                return forms.policy(report, record)
            case PriceRecord():
                return forms.price(report, record)
            case TokenRecord():
                forms.token(report, record)
        return None

    def _place(self, ref: Ref, part: Part) -> None:
        old = self._parts.pop(ref, _NOTHING)
        if old.form is not None:
            self._links.remove(ref, old.form)
        if part is not _NOTHING:
            self._parts[ref] = part
        if part.form is not None:
            self._links.add(ref, part.form)
        self._links.dirty.add(ref)

    def _undo(self, parts: Mapping[Ref, Part], catalog: Catalog) -> None:
        for ref, part in parts.items():
            self._place(ref, part)
        self._settle()
        self._before.clear()
        self._doubts.clear()
        self._catalog = catalog

    # --- between records ----------------------------------------------------------------------------------------------

    def _settle(self) -> None:
        """Looks at every record that changed, and at those that hang on what changed: policies before their keys."""
        dirty = self._links.dirty
        for ref in [ref for ref in dirty if ref[0] == "policy"]:
            self._settle_one(ref)
            if self._policy_came_or_went(ref[1]):
                dirty |= self._links.of_policy(ref[1])
        self._links.settle_names()
        for ref in dirty:
            if ref[0] != "policy":
                self._settle_one(ref)
        dirty.clear()

    def _settle_one(self, ref: Ref) -> None:
        part = self._parts.get(ref, _NOTHING)
        if part.form is None or part.reasons:
            self._serve(ref, part, part.reasons)
            return
        report = Report()
        form = self._judged(report, part.form)
        if form is part.form:
            self._serve(ref, part, ())
        else:
            judged = _NOTHING if form is None else Part(form, forms.content(form))
            self._serve(ref, judged, tuple(report.reasons))

    def _judged(self, report: Report, form: msgspec.Struct) -> msgspec.Struct | None:
        """The form as it is served among the others; None where it is not."""
        match form:
            case Account():
                self._judge_account(report, form)
            case ClientKey():
                self._judge_key(report, form)
            case Model():
                return self._judged_model(report, form)
            case Price():
                self._judge_price(report, form)
        return None if report.reasons else form

    def _judge_account(self, report: Report, account: Account) -> None:
        kind = self._links.kinds[account.pool]
        if kind is not account.provider:
            report.at("pool").add(
                f"pool {account.pool!r} holds accounts of one provider kind, {kind.value!r}, "
                f"and this one is {account.provider.value!r}"
            )

    def _judge_key(self, report: Report, key: ClientKey) -> None:
        if key.policy not in self._policies:
            report.at("policy").add(f"there is no policy {key.policy!r}, or it is broken")
        others = sorted(self._links.same_text(key.digest) - {key.id})
        if others:
            report.add(f"has the same text as {checks.listed(others[:3])}, so that none of them is served")

    def _policy_came_or_went(self, id: str) -> bool:
        is_there = ("policy", id) in self._served or (id == _DEFAULT and ("policy", id) not in self._parts)
        if is_there == (id in self._policies):
            return False
        self._policies ^= {id}
        return True

    def _judged_model(self, report: Report, model: Model) -> Model:
        kept: list[Target] = []
        for i, target in enumerate(model.targets):
            found = len(report.reasons)
            at = report.at(f"targets[{i}]")
            kind = self._links.kinds.get(target.pool)
            if kind is None:
                at.at("pool").add(f"no usable account is in pool {target.pool!r}")
            checks.api_of(at.at("api"), target.api, kind)
            if len(report.reasons) == found:
                kept.append(target)
        fallbacks = self._judged_fallbacks(report, model)
        if (len(kept), len(fallbacks)) == (len(model.targets), len(model.fallbacks)):
            return model
        return msgspec.structs.replace(model, targets=tuple(kept), fallbacks=fallbacks)

    def _judged_fallbacks(self, report: Report, model: Model) -> tuple[Fallback, ...]:
        kept: list[Fallback] = []
        for i, fallback in enumerate(model.fallbacks):
            if self._links.has_model(fallback.model):
                kept.append(fallback)
            else:
                report.at(f"fallbacks[{i}].model").add(f"there is no model {fallback.model!r}")
        return tuple(kept)

    def _judge_price(self, report: Report, price: Price) -> None:
        first = min(self._links.same_price(price))
        if first != price.id:
            report.at("effective_from").add(f"the price {first!r} is for the same models from the same day on")

    def _serve(self, ref: Ref, part: Part, reasons: tuple[Reason, ...]) -> None:
        self._doubts.setdefault(ref, self._reasons.get(ref, ()))
        if reasons:
            self._reasons[ref] = reasons
        else:
            self._reasons.pop(ref, None)
        old = self._served.get(ref, _NOTHING)
        if old.content == part.content:
            return
        self._before.setdefault(ref, old)
        self._sum += part.content - old.content
        if ref[0] == "key":
            self._count_tenants(old.form, part.form)
        if part.form is None:
            del self._served[ref]
        else:
            self._served[ref] = part

    def _differing(self) -> tuple[tuple[tuple[Ref, Reason], ...], tuple[tuple[Ref, Reason], ...]]:
        """The reasons that there are more since the last catalog, and those that there are less."""
        added: list[tuple[Ref, Reason]] = []
        cured: list[tuple[Ref, Reason]] = []
        for ref, before in sorted(self._doubts.items()):
            after = self._reasons.get(ref, ())
            added += [(ref, reason) for reason in after if reason not in before]
            cured += [(ref, reason) for reason in before if reason not in after]
        return tuple(added), tuple(cured)

    # --- the catalog --------------------------------------------------------------------------------------------------

    def _derived(self) -> Catalog:
        changes: dict[str, dict[str, Any]] = {"account": {}, "model": {}, "policy": {}, "key": {}, "price": {}}
        for ref in self._before:
            changes[ref[0]][ref[1]] = self._served.get(ref, _NOTHING).form
        return self._catalog.derive(
            version=forms.version(self._sum),
            accounts=changes["account"],
            models=changes["model"],
            policies=changes["policy"],
            keys=self._keys_by_text(changes["key"]),
            tenants=self._moved_tenants(changes["key"]),
            prices=changes["price"],
        )

    def _keys_by_text(self, keys: Mapping[str, ClientKey | None]) -> dict[bytes, ClientKey | None]:
        """A text that goes from one key to another is still there: so what is gone comes before what is new."""
        before = [cast("ClientKey | None", self._before["key", each].form) for each in keys]
        made: dict[bytes, ClientKey | None] = dict.fromkeys(key.digest for key in before if key is not None)
        made.update({key.digest: key for key in keys.values() if key is not None})
        return made

    def _count_tenants(self, old: Any, new: Any) -> None:
        if old is not None:
            self._tenants[old.tenant] -= 1
        if new is not None:
            self._tenants[new.tenant] += 1

    def _moved_tenants(self, keys: Mapping[str, ClientKey | None]) -> dict[str, Tenant | None]:
        """A tenant is there as long as a key of it is."""
        concerned = [*keys.values(), *(cast("ClientKey | None", self._before["key", each].form) for each in keys)]
        moved = {key.tenant for key in concerned if key is not None} - {_DEFAULT}
        return {tenant: Tenant(id=tenant) if self._tenants[tenant] > 0 else None for tenant in moved}


def _held_name(source: Source, report: Report) -> Model | None:
    """A broken model keeps its name, as far as it has one; of any other broken record nothing is served."""
    if source.kind != "model" or any(reason.path == "name" for reason in report.reasons):
        return None
    return Model(name=source.id, targets=())


def _total(reveal: Reveal) -> Reveal:
    """What goes wrong outside with one reference must not keep a catalog, and its revocations, from everything else."""

    def revealed(reference: str) -> Secret:
        try:
            return reveal(reference)
        except Unrevealed:
            raise
        except Exception as error:
            raise Unrevealed(f"the secret can't be read ({type(error).__name__})") from None

    return revealed
