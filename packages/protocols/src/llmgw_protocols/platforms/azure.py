"""OpenAI's API at Azure: other paths, and deployments instead of models.

Two generations of paths exist. The current one (`v1`) is OpenAI's own below `/openai/v1`, with the deployment's name as
the body's `model`. The classic one, which a dated `api_version` asks for, has the deployment in the path for the APIs
that predate it, and the version in the query. Paths follow the resource's root address.

Source: learn.microsoft.com/azure/foundry/openai/api-version-lifecycle and the reference of the dated versions.
"""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import quote

import msgspec

from llmgw_domain import Provider
from llmgw_protocols import toplevel
from llmgw_protocols.dialect import Rendered, TargetFacts
from llmgw_protocols.platforms._segments import segment

_CURRENT = "v1"
_CURRENT_VERSIONS = ("preview", "latest")
"""Values of `api-version` that the current paths take; without one they mean the same as `latest`."""

_PER_DEPLOYMENT = ("/chat/completions", "/completions", "/embeddings", "/audio/", "/images/")


class OpenAIPath(NamedTuple):
    """Where one of OpenAI's endpoints is at a target, relative to its account's base address."""

    path: str
    query: str


def openai_path(path: str, facts: TargetFacts, query: str = "") -> OpenAIPath:
    """Where an endpoint of OpenAI's API is at this target: `path` is that below OpenAI's own `/v1`, e.g. `/files`."""
    if facts.provider is not Provider.AZURE:
        return OpenAIPath(path, query)
    version = facts.platform.api_version
    if version == _CURRENT:
        return OpenAIPath(f"/openai/v1{path}", query)
    query = "&".join(part for part in (query, f"api-version={quote(version, safe='')}") if part)
    if version in _CURRENT_VERSIONS:
        return OpenAIPath(f"/openai/v1{path}", query)
    if path.startswith(_PER_DEPLOYMENT):
        return OpenAIPath(f"/openai/deployments/{segment(deployment_of(facts))}{path}", query)
    return OpenAIPath(f"/openai{path}", query)


def deployment_of(facts: TargetFacts) -> str:
    """What a body calls the model at this target: Azure's name of the deployment, elsewhere the model's own."""
    return facts.platform.deployments.get(facts.model, facts.model)


def placed(rendered: Rendered, facts: TargetFacts) -> Rendered:
    """A request of the OpenAI family for Azure."""
    path, query = openai_path(rendered.path, facts, rendered.query)
    return msgspec.structs.replace(rendered, path=path, query=query, body=_body(rendered.body, facts))


def _body(body: bytes, facts: TargetFacts) -> bytes:
    deployment = deployment_of(facts)
    if deployment == facts.model:
        return body
    fields = {name: bytes(value) for name, value in toplevel.split(body).items()}
    return toplevel.join({**fields, "model": msgspec.json.encode(deployment)})
