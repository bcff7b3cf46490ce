import msgspec
import pytest

from llmgw_balancer import Pause
from llmgw_balancer.pauses import mark_of
from llmgw_control import AccountRecord, Records
from llmgw_control.testing import Desk
from llmgw_control.views import Actor
from llmgw_gateway.state.rejecting import Rejecting

OWNER = Actor("admin:o", "owner")


@pytest.fixture
def desk() -> Desk:
    desk = Desk(
        "n", file=Records(accounts=(AccountRecord(id="filed", provider="openai", pool="p", credential="env:F"),))
    )
    for name, pool in (("a", "p"), ("alone", "q")):
        fields = {"provider": "openai", "pool": pool, "credential": f"sk-{name}"}
        desk.administration.create("account", name, fields, OWNER)
    return desk


def rejected(desk: Desk, name: str, reason: str = "credit") -> Pause:
    mark = mark_of(desk.catalog.accounts[name])
    return Pause(account=name, verdict="disable", seconds=3600.0, reason=reason, mark=mark)


@pytest.mark.parametrize("name", ["a", "filed"])
def test_what_a_provider_rejects_is_disabled_with_the_reason(desk, name):
    """By the gateway itself, as the audit trail says; also one of the file."""
    Rejecting(desk.administration, lambda: desk.catalog)(rejected(desk, name))
    account = desk.administration.get("account", name)
    assert (False, "disabled by the gateway: its credit is spent") == (
        account.fields["enabled"],
        account.fields["disabled_reason"],
    )
    assert not desk.catalog.accounts[name].enabled


def test_another_credential_is_not_meant(desk):
    """What was refused may have been replaced while it was told of. A word without a sentence stands for itself."""
    pause = rejected(desk, "a")
    Rejecting(desk.administration, lambda: desk.catalog)(msgspec.structs.replace(pause, mark="old"))
    Rejecting(desk.administration, lambda: desk.catalog)(msgspec.structs.replace(pause, account="gone"))
    assert desk.catalog.accounts["a"].enabled
    Rejecting(desk.administration, lambda: desk.catalog)(rejected(desk, "a", "moon"))
    assert "disabled by the gateway: moon" == desk.administration.get("account", "a").fields["disabled_reason"]


def test_the_last_of_a_pool_is_left_to_be_tried(desk, caplog):
    """It is told of, and rests like any other."""
    Rejecting(desk.administration, lambda: desk.catalog)(rejected(desk, "alone"))
    assert desk.catalog.accounts["alone"].enabled
    assert "the last of its pool" in caplog.text


def test_a_model_that_is_refused_leaves_the_account(desk, caplog):
    """It rests for that model alone."""
    pause = msgspec.structs.replace(rejected(desk, "a", "forbidden"), model="gpt-9")
    Rejecting(desk.administration, lambda: desk.catalog)(pause)
    assert desk.catalog.accounts["a"].enabled
    assert "a model is refused" in caplog.text
