"""Whether somebody else serves a session too: its account has in its cache what nobody here has sent there.

Nodes that share no database, or are cut off from it, find out of each other this way.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from llmgw_affinity.carriers import Form
from llmgw_affinity.fingerprint import TURNS
from llmgw_domain import Usage

_OF_THE_REST = 0.25
"""Of what stands behind the prefix: so much of it has to be read from the cache, besides the prefix itself, which other
sessions may have left there. Its tokens are known by its bytes only, so a little more than it is no proof."""

_ANSWERS: dict[Form, tuple[bytes, bytes]] = {
    "chat": (b'"role":"assistant"', b'"role": "assistant"'),
    "responses": (b'"role":"assistant"', b'"role": "assistant"'),
    "messages": (b'"role":"assistant"', b'"role": "assistant"'),
    "gemini": (b'"role":"model"', b'"role": "model"'),
}


def goes_on(form: Form, fields: Mapping[str, msgspec.Raw]) -> bool:
    """Whether the request holds an answer already, as its client says it; `fields` are the body's top level.

    Within a text quotes are escaped, so nothing that is said passes for an answer.
    """
    if "previous_response_id" in fields and bytes(fields["previous_response_id"]) != b"null":
        return True
    turns = bytes(fields.get(TURNS[form], b""))
    return any(answer in turns for answer in _ANSWERS.get(form, ()))


def served_elsewhere(usage: Usage, prefix: float) -> bool:
    """Whether a cache had more of a prompt than its prefix, which is that part of it: some of its conversation.

    Nothing is known where the usage is an estimate.
    """
    if usage.provenance == "estimated" or not usage.input:
        return False
    return usage.cache_read / usage.input > prefix + _OF_THE_REST * (1 - prefix)
