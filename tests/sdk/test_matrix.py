"""The official SDKs against the gateway: three dialects in, three providers out, over real sockets.

Each task is written once per SDK in its own idiom, and checked against what the simulator is known to do: it repeats
the last user text, calls the tools it is given, quotes their results, follows a schema, and counts the images it sees.
"""

from __future__ import annotations

import base64
import struct
import zlib
from typing import Any

import anthropic
import msgspec
import openai
import pytest
from google import genai
from google.genai import types

UPSTREAMS = ("sim/gpt", "sim/claude", "sim/gemini")
QUESTION = "What is the weather in Zürich? 🌦"
WEATHER = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["city", "days"],
    "additionalProperties": False,
}
TIME = {"type": "object", "properties": {"zone": {"type": "string"}}, "required": ["zone"]}
PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "age": {"type": "integer"},
        "tags": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["name", "age", "tags"],
    "additionalProperties": False,
}


def png() -> bytes:
    """A valid image of one pixel."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0\xff\0\0")) + chunk(b"IEND", b"")
    )


PNG = png()


class Seen(msgspec.Struct):
    """What an SDK made of an answer, in no SDK's terms."""

    text: str
    finish: str
    calls: list[tuple[str, Any]]
    input_tokens: int
    output_tokens: int


class OpenAI:
    """`openai`: Chat Completions."""

    name = "chat"

    def __init__(self, base: str, key: str) -> None:
        self.sdk = openai.AsyncOpenAI(base_url=f"{base}/v1", api_key=key, max_retries=0)

    async def aclose(self) -> None:
        await self.sdk.close()

    def tools(self, *names: str) -> list[dict[str, Any]]:
        schemas = {"weather": WEATHER, "time": TIME}
        return [
            {"type": "function", "function": {"name": n, "description": f"The {n}", "parameters": schemas[n]}}
            for n in names
        ]

    @staticmethod
    def seen(answer: Any) -> Seen:
        choice = answer.choices[0]
        calls = [(c.function.name, msgspec.json.decode(c.function.arguments)) for c in choice.message.tool_calls or []]
        finish = choice.finish_reason
        return Seen(
            choice.message.content or "", finish, calls, answer.usage.prompt_tokens, answer.usage.completion_tokens
        )

    async def ask(self, model: str, **extra: Any) -> Any:
        messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": QUESTION}]
        return await self.sdk.chat.completions.create(model=model, messages=extra.pop("messages", messages), **extra)

    async def text(self, model: str) -> Seen:
        return self.seen(await self.ask(model))

    async def stream(self, model: str) -> Seen:
        text, finish, usage, pieces = "", "", None, 0
        async for chunk in await self.ask(model, stream=True, stream_options={"include_usage": True}):
            if chunk.choices and chunk.choices[0].delta.content:
                text += chunk.choices[0].delta.content
                pieces += 1
            if chunk.choices and chunk.choices[0].finish_reason:
                finish = chunk.choices[0].finish_reason
            usage = chunk.usage or usage
        assert pieces > 0
        assert usage is not None
        return Seen(text, finish, [], usage.prompt_tokens, usage.completion_tokens)

    async def two_turns(self, model: str, text: str, *names: str) -> tuple[Seen, Seen]:
        messages: list[Any] = [{"role": "user", "content": text}]
        first = await self.ask(model, messages=messages, tools=self.tools(*names))
        messages.append(first.choices[0].message)
        for call in first.choices[0].message.tool_calls or []:
            messages.append({"role": "tool", "tool_call_id": call.id, "content": f"sunny in {call.function.name}"})
        second = await self.ask(model, messages=messages, tools=self.tools(*names))
        return self.seen(first), self.seen(second)

    async def streamed_calls(self, model: str, text: str, *names: str) -> list[tuple[str, Any]]:
        calls: dict[int, list[str]] = {}
        messages = [{"role": "user", "content": text}]
        finish = None
        async for chunk in await self.ask(model, messages=messages, tools=self.tools(*names), stream=True):
            for choice in chunk.choices:
                finish = choice.finish_reason or finish
                for part in choice.delta.tool_calls or []:
                    call = calls.setdefault(part.index, ["", ""])
                    call[0] += part.function.name or ""
                    call[1] += part.function.arguments or ""
        assert finish == "tool_calls"
        return [(name, msgspec.json.decode(arguments)) for name, arguments in calls.values()]

    async def structured(self, model: str) -> Any:
        schema = {"name": "person", "schema": PERSON, "strict": True}
        answer = await self.ask(model, response_format={"type": "json_schema", "json_schema": schema})
        return msgspec.json.decode(answer.choices[0].message.content)

    async def image(self, model: str) -> Seen:
        url = "data:image/png;base64," + base64.b64encode(PNG).decode()
        parts = [{"type": "text", "text": "Look"}, {"type": "image_url", "image_url": {"url": url}}]
        return self.seen(await self.ask(model, messages=[{"role": "user", "content": parts}]))


