"""What a new catalog means to those who remember something of accounts."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from llmgw_domain import Account, Catalog


class Renewal(msgspec.Struct, frozen=True, kw_only=True):
    """`accounts` are those of the catalog from now on. Of the ones before, `gone` are in it no more, and `resumed` were
    not enabled and are: an operator has seen to them.
    """

    accounts: Mapping[str, Account]
    gone: tuple[str, ...] = ()
    resumed: tuple[str, ...] = ()


def renewal(before: Mapping[str, Account], after: Mapping[str, Account]) -> Renewal:
    """What came of one set of accounts in place of another."""
    resumed = (name for name, account in before.items() if not account.enabled and _serves(after.get(name)))
    return Renewal(
        accounts=after,
        gone=tuple(name for name in before if name not in after),
        resumed=tuple(resumed),
    )


def _serves(account: Account | None) -> bool:
    return account is not None and account.enabled


class Renewals:
    """Hears of each catalog that is published, and tells of its accounts where they are not those of the one before."""

    def __init__(self) -> None:
        self._accounts: Mapping[str, Account] = {}
        self._heard: list[Callable[[Renewal], None]] = []

    def add(self, heard: Callable[[Renewal], None]) -> None:
        """`heard` is told of each renewal from now on."""
        self._heard.append(heard)

    def published(self, catalog: Catalog) -> None:
        before, self._accounts = self._accounts, catalog.accounts
        if catalog.accounts is before:
            return
        told = renewal(before, catalog.accounts)
        for heard in self._heard:
            heard(told)

    def __repr__(self) -> str:
        return f"<Renewals of {len(self._accounts)} accounts>"
