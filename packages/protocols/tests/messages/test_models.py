"""Which record a model's name leads to."""

import pytest

from llmgw_domain import Provider
from llmgw_domain.advertised import Advertised
from llmgw_protocols.dialect import TargetFacts
from llmgw_protocols.messages.models import Capabilities, capabilities, capabilities_at

MODELS = (
    "claude-3-5-sonnet",
    "claude-3-7-sonnet",
    "claude-haiku-4-5",
    "claude-opus-4-5",
    "claude-sonnet-4-6",
    "claude-opus-4-6",
    "claude-opus-4-7",
    "claude-opus-4-8",
    "claude-sonnet-5",
    "claude-opus-5",
    "claude-opus-5-5",
    "claude-fable-5",
    "claude-fable-5-1",
    "claude-mythos-5",
    "claude-comet-9",
)


@pytest.mark.parametrize(
    ("same", "as_"),
    [
        ("claude-sonnet-4-5-20250929", "claude-sonnet-4-5"),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "claude-sonnet-4-5"),
        ("anthropic/claude-sonnet-4.5", "claude-sonnet-4-5"),
        ("claude-sonnet-4-20250514", "claude-sonnet-4-0"),
        ("claude-opus-4-8", "claude-opus-4-8"),
        ("claude-3-5-haiku-latest", "claude-3-5-sonnet-20240620"),
        ("claude-opus-4-9", "claude-comet-9"),
        ("claude-opus-4-10", "claude-comet-9"),
        ("whatever", "claude-comet-9"),
    ],
)
def test_name(same: str, as_: str) -> None:
    """Platform prefixes, dates and dots don't matter; an unknown minor version is a newer model."""
    assert capabilities(as_) == capabilities(same)


def those(flag: str) -> list[str]:
    """The models that have a flag, without the word that all names begin with."""
    return [name.removeprefix("claude-") for name in MODELS if getattr(capabilities(name), flag)]


OLD = ["3-5-sonnet", "3-7-sonnet", "haiku-4-5", "opus-4-5"]


def test_sampling_ends_with_4_6() -> None:
    """Up to the 4.6 generation models sample; 4.7 and later refuse, and unknown ones are taken for later ones."""
    assert [*OLD, "sonnet-4-6", "opus-4-6"] == those("sampling")


def test_thinking_is_adaptive_from_4_6_on() -> None:
    """Older models have budgets alone, the very old ones do not think."""
    assert [n.removeprefix("claude-") for n in MODELS[4:]] == those("adaptive")
    assert "3-5-sonnet" not in those("thinks")


def test_budgets_end_with_4_6() -> None:
    """Opus 4.7, Sonnet 5, Fable 5 and Mythos 5 refuse them."""
    assert [*OLD[1:], "sonnet-4-6", "opus-4-6"] == those("budget")


def test_newest_models_think_always() -> None:
    """Opus 5.5 and Fable 5.1 can't be told to stop, nor can a model that is not known."""
    can_stop = ["sonnet-4-6", "opus-4-6", "opus-4-7", "opus-4-8", "sonnet-5", "opus-5", "fable-5"]
    assert can_stop == those("disable")


def test_opus_5_stops_thinking_up_to_high() -> None:
    """With its thinking turned off it takes no effort above high; others take what they always do."""
    efforts = ("low", "high", "xhigh", "max")
    assert ["low", "high", "high", "high"] == [capabilities("claude-opus-5").calm_effort(e) for e in efforts]
    assert [*efforts] == [capabilities("claude-opus-4-8").calm_effort(e) for e in efforts]
    assert capabilities("claude-sonnet-4-5").calm_effort("high") is None


def test_system_messages_between_turns() -> None:
    """Opus from 4.8 on, Fable and Mythos take them."""
    assert ["opus-4-8", "opus-5", "opus-5-5", "fable-5", "fable-5-1", "mythos-5"] == those("inline_system")


def test_prefill_is_for_older_models() -> None:
    """From 4.6 on a conversation must not end with the assistant."""
    assert OLD == those("prefill")


def test_fast_is_for_opus() -> None:
    """Opus from 4.6 to 5 has a fast mode."""
    assert ["opus-4-6", "opus-4-7", "opus-4-8", "opus-5"] == those("fast")


def test_schemas_from_4_5_on() -> None:
    """Older models have no structured output."""
    assert ["3-5-sonnet", "3-7-sonnet"] == [n for n in OLD if n not in those("structured")]


@pytest.mark.parametrize(
    ("model", "wanted", "given"),
    [
        ("claude-opus-4-8", "xhigh", "xhigh"),
        ("claude-opus-4-6", "xhigh", "high"),
        ("claude-opus-4-6", "max", "max"),
        ("claude-opus-4-8", "minimal", "low"),
        ("claude-sonnet-4-5", "high", None),
    ],
)
def test_effort(model: str, wanted: str, given: str | None) -> None:
    """An effort that a model lacks becomes the next lower one."""
    assert given == capabilities(model).effort(wanted)


def test_an_effort_below_all() -> None:
    """Where there is no lower one it becomes the lowest."""
    assert "medium" == Capabilities(efforts=("medium", "high")).effort("low")


# --- at a target ------------------------------------------------------------------------------------------------------


def at(model: str, said: Advertised | None = None, cloud: str = "") -> Capabilities:
    facts = TargetFacts(provider=Provider.ANTHROPIC, model=model, advertised=said, cloud=cloud)  # type: ignore[arg-type]
    return capabilities_at(facts)


def test_the_name_decides_what_nobody_says() -> None:
    """Without its provider's word, and where that is silent, a model is what its name tells."""
    for name in MODELS:
        assert capabilities(name) == at(name) == at(name, Advertised(lifecycle="active"))


def test_the_provider_outranks_the_name() -> None:
    """Ways of thinking, efforts, schemas and the limit are as the provider says; the rest stays."""
    said = Advertised(
        max_output_tokens=9000,
        thinks=True,
        thinking_types=frozenset(("enabled", "disabled")),
        efforts=("low", "high"),
        structured=False,
    )
    expected = Capabilities(
        adaptive=False, budget=True, disable=False, efforts=("low", "high"), structured=False, max_output=9000
    )
    assert expected == at("claude-comet-9", said)
    assert at("claude-opus-4-6", said).fast


@pytest.mark.parametrize(
    ("types", "thinks", "expected"),
    [
        ({"adaptive", "disabled"}, True, (True, False, True)),
        ({"adaptive"}, True, (True, False, False)),
        ({"adaptive", "enabled", "disabled", "between_tools"}, True, (True, True, True)),
        ({"disabled"}, False, (False, False, False)),
        (None, False, (False, False, False)),
        (None, True, (True, False, False)),
    ],
)
def test_ways_of_thinking(types: set[str] | None, thinks: bool, expected: tuple[bool, bool, bool]) -> None:
    """What is not among the types is refused. A model that does not think need not be told to stop."""
    record = at("claude-comet-9", Advertised(thinks=thinks, thinking_types=None if types is None else frozenset(types)))
    assert expected == (record.adaptive, record.budget, record.disable)


def test_foundry_takes_no_system_messages_between_turns() -> None:
    """Azure AI Foundry refuses the role that the same model takes at Anthropic."""
    assert [True, False, True] == [at("claude-opus-5", cloud=c).inline_system for c in ("", "foundry", "mantle")]
