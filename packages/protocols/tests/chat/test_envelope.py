"""The top level of a chat request: checked, and passed through with the least change."""

import msgspec
import pytest

from llmgw_domain import Provider
from llmgw_domain.errors import BadRequest, InvalidField, InvalidJson
from llmgw_domain.servers import Server
from llmgw_protocols.chat import CHAT
from llmgw_protocols.dialect import TargetFacts, WireRequest

HEAD = b'{"model":"m","messages":[{"role":"user","content":"hi"}]'


def passed(body: bytes, model: str = "m") -> bytes:
    envelope = CHAT.envelope(WireRequest(body=body))
    rendered = CHAT.passthrough(envelope, TargetFacts(provider=Provider.OPENAI, model=model))
    assert rendered.path == "/chat/completions"
    assert rendered.lossy == ()
    return rendered.body


@pytest.mark.parametrize(
    ("more", "param"),
    [
        (b',"model":""}', None),
        (b',"stream":1}', "stream"),
        (b',"stream_options":{"include_usage":"yes"}}', "stream_options.include_usage"),
        (b',"max_tokens":0}', "max_tokens"),
        (b',"max_completion_tokens":"9"}', "max_completion_tokens"),
        (b',"temperature":"hot"}', "temperature"),
        (b',"top_p":[]}', "top_p"),
        (b',"n":0}', "n"),
        (b',"stop":[1]}', "stop[0]"),
        (b',"tools":{}}', "tools"),
        (b',"tools":["x"]}', "tools[0]"),
        (b',"tool_choice":1}', "tool_choice"),
        (b',"response_format":"json"}', "response_format"),
        (b',"user":5}', "user"),
    ],
)
def test_a_wrong_type_is_named(more: bytes, param: str | None) -> None:
    """A field that no provider could read is refused before anything is sent, by its path."""
    with pytest.raises(BadRequest) as caught:
        CHAT.envelope(WireRequest(body=HEAD + more))
    assert param is None or param == caught.value.param
    assert param is None or param in caught.value.message


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b'{"messages":[{"role":"user"}]}', "model"),
        (b'{"model":"","messages":[{"role":"user"}]}', "model"),
        (b'{"model":null,"messages":[{"role":"user"}]}', "model"),
        (b'{"model":"m"}', "messages"),
        (b'{"model":"m","messages":[]}', "messages"),
        (b'{"model":"m","messages":"hi"}', "messages"),
        (b'{"model":"m","messages":[1]}', "messages[0]"),
        (b'{"model":"m","messages":[{"role":"user"},{"role":7}]}', "messages[1].role"),
    ],
)
def test_model_and_messages_are_required(body: bytes, param: str) -> None:
    """A request without a model or without messages is refused with the field's name."""
    with pytest.raises(InvalidField) as caught:
        CHAT.envelope(WireRequest(body=body))
    assert param == caught.value.param


def test_invalid_json() -> None:
    """A body that is no JSON object is refused."""
    with pytest.raises(InvalidJson):
        CHAT.envelope(WireRequest(body=b"[1]"))


def test_what_an_envelope_holds() -> None:
    """The model, whether it streams, whether usage is wanted, and every field raw, unknown ones too."""
    body = HEAD + b',"stream":true,"stream_options":{"include_usage":true},"x_new":{"a":1.0}}'
    envelope = CHAT.envelope(WireRequest(body=body))
    assert (envelope.model, envelope.stream, envelope.include_usage) == ("m", True, True)
    assert list(envelope.fields) == ["model", "messages", "stream", "stream_options", "x_new"]
    assert msgspec.Raw(b'{"a":1.0}') == envelope.fields["x_new"]
    assert not CHAT.envelope(WireRequest(body=HEAD + b',"stream":null,"stream_options":null}')).include_usage


@pytest.mark.parametrize(
    "body",
    [
        HEAD + b', "seed": 1.50 ,"x":{"b":1,"b":2}}',
        HEAD + b',"stream":true,"stream_options":{"include_usage":true}}',
        HEAD + b',"stream_options":{"include_usage":false}}',
    ],
)
def test_nothing_to_change_is_the_clients_bytes(body: bytes) -> None:
    """Where nothing must change, the very bytes go on."""
    assert body == passed(body)


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (b',"x":1.50,"y":"\\u00e9"}', b',"x":1.50,"y":"\\u00e9"}'),
        (b',"stream":true}', b',"stream":true,"stream_options":{"include_usage":true}}'),
        (
            b',"stream":true,"stream_options":null,"z":0}',
            b',"stream":true,"stream_options":{"include_usage":true},"z":0}',
        ),
        (
            b',"stream":true,"stream_options":{"include_obfuscation": false,"include_usage":false}}',
            b',"stream":true,"stream_options":{"include_obfuscation":false,"include_usage":true}}',
        ),
    ],
)
def test_only_model_and_usage_change(more: bytes, expected: bytes) -> None:
    """The model is replaced and a stream's usage is asked for; order and other values stay."""
    assert HEAD.replace(b'"m"', b'"other"') + expected == passed(HEAD + more, "other")


def test_a_named_server_does_not_get_what_it_refuses() -> None:
    """What OpenAI's SDK sends to everybody is left out or said in the server's words; the rest stays untouched."""
    server = Server(name="s", stream_options=False, renames={"seed": "random_seed"})
    body = HEAD + b',"stream":true,"stream_options":{"include_usage":true},"seed":1.50,"x":{"b":1,"b":2}}'
    facts = TargetFacts(provider=Provider.OPENAI_COMPATIBLE, model="m", server=server)
    made = CHAT.passthrough(CHAT.envelope(WireRequest(body=body)), facts).body
    assert HEAD + b',"stream":true,"random_seed":1.50,"x":{"b":1,"b":2}}' == made


def test_a_named_server_gets_the_clients_bytes_where_nothing_is_refused() -> None:
    """A name alone changes nothing."""
    body = HEAD + b', "seed": 1.50 ,"tool_choice":"required"}'
    facts = TargetFacts(provider=Provider.OPENAI_COMPATIBLE, model="m", server=Server(name="s"))
    assert body == CHAT.passthrough(CHAT.envelope(WireRequest(body=body)), facts).body
