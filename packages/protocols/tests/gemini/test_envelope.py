"""Tests of requests as they come, and of passing them on."""

import msgspec
import pytest

from llmgw_domain import Provider
from llmgw_domain.errors import BadRequest, InvalidField, InvalidJson
from llmgw_protocols.dialect import Envelope, TargetFacts, WireRequest
from llmgw_protocols.gemini.envelope import envelope_of, passthrough_of, path_of

BODY = b'{"contents": [{"parts": [{"text": "hi"}]}],  "generation_config": {"topK": 40.0}, "newField": {"x": 1.00}}'


def opened(body: bytes = BODY, *, stream: bool = False, alt: str | None = None, version: str | None = "v1") -> Envelope:
    query = {} if alt is None else {"alt": alt}
    return envelope_of(WireRequest(body=body, path_model="m/x", path_stream=stream, path_version=version, query=query))


def facts(model: str = "gemini-x") -> TargetFacts:
    return TargetFacts(provider=Provider.GOOGLE, model=model)


@pytest.mark.parametrize(
    ("stream", "alt", "expected"),
    [(True, "sse", "sse"), (True, None, "array"), (True, "json", "array"), (False, None, "sse")],
)
def test_form(stream: bool, alt: str | None, expected: str) -> None:
    """A stream is an array unless the query asks for SSE."""
    assert expected == opened(stream=stream, alt=alt).form


def test_model_and_verb_come_from_the_path() -> None:
    """The path says which model and whether to stream."""
    envelope = opened(stream=True)
    assert (envelope.model, envelope.stream) == ("m/x", True)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"{}", "contents"),
        (b'{"contents": []}', "contents"),
        (b'{"contents": "hi"}', "contents"),
        (b'{"contents": {"parts": []}}', "contents"),
        (b'{"contents": ["hi"]}', "contents[0]"),
        (b'{"contents": [{"role": 1}]}', "contents[0].role"),
        (b'{"contents": [{"parts": {}}]}', "contents[0].parts"),
        (b'{"contents": [{"parts": ["hi"]}]}', "contents[0].parts[0]"),
        (b'{"contents": [{}], "tools": {}}', "tools"),
        (b'{"contents": [{}], "system_instruction": 1}', "systemInstruction"),
        (b'{"contents": [{}], "generationConfig": []}', "generationConfig"),
        (b'{"contents": [{}], "generationConfig": {"temperature": "hot"}}', "generationConfig.temperature"),
        (b'{"contents": [{}], "generationConfig": {"maxOutputTokens": 1.5}}', "generationConfig.maxOutputTokens"),
        (b'{"contents": [{}], "generationConfig": {"stopSequences": "x"}}', "generationConfig.stopSequences"),
    ],
)
def test_wrong_types_are_refused_by_name(body: bytes, param: str) -> None:
    """A field of the wrong kind is refused with its path."""
    with pytest.raises(InvalidField) as caught:
        opened(body)
    assert param == caught.value.param


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b'{"contents": [], "contents": []}', b'{"a": "\xff"}', b'{"a":' + b"[" * 5000]
)
def test_what_is_no_object_is_refused(body: bytes) -> None:
    """A body that is no single JSON object is refused before anything else is read."""
    with pytest.raises(InvalidJson):
        opened(body)


def test_a_path_without_a_model_is_refused() -> None:
    """Without a model in the path there is nothing to ask."""
    with pytest.raises(BadRequest):
        envelope_of(WireRequest(body=BODY))


def test_the_body_passes_untouched() -> None:
    """Google gets the client's very bytes, unknown fields and all."""
    assert passthrough_of(opened(), facts()).body == BODY


def test_a_model_in_the_body_is_replaced() -> None:
    """Where the body repeats the model, it names the target's."""
    body = b'{"model": "models/a", "contents": [{"parts": []}], "x": 1.00}'
    expected = b'{"model":"models/gemini-x","contents":[{"parts": []}],"x":1.00}'
    assert expected == passthrough_of(opened(body), facts()).body


@pytest.mark.parametrize(
    ("stream", "alt", "version", "path", "query"),
    [
        (False, None, "v1", "/v1/models/gemini-x:generateContent", ""),
        (False, "sse", None, "/v1beta/models/gemini-x:generateContent", ""),
        (True, "sse", "v1beta", "/v1beta/models/gemini-x:streamGenerateContent", "alt=sse"),
        (True, None, "v1", "/v1/models/gemini-x:streamGenerateContent", ""),
    ],
)
def test_where_it_passes_to(stream: bool, alt: str | None, version: str | None, path: str, query: str) -> None:
    """The client's version, verb and stream form are kept."""
    rendered = passthrough_of(opened(stream=stream, alt=alt, version=version), facts())
    assert (path, query) == (rendered.path, rendered.query)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("a/b@c:d._-1", "/v1beta/models/a/b@c:d._-1:generateContent"),
        ("models/a", "/v1beta/models/a:generateContent"),
        ("tunedModels/a", "/v1beta/tunedModels/a:generateContent"),
        ("a b?c#d", "/v1beta/models/a%20b%3Fc%23d:generateContent"),
    ],
)
def test_path_of(model: str, expected: str) -> None:
    """A model's name stands in the path once, with only what must be escaped escaped."""
    assert expected == path_of(model, stream=False)


def test_a_join_keeps_the_order() -> None:
    """The fields of a rebuilt body stay in the client's order."""
    body = b'{"contents": [{"parts": []}], "model": "a"}'
    rebuilt = msgspec.json.decode(passthrough_of(opened(body), facts()).body)
    assert list(rebuilt) == ["contents", "model"]
