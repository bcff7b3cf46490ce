"""When a catalog is published: a decision over times that are told.

A change is published at once when nothing was published for a while; a burst of them is put together and published ten
times a second, since each publish costs every worker a compile and makes every reader's caches cold. **A revocation
does not wait**: whoever had a right before a change and has not after it shall not have it for one burst longer.
"""

from __future__ import annotations

from llmgw_control.compiler import Compiler
from llmgw_control.ports import Publish
from llmgw_control.records import AccountRecord, KeyRecord, PolicyRecord, Record
from llmgw_control.sources import Change, Changed

INTERVAL = 0.1
"""Seconds between two publishes of a burst."""


class Pace:
    """Whether to publish now, and else when. One publish takes everything that is pending, urgent or not."""

    def __init__(self, interval: float = INTERVAL) -> None:
        """`interval` is in seconds."""
        self._interval = interval
        self._last = float("-inf")
        self._pending = False
        self._urgent = False

    def note(self, *, urgent: bool) -> None:
        """Something changed that is not published yet."""
        self._pending = True
        self._urgent = self._urgent or urgent

    def due_in(self, now: float) -> float | None:
        """Seconds until what is pending is to be published: 0 is now, None is nothing pending. `now` is monotonic."""
        if not self._pending:
            return None
        # A clock that is told to run backwards delays nothing for longer than one interval.
        return 0.0 if self._urgent else min(self._interval, max(0.0, self._last + self._interval - now))

    def published(self, now: float) -> None:
        """All that was pending is published."""
        self._last = now
        self._pending = self._urgent = False

    def __repr__(self) -> str:
        return f"<Pace {'urgent' if self._urgent else 'pending' if self._pending else 'idle'}>"


class Publisher:
    """Publishes what comes from elsewhere, in pace: the log's news on a node, control's on a worker.

    What comes is taken in by the compiler at once, so that a command in between is judged by all that is known; only
    its catalog waits. Commands publish their catalogs themselves, and with them all that waits.
    """

    def __init__(self, compiler: Compiler, publish: Publish, pace: Pace | None = None) -> None:
        self._compiler = compiler
        self._publish = publish
        self._pace = Pace() if pace is None else pace

    def take(self, changed: Changed, now: float) -> float | None:
        """Takes in a change and publishes it if it is time to. `now` is monotonic, in seconds.

        Gives the seconds after which to call `publish_due`; None if nothing waits.
        """
        if len(changed):
            self._compiler.feed(changed)
            self._pace.note(urgent=revokes(changed))
        return self.publish_due(now)

    def publish_due(self, now: float) -> float | None:
        """Publishes what waits, if it is time to. Gives the seconds to call it again after; None if nothing waits."""
        due = self._pace.due_in(now)
        if due != 0.0:
            return due
        self._publish(self._compiler.compile())
        self._pace.published(now)
        return None

    def __repr__(self) -> str:
        return f"<Publisher {self._pace!r} of {self._compiler!r}>"


def revokes(changed: Changed) -> bool:
    """Whether anything that could be done before can't be done after: then it is published at once."""
    return any(is_revocation(change) for _, change in changed.items())


def is_revocation(change: Change) -> bool:
    """Whether it takes a right away: a key or account is gone, switched off, drained, or has another secret; a key has
    another policy or tenant; a policy is not plainly as wide as it was. A record that breaks counts as gone.

    A model that is gone or leads elsewhere takes no right away that was given to anybody in particular.
    """
    if change.before is None or change.before.kind not in ("key", "account", "policy"):
        return False
    before = change.before.record
    after = None if change.after is None else change.after.record
    return before is not None and (after is None or _narrows(before, after))


def _narrows(before: Record, after: Record) -> bool:
    match before, after:
        case KeyRecord(), KeyRecord():
            return (before.enabled and not after.enabled) or _differ(
                before, after, ("policy", "tenant", "hash", "value")
            )
        case AccountRecord(), AccountRecord():
            switched_off = (before.enabled and not after.enabled) or (after.drain and not before.drain)
            return switched_off or _differ(before, after, ("credential", "provider", "base_url", "pool", "proxy", "ca"))
        case PolicyRecord(), PolicyRecord():
            return _policy_narrows(before, after)
    return True


def _differ(before: Record, after: Record, fields: tuple[str, ...]) -> bool:
    return any(getattr(before, name) != getattr(after, name) for name in fields)


def _policy_narrows(before: PolicyRecord, after: PolicyRecord) -> bool:
    return (
        not _holds(before.models, after.models)
        or not ("*" in after.endpoints or set(before.endpoints) <= set(after.endpoints))
        or (after.hide_accounts and not before.hide_accounts)
        or (before.stored_responses and not after.stored_responses)
        or before.max_body_bytes != after.max_body_bytes
    )


def _holds(before: tuple[str, ...] | None, after: tuple[str, ...] | None) -> bool:
    """Whether every model that was allowed is plainly allowed still."""
    if after is None:
        return True
    return before is not None and set(before) <= set(after)
