"""Google's and Anthropic's models at Vertex AI: a path by project, location and publisher.

Gemini's own body is taken as it is. Claude's loses the `model`, which is in the path, and carries the version and the
betas that Anthropic's own API takes from headers.

Source: cloud.google.com/vertex-ai/generative-ai/docs (REST; "Request predictions with Claude"), Anthropic's Vertex SDK.
"""

from __future__ import annotations

import msgspec

from llmgw_protocols import toplevel
from llmgw_protocols.dialect import Rendered, TargetFacts
from llmgw_protocols.messages.reading import read
from llmgw_protocols.platforms._segments import segment, segments

_FIRST_VERSION = "vertex-2023-10-16"
"""What Vertex calls the versions of Anthropic's API that were before the first that both name alike."""
_RENAMED = ("2023-01-01", "2023-06-01")

_BETA = "v1beta1"
_VERSIONS = {"v1": "v1", "v1beta": _BETA, "v1alpha": _BETA}
"""The versions of Google's own API by those of Vertex that know the same fields."""

_COUNT_TOKENS = "/count_tokens"


def gemini(rendered: Rendered, facts: TargetFacts) -> Rendered:
    """A request for a model of Google's, of whatever verb."""
    version = _VERSIONS.get(rendered.path.split("/")[1], _BETA)
    verb = rendered.path.rpartition(":")[2]
    path = f"/{version}{_model(facts)}:{verb}"
    return msgspec.structs.replace(rendered, path=path, body=_without_model(rendered.body))


def claude(rendered: Rendered, facts: TargetFacts, *, stream: bool) -> Rendered:
    """A request for a model of Anthropic's. The query is left out: `beta=true` is an affair of Anthropic's own API."""
    counting = rendered.path.endswith(_COUNT_TOKENS)
    headers = dict(rendered.headers)
    version, betas = headers.pop("anthropic-version", _RENAMED[-1]), headers.pop("anthropic-beta", "")
    fields = {name: bytes(value) for name, value in toplevel.split(rendered.body).items()}
    if not counting:
        # Counting names no model in its path, so there alone the body has to.
        fields.pop("model", None)
    own = _FIRST_VERSION if version in _RENAMED else version
    fields.setdefault("anthropic_version", msgspec.json.encode(own))
    if betas:
        fields["anthropic_beta"] = _betas(betas, fields.get("anthropic_beta"))
    verb = "streamRawPredict" if stream and not counting else "rawPredict"
    model = "count-tokens" if counting else segment(facts.model.rpartition("/")[2])
    path = f"/v1{_scope(facts)}/publishers/anthropic/models/{model}:{verb}"
    return msgspec.structs.replace(
        rendered, path=path, query="", body=toplevel.join(fields), headers=tuple(headers.items())
    )


def _scope(facts: TargetFacts) -> str:
    """Project and location; nothing for an account that is known by its API key alone (express mode)."""
    platform = facts.platform
    if platform.project is None:
        return ""
    return f"/projects/{segment(platform.project)}/locations/{segment(platform.location or 'global')}"


def _model(facts: TargetFacts) -> str:
    """The model's resource, from as much of its name as Google's own SDK takes. A tuned model is an endpoint.

    Only the account's own project and location can be named: who chose the account did not choose another's.
    """
    scope = _scope(facts)
    name = facts.model.removeprefix("models/").removeprefix(f"{scope[1:]}/")
    if name.startswith(("publishers/", "endpoints/")):
        return f"{scope}/{segments(name)}"
    publisher, _, model = name.rpartition("/")
    return f"{scope}/publishers/{segment(publisher or 'google')}/models/{segment(model)}"


def _without_model(body: bytes) -> bytes:
    """A `model` in the body would have to be in Vertex's own form; the path says it already."""
    if b'"model"' not in body:
        return body
    fields = toplevel.split(body)
    if "model" not in fields:
        return body
    return toplevel.join({name: bytes(value) for name, value in fields.items() if name != "model"})


def _betas(header: str, given: bytes | None) -> bytes:
    """The header's betas behind those that the body may already name. Raises `InvalidField`."""
    named = [] if given is None else read(msgspec.Raw(given), list[str] | None, "anthropic_beta") or []
    asked = [beta.strip() for beta in header.split(",") if beta.strip()]
    return msgspec.json.encode(list(dict.fromkeys([*named, *asked])))
