"""Which resource of OpenAI's API answers a path, also under Azure's paths, and all that one simulator keeps for it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from llmgw_simulator.dialects.azure import Azure, deployed, no_resource
from llmgw_simulator.dialects.chat import common_headers
from llmgw_simulator.dialects.completions import Completions
from llmgw_simulator.dialects.responses import Responses
from llmgw_simulator.kept import Kept
from llmgw_simulator.openai import audio, images
from llmgw_simulator.openai.batches import Batches, CarryOut
from llmgw_simulator.openai.embeddings import embed
from llmgw_simulator.openai.files import Files
from llmgw_simulator.openai.moderations import moderate
from llmgw_simulator.openai.stored import StoredResponses
from llmgw_simulator.routes import CHAT, Route
from llmgw_simulator.wire import Dialect, Endpoint, Incoming, Product, Refusal

_DEPLOYMENT = re.compile(r"^/openai/deployments/([^/]+)(/.+)$")
_CLASSIC = ("/chat/completions", "/completions", "/embeddings", "/audio/", "/images/")
"""What Azure serves below a deployment."""


class OpenAI:
    """One OpenAI, with what it keeps. `carry_out` answers the requests of batches."""

    def __init__(self, seed: int, carry_out: CarryOut) -> None:
        kept, files = Kept(), Files()
        responses = Responses(kept)
        stored, batches = StoredResponses(kept, responses), Batches(files, carry_out)
        self._generators: dict[str, Dialect] = {"/completions": Completions(seed), "/responses": responses}
        self._table: list[tuple[str, str, str, Callable[..., Product]]] = [
            ("POST", r"/responses/input_tokens", "responses", stored.count),
            ("GET", r"/responses/([^/]+)", "responses", stored.retrieve),
            ("DELETE", r"/responses/([^/]+)", "responses", stored.delete),
            ("GET", r"/responses/([^/]+)/input_items", "responses", stored.input_items),
            ("POST", r"/responses/([^/]+)/cancel", "responses", stored.cancel),
            ("POST", r"/embeddings", "embeddings", embed),
            ("POST", r"/moderations", "moderations", moderate),
            ("POST", r"/images/generations", "images", images.generate),
            ("POST", r"/images/edits", "images", images.edit),
            ("POST", r"/audio/speech", "audio", audio.speak),
            ("POST", r"/audio/transcriptions", "audio", audio.transcribe),
            ("POST", r"/audio/translations", "audio", audio.translate),
            ("POST", r"/files", "files", files.upload),
            ("GET", r"/files", "files", files.list),
            ("GET", r"/files/([^/]+)", "files", files.retrieve),
            ("DELETE", r"/files/([^/]+)", "files", files.delete),
            ("GET", r"/files/([^/]+)/content", "files", files.content),
            ("POST", r"/batches", "batches", batches.create),
            ("GET", r"/batches", "batches", batches.list),
            ("GET", r"/batches/([^/]+)", "batches", batches.retrieve),
            ("POST", r"/batches/([^/]+)/cancel", "batches", batches.cancel),
        ]

    def find(self, method: str, path: str, query: Mapping[str, str]) -> Route | None:
        """The route of a request, or None if the path is not one of these. Raises `Refusal` with 404 or 405."""
        path = "/" + path.lstrip("/")
        if path.startswith("/openai/"):
            return self._on_azure(method, path, query)
        return self._below(method, path, path.removeprefix("/v1"), CHAT)

    def _on_azure(self, method: str, path: str, query: Mapping[str, str]) -> Route:
        deployment = _DEPLOYMENT.match(path)
        model = deployment.group(1) if deployment else None
        rest = deployment.group(2) if deployment else path.removeprefix("/openai")
        if rest.startswith("/v1/") and not deployment:
            rest = rest.removeprefix("/v1")
        elif "api-version" not in query or (deployment and not rest.startswith(_CLASSIC)):
            return Route(Azure(CHAT), "endpoint", endpoint=_nowhere)
        if rest == "/chat/completions" and method == "POST":
            return Route(Azure(CHAT), "generate", model)
        if rest == "/models" or rest.startswith("/models/"):
            return Route(Azure(CHAT), "models", rest.removeprefix("/models").lstrip("/") or None)
        found = self._below(method, path, rest, Azure(CHAT), model)
        return found or Route(Azure(CHAT), "endpoint", endpoint=_nowhere)

    def _below(self, method: str, path: str, rest: str, dialect: Dialect, model: str | None = None) -> Route | None:
        """The route of what is behind the version; `dialect` is whose keys and errors these are."""
        generator = self._generators.get(rest)
        if generator is not None and method == "POST":
            return Route(Azure(generator) if isinstance(dialect, Azure) else generator, "generate", model)
        allowed = generator is not None
        for wants, pattern, name, answer in self._table:
            found = re.fullmatch(pattern, rest)
            if found is None:
                continue
            allowed = True
            if method == wants:
                return Route(dialect, "endpoint", model, endpoint=_served(answer, found.groups()), name=name)
        if allowed:
            hint = "(HINT: Perhaps you meant to use a different HTTP method?)"
            raise Refusal(405, f"Not allowed to {method} on {path} {hint}")
        return None


def _served(answer: Callable[..., Product], ids: tuple[str | Any, ...]) -> Endpoint:
    """`answer` for the ids in the path, with the headers that all of OpenAI's answers have."""

    def endpoint(incoming: Incoming) -> Product:
        product = answer(deployed(incoming), *ids)
        return msgspec.structs.replace(product, headers={**product.headers, **common_headers(incoming)})

    return endpoint


def _nowhere(incoming: Incoming) -> Product:
    raise no_resource()
