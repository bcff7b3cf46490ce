"""Coding agents on models of a foreign provider: each writes a file with its own tool, reads it back, and says so.

The prompt dictates the calls (see the simulator's engine), so that the model's side of the task is known, while all
else (prompts of 40 to 80 kB, tools by the dozen, headers, retries, what they make of a broken stream) is the agent's.
"""

from __future__ import annotations

import base64
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

MODULES = Path(__file__).parent / "node" / "node_modules"
TEXT = 'Grüezi, "world" 🌦\nsecond line\n'
DIALECTS = {"sim/gpt": "chat", "sim/claude": "messages", "sim/gemini": "gemini"}
PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAACgAAAAoCAIAAAADnC86AAAALUlEQVR4nO3NMQkAAAwDsPo3vckolED+5JKKzioWi8VisVgsFovFYrFYLB6NH6r1"
    "OhvW1o1iAAAAAElFTkSuQmCC"
)
"""A red square."""

Call = tuple[str, dict[str, Any]]
NO_CALL: list[Call] = [("nothing", {})]
"""No agent has such a tool, so the model just talks."""


class ClaudeCode:
    """`@anthropic-ai/claude-code`: Messages."""

    name = "claude-code"
    cli = MODULES / "@anthropic-ai" / "claude-code" / "cli-wrapper.cjs"
    speaks = "messages"
    models = ("sim/gpt", "sim/gemini")

    def calls(self, file: Path) -> list[Call]:
        return [("Write", {"file_path": str(file), "content": TEXT}), ("Read", {"file_path": str(file)})]

    def look(self, image: Path) -> Call:
        return "Read", {"file_path": str(image)}

    def arguments(self, model: str, again: bool) -> list[str]:
        more = ["--continue"] if again else []
        return ["node", str(self.cli), "-p", "--output-format", "json", "--allowedTools", "Write,Read", *more]

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
    cli = MODULES / "@openai" / "codex" / "bin" / "codex.js"
    speaks = "responses"
    models = ("sim/claude", "sim/gemini")

    def calls(self, file: Path) -> list[Call]:
        write = f"printf %s {shlex.quote(TEXT)} > {shlex.quote(str(file))}"
        return [("exec_command", {"cmd": write}), ("exec_command", {"cmd": f"cat {shlex.quote(str(file))}"})]

    def look(self, image: Path) -> Call:
        return "view_image", {"path": str(image)}

    def arguments(self, model: str, again: bool) -> list[str]:
        more = ["resume", "--last"] if again else []
        # Its own sandbox needs user namespaces, which a container may not give.
        free = "--dangerously-bypass-approvals-and-sandbox"
        return ["node", str(self.cli), "exec", *more, "--json", "--skip-git-repo-check", free, "-m", model, "-"]

    def variables(self, base: str, key: str, model: str, home: Path) -> dict[str, str]:
        folder = home / ".codex"
        folder.mkdir(exist_ok=True)
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
    cli = MODULES / "@google" / "gemini-cli" / "bundle" / "gemini.js"
    speaks = "gemini"
    models = ("sim/claude", "sim/gpt")

    def calls(self, file: Path) -> list[Call]:
        return [("write_file", {"file_path": str(file), "content": TEXT}), ("read_file", {"file_path": str(file)})]

    def look(self, image: Path) -> Call:
        return "read_file", {"file_path": str(image)}

    def arguments(self, model: str, again: bool) -> list[str]:
        more = ["--resume", "latest"] if again else []
        return ["node", str(self.cli), "--output-format", "json", "--yolo", "-m", model, *more]

    def variables(self, base: str, key: str, model: str, home: Path) -> dict[str, str]:
        settings = {
            "security": {"auth": {"selectedType": "gemini-api-key"}},
            "privacy": {"usageStatisticsEnabled": False},
            "telemetry": {"enabled": False},
            "general": {"enableAutoUpdate": False},
        }
        folder = home / ".gemini"
        folder.mkdir(exist_ok=True)
        (folder / "settings.json").write_bytes(msgspec.json.encode(settings))
        return {"GEMINI_API_KEY": key, "GOOGLE_GEMINI_BASE_URL": base, "GEMINI_CLI_TRUST_WORKSPACE": "true"}

    def answer(self, ran) -> str:
        result = ran.json()
        tools = result["stats"]["tools"]
        assert 0 == tools["totalFail"]
        return result["response"]


