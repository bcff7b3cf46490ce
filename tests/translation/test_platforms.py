"""The same dialects at Vertex and Azure: what stands in the path there, and what leaves the body for it."""

from __future__ import annotations

from urllib.parse import unquote

import msgspec
import pytest

from llmgw_domain import Provider
from llmgw_domain.accounts import Platform

VERTEX = Platform(project="p", location="europe-west1")
CLAUDE = "claude-sonnet-4-5@20250929"


def vertex(crossing, model):
    return crossing("chat", Provider.VERTEX, model, platform=VERTEX)


@pytest.mark.parametrize(("stream", "verb"), [(False, "rawPredict"), (True, "streamRawPredict")])
def test_a01_claude_at_vertex(crossing, stream, verb):
    """The path names publisher, model and verb."""
    path = unquote(vertex(crossing, CLAUDE).rendered(stream=stream).path)
    assert path.endswith(f"/publishers/anthropic/models/{CLAUDE}:{verb}")


def test_a02_the_body_at_vertex(crossing):
    """The version stands in it, the older one where the request needs that; the model does not."""
    for fields, version in (({}, "2026-10-21"), ({"temperature": 0.5}, "vertex-2023-10-16")):
        body = vertex(crossing, CLAUDE).sent(**fields)
        assert (version, False) == (body["anthropic_version"], "model" in body)


def test_a03_a_stream_at_vertex(crossing):
    """The body says so too."""
    assert vertex(crossing, CLAUDE).sent(stream=True)["stream"] is True


@pytest.mark.parametrize(
    ("stream", "verb", "query"), [(False, "generateContent", ""), (True, "streamGenerateContent", "alt=sse")]
)
def test_b01_gemini_at_vertex(crossing, stream, verb, query):
    """The path names project, location, model and verb."""
    rendered = vertex(crossing, "gemini-3-flash").rendered(stream=stream)
    expected = f"/projects/p/locations/europe-west1/publishers/google/models/gemini-3-flash:{verb}"
    assert (True, query) == (rendered.path.endswith(expected), rendered.query)


def test_f07_azure(crossing):
    """The classic paths name the deployment and the version; the current one is OpenAI's own."""
    dated = Platform(api_version="2024-10-21", deployments={"gpt-4.1": "mine"})
    rendered = crossing("chat", Provider.AZURE, "gpt-4.1", platform=dated).rendered()
    assert rendered.path.endswith("/openai/deployments/mine/chat/completions")
    assert "api-version=2024-10-21" in rendered.query
    current = crossing("chat", Provider.AZURE, "gpt-4.1", platform=Platform()).rendered()
    assert current.path.endswith("/chat/completions")
    assert "deployments" not in current.path
    assert "gpt-4.1" == msgspec.json.decode(current.body)["model"]
