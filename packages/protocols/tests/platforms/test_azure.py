import pytest

from llmgw_domain import Provider
from llmgw_domain.accounts import Platform
from llmgw_protocols import Rendered, TargetFacts
from llmgw_protocols.platforms.azure import deployment_of, openai_path, placed


def facts(model="gpt-4.1", provider="azure", **platform):
    return TargetFacts(provider=Provider(provider), model=model, platform=Platform(**platform))


@pytest.mark.parametrize(
    ("version", "path", "expected"),
    [
        ("v1", "/chat/completions", ("/openai/v1/chat/completions", "")),
        ("v1", "/files/file-1/content", ("/openai/v1/files/file-1/content", "")),
        ("preview", "/responses", ("/openai/v1/responses", "api-version=preview")),
        ("latest", "/responses", ("/openai/v1/responses", "api-version=latest")),
        ("2024-10-21", "/chat/completions", ("/openai/deployments/gpt-4.1/chat/completions", "api-version=2024-10-21")),
        ("2024-10-21", "/completions", ("/openai/deployments/gpt-4.1/completions", "api-version=2024-10-21")),
        ("2024-10-21", "/embeddings", ("/openai/deployments/gpt-4.1/embeddings", "api-version=2024-10-21")),
        ("2024-10-21", "/audio/speech", ("/openai/deployments/gpt-4.1/audio/speech", "api-version=2024-10-21")),
        ("2024-10-21", "/images/edits", ("/openai/deployments/gpt-4.1/images/edits", "api-version=2024-10-21")),
        ("2025-03-01-preview", "/responses", ("/openai/responses", "api-version=2025-03-01-preview")),
        ("2024-10-21", "/files", ("/openai/files", "api-version=2024-10-21")),
        ("2024-10-21", "/batches/b", ("/openai/batches/b", "api-version=2024-10-21")),
    ],
)
def test_paths_by_version(version, path, expected):
    """The current paths are OpenAI's own; a dated version has deployments in some paths and itself in every query."""
    assert expected == openai_path(path, facts(api_version=version))


@pytest.mark.parametrize("provider", ["openai", "openai-compatible"])
def test_other_accounts_have_openai_s_paths(provider):
    """What is below OpenAI's /v1 is below the base address there."""
    assert ("/files", "limit=2") == openai_path("/files", facts(provider=provider), "limit=2")


def test_a_query_is_kept():
    """The version stands behind what the client asked for."""
    assert ("/openai/files", "limit=2&api-version=2024-10-21") == openai_path(
        "/files", facts(api_version="2024-10-21"), "limit=2"
    )


def test_a_model_is_asked_for_by_its_deployment():
    """In the path of the classic form, and in the body of both; the rest of the body keeps its bytes."""
    body = b'{"model":"gpt-4.1", "x": 1.0,"messages":[ {"a" : 1e2}]}'
    expected = b'{"model":"chat-eu","x":1.0,"messages":[ {"a" : 1e2}]}'
    rendered = Rendered(path="/chat/completions", body=body, lossy=("seed",))
    for version, path in (("v1", "/openai/v1/"), ("2024-10-21", "/openai/deployments/chat-eu/")):
        got = placed(rendered, facts(api_version=version, deployments={"gpt-4.1": "chat-eu", "b": "c"}))
        assert (f"{path}chat/completions", expected, ("seed",)) == (got.path, got.body, got.lossy)


def test_a_body_that_needs_no_change_is_not_touched():
    """Without a deployment of another name the body stays the same bytes."""
    body = b' {"model" : "gpt-4.1"}'
    assert body is placed(Rendered(path="/responses", body=body), facts(deployments={"o": "x"})).body


def test_deployments_are_azure_s():
    """A model without a deployment of its own is called by its name."""
    assert ("d", "m") == (
        deployment_of(facts("m", deployments={"m": "d"})),
        deployment_of(facts("m", provider="openai")),
    )
