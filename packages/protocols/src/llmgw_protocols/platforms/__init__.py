"""Where a platform serves a dialect: the same request has another path at Azure or Vertex, and parts of it elsewhere.

A renderer writes a request as the dialect's own maker takes it; `place` turns that into what the account's platform
takes. Nothing of the conversation changes here: only the top level of a body is looked at, and what is nested stays the
bytes that were rendered.
"""

from __future__ import annotations

from llmgw_domain import Provider
from llmgw_protocols.dialect import Rendered, TargetFacts
from llmgw_protocols.platforms import azure, vertex
from llmgw_protocols.platforms.azure import OpenAIPath, deployment_of, openai_path

__all__ = ["OpenAIPath", "deployment_of", "openai_path", "place"]


def place(rendered: Rendered, dialect: str, facts: TargetFacts, *, stream: bool) -> Rendered:
    """The request as the target's platform takes it; `dialect` names what it was rendered in.

    Bedrock is in no other's way: its dialect is its own, paths included.
    """
    match facts.provider, dialect:
        case Provider.AZURE, _:
            return azure.placed(rendered, facts)
        case Provider.VERTEX, "messages":
            return vertex.claude(rendered, facts, stream=stream)
        case Provider.VERTEX, _:
            return vertex.gemini(rendered, facts)
    return rendered
