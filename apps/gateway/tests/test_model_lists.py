"""What is known of models while the gateway runs."""

from __future__ import annotations

import asyncio
import logging

import msgspec
import pytest

from llmgw_domain import Account, Catalog, Model, Provider, Secret, Target
from llmgw_domain.advertised import Advertised
from llmgw_domain.errors import UpstreamUnreachable
from llmgw_gateway.model_lists import ModelLists, ModelListsConfig
from llmgw_relay.testing import Script, ScriptedUpstream

CLAUDE = Advertised(max_output_tokens=5)


def page(*models: dict[str, object], **more: object) -> Script:
    return Script([msgspec.json.encode({"data": models, **more})])


def account(id: str = "a", provider: str = "anthropic", base_url: str = "https://x", enabled: bool = True) -> Account:
    return Account(
        id=id, provider=Provider(provider), base_url=base_url, credential=Secret("k"), pool=id, enabled=enabled
    )


def lists(*scripts: Script, accounts: tuple[Account, ...] = (), config: ModelListsConfig | None = None) -> ModelLists:
    targets = (Target(pool="a", model="claude-x"), Target(pool="a", model="*"))
    models = [Model(name="m", targets=targets[:1]), Model(name="p/*", targets=targets)]
    catalog = Catalog.of(version="1", accounts=accounts or (account(),), models=models)
    return ModelLists(lambda: catalog, ScriptedUpstream(*scripts), lambda: 0.5, config)


def asked(made: ModelLists) -> list[str]:
    upstream = made._upstream
    assert isinstance(upstream, ScriptedUpstream)
    return [f"{r.method} {r.account.id} {r.path}?{r.query}" for r in upstream.asked]


async def test_a_round() -> None:
    """Afterwards the models of the account are known, and those of no other."""
    made = lists(page({"id": "claude-x", "max_tokens": 5}))
    assert made.of("a", "claude-x") is None
    await made.refresh()
    known = [made.of(a, m) for a, m in (("a", "claude-x"), ("a", "claude-y"), ("b", "claude-x"))]
    assert [CLAUDE, None, None] == known
    assert ["GET a /v1/models?limit=1000"] == asked(made)


async def test_who_is_asked() -> None:
    """Accounts in use whose provider's list says something; Claude at a cloud has none."""
    accounts = (
        account("off", enabled=False),
        account("foundry", base_url="https://n.services.ai.azure.com/anthropic"),
        *(account(p, p) for p in ("openai", "google", "vertex", "azure", "bedrock", "openai-compatible")),
    )
    made = lists(page(), Script([b'{"models":[]}']), accounts=accounts)
    await made.refresh()
    assert ["GET openai /models?", "GET google /v1beta/models?pageSize=1000"] == asked(made)


async def test_all_pages() -> None:
    """A list is read to its end, but not for ever."""
    more = page({"id": "claude-x", "max_tokens": 5}, has_more=True, last_id="claude-x")
    made = lists(more, page({"id": "claude-y"}))
    await made.refresh()
    assert [CLAUDE, Advertised()] == [made.of("a", name) for name in ("claude-x", "claude-y")]
    assert "GET a /v1/models?limit=1000&after_id=claude-x" == asked(made)[1]
    endless = lists(more)
    await endless.refresh()
    assert 10 == len(asked(endless))


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (Script(refuse=UpstreamUnreachable()), "upstream_unreachable"),
        (Script([b"<html>"]), "upstream_malformed"),
        (Script([b"{}"], status=404), "model_not_found"),
        (Script([b""], status=302), "upstream_error"),
    ],
)
async def test_a_failure_is_told_once(failure: Script, reason: str, caplog: pytest.LogCaptureFixture) -> None:
    """What was known stays known; the next failure is silent, until it worked in between."""
    good = page({"id": "claude-x", "max_tokens": 5})
    made = lists(good, failure, failure, good, failure)
    for _ in range(5):
        await made.refresh()
        assert CLAUDE == made.of("a", "claude-x")
    assert [reason, reason] == [record.reason for record in caplog.records]  # type: ignore[attr-defined]


async def test_one_failing_account_is_not_in_the_others_way() -> None:
    """The accounts behind it are asked all the same."""
    accounts = (account("a"), account("b"))
    made = lists(Script(status=500), page({"id": "claude-x", "max_tokens": 5}), accounts=accounts)
    await made.refresh()
    assert [None, CLAUDE] == [made.of(name, "claude-x") for name in ("a", "b")]


async def test_the_end_of_a_model_is_announced_once(caplog: pytest.LogCaptureFixture) -> None:
    """A configured model that is deprecated is warned of, again when the date changes; others are not."""
    leaving = {"id": "claude-x", "lifecycle": "deprecated", "retires_at": "2027-01-01T00:00:00Z"}
    other = {"id": "claude-y", "lifecycle": "retired"}
    later = {**leaving, "retires_at": "2027-02-01T00:00:00Z"}
    made = lists(page(leaving, other), page(leaving, other), page(later))
    for _ in range(3):
        await made.refresh()
    told = [(r.model, r.target, r.lifecycle, r.retires_at) for r in caplog.records]  # type: ignore[attr-defined]
    expected = [("m", "claude-x", "deprecated", model["retires_at"]) for model in (leaving, later)]
    assert expected == told


async def test_rounds_begin_by_themselves(caplog: pytest.LogCaptureFixture) -> None:
    """The first one after the start, others in their time; a fault of our own ends none of them."""
    quick = ModelListsConfig(first_seconds=0.0, hours=1e-7)
    made = lists(Script(refuse=ZeroDivisionError()), page({"id": "claude-x", "max_tokens": 5}), config=quick)
    async with made:
        for _ in range(1000):
            if made.of("a", "claude-x") is not None:
                break
            await asyncio.sleep(0.002)
    assert [logging.ERROR] == [record.levelno for record in caplog.records]
    count = len(asked(made))
    await asyncio.sleep(0.01)
    assert count == len(asked(made))


async def test_no_round_where_it_is_switched_off() -> None:
    """Nothing runs, and closing is no trouble."""
    made = lists(page(), config=ModelListsConfig(refresh=False, first_seconds=0.0))
    async with made:
        await asyncio.sleep(0.01)
    await made.close()
    assert [] == asked(made)


async def test_a_round_is_cut() -> None:
    """Closing does not wait for a provider, and may be done twice."""
    hung = asyncio.Event()

    class Hanging(Script):
        async def read(self, limit: int) -> bytes:
            hung.set()
            await asyncio.sleep(3600)
            return b""

    made = lists(Hanging(), config=ModelListsConfig(first_seconds=0.0))
    async with made:
        await hung.wait()
        await made.close()
    assert 0 == made._upstream.open_now  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (ModelListsConfig(), []),
        (ModelListsConfig(hours=0), ["hours"]),
        (ModelListsConfig(hours=float("nan"), first_seconds=-1), ["hours", "first_seconds"]),
    ],
)
def test_problems(config: ModelListsConfig, expected: list[str]) -> None:
    """Times that make no sense are told by their fields."""
    assert expected == [field for field, _ in config.problems()]
