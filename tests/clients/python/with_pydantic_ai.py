"""Pydantic AI: its agent on each of its models."""

from __future__ import annotations

import asyncio

from pydantic_ai import Agent
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.google import GoogleModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.google import GoogleProvider
from pydantic_ai.providers.openai import OpenAIProvider
from task import BASE, DIALECT, KEY, PROMPT, Run, perform

MODELS = {
    "chat": lambda model: OpenAIChatModel(model, provider=OpenAIProvider(base_url=f"{BASE}/v1", api_key=KEY)),
    "responses": lambda model: OpenAIResponsesModel(model, provider=OpenAIProvider(base_url=f"{BASE}/v1", api_key=KEY)),
    "messages": lambda model: AnthropicModel(model, provider=AnthropicProvider(base_url=BASE, api_key=KEY)),
    "gemini": lambda model: GoogleModel(model, provider=GoogleProvider(base_url=BASE, api_key=KEY)),
}


async def converse(model: str, stream: bool, run: Run) -> str:
    agent = Agent(MODELS[DIALECT](model), tools=run.tools)
    if stream:
        async with agent.run_stream(PROMPT) as result:
            text = "".join([piece async for piece in result.stream_text(delta=True)])
    else:
        result = await agent.run(PROMPT)
        text = result.output
    run.used(result.usage.input_tokens, result.usage.output_tokens)
    return text


def work(model: str, stream: bool, run: Run) -> str:
    return asyncio.run(converse(model, stream, run))


perform(work)
