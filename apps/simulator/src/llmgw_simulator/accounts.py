"""Credentials that are not all alike: limits of their own, and trouble that comes and goes.

Settings are made at the start or while the simulator runs, for credentials that a shell pattern names. Later ones
change what they mention and leave the rest.
"""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any, Literal

import msgspec

from llmgw_simulator.limits import Bucket, Denied, Meter, Name, Quota, Standing

_MOST_CREDENTIALS = 10_000
_BUCKETS: tuple[Name, ...] = ("requests", "tokens", "output-tokens")


class Setting(
    msgspec.Struct, frozen=True, kw_only=True, rename="kebab", omit_defaults=True, forbid_unknown_fields=True
):
    """What `POST /_sim/accounts` takes. A field that is not there changes nothing, null takes it away."""

    credential: str
    """A shell pattern; every credential that fits has the limits for itself."""
    requests_per_minute: float | msgspec.UnsetType | None = msgspec.UNSET
    tokens_per_minute: float | msgspec.UnsetType | None = msgspec.UNSET
    output_tokens_per_minute: float | msgspec.UnsetType | None = msgspec.UNSET
    concurrency: int | msgspec.UnsetType | None = msgspec.UNSET
    down: int | Literal["reset"] | msgspec.UnsetType | None = msgspec.UNSET
    """The status that every request gets, or `reset`: the connection is reset before an answer."""
    seconds: float | None = None
    """How long `down` lasts; without it, until it is taken away."""


class Down(msgspec.Struct, frozen=True):
    """Trouble: what every request gets, until then (seconds of the simulator's clock) or until it is taken away."""

    how: int | str
    until: float | None

    def left(self, now: float) -> float | None:
        """Seconds until it is over, where that is known."""
        return None if self.until is None else max(0.0, self.until - now)


class Account:
    """One credential's buckets, made for its quota."""

    def __init__(self, quota: Quota, now: float) -> None:
        self.quota = quota
        limits = zip(_BUCKETS, (quota.requests, quota.tokens, quota.output_tokens), strict=True)
        self.buckets = {name: Bucket(limit, now) for name, limit in limits if limit is not None}

    def __repr__(self) -> str:
        return f"<Account {self.buckets}>"

    def denial(self, tokens: float, in_flight: int, now: float) -> Denied | None:
        """Why a request with so many tokens is not let in; it is itself in flight."""
        most = self.quota.concurrency
        if most is not None and in_flight > most:
            return Denied("concurrency", Meter(most, 0.0, 0.0), in_flight, 1.0)
        wants: dict[Name, float] = {"requests": 1.0, "tokens": tokens, "output-tokens": 1.0}
        denials = (bucket.denial(name, wants[name], now) for name, bucket in self.buckets.items())
        return next(filter(None, denials), None)

    def take(self, name: Name, amount: float, now: float) -> None:
        """Count it, where there is a limit."""
        if name in self.buckets:
            self.buckets[name].take(amount, now)

    def standing(self, now: float) -> Standing:
        return {name: bucket.meter(now) for name, bucket in self.buckets.items()}


class Accounts:
    """The settings in force, and what the credentials have used. Times are seconds of the simulator's clock."""

    def __init__(self, settings: tuple[Setting, ...] = ()) -> None:
        self._settings: list[tuple[Setting, float]] = [(setting, 0.0) for setting in settings]
        self._accounts: dict[str, Account] = {}

    def __repr__(self) -> str:
        return f"<Accounts {len(self._settings)} settings, {len(self._accounts)} credentials>"

    @property
    def settings(self) -> list[Setting]:
        """Oldest first."""
        return [setting for setting, _ in self._settings]

    def set(self, setting: Setting, now: float) -> None:
        """From now on."""
        self._settings.append((setting, now))
        for credential, account in self._accounts.items():
            quota = self._quota(credential)
            if quota != account.quota:
                self._accounts[credential] = Account(quota, now)

    def clear(self) -> None:
        """Forget all settings, and what was used."""
        self._settings.clear()
        self._accounts.clear()

    def down(self, credential: str, now: float) -> Down | None:
        """The credential's trouble, if it has any."""
        found: Down | None = None
        for setting, at in self._of(credential):
            if setting.down is None:
                found = None
            elif setting.down is not msgspec.UNSET:
                found = Down(setting.down, None if setting.seconds is None else at + setting.seconds)
        return None if found is None or (found.until is not None and found.until <= now) else found

    def of(self, credential: str, now: float) -> Account | None:
        """The credential's account, if anything limits it."""
        if not self._settings:
            return None
        account = self._accounts.get(credential)
        if account is None:
            account = self._accounts[credential] = Account(self._quota(credential), now)
            if len(self._accounts) > _MOST_CREDENTIALS:
                del self._accounts[next(iter(self._accounts))]
        return account

    def _of(self, credential: str) -> Iterator[tuple[Setting, float]]:
        return (pair for pair in self._settings if fnmatchcase(credential, pair[0].credential))

    def _quota(self, credential: str) -> Quota:
        found: dict[str, Any] = {}
        for setting, _ in self._of(credential):
            given = {
                "requests": setting.requests_per_minute,
                "tokens": setting.tokens_per_minute,
                "output_tokens": setting.output_tokens_per_minute,
                "concurrency": setting.concurrency,
            }
            found |= {name: value for name, value in given.items() if value is not msgspec.UNSET}
        return Quota(**found)


def parse_settings(body: bytes) -> list[Setting]:
    """One setting or a list of them. Raises `ValueError` with the reason."""
    given = msgspec.json.decode(body)
    found = [msgspec.convert(one, Setting) for one in (given if isinstance(given, list) else [given])]
    for setting in found:
        _check(setting)
    return found


def parse_setting(text: str) -> Setting:
    """The short form of the command line: `key-*,requests-per-minute=60,down=529`. Raises `ValueError`.

    What holds from the start on has no end: the simulator's clock says nothing of when it was started.
    """
    credential, *pairs = [part.strip() for part in text.split(",")]
    named = {name.strip(): _plain(value.strip()) for name, _, value in (pair.partition("=") for pair in pairs)}
    setting = msgspec.convert({"credential": credential, **named}, Setting)
    _check(setting)
    if setting.seconds is not None:
        raise ValueError("seconds is for POST /_sim/accounts: trouble that is there from the start stays")
    return setting


def _plain(value: str) -> float | int | str:
    try:
        return int(value)
    except ValueError:
        pass
    try:
        return float(value)
    except ValueError:
        return value


def _check(setting: Setting) -> None:
    if isinstance(setting.down, int) and not 400 <= setting.down <= 599:
        raise ValueError("down must be a status from 400 to 599, or reset")
    limits = (
        setting.requests_per_minute,
        setting.tokens_per_minute,
        setting.output_tokens_per_minute,
        setting.concurrency,
    )
    if any(isinstance(limit, int | float) and limit <= 0 for limit in limits):
        raise ValueError("a limit must be above 0, or null for none")
