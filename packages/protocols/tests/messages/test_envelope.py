"""Checking a client's request, and passing it through."""

import msgspec
import pytest

from llmgw_domain import Provider
from llmgw_domain.errors import BadRequest, InvalidJson
from llmgw_protocols.dialect import TargetFacts, WireRequest
from llmgw_protocols.messages import MESSAGES

BODY = b'{"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "Hi"}], "future": {"a": 1.50}}'


def _facts(model: str) -> TargetFacts:
    return TargetFacts(provider=Provider.ANTHROPIC, model=model)


def _with(**fields: object) -> bytes:
    return msgspec.json.encode({**msgspec.json.decode(BODY), **fields})


def test_split() -> None:
    """The envelope tells model and stream and keeps unknown fields."""
    envelope = MESSAGES.envelope(WireRequest(body=_with(stream=True)))
    assert (envelope.model, envelope.stream, bytes(envelope.fields["future"])) == ("m", True, b'{"a":1.5}')


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"model": 5}, "model"),
        ({"model": ""}, "model"),
        ({"max_tokens": None}, "max_tokens"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"max_tokens": "5"}, "max_tokens"),
        ({"messages": []}, "messages"),
        ({"messages": "Hi"}, "messages"),
        ({"messages": ["Hi"]}, "messages.0"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages.0.role"),
        ({"messages": [{"role": "user"}]}, "messages.0"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages.0.content"),
        ({"stream": "yes"}, "stream"),
        ({"system": 5}, "system"),
        ({"tools": {}}, "tools"),
        ({"tools": ["bash"]}, "tools.0"),
        ({"tool_choice": "auto"}, "tool_choice"),
        ({"thinking": True}, "thinking"),
        ({"metadata": "me"}, "metadata"),
        ({"stop_sequences": "END"}, "stop_sequences"),
        ({"temperature": "hot"}, "temperature"),
        ({"top_k": 1.5}, "top_k"),
    ],
)
def test_wrong_type(fields: dict[str, object], param: str) -> None:
    """A field of the wrong type is a 400 whose message and param name it."""
    with pytest.raises(BadRequest) as caught:
        MESSAGES.envelope(WireRequest(body=_with(**fields)))
    assert (param, True) == (caught.value.param, caught.value.message.startswith(param))


@pytest.mark.parametrize("name", ["model", "max_tokens", "messages"])
def test_missing(name: str) -> None:
    """A required field that is missing is named."""
    body = {k: v for k, v in msgspec.json.decode(BODY).items() if k != name}
    with pytest.raises(BadRequest, match=f"{name}: field required"):
        MESSAGES.envelope(WireRequest(body=msgspec.json.encode(body)))


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"a":1,"a":2}', b'{"a":"\xff"}', b"[" * 100_000])
def test_no_json(body: bytes) -> None:
    """What is no JSON object with unique names is refused before anything else is looked at."""
    with pytest.raises(InvalidJson):
        MESSAGES.envelope(WireRequest(body=body))


def test_zero_tokens() -> None:
    """A limit of 0 tokens is Anthropic's way to warm a cache, and let through."""
    assert MESSAGES.envelope(WireRequest(body=_with(max_tokens=0))).model == "m"


def test_passthrough_untouched() -> None:
    """With the same model the very bytes of the client go out."""
    rendered = MESSAGES.passthrough(MESSAGES.envelope(WireRequest(body=BODY)), _facts("m"))
    assert (
        rendered.body,
        rendered.path,
        rendered.query,
        rendered.headers,
    ) == (BODY, "/v1/messages", "", (("anthropic-version", "2023-06-01"),))


def test_passthrough_model() -> None:
    """Another model's name is the only thing that changes: numbers and spaces inside of values stay."""
    rendered = MESSAGES.passthrough(MESSAGES.envelope(WireRequest(body=BODY)), _facts("claude-x"))
    expected = (
        b'{"model":"claude-x","max_tokens":5,"messages":[{"role": "user", "content": "Hi"}],"future":{"a": 1.50}}'
    )
    assert expected == rendered.body


def test_passthrough_headers() -> None:
    """The client's version and betas go along, unknown ones too, and so does the beta query."""
    headers = {"anthropic-version": "2031-01-01", "anthropic-beta": "a,b-new", "x-api-key": "secret"}
    wire = WireRequest(body=BODY, headers=headers, query={"beta": "true", "key": "k"})
    rendered = MESSAGES.passthrough(MESSAGES.envelope(wire), _facts("m"))
    assert (
        rendered.headers,
        rendered.query,
    ) == ((("anthropic-version", "2031-01-01"), ("anthropic-beta", "a,b-new")), "beta=true")
