"""Where a platform serves a dialect: the same body at Azure or Vertex has another path, and parts of it elsewhere.

A renderer writes a request as the dialect's own maker takes it; `place` turns that into what the account's platform
takes. Nothing of the conversation changes here.
"""

from __future__ import annotations

from llmgw_protocols.dialect import Rendered, TargetFacts


def place(rendered: Rendered, dialect: str, facts: TargetFacts, *, stream: bool) -> Rendered:
    """The request as the target's platform takes it; `dialect` names what it was rendered in."""
    return rendered
