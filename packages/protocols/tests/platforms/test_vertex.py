import msgspec
import pytest

from llmgw_domain import Provider
from llmgw_domain.accounts import Platform
from llmgw_domain.errors import InvalidField
from llmgw_protocols import Rendered, TargetFacts, WireRequest, dialect_named
from llmgw_protocols.platforms import vertex

SCOPE = "/projects/p/locations/europe-west4"


def facts(model, **platform):
    given = platform or {"project": "p", "location": "europe-west4"}
    return TargetFacts(provider=Provider.VERTEX, model=model, platform=Platform(**given))


def gemini(path, model="gemini-2.5-flash", body=b'{"contents":[]}', **platform):
    return vertex.gemini(Rendered(path=path, query="alt=sse", body=body), facts(model, **platform))


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/v1/models/gemini-2.5-flash:generateContent", "/v1{}:generateContent"),
        ("/v1beta/models/gemini-2.5-flash:streamGenerateContent", "/v1beta1{}:streamGenerateContent"),
        ("/v1alpha/models/gemini-2.5-flash:countTokens", "/v1beta1{}:countTokens"),
        ("/v1/models/gemini-2.5-flash:embedContent", "/v1{}:embedContent"),
    ],
)
def test_gemini_keeps_its_verb_and_the_like_of_its_version(path, expected):
    """A beta of Google's own API is Vertex's beta; the query goes on."""
    got = gemini(path)
    assert expected.format(f"{SCOPE}/publishers/google/models/gemini-2.5-flash") == got.path
    assert ("alt=sse", b'{"contents":[]}') == (got.query, got.body)


@pytest.mark.parametrize(
    ("model", "resource"),
    [
        ("models/gemini-2.5-flash", "/publishers/google/models/gemini-2.5-flash"),
        ("google/gemini-2.5-flash", "/publishers/google/models/gemini-2.5-flash"),
        ("meta/llama-4", "/publishers/meta/models/llama-4"),
        ("publishers/meta/models/llama-4", "/publishers/meta/models/llama-4"),
        ("endpoints/123", "/endpoints/123"),
        ("projects/p/locations/europe-west4/endpoints/123", "/endpoints/123"),
        (
            "projects/other/locations/us/endpoints/1",
            "/publishers/projects%2Fother%2Flocations%2Fus%2Fendpoints/models/1",
        ),
    ],
)
def test_a_model_is_named_as_for_google_s_own_sdk(model, resource):
    """Publishers and endpoints are found, all in the account's own project."""
    assert f"/v1{SCOPE}{resource}:generateContent" == gemini("/v1/models/x:generateContent", model).path


@pytest.mark.parametrize("model", ["endpoints/../../../other", "../../x", "../x", "..", "publishers/../models/x"])
def test_a_client_s_name_leads_nowhere_else(model):
    """A name with steps through the path is refused."""
    with pytest.raises(InvalidField):
        gemini("/v1/models/x:generateContent", model)


def test_an_account_without_a_project_is_known_by_its_key():
    """Express mode has neither project nor location in its paths."""
    assert (
        "/v1/publishers/google/models/g:generateContent"
        == gemini("/v1/models/g:generateContent", "g", location="global").path
    )


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"model":"models/a","contents":[{"x" :1.0}]}', b'{"contents":[{"x" :1.0}]}'),
        (b'{ "contents":[{"model":1}]}', b'{ "contents":[{"model":1}]}'),
    ],
)
def test_a_model_in_gemini_s_body_is_left_out(body, expected):
    """The path names it; what is nested is another thing."""
    assert expected == gemini("/v1/models/g:generateContent", body=body).body


# --- Claude -----------------------------------------------------------------------------------------------------------

MODEL = "claude-sonnet-4-5@20250929"


def claude(headers=(), body=b'{"model":"m","max_tokens":1}', path="/v1/messages", *, stream=False, query=""):
    rendered = Rendered(path=path, query=query, body=body, headers=tuple(headers), lossy=("seed",))
    return vertex.claude(rendered, facts(MODEL), stream=stream)


@pytest.mark.parametrize(("stream", "verb"), [(False, "rawPredict"), (True, "streamRawPredict")])
def test_claude_is_below_its_publisher(stream, verb):
    """The verb says whether it is a stream; Anthropic's own query is left out."""
    got = claude(stream=stream, query="beta=true")
    assert f"/v1{SCOPE}/publishers/anthropic/models/{MODEL}:{verb}" == got.path
    assert ("", ("seed",)) == (got.query, got.lossy)


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("2023-06-01", "vertex-2023-10-16"),
        ("2023-01-01", "vertex-2023-10-16"),
        ("2026-10-21", "2026-10-21"),
        (None, "vertex-2023-10-16"),
    ],
)
def test_the_version_is_in_the_body(version, expected):
    """In Vertex's own name for the old ones; the model is not."""
    got = claude([("anthropic-version", version)] if version else [])
    assert {"max_tokens": 1, "anthropic_version": expected} == msgspec.json.decode(got.body)
    assert () == got.headers


def test_betas_are_in_the_body():
    """The header's, behind those that the client's body names itself; other headers stay."""
    body = b'{"model":"m","anthropic_beta":["b"],"anthropic_version":"mine"}'
    got = claude([("anthropic-beta", "a, b,c,"), ("x-y", "z")], body)
    assert {"anthropic_beta": ["b", "a", "c"], "anthropic_version": "mine"} == msgspec.json.decode(got.body)
    assert (("x-y", "z"),) == got.headers


def test_betas_that_are_none_are_refused():
    """A client's own `anthropic_beta` of another kind is its mistake."""
    with pytest.raises(InvalidField, match="anthropic_beta"):
        claude([("anthropic-beta", "a")], b'{"model":"m","anthropic_beta":5}')


def test_counting_has_a_model_of_its_own_in_the_path():
    """So the body keeps naming the model."""
    got = claude(path="/v1/messages/count_tokens", body=b'{"model":"m"}', stream=True)
    assert f"/v1{SCOPE}/publishers/anthropic/models/count-tokens:rawPredict" == got.path
    assert {"model": "m", "anthropic_version": "vertex-2023-10-16"} == msgspec.json.decode(got.body)


def test_nested_bytes_are_a_client_s_own():
    """A request that passed through Anthropic's dialect keeps what is nested byte for byte."""
    body = b'{"model":"m","max_tokens":8,"messages":[{"role":"user","content": "h\\u00e4 1.0"}],"x":[1.0,  2e3]}'
    dialect = dialect_named("messages")
    rendered = dialect.passthrough(dialect.envelope(WireRequest(body=body)), facts(MODEL))
    got = vertex.claude(rendered, facts(MODEL), stream=False).body
    assert b'"messages":[{"role":"user","content": "h\\u00e4 1.0"}],"x":[1.0,  2e3]' in got
