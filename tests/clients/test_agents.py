"""Coding agents on models of a foreign provider: each writes a file with its own tool, reads it back, and says so.

The prompt dictates the calls (see the simulator's engine), so that the model's side of the task is known, while all
else (prompts of 40 to 80 kB, tools by the dozen, headers, retries, what they make of a broken stream) is the agent's.
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import msgspec
import pytest

MODULES = Path(__file__).parent / "node" / "node_modules"
TEXT = 'Grüezi, "world" 🌦\nsecond line\n'
DIALECTS = {"sim/gpt": "chat", "sim/claude": "messages", "sim/gemini": "gemini"}

Call = tuple[str, dict[str, Any]]


class ClaudeCode:
    """`@anthropic-ai/claude-code`: Messages."""

    name = "claude-code"
    speaks = "messages"
    models = ("sim/gpt", "sim/gemini")

    def calls(self, file: Path) -> list[Call]:
        return [("Write", {"file_path": str(file), "content": TEXT}), ("Read", {"file_path": str(file)})]

    def arguments(self, model: str, task: str) -> list[str]:
        cli = MODULES / "@anthropic-ai" / "claude-code" / "cli-wrapper.cjs"
        return [str(cli), "-p", task, "--output-format", "json", "--allowedTools", "Write,Read"]

    def variables(self, base: str, key: str, model: str, home: Path) -> dict[str, str]:
        return {
            "ANTHROPIC_BASE_URL": base,
            "ANTHROPIC_AUTH_TOKEN": key,
            "ANTHROPIC_MODEL": model,
            "ANTHROPIC_DEFAULT_HAIKU_MODEL": model,
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        }

    def answer(self, ran) -> str:
        result = ran.json()
        assert result["is_error"] is False
        return result["result"]


class Codex:
    """`@openai/codex`: Responses."""

    name = "codex"
    speaks = "responses"
    models = ("sim/claude", "sim/gemini")

    def calls(self, file: Path) -> list[Call]:
        write = f"printf %s {shlex.quote(TEXT)} > {shlex.quote(str(file))}"
        return [("exec_command", {"cmd": write}), ("exec_command", {"cmd": f"cat {shlex.quote(str(file))}"})]

    def arguments(self, model: str, task: str) -> list[str]:
        cli = MODULES / "@openai" / "codex" / "bin" / "codex.js"
        # Its own sandbox needs user namespaces, which a container may not give.
        free = "--dangerously-bypass-approvals-and-sandbox"
        return [str(cli), "exec", "--json", "--skip-git-repo-check", free, "-m", model, task]

    def variables(self, base: str, key: str, model: str, home: Path) -> dict[str, str]:
        folder = home / ".codex"
        folder.mkdir()
        (folder / "config.toml").write_text(
            f"""
            model_provider = "gateway"
            analytics.enabled = false
            [model_providers.gateway]
            name = "gateway"
            base_url = "{base}/v1"
            env_key = "GATEWAY_KEY"
            wire_api = "responses"
            """
        )
        return {"GATEWAY_KEY": key}

    def answer(self, ran) -> str:
        events = ran.events()
        assert "turn.completed" == events[-1]["type"]
        items = [event["item"] for event in events if event["type"] == "item.completed"]
        assert all(item["exit_code"] == 0 for item in items if item["type"] == "command_execution")
        return next(item["text"] for item in reversed(items) if item["type"] == "agent_message")


class GeminiCLI:
    """`@google/gemini-cli`: Gemini."""

    name = "gemini-cli"
    speaks = "gemini"
    models = ("sim/claude", "sim/gpt")

    def calls(self, file: Path) -> list[Call]:
        return [("write_file", {"file_path": str(file), "content": TEXT}), ("read_file", {"file_path": str(file)})]

    def arguments(self, model: str, task: str) -> list[str]:
        cli = MODULES / "@google" / "gemini-cli" / "bundle" / "gemini.js"
        return [str(cli), "-p", task, "--output-format", "json", "--yolo", "-m", model]

    def variables(self, base: str, key: str, model: str, home: Path) -> dict[str, str]:
        settings = {
            "security": {"auth": {"selectedType": "gemini-api-key"}},
            "privacy": {"usageStatisticsEnabled": False},
            "telemetry": {"enabled": False},
            "general": {"enableAutoUpdate": False},
        }
        folder = home / ".gemini"
        folder.mkdir()
        (folder / "settings.json").write_bytes(msgspec.json.encode(settings))
        return {"GEMINI_API_KEY": key, "GOOGLE_GEMINI_BASE_URL": base, "GEMINI_CLI_TRUST_WORKSPACE": "true"}

    def answer(self, ran) -> str:
        result = ran.json()
        tools = result["stats"]["tools"]
        assert 0 == tools["totalFail"]
        return result["response"]


AGENTS = (ClaudeCode(), Codex(), GeminiCLI())


@pytest.fixture(
    params=[(agent, model) for agent in AGENTS for model in agent.models], ids=lambda p: f"{p[0].name}-{p[1]}"
)
def pair(request, served):
    """An agent and the model that it shall work with."""
    served(request.param[0].speaks)
    return request.param


@pytest.fixture
def ask(pair, node, run, tmp_path):
    """Runs the agent with a prompt that dictates calls: `await ask(stack, [(name, arguments), ...])`."""
    agent, model = pair

    async def asked(stack, calls):
        told = [f"call {name} with {msgspec.json.encode(arguments).decode()}" for name, arguments in calls]
        prompt = "\n".join(["Do what the lines say:", *told, "Then tell me about it."])
        variables = agent.variables(stack.base, stack.key, model, tmp_path / "home")
        ran = await run([node, *agent.arguments(model, prompt)], variables)
        await stack.settle()
        stack.assert_nothing_left()
        return ran

    return asked


async def test_a_file_is_written_and_read_back(pair, ask, open_stack, tmp_path):
    """Two tools, one after the other: the file is as the model said, and the model is shown what was read."""
    agent, model = pair
    file = tmp_path / "work" / "hello.txt"
    async with open_stack() as stack:
        ran = await ask(stack, agent.calls(file))
        assert TEXT == file.read_text()
        told = agent.answer(ran)
        assert told.startswith("The tools said:")
        assert all(line in told for line in TEXT.splitlines())
        assert [(DIALECTS[model], 200)] * 3 == [
            (seen["dialect"], seen["status"]) for seen in await stack.upstream_saw()
        ]
        assert [(agent.speaks, "ok")] * 3 == [(seen["dialect"], seen["outcome"]) for seen in stack.requests]


async def test_a_stream_that_breaks_is_no_answer(pair, ask, open_stack):
    """The provider hangs up in the middle: the agent knows, asks again, and tells the whole answer."""
    agent, _ = pair
    async with open_stack() as stack:
        await stack.sim("POST", "faults", data=msgspec.json.encode({"fault": {"reset-events": 3}}))
        ran = await ask(stack, [("nothing", {})])
        assert [False, True] == [seen["outcome"] == "ok" for seen in stack.requests]
        assert "call nothing with {}\nThen tell me about it.\n" in agent.answer(ran)


async def test_a_refusal_is_told(pair, ask, open_stack):
    """What the provider refuses ends the agent's run at once, with the provider's own words."""
    fault = {"status": 400, "message": "This model is on holiday."}
    async with open_stack() as stack:
        await stack.sim("POST", "faults", data=msgspec.json.encode({"fault": fault, "times": None}))
        ran = await ask(stack, [("nothing", {})])
        assert ran.code != 0
        assert "This model is on holiday." in ran.out + ran.err
        assert [400] == [seen["status"] for seen in stack.requests]