class Anthropic:
    """`anthropic`: Messages."""

    name = "messages"

    def __init__(self, base: str, key: str) -> None:
        self.sdk = anthropic.AsyncAnthropic(base_url=base, api_key=key, max_retries=0)

    async def aclose(self) -> None:
        await self.sdk.close()

    def tools(self, *names: str) -> list[dict[str, Any]]:
        schemas = {"weather": WEATHER, "time": TIME}
        return [{"name": n, "description": f"The {n}", "input_schema": schemas[n]} for n in names]

    @staticmethod
    def seen(answer: Any) -> Seen:
        text = "".join(b.text for b in answer.content if b.type == "text")
        calls = [(b.name, b.input) for b in answer.content if b.type == "tool_use"]
        return Seen(text, answer.stop_reason, calls, answer.usage.input_tokens, answer.usage.output_tokens)

    async def ask(self, model: str, **extra: Any) -> Any:
        messages = extra.pop("messages", [{"role": "user", "content": QUESTION}])
        return await self.sdk.messages.create(
            model=model, max_tokens=1000, system="Be brief.", messages=messages, **extra
        )

    async def text(self, model: str) -> Seen:
        return self.seen(await self.ask(model))

    async def stream(self, model: str) -> Seen:
        pieces = 0
        messages = [{"role": "user", "content": QUESTION}]
        ask = {"model": model, "max_tokens": 1000, "system": "Be brief.", "messages": messages}
        async with self.sdk.messages.stream(**ask) as stream:
            async for _ in stream.text_stream:
                pieces += 1
            answer = await stream.get_final_message()
        assert pieces > 0
        return self.seen(answer)

    async def two_turns(self, model: str, text: str, *names: str) -> tuple[Seen, Seen]:
        messages: list[Any] = [{"role": "user", "content": text}]
        first = await self.ask(model, messages=messages, tools=self.tools(*names))
        results = [
            {"type": "tool_result", "tool_use_id": b.id, "content": f"sunny in {b.name}"}
            for b in first.content
            if b.type == "tool_use"
        ]
        messages += [{"role": "assistant", "content": first.content}, {"role": "user", "content": results}]
        second = await self.ask(model, messages=messages, tools=self.tools(*names))
        return self.seen(first), self.seen(second)

    async def streamed_calls(self, model: str, text: str, *names: str) -> list[tuple[str, Any]]:
        messages = [{"role": "user", "content": text}]
        ask = {"model": model, "max_tokens": 1000, "system": "Be brief.", "messages": messages}
        async with self.sdk.messages.stream(**ask, tools=self.tools(*names)) as stream:
            answer = await stream.get_final_message()
        assert answer.stop_reason == "tool_use"
        return self.seen(answer).calls

    async def structured(self, model: str) -> Any:
        answer = await self.ask(model, output_config={"format": {"type": "json_schema", "schema": PERSON}})
        return msgspec.json.decode(self.seen(answer).text)

    async def image(self, model: str) -> Seen:
        source = {"type": "base64", "media_type": "image/png", "data": base64.b64encode(PNG).decode()}
        parts = [{"type": "image", "source": source}, {"type": "text", "text": "Look"}]
        return self.seen(await self.ask(model, messages=[{"role": "user", "content": parts}]))


