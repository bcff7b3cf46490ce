from __future__ import annotations

import pytest

from llmgw_admin.overview import account_rows, duration, model_rows, overview
from llmgw_admin.status import Status
from llmgw_domain import Account, Catalog, Model, Provider, Secret, Target


def account(id: str, **changes: object) -> Account:
    return Account(
        id=id,
        provider=Provider.OPENAI,
        base_url="http://x",
        credential=Secret("s"),
        pool="p",
        **changes,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(-1, "0 s"), (0, "0 s"), (59.9, "59 s"), (60, "1 min"), (3605, "1 h"), (90061, "1 d 1 h"), (86400, "1 d")],
)
def test_durations_have_two_units_at_most(seconds: float, expected: str) -> None:
    """A length of time is told in its largest unit and the next one, if that is not zero."""
    assert expected == duration(seconds)


def test_the_state_of_an_account() -> None:
    """Disabled comes before what the process says, that before a full account, and else it is ready."""
    catalog = Catalog.of(
        version="v",
        accounts=[
            account("off", enabled=False),
            account("cooling"),
            account("full", max_concurrency=1),
            account("good", max_concurrency=2),
        ],
    )
    now = Status(
        version="1",
        uptime=0,
        in_flight={"full": 1, "good": 1},
        states={"cooling": "cooling down", "off": "cooling down"},
    )
    states = {row.id: (row.state, row.tone) for row in account_rows(catalog, now)}
    expected = {
        "off": ("disabled", "off"),
        "cooling": ("cooling down", "warn"),
        "full": ("full", "warn"),
        "good": ("ready", "good"),
    }
    assert expected == states


def test_targets_are_listed_by_priority() -> None:
    """A model's targets stand in the order in which they are tried, with the priority where it matters."""
    tiered = Model(name="m", targets=(Target(pool="b", model="y", priority=2), Target(pool="a", model="x", priority=1)))
    plain = Model(name="n/*", targets=(Target(pool="a", model="*"),))
    rows = [(row.name, row.targets) for row in model_rows(Catalog.of(version="v", models=[plain, tiered]))]
    assert [("m", ("a / x (priority 1)", "b / y (priority 2)")), ("n/*", ("a / *",))] == rows


def test_names_are_escaped() -> None:
    """A name that looks like markup is shown as text."""
    catalog = Catalog.of(version="v", models=[Model(name="<b>", targets=())])
    page = overview(catalog, Status(version="1", uptime=0))
    assert (True, False) == ("&lt;b&gt;" in page, "<b>" in page)


def test_an_empty_gateway_says_what_to_do() -> None:
    """Without accounts and models the page says where to add them."""
    page = overview(Catalog.of(version="empty"), Status(version="1", uptime=0, ready=False))
    assert (True, True, True) == ("[[accounts]]" in page, "[[models]]" in page, "not ready" in page)
