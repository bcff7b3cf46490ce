import msgspec
import pytest

from llmgw_domain import Provider
from llmgw_domain.errors import InvalidField, UpstreamMalformed
from llmgw_protocols import TargetFacts, WireRequest
from llmgw_protocols.embeddings import GEMINI_BATCH_EMBED, GEMINI_EMBED, OPENAI_EMBEDDINGS

ONE = {"parts": [{"text": "a"}]}
VECTOR = "AACAPw=="  # 1.0


def ask(enquiry, body, provider, model="m", path_model=None, version=None):
    wire = WireRequest(body=msgspec.json.encode(body), path_model=path_model, path_version=version)
    return enquiry.ask(enquiry.envelope(wire), TargetFacts(provider=Provider(provider), model=model))


def told(question, answer):
    got = question.read([msgspec.json.encode(answer)])
    return msgspec.json.decode(got.body), got.usage


@pytest.mark.parametrize(
    ("wanted", "came", "given"),
    [("base64", [1.0], VECTOR), ("float", VECTOR, [1.0]), ("base64", VECTOR, VECTOR), ("float", [1.0], [1.0])],
)
def test_a_client_gets_the_form_that_it_asked_for(wanted, came, given):
    """Also from a server that knows only the other one; OpenAI's SDKs decode whatever comes."""
    question = ask(OPENAI_EMBEDDINGS, {"model": "x", "input": "a", "encoding_format": wanted}, "openai-compatible")
    answer = {
        "object": "list",
        "data": [{"object": "embedding", "index": 0, "embedding": came}],
        "model": "m",
        "odd": 1,
    }
    body, usage = told(question, answer)
    assert ([given], 1) == ([d["embedding"] for d in body["data"]], body["odd"])
    assert "estimated" == usage.provenance


def test_unknown_fields_pass_through_to_the_same_dialect():
    """Only the model changes, and the body is not written again."""
    question = ask(OPENAI_EMBEDDINGS, {"model": "x", "input": [1, 2], "odd": 1.50}, "openai", "up")
    assert b'{"model":"up","input":[1,2],"odd":1.5}' == question.requests[0].body
    body = b'{"data":[{"index":0,"embedding":[1.0e0]}],"usage":{"prompt_tokens":3}}'
    got = question.read([body])
    assert (body, 3) == (got.body, got.usage.input)


def test_openai_s_client_gets_google_s_vectors():
    """In OpenAI's shape, packed if it was asked for."""
    question = ask(OPENAI_EMBEDDINGS, {"model": "x", "input": "a", "encoding_format": "base64"}, "google")
    body, _ = told(question, {"embeddings": [{"values": [1]}]})
    assert {"object": "embedding", "index": 0, "embedding": VECTOR} == body["data"][0]
    assert ("x", {"prompt_tokens": 1, "total_tokens": 1}) == (body["model"], body["usage"])


def test_gemini_s_client_gets_openai_s_vectors():
    """One, or a batch of them, with the count where the provider said it."""
    answer = {"data": [{"index": 0, "embedding": [1]}], "usage": {"prompt_tokens": 2}}
    body, _ = told(ask(GEMINI_EMBED, {"content": ONE}, "openai", path_model="x"), answer)
    assert {"embedding": {"values": [1]}, "usageMetadata": {"promptTokenCount": 2}} == body
    body, _ = told(ask(GEMINI_BATCH_EMBED, {"requests": [{"content": ONE}]}, "openai", path_model="x"), answer)
    assert [{"values": [1]}] == body["embeddings"]


def test_gemini_s_own_request_passes_through():
    """With the model put in where it is named again; the client's version stays."""
    question = ask(GEMINI_EMBED, {"content": ONE, "odd": 1}, "google", "up", "x", "v1")
    assert "/v1/models/up:embedContent" == question.requests[0].path
    assert {"content": ONE, "odd": 1} == msgspec.json.decode(question.requests[0].body)
    batch = {"requests": [{"model": "models/x", "content": ONE, "odd": 1}]}
    question = ask(GEMINI_BATCH_EMBED, batch, "google", "up", "x")
    assert "models/up" == msgspec.json.decode(question.requests[0].body)["requests"][0]["model"]
    body, usage = told(question, {"embeddings": [{"values": [1]}], "usageMetadata": {"promptTokenCount": 5}})
    assert ([{"values": [1]}], 5) == (body["embeddings"], usage.input)


def test_a_vector_that_is_missing_is_told():
    """A client could not know which passage has none."""
    with pytest.raises(UpstreamMalformed, match="understood"):
        told(ask(OPENAI_EMBEDDINGS, {"model": "x", "input": ["a", "b"]}, "google"), {"embeddings": [{"values": [1]}]})


@pytest.mark.parametrize(
    ("enquiry", "body", "path", "field"),
    [
        (OPENAI_EMBEDDINGS, {"input": "a"}, None, "model"),
        (OPENAI_EMBEDDINGS, {"model": 7, "input": "a"}, None, "model"),
        (OPENAI_EMBEDDINGS, {"model": "m"}, None, "input"),
        (GEMINI_EMBED, {}, "m", "content"),
        (GEMINI_BATCH_EMBED, {"content": ONE}, "m", "requests"),
        (GEMINI_EMBED, {"content": ONE}, None, "model"),
    ],
)
def test_what_is_missing_is_named(enquiry, body, path, field):
    """Before anything is asked."""
    with pytest.raises(InvalidField, match=field):
        enquiry.envelope(WireRequest(body=msgspec.json.encode(body), path_model=path))