class OpenCode:
    """opencode: what its provider package speaks. Its build for one kind of machine is taken, not its installer."""

    cli = MODULES / "opencode-linux-x64-baseline" / "bin" / "opencode"

    def __init__(self, speaks: str, package: str, model: str) -> None:
        self.name, self.speaks, self.models = f"opencode-{speaks}", speaks, (model,)
        self._package = package

    def calls(self, file: Path) -> list[Call]:
        return [("write", {"filePath": str(file), "content": TEXT}), ("read", {"filePath": str(file)})]

    def look(self, image: Path) -> Call:
        return "read", {"filePath": str(image)}

    def arguments(self, model: str, again: bool) -> list[str]:
        # A conversation without a title has the model make one up, at the same time as its first answer.
        more = ["--continue"] if again else ["--title", "A test"]
        return [str(self.cli), "run", "--format", "json", *more]

    def variables(self, base: str, key: str, model: str, home: Path) -> dict[str, str]:
        options = {"baseURL": f"{base}/v1", "apiKey": key}
        kinds = {"attachment": True, "modalities": {"input": ["text", "image"], "output": ["text"]}}
        provider = {"npm": self._package, "name": "Gateway", "options": options, "models": {model: kinds}}
        config = {
            "provider": {"gateway": provider},
            "model": f"gateway/{model}",
            "small_model": f"gateway/{model}",
            "permission": "allow",
            "autoupdate": False,
            "share": "disabled",
        }
        off = ("AUTOUPDATE", "MODELS_FETCH", "LSP_DOWNLOAD", "DEFAULT_PLUGINS")
        return {
            "OPENCODE_CONFIG_CONTENT": msgspec.json.encode(config).decode(),
            **{f"OPENCODE_DISABLE_{name}": "1" for name in off},
        }

    def answer(self, ran) -> str:
        parts = [event["part"] for event in ran.events()]
        assert all(part["state"]["status"] == "completed" for part in parts if part["type"] == "tool")
        assert "stop" == parts[-1]["reason"]
        return next(part["text"] for part in reversed(parts) if part["type"] == "text")


def images(dialect: str, body: Any) -> list[str]:
    """The images of a request as base64, wherever the provider's dialect has them."""
    found = []
    for item in objects_in(body):
        match dialect, item:
            case "chat", {"type": "image_url", "image_url": {"url": url}}:
                found.append(url.removeprefix("data:image/png;base64,"))
            case "messages", {"type": "image", "source": {"type": "base64", "data": data}}:
                found.append(data)
            case "gemini", {"inlineData": {"mimeType": "image/png", "data": data}}:
                found.append(data)
    return found


def objects_in(value: Any) -> Iterator[Any]:
    """Every object in a JSON value."""
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from objects_in(inner)


AGENTS = (ClaudeCode(), Codex(), GeminiCLI())
OPENCODE = OpenCode("chat", "@ai-sdk/openai-compatible", "sim/claude")
SLOW_TO_START = (OPENCODE, OpenCode("messages", "@ai-sdk/anthropic", "sim/gpt"))
"""These take seconds for what the others do in one, so they do less."""


def each(*agents, models=2):
    """A test for each of the agents, on each of its models or only the first of them."""
    pairs = [(agent, model) for agent in agents for model in agent.models[:models]]
    return pytest.mark.parametrize(
        "pair", pairs, ids=[f"{agent.name}-{model}" for agent, model in pairs], indirect=True
    )


@pytest.fixture
def pair(request, node):
    """An agent and the model that it shall work with."""
    agent, _ = request.param
    if not agent.cli.exists():
        pytest.skip(f"{agent.name} is not installed: run `make clients`, if there is a build for this machine")
    return request.param


