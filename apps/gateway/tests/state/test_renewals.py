from llmgw_domain import Account, Catalog, Provider, Secret
from llmgw_gateway.state.renewals import Renewal, Renewals, renewal


def account(name: str, **more) -> Account:
    return Account(id=name, provider=Provider.OPENAI, base_url="", credential=Secret("s"), pool="p", **more)


def accounts(*made: Account) -> dict[str, Account]:
    return {one.id: one for one in made}


def test_an_account_that_an_operator_enabled_is_resumed():
    """One that was always enabled, or is new, or is gone, is not."""
    before = accounts(
        account("off", enabled=False), account("on"), account("gone", enabled=False), account("still", enabled=False)
    )
    after = accounts(account("off"), account("on", weight=2.0), account("new"), account("still", enabled=False))
    assert Renewal(accounts=after, gone=("gone",), resumed=("off",)) == renewal(before, after)


def test_only_other_accounts_are_told_of():
    """A catalog with the same ones tells nothing."""
    told: list[Renewal] = []
    renewals = Renewals()
    renewals.add(told.append)
    first = Catalog.of(version="1", accounts=[account("a")])
    renewals.published(first)
    renewals.published(first)
    renewals.published(Catalog.of(version="2"))
    assert [(), ("a",)] == [renewal.gone for renewal in told]
