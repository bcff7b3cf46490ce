"""Splitting, checking and passing through a Responses request."""

from typing import Any

import msgspec
import pytest

from llmgw_domain import Provider
from llmgw_domain.errors import InvalidField
from llmgw_protocols.dialect import TargetFacts, WireRequest
from llmgw_protocols.responses import sealed
from llmgw_protocols.responses.envelope import envelope, passthrough


def wire(**fields: Any) -> WireRequest:
    return WireRequest(body=msgspec.json.encode({"model": "m", "input": "Hi", **fields}))


def facts(model: str) -> TargetFacts:
    return TargetFacts(provider=Provider.OPENAI, model=model)


def test_the_top_level_is_split() -> None:
    """Model and stream are read, everything else stays raw."""
    split = envelope(wire(stream=True, store=False))
    assert ("m", True, ["model", "input", "stream", "store"]) == (split.model, split.stream, list(split.fields))


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"model": ""}, "model"),
        ({"model": 1}, "model"),
        ({"input": None}, "input"),
        ({"input": 3}, "input"),
        ({"input": ["a"]}, "input[0]"),
        ({"stream": "yes"}, "stream"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
        ({"tools": {}}, "tools"),
        ({"text": []}, "text"),
        ({"include": "x"}, "include"),
        ({"store": "no"}, "store"),
    ],
)
def test_a_wrong_type_is_refused_by_name(fields: dict[str, Any], param: str) -> None:
    """Nothing wrong is sent on."""
    with pytest.raises(InvalidField) as refusal:
        envelope(wire(**fields))
    assert param == refusal.value.param


def test_a_model_is_needed() -> None:
    """The gateway routes by it, also where OpenAI takes it from a stored prompt."""
    with pytest.raises(InvalidField, match="'model' is missing"):
        envelope(WireRequest(body=b'{"input":"Hi"}'))


@pytest.mark.parametrize("instead", ["previous_response_id", "conversation", "prompt"])
def test_input_may_be_held_elsewhere(instead: str) -> None:
    """What continues stored state need not say more."""
    assert "m" == envelope(WireRequest(body=msgspec.json.encode({"model": "m", instead: "x"}))).model


def test_a_pass_through_changes_the_model_alone() -> None:
    """All other bytes are the client's own, spaces, numbers and unknown fields among them."""
    body = b'{ "x" : 1.0, "model":"m","input" : [ {"role":"user", "content":"\\u0041"} ] }'
    split = envelope(WireRequest(body=body))
    assert body == passthrough(split, facts("m")).body
    changed = passthrough(split, facts("n"))
    assert ("/responses", b'{"x":1.0,"model":"n","input":[ {"role":"user", "content":"\\u0041"} ]}') == (
        changed.path,
        changed.body,
    )


def test_a_pass_through_leaves_out_sealed_reasoning() -> None:
    """OpenAI would refuse another family's reasoning as forged; its own stays."""
    seal = sealed.write(sealed.Seal("anthropic", "signature", "s"))
    items = [
        {"type": "reasoning", "summary": [], "encrypted_content": seal},
        {"type": "reasoning", "summary": [], "encrypted_content": "gAAA"},
        {"role": "user", "content": f"What is {seal}?"},
    ]
    sent = msgspec.json.decode(passthrough(envelope(wire(input=items)), facts("m")).body)
    assert items[1:] == sent["input"]


def test_a_text_that_looks_sealed_passes() -> None:
    """Only items can hold a seal."""
    split = envelope(wire(input="gw1.x"))
    assert {"model": "m", "input": "gw1.x"} == msgspec.json.decode(passthrough(split, facts("m")).body)