@pytest.fixture
def ask(pair, run, tmp_path):
    """Runs the agent with a prompt that dictates calls: `await ask(stack, [(name, arguments), ...])`.

    With `again` it goes on where its last run ended.
    """
    agent, model = pair

    async def asked(stack, calls, again=False):
        told = [f"call {name} with {msgspec.json.encode(arguments).decode()}" for name, arguments in calls]
        prompt = "\n".join(["Do what the lines say:", *told, "Then tell me about it."])
        variables = agent.variables(stack.base, stack.key, model, tmp_path / "home")
        ran = await run(agent.arguments(model, again), variables, prompt)
        await stack.settle()
        stack.assert_nothing_left()
        return ran

    return asked


@each(*AGENTS, *SLOW_TO_START)
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


@each(*AGENTS, models=1)
async def test_the_conversation_goes_on_in_another_run(pair, ask, open_stack, tmp_path):
    """The second run brings the history of the first, its calls and results among it, and the model takes it."""
    agent, _ = pair
    file = tmp_path / "work" / "hello.txt"
    write, read = agent.calls(file)
    async with open_stack() as stack:
        await ask(stack, [write])
        ran = await ask(stack, [read], again=True)
        assert all(line in agent.answer(ran) for line in TEXT.splitlines())
        last = (await stack.upstream_saw())[-1]
        history = msgspec.json.encode(last["body"]).decode()
        assert 2 == history.count("Do what the lines say")
        assert ["ok"] * 4 == [seen["outcome"] for seen in stack.requests]


@each(*AGENTS)
async def test_an_image_is_shown(pair, ask, open_stack, tmp_path):
    """An image that the agent's tool has read reaches the model as an image, whatever a result may hold there."""
    agent, model = pair
    image = tmp_path / "work" / "red.png"
    image.write_bytes(base64.b64decode(PNG))
    async with open_stack() as stack:
        ran = await ask(stack, [agent.look(image)])
        assert agent.answer(ran).startswith("The tools said:")
        last = (await stack.upstream_saw())[-1]
        assert [PNG] == images(DIALECTS[model], last["body"])


@each(*AGENTS)
async def test_a_stream_that_breaks_is_no_answer(pair, ask, open_stack):
    """The provider hangs up in the middle: the agent knows, asks again, and tells the whole answer."""
    agent, _ = pair
    async with open_stack() as stack:
        await stack.sim("POST", "faults", data=msgspec.json.encode({"fault": {"reset-events": 3}}))
        ran = await ask(stack, NO_CALL)
        assert [False, True] == [seen["outcome"] == "ok" for seen in stack.requests]
        assert "call nothing with {}\nThen tell me about it.\n" in agent.answer(ran)


@each(OPENCODE)
async def test_half_a_text_does_not_become_history(pair, ask, open_stack):
    """An agent that would go on after `finish_reason: "error"`, without end, is told in a way that it understands."""
    agent, _ = pair
    async with open_stack() as stack:
        await stack.sim("POST", "faults", data=msgspec.json.encode({"fault": {"reset-events": 12}}))
        ran = await ask(stack, NO_CALL)
        assert ["failed", "ok"] == [seen["outcome"] for seen in stack.requests]
        assert "call nothing with {}\nThen tell me about it.\n" in agent.answer(ran)
        first, second = await stack.upstream_saw()
        assert first["body"]["messages"] == second["body"]["messages"]


@each(*AGENTS, models=1)
async def test_a_refusal_is_told(pair, ask, open_stack):
    """What the provider refuses ends the agent's run at once, with the provider's own words."""
    fault = {"status": 400, "message": "This model is on holiday."}
    async with open_stack() as stack:
        await stack.sim("POST", "faults", data=msgspec.json.encode({"fault": fault, "times": None}))
        ran = await ask(stack, NO_CALL)
        assert ran.code != 0
        assert "This model is on holiday." in ran.out + ran.err
        assert [400] == [seen["status"] for seen in stack.requests]