class Google:
    """`google-genai`: generateContent."""

    name = "gemini"

    def __init__(self, base: str, key: str) -> None:
        self.client = genai.Client(api_key=key, http_options=types.HttpOptions(base_url=base))
        self.sdk = self.client.aio

    async def aclose(self) -> None:
        await self.sdk.aclose()
        self.client.close()

    def tools(self, *names: str) -> list[types.Tool]:
        schemas = {"weather": WEATHER, "time": TIME}
        return [
            types.Tool(
                function_declarations=[
                    types.FunctionDeclaration(name=n, description=f"The {n}", parameters_json_schema=schemas[n])
                    for n in names
                ]
            )
        ]

    @staticmethod
    def seen(answer: Any) -> Seen:
        parts = answer.candidates[0].content.parts or []
        text = "".join(p.text for p in parts if p.text and not p.thought)
        calls = [(p.function_call.name, p.function_call.args) for p in parts if p.function_call]
        usage = answer.usage_metadata
        finish = answer.candidates[0].finish_reason.value
        return Seen(text, finish, calls, usage.prompt_token_count, usage.candidates_token_count)

    async def ask(self, model: str, contents: Any = QUESTION, **config: Any) -> Any:
        settings = types.GenerateContentConfig(
            automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True), **config
        )
        return await self.sdk.models.generate_content(model=model, contents=contents, config=settings)

    async def text(self, model: str) -> Seen:
        return self.seen(await self.ask(model, system_instruction="Be brief."))

    async def stream(self, model: str) -> Seen:
        text, last, pieces = "", None, 0
        config = types.GenerateContentConfig(system_instruction="Be brief.")
        stream = await self.sdk.models.generate_content_stream(model=model, contents=QUESTION, config=config)
        async for chunk in stream:
            text += chunk.text or ""
            pieces += bool(chunk.text)
            last = chunk
        assert pieces > 0
        return msgspec.structs.replace(self.seen(last), text=text)

    async def two_turns(self, model: str, text: str, *names: str) -> tuple[Seen, Seen]:
        contents: list[Any] = [types.Content(role="user", parts=[types.Part(text=text)])]
        first = await self.ask(model, contents, tools=self.tools(*names))
        contents.append(first.candidates[0].content)
        results = [
            types.Part(
                function_response=types.FunctionResponse(
                    id=p.function_call.id,
                    name=p.function_call.name,
                    response={"output": f"sunny in {p.function_call.name}"},
                )
            )
            for p in first.candidates[0].content.parts
            if p.function_call
        ]
        contents.append(types.Content(role="user", parts=results))
        second = await self.ask(model, contents, tools=self.tools(*names))
        return self.seen(first), self.seen(second)

    async def streamed_calls(self, model: str, text: str, *names: str) -> list[tuple[str, Any]]:
        config = types.GenerateContentConfig(
            tools=self.tools(*names), automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True)
        )
        calls = []
        async for chunk in await self.sdk.models.generate_content_stream(model=model, contents=text, config=config):
            parts = (chunk.candidates[0].content and chunk.candidates[0].content.parts) or []
            calls += [(p.function_call.name, p.function_call.args) for p in parts if p.function_call]
        return calls

    async def structured(self, model: str) -> Any:
        answer = await self.ask(model, response_mime_type="application/json", response_json_schema=PERSON)
        return msgspec.json.decode(self.seen(answer).text)

    async def image(self, model: str) -> Seen:
        parts = [types.Part(text="Look"), types.Part.from_bytes(data=PNG, mime_type="image/png")]
        return self.seen(await self.ask(model, [types.Content(role="user", parts=parts)]))


STOP = {"chat": "stop", "messages": "end_turn", "gemini": "STOP"}
CALLS = {"chat": "tool_calls", "messages": "tool_use", "gemini": "STOP"}


@pytest.fixture(params=[OpenAI, Anthropic, Google], ids=lambda c: c.name)
async def client(request, stack):
    sdk = request.param(stack.base, stack.key)
    yield sdk
    await sdk.aclose()


@pytest.fixture(params=UPSTREAMS)
def model(request):
    return request.param


def check_call(call: tuple[str, Any], name: str, schema: dict[str, Any]) -> None:
    types_of = {"string": str, "integer": int}
    assert call[0] == name
    assert sorted(call[1]) == sorted(schema["required"])
    for field, value in call[1].items():
        assert isinstance(value, types_of[schema["properties"][field]["type"]])


async def test_text(client, model):
    """A question comes back whole, Unicode and all, with a normal finish and a usage."""
    seen = await client.text(model)
    assert QUESTION in seen.text
    assert (seen.finish, seen.calls) == (STOP[client.name], [])
    assert seen.input_tokens > 0
    assert seen.output_tokens > 0


async def test_stream(client, model):
    """The same question streamed gives the same text, with a normal finish and a usage at the end."""
    whole, streamed = await client.text(model), await client.stream(model)
    assert QUESTION in streamed.text
    assert streamed.finish == STOP[client.name]
    assert streamed.output_tokens > 0
    assert streamed.text == whole.text


async def test_a_tool_call_over_two_turns(client, model):
    """The model calls the tool, gets its result, and answers with it."""
    first, second = await client.two_turns(model, QUESTION, "weather")
    assert (first.finish, len(first.calls)) == (CALLS[client.name], 1)
    check_call(first.calls[0], "weather", WEATHER)
    assert second.finish == STOP[client.name]
    assert "sunny in weather" in second.text


async def test_parallel_tool_calls_over_two_turns(client, model):
    """Two calls of one turn come in order, and both results reach the model."""
    first, second = await client.two_turns(model, "In parallel: weather and time", "weather", "time")
    assert [name for name, _ in first.calls] == ["weather", "time"]
    check_call(first.calls[0], "weather", WEATHER)
    check_call(first.calls[1], "time", TIME)
    assert "sunny in weather" in second.text
    assert "sunny in time" in second.text


async def test_streamed_parallel_tool_calls(client, model):
    """The calls of a stream are the calls of the whole answer."""
    text = "In parallel: weather and time"
    streamed = await client.streamed_calls(model, text, "weather", "time")
    first, _ = await client.two_turns(model, text, "weather", "time")
    assert streamed == first.calls


async def test_structured_output(client, model):
    """An answer to a JSON schema is JSON that fits it."""
    person = await client.structured(model)
    assert sorted(person) == ["age", "name", "tags"]
    assert (type(person["name"]), type(person["age"]), type(person["tags"])) == (str, int, list)


async def test_an_image(client, model):
    """The image reaches the model with its type and every byte."""
    seen = await client.image(model)
    assert f"1 image of image/png, {len(PNG)} bytes" in seen.text
