from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from llmgw_control import _forms as forms
from llmgw_control._report import Report
from llmgw_control.records import PriceRecord, TokenPricesRecord, TokenRecord
from llmgw_domain import Account, ClientKey, Provider, Secret

PRICE = PriceRecord(
    id="p",
    provider="openai",
    model="gpt-*",
    effective_from="2026-01-31",
    prices=TokenPricesRecord(uncached_input=1, output=2),
)
TOKEN = TokenRecord(id="t", role="owner", hash="sha256:" + "0" * 64)


def paths(check: Callable[[Report, Any], None], record: msgspec.Struct, **changes: Any) -> list[str]:
    report = Report()
    check(report, msgspec.structs.replace(record, **changes))
    return [reason.path for reason in report.reasons]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        ({"id": "a b"}, ["id"]),
        ({"provider": "none"}, ["provider"]),
        ({"model": "*-*"}, ["model"]),
        ({"effective_from": "2026-02-30"}, ["effective_from"]),
        ({"effective_from": "20260131"}, ["effective_from"]),
        (
            {"prices": TokenPricesRecord(uncached_input=0, output=-1, cache_read=-1)},
            ["prices.output", "prices.cache_read"],
        ),
    ],
)
def test_prices(changes: dict[str, Any], expected: list[str]) -> None:
    """A price is for a known provider, from a real day on, and never below nothing."""
    assert expected == paths(forms.price, PRICE, **changes)


def test_tokens() -> None:
    """A token has a name and the hash of a text."""
    assert [] == paths(forms.token, TOKEN)
    assert ["id", "hash"] == paths(forms.token, TOKEN, id="", hash="gwa-plain")


def test_a_content_is_that_of_every_field() -> None:
    """Another value, secret or kind is another content; the order of names in a table is not."""
    account = Account(id="a", provider=Provider.OPENAI, base_url="http://x", credential=Secret("x"), pool="p")
    place = msgspec.structs.replace(account.platform, deployments={"a": "1", "b": "2"})
    turned = msgspec.structs.replace(account.platform, deployments={"b": "2", "a": "1"})
    of = [msgspec.structs.replace(account, platform=each) for each in (place, turned)]
    assert forms.content(of[0]) == forms.content(of[1])
    others = [
        account,
        msgspec.structs.replace(account, credential=Secret("y")),
        msgspec.structs.replace(account, drain=True),
        ClientKey(id="a", tenant="t", digest=b"x"),
        of[0],
    ]
    assert len(others) == len({forms.content(each) for each in others})


def test_a_version_goes_by_the_sum() -> None:
    """In whatever order, and beyond what fits."""
    assert forms.version(3) == forms.version(3 + (1 << 256))
    assert 12 == len(forms.version(0))
    assert forms.version(0) != forms.version(1)
