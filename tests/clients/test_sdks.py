"""SDKs and frameworks in their own loops over tools, on models of a foreign provider, streamed and not.

Each is a script of its own below `node/` or `python/` that does the one task of `task.mjs` and `task.py`.
"""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

HERE = Path(__file__).parent
DIALECTS = {"sim/gpt": "chat", "sim/claude": "messages", "sim/gemini": "gemini"}
HOME = {"chat": "sim/gpt", "responses": "sim/gpt", "messages": "sim/claude", "gemini": "sim/gemini"}
CALLS = [["weather", {"city": "Zürich", "days": 3}], ["time", {"zone": "Europe/Zurich"}]]

RESULT = "noon in Europe/Zurich 🌦"


class Client(msgspec.Struct, frozen=True):
    """A script, what to tell it (a dialect mostly), and the dialect that it then speaks."""

    script: str
    option: str
    speaks: str

    def __str__(self) -> str:
        return f"{self.script}-{self.option}"


CLIENTS = (
    Client("node/openai.mjs", "chat", "chat"),
    Client("node/openai.mjs", "responses", "responses"),
    Client("node/anthropic.mjs", "messages", "messages"),
    Client("node/google.mjs", "gemini", "gemini"),
    Client("node/ai-sdk.mjs", "chat", "chat"),
    Client("node/ai-sdk.mjs", "compatible", "chat"),
    Client("node/ai-sdk.mjs", "responses", "responses"),
    Client("node/ai-sdk.mjs", "messages", "messages"),
    Client("node/ai-sdk.mjs", "gemini", "gemini"),
    Client("python/with_langchain.py", "chat", "chat"),
    Client("python/with_langchain.py", "responses", "responses"),
    Client("python/with_langchain.py", "messages", "messages"),
    Client("python/with_langchain.py", "gemini", "gemini"),
    Client("python/with_pydantic_ai.py", "chat", "chat"),
    Client("python/with_pydantic_ai.py", "responses", "responses"),
    Client("python/with_pydantic_ai.py", "messages", "messages"),
    Client("python/with_pydantic_ai.py", "gemini", "gemini"),
    Client("python/with_openai_agents.py", "chat", "chat"),
    Client("python/with_openai_agents.py", "responses", "responses"),
    Client("python/with_llm.py", "chat", "chat"),
    Client("python/with_llm.py", "responses", "responses"),
    Client("python/with_llm.py", "messages", "messages"),
)


def quoted(text):
    """The texts of the last tool's result, as the model quotes it; some frameworks make JSON of their own of one."""
    (told,) = re.findall(r"^The tools said: (.*)\.$", text, re.MULTILINE)
    return list(msgspec.json.decode(told).values()) if told.startswith("{") else [told]


@pytest.fixture(params=CLIENTS, ids=str)
def client(request):
    """A client and what it is told to speak."""
    return request.param


@pytest.fixture
def program(client, request):
    """What runs the client's script."""
    return request.getfixturevalue("node" if client.script.endswith(".mjs") else "python")


async def test_two_tools_one_after_the_other(client, program, run, open_stack):
    """The client calls both tools as the model says and tells the model's last words, with the same for a stream."""
    models = [model for model in DIALECTS if model != HOME[client.speaks]]
    async with open_stack() as stack:
        variables = {"GATEWAY_BASE": stack.base, "GATEWAY_KEY": stack.key}
        ran = await run([program, str(HERE / client.script), client.option, *models], variables)
        await stack.settle()
        stack.assert_nothing_left()
        report = ran.json()
        for seen in (report[model][way] for model in models for way in ("whole", "stream")):
            assert CALLS == seen["calls"]
            assert RESULT in quoted(seen["text"])
            assert seen["input_tokens"] > 0
            assert seen["output_tokens"] > 0
        turns = [DIALECTS[model] for model in models for _ in range(2 * 3)]
        assert turns == [seen["dialect"] for seen in await stack.upstream_saw()]
        assert [(client.speaks, "ok")] * len(turns) == [(seen["dialect"], seen["outcome"]) for seen in stack.requests]
