"""What an OpenAI SDK makes of chat streams that the provider cut, at every event boundary before their finish reason.

The simulator is the provider: it ends the body as if it were complete, or resets the connection, after N events. The
reader is the official SDK, without retries. A cut stream must not be shown as a normal finish.
"""

from __future__ import annotations

import time
import urllib.request
from collections import Counter
from typing import Any

import msgspec
import openai

NORMAL, SILENT, MARKED, STATUS, BROKEN = OUTCOMES = (
    "normal finish",
    "silent end",
    "marked error",
    "HTTP error",
    "broken connection",
)
KINDS = {"clean end": "eof-events", "reset": "reset-events"}
_FINISHES = ("stop", "length", "tool_calls", "function_call", "content_filter")
# A millisecond a token: what came before the cut has been passed on when it comes.
_PACE = 1000
_TOOL = {"name": "look", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}
_ASKS: tuple[dict[str, Any], ...] = ({}, {"tools": [{"type": "function", "function": _TOOL}]})


def classify(stream: Any) -> str:
    """How the stream ended for a reader; the worst that the SDK lets it believe."""
    finish = None
    try:
        for chunk in stream:
            for choice in chunk.choices:
                finish = choice.finish_reason or finish
    except openai.APIConnectionError:
        return BROKEN
    except openai.APIError:
        return MARKED
    if finish is None:
        return SILENT
    return NORMAL if finish in _FINISHES else MARKED


class Cutter:
    """Asks through the gateway at `port` and cuts at the simulator."""

    def __init__(self, port: int, simulator: int, key: str) -> None:
        self._client = openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key=key, max_retries=0, timeout=30)
        self._simulator = f"http://127.0.0.1:{simulator}"

    def run(self) -> dict[str, Counter[str]]:
        """Outcomes by kind of cut. Raises RuntimeError if a stream that is not cut does not end well."""
        counts: dict[str, Counter[str]] = {kind: Counter() for kind in KINDS}
        for more in _ASKS:
            for place in range(self._boundaries(more)):
                for kind, fault in KINDS.items():
                    counts[kind][self._cut({fault: place}, more)] += 1
        self._call("DELETE", "faults")
        self._client.close()
        return counts

    def _cut(self, fault: dict[str, int], more: dict[str, Any]) -> str:
        self._call("DELETE", "faults")
        self._call("POST", "faults", {"times": None, "fault": {**fault, "tps": _PACE}})
        self._call("DELETE", "log")
        outcome = self._ask(more)
        if not self._seen():
            raise RuntimeError(f"the request with {fault} did not reach the provider: {outcome}")
        return outcome

    def _ask(self, more: dict[str, Any]) -> str:
        ask = [{"role": "user", "content": "Tell me all"}]
        try:
            with self._client.chat.completions.create(model="sim-gpt", messages=ask, stream=True, **more) as stream:
                return classify(stream)
        except openai.APIStatusError:
            return STATUS
        except openai.APIConnectionError:
            return BROKEN

    def _boundaries(self, more: dict[str, Any]) -> int:
        """How many places there are to cut: before each event up to the one with the finish reason, that included.

        The provider is asked again for what the gateway asked it, since its answer depends on the request.
        """
        self._call("DELETE", "faults")
        self._call("DELETE", "log")
        if (outcome := self._ask(more)) != NORMAL:
            raise RuntimeError(f"a stream that was not cut: {outcome}")
        body = self._seen()[-1]["body"]
        raw = self._post("/v1/chat/completions", body)
        return raw[: raw.index(b'"finish_reason":"')].count(b"\n\n") + 1

    def _seen(self) -> list[dict[str, Any]]:
        """The requests that the simulator has ended."""
        for _ in range(100):
            log = msgspec.json.decode(self._call("GET", "log"))
            if not log["in_flight"]:
                break
            time.sleep(0.01)
        found: list[dict[str, Any]] = log["requests"]
        return found

    def _call(self, method: str, path: str, body: Any = None) -> bytes:
        data = None if body is None else msgspec.json.encode(body)
        with urllib.request.urlopen(
            urllib.request.Request(f"{self._simulator}/_sim/{path}", data, method=method)
        ) as answer:
            return bytes(answer.read())

    def _post(self, path: str, body: Any) -> bytes:
        headers = {"authorization": "Bearer sk-up", "content-type": "application/json"}
        request = urllib.request.Request(self._simulator + path, msgspec.json.encode(body), headers)
        with urllib.request.urlopen(request) as answer:
            return bytes(answer.read())
